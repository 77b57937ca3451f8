/**
 * One table of calls, at least one row for each method of the kernel interface. A row builds its operands from a seeded
 * generator and a fill pattern, calls the kernel and returns everything that came out.
 */
import { CanonicalEmbedding } from '../../../src/kernel/tables/canonical-embedding.ts';
import type { Kernel, KeySwitchShape, Words } from '../../../src/kernel/kernel.ts';
import { isPrime } from '../../../src/kernel/tables/primitive-root.ts';
import type { Bench, Output, Row } from '../bench.ts';
import {
  FRACTION_DOT_ROWS,
  fractionSumsRow,
  ROUND_FRACTIONS_ROWS,
  SQUARED_NORMS_ROWS,
} from './fraction-cases.ts';
import { denseRow, INTEGER_ROWS, productRow } from './integer-cases.ts';
import { RESIDUE_ROWS } from './residue-cases.ts';
import { ROTATION_ROWS } from './rotation-cases.ts';
import { SLOT_ROWS } from './slot-cases.ts';
import { linearTransformRow } from './transform-cases.ts';

/** The largest `count` primes 1 mod 2n below 2^bits. */
export function primesBelow(bits: number, n: number, count: number): number[] {
  const primes: number[] = [];
  const top = 2 ** bits - ((2 ** bits - 1) % (2 * n));
  for (let q = top - 2 * n; primes.length < count; q -= 2 * n) if (isPrime(q)) primes.push(q);
  return primes;
}

/** Limbs 0 to 3 serve as q, 4 and 5 as special primes. */
export function moduliFor(n: number): number[] {
  const [p0, q1] = primesBelow(50, n, 2);
  return [
    ...primesBelow(42, n, 1),
    q1,
    ...primesBelow(30, n, 1),
    ...primesBelow(49, n, 1),
    p0,
    primesBelow(41, n, 1)[0],
  ];
}

type MethodName = {
  [K in keyof Kernel]-?: Kernel[K] extends (...args: never[]) => unknown ? K : never;
}[keyof Kernel];
export type KernelMethod = Exclude<MethodName, typeof Symbol.dispose | 'integerLinearAsync'>;

const Q = [0, 1, 2, 3];
const ONE_SPECIAL: KeySwitchShape = { q: Q, p: [4], alpha: 1, keyLimbs: [0, 1, 2, 3, 4] };
/** A ciphertext that has lost a prime, under a key with more digits and limbs in another order. */
const LOWERED: KeySwitchShape = { q: [0, 1, 3], p: [4], alpha: 1, keyLimbs: [4, 0, 1, 2, 3, 5] };
const PAIRED: KeySwitchShape = { q: [0, 1, 3], p: [4, 5], alpha: 2, keyLimbs: [0, 1, 2, 3, 4, 5] };
const SHAPES = [ONE_SPECIAL, LOWERED, PAIRED];

function digitsOf(shape: KeySwitchShape): number {
  return Math.ceil(shape.q.length / shape.alpha);
}

function keyFor(bench: Bench, shape: KeySwitchShape): Words {
  return bench.polynomials(2 * (digitsOf(shape) + (shape === LOWERED ? 1 : 0)), shape.keyLimbs);
}

/** A row for out = f(a) or f(a, b), with the second operand whole and broadcast, apart and in place. */
function binary(method: 'add' | 'sub' | 'mul'): Row {
  return (bench) => {
    const a = bench.polynomials(3, Q);
    const b = bench.polynomials(3, Q);
    const one = bench.polynomials(1, Q);
    const [apart, broadcast, inPlace] = [bench.zeros(a.length), bench.zeros(a.length), bench.copy(a)];
    bench.kernel[method](bench.ring, apart, a, b, Q);
    bench.kernel[method](bench.ring, broadcast, a, one, Q);
    bench.kernel[method](bench.ring, inPlace, inPlace, b, Q);
    return [apart, broadcast, inPlace].map((words) => words.u64().slice());
  };
}

function scalarRow(method: 'mulScalar' | 'addScalar'): Row {
  return (bench) => {
    const a = bench.polynomials(2, Q);
    const scalars = Q.map(
      (limb) => [bench.below(bench.ring.moduli[limb]), bench.ring.moduli[limb] - 1, 0, 1][limb],
    );
    bench.kernel[method](bench.ring, a, a, scalars, Q);
    return [a.u64().slice()];
  };
}

function transformRow(method: 'nttForward' | 'nttInverse'): Row {
  return (bench) => {
    const x = bench.polynomials(2, [...Q, 4, 5]);
    bench.kernel[method](bench.ring, x, [...Q, 4, 5]);
    return [x.u64().slice()];
  };
}

function gemmRow(rows: number, cols: number, bound: number, parts: number): Row {
  return (bench) => {
    const mods = [1, 0, 2];
    const weights = Int32Array.from({ length: rows * cols }, () => bench.below(2 * bound + 1) - bound);
    weights[0] = bound;
    using prepared = bench.kernel.prepareGemm(weights, rows, cols);
    const c = bench.polynomials((cols + 1) * parts, mods);
    const whole = bench.zeros(rows * parts * mods.length * bench.n);
    const picked = bench.zeros(whole.length);
    const { length } = c;
    const used = c.sub(0, (length / (cols + 1)) * cols);
    bench.kernel.gemm(bench.ring, whole, prepared, used, parts, mods);
    const index = Uint32Array.from({ length: cols }, (_, j) => (j * 7 + 1) % (cols + 1));
    bench.kernel.gemm(bench.ring, picked, prepared, c, parts, mods, index);
    const positions = 5;
    const windows = Uint32Array.from({ length: positions * cols }, (_, i) => (i * 3 + i * i) % (cols + 1));
    const convolved = bench.zeros(positions * whole.length);
    bench.kernel.gemm(bench.ring, convolved, prepared, c, parts, mods, windows);
    const shape = [prepared.rows, prepared.cols, prepared.maxAbs];
    return [whole.u64().slice(), picked.u64().slice(), convolved.u64().slice(), shape];
  };
}

function bitsRow(bench: Bench): readonly Output[] {
  const outputs: Output[] = [];
  for (const bits of [1, 7, 30, 49, 50, 53, 63, 64]) {
    const words = bench.zeros(bench.n + 3);
    const view = words.u64();
    for (let i = 0; i < view.length; i++) {
      view[i] = (BigInt(bench.below(2 ** 32)) << 32n) | BigInt(bench.below(2 ** 32));
    }
    const packed = new Uint8Array(Math.ceil((words.length * bits) / 8));
    bench.kernel.packBits(packed, words, bits);
    const unpacked = bench.zeros(words.length);
    bench.kernel.unpackBits(unpacked, packed, bits);
    outputs.push(packed, unpacked.u64().slice());
  }
  return outputs;
}

/** Small integers, so that every order of summation gives the same floats. */
function sgemmRow(bench: Bench): readonly Output[] {
  const outputs: Output[] = [];
  for (const [m, n, k] of [
    [1, 1, 1],
    [4, 8, 5],
    [7, 13, 9],
    [17, 3, 20],
  ]) {
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      const matrix = (length: number) => Float32Array.from({ length }, () => bench.below(17) - 8);
      const [a, b, c] = [matrix(m * k), matrix(k * n), matrix(m * n)];
      const fresh = new Float32Array(m * n).fill(Number.NaN);
      bench.kernel.sgemm(transposeA, transposeB, m, n, k, 2, a, b, -0.5, c);
      bench.kernel.sgemm(transposeA, transposeB, m, n, k, 1, a, b, 0, fresh);
      outputs.push(c, fresh);
    }
  }
  return outputs;
}

/** Batches of key switches, for every shape, without and with an automorphism. */
function switchRow(
  inputs: (bench: Bench, shape: KeySwitchShape) => { input: Words; outWords: number },
  call: (bench: Bench, out: Words, input: Words, key: Words, galois: number, shape: KeySwitchShape) => void,
): Row {
  return (bench) =>
    SHAPES.flatMap((shape) =>
      [1, 5, 2 * bench.n - 1].map((galois) => {
        const { input, outWords } = inputs(bench, shape);
        const out = bench.zeros(outWords);
        call(bench, out, input, keyFor(bench, shape), galois, shape);
        return out.u64().slice();
      }),
    );
}

const signedRow =
  (method: 'fromSigned' | 'transformSigned'): Row =>
  (bench) => {
    const out = bench.zeros(2 * Q.length * bench.n);
    const small = Int8Array.from({ length: 2 * bench.n }, (_, i) =>
      i < 2 ? -128 + 255 * i : bench.below(256),
    );
    bench.kernel[method](bench.ring, out, small, Q);
    return [out.u64().slice()];
  };

const doublesRow =
  (method: 'fromDoubles' | 'transformDoubles'): Row =>
  (bench) => {
    const out = bench.zeros(2 * Q.length * bench.n);
    const edges = [
      0,
      -0,
      1,
      -1,
      2 ** 53,
      2 ** 99 * (2 - 2 ** -52),
      -(2 ** 99),
      2 ** 50 - 1,
      2 ** 49,
      -(2 ** 52) - 1,
    ];
    const values = Float64Array.from({ length: 2 * bench.n }, (_, i) =>
      i < edges.length ? edges[i] : (bench.below(2 ** 53) - 2 ** 52) * 2 ** bench.below(48),
    );
    bench.kernel[method](bench.ring, out, values, Q);
    return [out.u64().slice()];
  };

/** Slot values of very different sizes to coefficients and back, alone and as one of several interleaved vectors. */
const embedRow: Row = (bench) =>
  [1, 2, 8, 16, 32, bench.n / 2, bench.n, 4 * bench.n].flatMap((slots) =>
    [1, 4].flatMap((gap) => {
      const embedding = new CanonicalEmbedding(slots);
      const value = () => (bench.below(2 ** 53) - 2 ** 52) * 2 ** -(bench.below(8) + 48);
      const [re, im, x, y] = Array.from({ length: 4 }, () => Float64Array.from({ length: slots }, value));
      const out = new Float64Array(2 * slots * gap);
      const scale = [2 ** 40, 1e30, 3][bench.below(3)];
      const fits = bench.kernel.embed(embedding, re, im, out, gap - 1, scale / slots, 2 ** 41);
      bench.kernel.unembed(embedding, x, y, out, gap - 1, scale);
      return [fits, out, x, y];
    }),
  );

export const CASES: Record<KernelMethod, readonly Row[]> = {
  allocate: [
    (bench) => {
      const words = bench.zeros(5);
      words.u32()[3] = 7;
      words.sub(1, 2).bytes()[15] = 9;
      return [words.u64().slice(), [words.length, words.sub(2, 3).length]];
    },
  ],
  openRing: [
    (bench) => {
      using ring = bench.kernel.openRing(bench.n, bench.ring.moduli);
      return [[ring.n, ...ring.moduli]];
    },
  ],
  nttForward: [transformRow('nttForward')],
  nttInverse: [transformRow('nttInverse')],
  add: [binary('add')],
  sub: [binary('sub')],
  mul: [binary('mul')],
  negate: [
    (bench) => {
      const a = bench.polynomials(2, Q);
      bench.kernel.negate(bench.ring, a, a, Q);
      return [a.u64().slice()];
    },
  ],
  mulAdd: [
    (bench) => {
      const [a, b, one] = [bench.polynomials(2, Q), bench.polynomials(2, Q), bench.polynomials(1, Q)];
      const out = bench.polynomials(2, Q);
      bench.kernel.mulAdd(bench.ring, out, a, b, Q);
      bench.kernel.mulAdd(bench.ring, out, a, one, Q);
      return [out.u64().slice()];
    },
  ],
  sumProducts: [
    [1, 1],
    [2, 3],
    [9, 2],
    [20, 3],
    // More than one call of the inner loops takes.
    [70, 1],
  ].map(([terms, rows]) => (bench) => {
    const [a, b] = [bench.polynomials(terms * rows, Q), bench.polynomials(terms, Q)];
    const out = bench.zeros(rows * Q.length * bench.n);
    bench.kernel.sumProducts(bench.ring, out, a, b, Q);
    return [out.u64().slice()];
  }),
  mulScalar: [scalarRow('mulScalar')],
  addScalar: [scalarRow('addScalar')],
  automorphism: [
    (bench) => {
      const a = bench.polynomials(2, Q);
      const exponents = [1, 3, 5, 2 * bench.n - 1, 2 * bench.below(bench.n) + 1];
      return exponents.map((galois) => {
        const out = bench.zeros(a.length);
        bench.kernel.automorphism(bench.ring, out, a, galois, Q);
        return out.u64().slice();
      });
    },
  ],
  fromSigned: [signedRow('fromSigned')],
  fromDoubles: [doublesRow('fromDoubles')],
  transformSigned: [signedRow('transformSigned')],
  transformDoubles: [doublesRow('transformDoubles')],
  fractionSums: [2, 3, 4].map((words) => fractionSumsRow(words)),
  fractionDot: FRACTION_DOT_ROWS,
  roundFractions: ROUND_FRACTIONS_ROWS,
  squaredNorms: SQUARED_NORMS_ROWS,
  toDoubles: [
    (bench) =>
      [[0], [2, 1], Q, [3, 2, 0]].map((mods) => {
        const out = new Float64Array(2 * bench.n);
        bench.kernel.toDoubles(bench.ring, out, bench.polynomials(2, mods), mods);
        return out;
      }),
    (bench) => {
      const values = Float64Array.from({ length: bench.n }, () => bench.below(2 ** 52) - 2 ** 51);
      const words = bench.zeros(Q.length * bench.n);
      bench.kernel.fromDoubles(bench.ring, words, values, Q);
      const out = new Float64Array(bench.n);
      bench.kernel.toDoubles(bench.ring, out, words, Q);
      return [out, out.map((v, i) => v - values[i])];
    },
  ],
  embed: [embedRow],
  unembed: [embedRow],
  uniform: [
    (bench) => {
      const [out, limb] = [bench.zeros(2 * Q.length * bench.n), bench.zeros(bench.n)];
      const seed = bench.bytes(32);
      bench.kernel.uniform(bench.ring, out, seed, Q);
      bench.kernel.uniform(bench.ring, limb, seed, [2]);
      return [out.u64().slice(), limb.u64().slice()];
    },
    // A batch in two pieces is the batch.
    (bench) => {
      const poly = Q.length * bench.n;
      const [whole, pieces] = [bench.zeros(3 * poly), bench.zeros(3 * poly)];
      const seed = bench.bytes(32);
      bench.kernel.uniform(bench.ring, whole, seed, Q);
      bench.kernel.uniform(bench.ring, pieces.sub(0, poly), seed, Q, 0);
      bench.kernel.uniform(bench.ring, pieces.sub(poly, 2 * poly), seed, Q, 1);
      return [whole.u64().slice(), pieces.u64().map((word, i) => word ^ whole.u64()[i]!)];
    },
    // Every rest that counts of limbs leave when four or eight are expanded side by side.
    (bench) =>
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 17].map((limbs) => {
        const mods = limbs % 2 === 0 ? [0, 2] : [1];
        const out = bench.zeros(limbs * bench.n);
        bench.kernel.uniform(bench.ring, out, bench.bytes(32), mods);
        return out.u64().slice();
      }),
  ],
  centredBinomial: [
    (bench) =>
      [0, 2 ** 32 + 5].map((nonce) => {
        const out = new Int8Array(3 * bench.n + 1);
        bench.kernel.centredBinomial(out, bench.bytes(32), nonce);
        return out;
      }),
  ],
  ternary: [
    (bench) =>
      [1, 2 ** 53 - 1].map((nonce) => {
        const out = new Int8Array(3 * bench.n + 1);
        bench.kernel.ternary(out, bench.bytes(32), nonce);
        return out;
      }),
  ],
  uniformSigned: [
    (bench) =>
      [0, 20, 51].map((bits) => {
        const out = new Float64Array(2 * bench.n + 1);
        bench.kernel.uniformSigned(out, bits, bench.bytes(32), 3);
        return out;
      }),
  ],
  wideGaussian: [
    (bench) =>
      [1, 2, 3, 39, 266, 2413, 2 ** 20, 2 ** 31 + 11, 304214978, 2 ** 46 - 1].map((multiplier) => {
        const out = new Float64Array(5 * bench.n + 1);
        bench.kernel.wideGaussian(out, multiplier, bench.bytes(32), 2 ** 32 + 7);
        return out;
      }),
  ],
  rescale: [
    (bench) =>
      [Q, [1, 2], [2, 0, 4]].map((mods) => {
        const a = bench.polynomials(3, mods);
        const out = bench.zeros((a.length / mods.length) * (mods.length - 1));
        bench.kernel.rescale(bench.ring, out, a, mods);
        return out.u64().slice();
      }),
  ],
  decompose: [
    (bench) =>
      SHAPES.map((shape) => {
        const d = bench.polynomials(2, shape.q);
        const out = bench.zeros(2 * digitsOf(shape) * (shape.q.length + shape.p.length) * bench.n);
        bench.kernel.decompose(bench.ring, out, d, shape);
        return out.u64().slice();
      }),
  ],
  applyKey: [
    switchRow(
      (bench, shape) => ({
        input: bench.polynomials(2 * digitsOf(shape), [...shape.q, ...shape.p]),
        outWords: 4 * shape.q.length * bench.n,
      }),
      ({ kernel, ring }, out, input, key, galois, shape) =>
        kernel.applyKey(ring, out, input, key, galois, shape),
    ),
  ],
  accumulateKey: [
    (bench) =>
      SHAPES.flatMap((shape) => {
        const mods = [...shape.q, ...shape.p];
        const [digits, weight] = [bench.polynomials(digitsOf(shape), mods), bench.polynomials(1, mods)];
        const sum = bench.polynomials(2, mods);
        return [undefined, weight].map((factor) => {
          bench.kernel.accumulateKey(bench.ring, sum, digits, keyFor(bench, shape), 5, shape, factor);
          bench.kernel.accumulateKey(bench.ring, sum, digits, keyFor(bench, shape), 1, shape, factor);
          return sum.u64().slice();
        });
      }),
  ],
  blindRotate: ROTATION_ROWS,
  encodeSlots: SLOT_ROWS,
  decodeSlots: SLOT_ROWS,
  linearTransform: [(bench) => SHAPES.flatMap((shape) => linearTransformRow(bench, shape, keyFor))],
  modDown: [
    (bench) =>
      [Q, [1, 2], [2, 0, 3]].flatMap((q) =>
        [[4], [5, 4]].map((p) => {
          const a = bench.polynomials(3, [...q, ...p]);
          const out = bench.zeros(3 * q.length * bench.n);
          bench.kernel.modDown(bench.ring, out, a, q, p);
          return out.u64().slice();
        }),
      ),
  ],
  keySwitch: [
    switchRow(
      (bench, shape) => ({ input: bench.polynomials(2, shape.q), outWords: 4 * shape.q.length * bench.n }),
      ({ kernel, ring }, out, input, key, galois, shape) =>
        kernel.keySwitch(ring, out, input, key, galois, shape),
    ),
  ],
  rotate: [
    switchRow(
      (bench, shape) => ({ input: bench.polynomials(4, shape.q), outWords: 4 * shape.q.length * bench.n }),
      ({ kernel, ring }, out, input, key, galois, shape) =>
        kernel.rotate(ring, out, input, key, galois, shape),
    ),
  ],
  tensor: [
    (bench) => {
      const [a, b] = [bench.polynomials(4, Q), bench.polynomials(4, Q)];
      const [product, square] = [bench.zeros(6 * Q.length * bench.n), bench.zeros(6 * Q.length * bench.n)];
      bench.kernel.tensor(bench.ring, product, a, b, Q);
      bench.kernel.tensor(bench.ring, square, a, a, Q);
      return [product.u64().slice(), square.u64().slice()];
    },
  ],
  multiplyRelinearizeRescale: [
    (bench) =>
      SHAPES.flatMap((shape) => {
        const [a, b] = [bench.polynomials(4, shape.q), bench.polynomials(4, shape.q)];
        return [a, b].map((factor) => {
          const out = bench.zeros(4 * (shape.q.length - 1) * bench.n);
          bench.kernel.multiplyRelinearizeRescale(bench.ring, out, a, factor, keyFor(bench, shape), shape);
          return out.u64().slice();
        });
      }),
  ],
  prepareGemm: [gemmRow(1, 1, 3, 1)],
  gemm: [gemmRow(5, 9, 7, 2), gemmRow(3, 6, 32767, 1), gemmRow(8, 40, 15, 1), gemmRow(2, 33, 1, 1)],
  inRange: [
    (bench) => {
      const a = bench.polynomials(2, Q);
      const before = bench.kernel.inRange(bench.ring, a, Q);
      const last = a.length - 1;
      const after = [BigInt(bench.ring.moduli[3]), 2n ** 63n, 2n ** 64n - 1n].map((word) => {
        a.u64()[last] = word;
        return bench.kernel.inRange(bench.ring, a, Q);
      });
      return [before, ...after];
    },
  ],
  packBits: [bitsRow],
  unpackBits: [bitsRow],
  sgemm: [sgemmRow],
  prepareIntegerLinear: [denseRow(3, 2, 1)],
  integerLinear: INTEGER_ROWS,
  updateIntegerProduct: [productRow],
  subtractProduct: RESIDUE_ROWS,
};
