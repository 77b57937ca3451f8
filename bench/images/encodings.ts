/**
 * What a product of a ciphertext with a plaintext costs by its encoding, and what sparse or power-of-two weights save in a sum. Faster
 * CryptoNets (Chou et al. 2018) multiplies by sparse polynomials of bits in coefficient form; with samples in the slots every
 * ciphertext is in the transformed domain, where no polynomial is sparse.
 */
import type { Kernel, RingTables, Words } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { SeededGenerator } from '../../src/nn/index.ts';
import { copyWords } from '../../src/ring/poly.ts';
import { primesBelow } from '../../src/ring/primes.ts';
import { type Contender, processorClock, timeInTurn, wallClock } from '../in-turn.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';

const LOG_N = 13;
const LIMBS = 3;
const PRIME_BITS = 42;
const PARTS = 2;
const [ROWS, COLS] = [100, 720];
/** 13 = 1 + 4 + 8. */
const WEIGHT = 13;
const SHIFT = 3;
const SPARSITY = 0.9;

export const encodingsPart: Bench = async (options, note) => {
  using kernel = await openKernel();
  const clock = options.processorTime ? processorClock : wallClock;
  const rounds = options.quick ? 5 : 41;
  note('products with one plaintext');
  const products = productRows(kernel, (contenders) => timeInTurn(contenders, rounds, clock));
  note('sums over 720 ciphertexts');
  const sums = sumRows(kernel, (contenders) => timeInTurn(contenders, Math.ceil(rounds / 6), clock));
  return reportFor('images', kernel, [...products, ...sums]);
};

type Timing = (contenders: readonly Contender[]) => readonly { readonly median: number }[];

function productRows(kernel: Kernel, time: Timing): BenchRow[] {
  const n = 2 ** LOG_N;
  const mods = Array.from({ length: LIMBS }, (_, i) => i);
  using ring = kernel.openRing(n, primesBelow(PRIME_BITS, n, LIMBS));
  const poly = LIMBS * n;
  using a = kernel.allocate(PARTS * poly);
  using out = kernel.allocate(PARTS * poly);
  using shifted = kernel.allocate(PARTS * poly);
  kernel.uniform(ring, a, new Uint8Array(32), mods);
  const plaintextOf = (coefficients: Float64Array): Words => {
    const words = kernel.allocate(poly);
    kernel.transformDoubles(ring, words, coefficients, mods);
    return words;
  };
  const generator = new SeededGenerator(1);
  const vector = Float64Array.from({ length: n }, () => Math.round(2 ** 20 * (generator.uniform() - 0.5)));
  const bits = new Float64Array(n);
  for (let i = 0; 2 ** i <= WEIGHT; i++) bits[i] = Math.floor(WEIGHT / 2 ** i) % 2;
  const monomial = new Float64Array(n);
  monomial[SHIFT] = 1;
  using encoded = plaintextOf(vector);
  using binary = plaintextOf(bits);
  using power = plaintextOf(monomial);
  const byPlaintext = (plaintext: Words) => () => {
    for (let part = 0; part < PARTS; part++) {
      const at = part * poly;
      kernel.mul(ring, out.sub(at, poly), a.sub(at, poly), plaintext, mods);
    }
  };
  const space = new Float64Array(n);
  const encode = (coefficients: Float64Array) => () => {
    space.set(coefficients);
    kernel.transformDoubles(ring, out.sub(0, poly), space, mods);
  };
  const shift = (): void => shiftCoefficients(ring, out, a, SHIFT, mods);
  const scalars = mods.map(() => WEIGHT);
  const cases: readonly (readonly [string, () => void])[] = [
    ['a: integer, the same in all slots', () => kernel.mulScalar(ring, out, a, scalars, mods)],
    ['b: vector of slots, encoded before', byPlaintext(encoded)],
    ['b, encoding it (transform alone)', encode(vector)],
    ['c: bits of an integer as a polynomial, encoded before', byPlaintext(binary)],
    ['c, encoding it', encode(bits)],
    ['d: monomial, encoded before', byPlaintext(power)],
    ['e: monomial on coefficients, a shift', shift],
    [
      'e, from slots and back',
      () => {
        copyWords(shifted, a);
        kernel.nttInverse(ring, shifted, mods);
        shiftCoefficients(ring, out, shifted, SHIFT, mods);
        kernel.nttForward(ring, out, mods);
      },
    ],
  ];
  const times = time(cases.map(([, run]) => contender(kernel, run)));
  return cases.map(([name], i) => ({
    name,
    us: times[i]!.median,
    'times a': times[i]!.median / times[0]!.median,
  }));
}

/** out = a X^k for ciphertexts whose words are coefficients: the last k wrap around with the other sign. */
function shiftCoefficients(ring: RingTables, out: Words, a: Words, k: number, mods: readonly number[]): void {
  const n = ring.n;
  const wrapped = new BigUint64Array(k);
  for (let limb = 0; limb * n < out.length; limb++) {
    const q = BigInt(ring.moduli[mods[limb % mods.length]!]!);
    const from = a.u64().subarray(limb * n, (limb + 1) * n);
    for (let i = 0; i < k; i++) {
      const word = from[n - k + i]!;
      wrapped[i] = word === 0n ? 0n : q - word;
    }
    copyWords(out.sub(limb * n + k, n - k), a.sub(limb * n, n - k));
    out.u64().set(wrapped, limb * n);
  }
}

/** 100 sums of 720 ciphertexts, the large layer of our network, by weights of several kinds. */
function sumRows(kernel: Kernel, time: Timing): BenchRow[] {
  const n = 2 ** LOG_N;
  const mods = [0, 1];
  using ring = kernel.openRing(n, primesBelow(PRIME_BITS, n, mods.length));
  const row = PARTS * mods.length * n;
  using c = kernel.allocate(COLS * row);
  using out = kernel.allocate(ROWS * row);
  kernel.uniform(ring, c, new Uint8Array(32).fill(2), mods);
  const generator = new SeededGenerator(3);
  const eight = Int32Array.from({ length: ROWS * COLS }, () => generator.below(255) - 127);
  const powers = eight.map((weight) => Math.sign(weight) * 2 ** Math.round(Math.log2(Math.abs(weight) || 1)));
  const pruned = powers.map((weight) => (generator.uniform() < SPARSITY ? 0 : weight));
  const kept = Math.round((1 - SPARSITY) * COLS);
  const cases: readonly (readonly [string, Int32Array, number])[] = [
    ['sums, 8-bit weights', eight, COLS],
    ['sums, powers of two', powers, COLS],
    ['sums, powers of two, nine of ten 0', pruned, COLS],
    ['sums, nine of ten columns gone', eight.slice(0, ROWS * kept), kept],
  ];
  const prepared = cases.map(([, weights, cols]) => kernel.prepareGemm(weights, ROWS, cols));
  const times = time(
    prepared.map((weights, i) =>
      contender(kernel, () => kernel.gemm(ring, out, weights, c.sub(0, cases[i]![2] * row), PARTS, mods)),
    ),
  );
  for (const weights of prepared) weights[Symbol.dispose]();
  return cases.map(([name], i) => ({
    name,
    us: times[i]!.median,
    'times a': times[i]!.median / times[0]!.median,
  }));
}

function contender(kernel: Kernel, run: () => void): Contender {
  return { kernel: `${kernel.name}/${kernel.isa}`, threads: kernel.threads, run };
}
