/** What the table of cases does not ask of the native ring: schoolbook products, known answers, wrong arguments. */
import { chacha20Stream } from '../../src/kernel/reference/chacha20.ts';
import { shake128 } from '@noble/hashes/sha3.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DisposedError, InvalidParamsError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import type { Kernel, RingTables, Words } from '../../src/kernel/kernel.ts';
import { type NativeAddon, loadNativeAddon } from '../../src/kernel/native/native-addon.ts';
import { loadNativeKernel, nativeIsas } from '../../src/kernel/native/native.ts';
import { primitiveRoot2N } from '../../src/kernel/tables/primitive-root.ts';
import { primesBelow } from './cases/cases.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function wordsOf(kernel: Kernel, values: readonly bigint[]): Words {
  const words = kernel.allocate(values.length);
  words.u64().set(values);
  return words;
}

/** a b mod (X^n + 1, q). */
function negacyclicProduct(a: readonly bigint[], b: readonly bigint[], q: bigint): bigint[] {
  const out = a.map(() => 0n);
  a.forEach((x, i) => {
    b.forEach((y, j) => {
      const wraps = i + j >= a.length;
      const at = (i + j) % a.length;
      out[at] = (out[at] + (wraps ? q - ((x * y) % q) : x * y)) % q;
    });
  });
  return out;
}

describe.each(nativeIsas())('ring arithmetic, %s', (isa) => {
  const kernel = loadNativeKernel({ isa });

  it('multiplies polynomials as the schoolbook does, and the transform is undone by its inverse', () => {
    for (const [n, bits] of [
      [8, 7],
      [16, 42],
      [32, 50],
      [64, 20],
      [64, 47],
      [64, 48],
      [64, 50],
    ] as const) {
      const [modulus] = primesBelow(bits, n, 1);
      using ring = kernel.openRing(n, [modulus]);
      const q = BigInt(modulus);
      const residue = fc.oneof(fc.constantFrom(0n, 1n, q / 2n, q / 2n + 1n, q - 1n), fc.bigInt(0n, q - 1n));
      const polynomial = fc.array(residue, { minLength: n, maxLength: n });
      fc.assert(
        fc.property(polynomial, polynomial, (a, b) => {
          using x = wordsOf(kernel, a);
          using y = wordsOf(kernel, b);
          kernel.nttForward(ring, x, [0]);
          kernel.nttForward(ring, y, [0]);
          kernel.mul(ring, y, x, y, [0]);
          kernel.nttInverse(ring, x, [0]);
          kernel.nttInverse(ring, y, [0]);
          expect([...x.u64()]).toEqual(a);
          expect([...y.u64()]).toEqual(negacyclicProduct(a, b, q));
        }),
        { numRuns: 10 },
      );
    }
  });

  it('evaluates X at psi^(2 bitrev(i) + 1)', () => {
    const n = 64;
    const [modulus] = primesBelow(46, n, 1);
    using ring = kernel.openRing(n, [modulus]);
    using x = wordsOf(
      kernel,
      Array.from({ length: n }, (_, i) => (i === 1 ? 1n : 0n)),
    );
    kernel.nttForward(ring, x, [0]);
    const psi = BigInt(primitiveRoot2N(n, modulus));
    const square = (psi * psi) % BigInt(modulus);
    const q = BigInt(modulus);
    // bitrev(0) = 0, bitrev(1) = n / 2: psi^n = -1; bitrev(n / 2) = 1.
    expect(x.u64()[0]).toBe(psi);
    expect(x.u64()[1]).toBe(q - psi);
    expect(x.u64()[n / 2]).toBe((square * psi) % q);
  });
});

const scalar = loadNativeKernel({ isa: 'scalar' });

/** Every polynomial of `count` over all limbs, some words at the edges of their prime. */
function fill(kernel: Kernel, ring: RingTables, count: number, seed: number): Words {
  const mods = ring.moduli.map((_, i) => i);
  const words = kernel.allocate(count * mods.length * ring.n);
  kernel.uniform(ring, words, new Uint8Array(32).fill(seed), mods);
  const view = words.u64();
  for (let i = 0; i < view.length; i += 5) {
    const q = BigInt(ring.moduli[Math.floor(i / ring.n) % mods.length]);
    view[i] = [0n, q - 1n, q / 2n, q / 2n + 1n][(i / 5) % 4];
  }
  return words;
}

describe.each(nativeIsas().filter((name) => name !== 'scalar'))('%s against the scalar loops', (isa) => {
  const fast = loadNativeKernel({ isa });

  // 47 and 48 bits are where the floating-point loops change their ranges; 2^12 and 2^13 their passes.
  it.each([
    [1024, 42],
    [2048, 47],
    [4096, 48],
    [8192, 50],
  ])('squares, relinearises and rescales alike at n = %i, %i bits', (n, bits) => {
    const moduli = primesBelow(bits, n, 4);
    const shape = { q: [0, 1, 2], p: [3], alpha: 1, keyLimbs: [0, 1, 2, 3] };
    const [expected, got] = [scalar, fast].map((kernel) => {
      using ring = kernel.openRing(n, moduli);
      using key = fill(kernel, ring, 6, 1);
      using all = fill(kernel, ring, 2, 2);
      using out = kernel.allocate(4 * n);
      kernel.multiplyRelinearizeRescale(ring, out, all.sub(0, 6 * n), all.sub(0, 6 * n), key, shape);
      return out.u64().slice();
    });
    expect(got).toEqual(expected);
  });
});

it('computes the same words for a single ciphertext on one thread and on three', () => {
  const n = 8192;
  const moduli = primesBelow(44, n, 6);
  const results = [1, 3].map((threads) => {
    const kernel = loadNativeKernel({ isa: nativeIsas().includes('avx2') ? 'avx2' : 'scalar', threads });
    using ring = kernel.openRing(n, moduli);
    using key = fill(kernel, ring, 8, 1);
    using input = fill(kernel, ring, 2, 2);
    using out = kernel.allocate(30 * n);
    const words: BigUint64Array[] = [];
    for (const p of [[5], [4, 5]]) {
      const shape = { q: [0, 1, 2, 3], p, alpha: p.length, keyLimbs: [0, 1, 2, 3, 4, 5] };
      const [digits, parts] = [(4 / p.length) * (4 + p.length) * n, 8 * n];
      kernel.decompose(ring, out.sub(0, digits), input.sub(0, 4 * n), shape);
      words.push(out.u64().slice(0, digits));
      using prepared = wordsOf(kernel, [...out.u64().slice(0, digits)]);
      kernel.applyKey(ring, out.sub(0, parts), prepared, key, 5, shape);
      words.push(out.u64().slice(0, parts));
      kernel.rotate(ring, out.sub(0, parts), input.sub(0, parts), key, 5, shape);
      words.push(out.u64().slice(0, parts));
      kernel.multiplyRelinearizeRescale(
        ring,
        out.sub(0, 6 * n),
        input.sub(0, parts),
        input.sub(0, parts),
        key,
        shape,
      );
      words.push(out.u64().slice(0, 6 * n));
    }
    return words;
  });
  expect(results[1]).toEqual(results[0]);
});

interface StreamAddon extends NativeAddon {
  listIsas(): (string | undefined)[];
  shake128(out: Uint8Array, message: Uint8Array): void;
  chacha20(isa: number, out: Uint8Array, key: Uint8Array, nonce: number): void;
}

describe('streams', () => {
  const addon = loadNativeAddon() as StreamAddon;

  it('equals SHAKE128 of the empty message (FIPS 202, NIST example values)', () => {
    const out = new Uint8Array(32);
    addon.shake128(out, new Uint8Array(0));
    expect(hex(out)).toBe('7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26');
  });

  it('equals another SHAKE128 over several blocks and message lengths', () => {
    for (const length of [1, 44, 135, 136, 166, 167]) {
      const message = Uint8Array.from({ length }, (_, i) => i * 7);
      const out = new Uint8Array(1000);
      addon.shake128(out, message);
      expect(hex(out)).toBe(hex(shake128(message, { dkLen: 1000 })));
    }
    expect(() => addon.shake128(new Uint8Array(1), new Uint8Array(168))).toThrow(ShapeError);
  });

  const isas = [...addon.listIsas().entries()].filter(([, name]) => name !== undefined);

  it.each(isas)('equals the keystream of RFC 8439, appendix A.1, vectors 1 and 2 (set %i, %s)', (isa) => {
    // Eight blocks and more, so that vectors of blocks are used, and then single ones.
    const out = new Uint8Array(64 * 19);
    addon.chacha20(isa, out, new Uint8Array(32), 0);
    expect(hex(out.subarray(0, 64))).toBe(
      '76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7' +
        'da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586',
    );
    expect(hex(out.subarray(64, 128))).toBe(
      '9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed' +
        '29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f',
    );
    const single = chacha20Stream(new Uint8Array(32), 0);
    expect(hex(out)).toBe(hex(single(out.length)));
  });

  it('keeps the moments of its distributions', () => {
    const key = new Uint8Array(32).fill(5);
    const small = new Int8Array(20000);
    const mean = (values: Int8Array, power: number) =>
      values.reduce((sum, v) => sum + v ** power, 0) / values.length;
    scalar.centredBinomial(small, key, 1);
    expect(Math.abs(mean(small, 1))).toBeLessThan(0.1);
    expect(Math.abs(mean(small, 2) - 10.5)).toBeLessThan(0.5);
    scalar.ternary(small, key, 2);
    expect(Math.abs(mean(small, 1))).toBeLessThan(0.03);
    expect(Math.abs(mean(small, 2) - 2 / 3)).toBeLessThan(0.03);
  });
});

describe('wrong arguments', () => {
  const n = 16;
  const moduli = primesBelow(42, n, 3);
  const kernel = scalar;
  const key = new Uint8Array(32);

  it('throws and leaves the process alive', () => {
    using ring = kernel.openRing(n, moduli);
    using two = kernel.allocate(2 * n);
    using other = kernel.allocate(2 * n);
    using odd = kernel.allocate(2 * n + 1);
    const mods = [0, 1];
    const shape = { q: [0, 1], p: [2], alpha: 1, keyLimbs: [0, 1, 2] };
    for (const call of [
      () => kernel.nttForward(ring, odd, mods),
      () => kernel.nttForward(ring, two, []),
      () => kernel.nttForward(ring, two, [0, 3]),
      () => kernel.nttForward(ring, two, [0, -1]),
      () => kernel.nttForward(ring, two, [0, 0.5]),
      () => kernel.add(ring, two, odd, two, mods),
      () => kernel.add(ring, two, other, odd, mods),
      () => kernel.add(ring, odd.sub(1, n), odd.sub(0, n), two.sub(0, n), [0]),
      () => kernel.mulAdd(ring, two, two, other, mods),
      () => kernel.mulScalar(ring, two, two, [1], mods),
      () => kernel.mulScalar(ring, two, two, [1, moduli[1]], mods),
      () => kernel.addScalar(ring, two, two, [-1, 0], mods),
      () => kernel.automorphism(ring, two, two, 3, mods),
      () => kernel.fromSigned(ring, two, new Int8Array(n + 1), mods),
      () => kernel.fromDoubles(ring, two, new Float64Array(n - 1), mods),
      () => kernel.toDoubles(ring, new Float64Array(n + 1), two, mods),
      () => kernel.uniform(ring, two, new Uint8Array(31), mods),
      () => kernel.ternary(new Int8Array(4), new Uint8Array(33), 0),
      () => kernel.rescale(ring, two, two, mods),
      () => kernel.rescale(ring, two, other, mods),
      () => kernel.keySwitch(ring, two, other, two, 1, shape),
      () => kernel.decompose(ring, two, other, shape),
      () => kernel.rotate(ring, two, other, odd, 1, { ...shape, keyLimbs: [0, 1] }),
      () => kernel.rotate(ring, two, other, odd, 1, { ...shape, p: [1] }),
      () => kernel.rotate(ring, two, other, odd, 1, { ...shape, p: [] }),
      () => kernel.tensor(ring, two, other, other, mods),
      () => kernel.packBits(new Uint8Array(3), two, 8),
      () => kernel.unpackBits(two, new Uint8Array(3), 8),
    ]) {
      expect(call, call.toString()).toThrow(ShapeError);
    }
    for (const call of [
      () => kernel.automorphism(ring, two, other, 32 * n + 1, mods),
      () => kernel.fromDoubles(ring, two, new Float64Array(n).fill(0.5), mods),
      () => kernel.fromDoubles(ring, two, new Float64Array(n).fill(2 ** 100), mods),
      () => kernel.fromDoubles(ring, two, new Float64Array(n).fill(Number.NaN), mods),
      () => kernel.uniformSigned(new Float64Array(4), 52, key, 0),
      () => kernel.centredBinomial(new Int8Array(4), key, -1),
      () => kernel.packBits(new Uint8Array(3), two, 65),
    ]) {
      expect(call, call.toString()).toThrow(OutOfRangeError);
    }
    expect(() => kernel.nttForward(ring, {} as Words, mods)).toThrow();
    // The same calls with right arguments.
    kernel.nttForward(ring, two, mods);
    kernel.fromDoubles(ring, two, new Float64Array(n).fill(2 ** 99), mods);
  });

  it('refuses rings that are closed, of another kernel or of moduli that are none', () => {
    using words = kernel.allocate(n);
    const ring = kernel.openRing(n, moduli);
    ring[Symbol.dispose]();
    ring[Symbol.dispose]();
    expect(() => kernel.nttForward(ring, words, [0])).toThrow(DisposedError);
    expect(() => kernel.nttForward({ n, moduli, [Symbol.dispose]() {} }, words, [0])).toThrow(ShapeError);
    expect(() => kernel.openRing(n, [moduli[0] + 2 * n * 3])).toThrow(InvalidParamsError);
    expect(() => kernel.openRing(12, moduli)).toThrow(InvalidParamsError);
  });
});
