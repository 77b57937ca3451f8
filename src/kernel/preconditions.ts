/**
 * What a kernel refuses before it touches a word: lengths, limb indices, overlap. The WebAssembly and the reference kernel call these
 * for every method; the addon makes the same checks of ring arithmetic in C++ (native/addon/ring_arguments.h) and calls these for
 * the rest. preconditions.test.ts shows every kernel the same bad calls.
 */
import { InvalidParamsError, OutOfRangeError, ShapeError } from '../base/errors.ts';
import type { CanonicalEmbedding } from './tables/canonical-embedding.ts';
import { inputSize, outputSize } from './integer-linear-map.ts';
import type {
  FractionParts,
  IntegerLinearWeights,
  Kernel,
  KeySwitchShape,
  RingTables,
  Words,
} from './kernel.ts';
import { isPrime } from './tables/primitive-root.ts';

/** Every modulus is below this, so that products fit the floating-point and the 104-bit reductions alike. */
const MODULUS_BOUND = 2 ** 50;
const MIN_DEGREE = 8;
const MAX_DEGREE = 2 ** 17;

/** @throws {InvalidParamsError} for a degree or a modulus that no kernel can work with. */
export function checkRing(n: number, moduli: readonly number[]): void {
  if (!Number.isInteger(Math.log2(n)) || n < MIN_DEGREE || n > MAX_DEGREE) {
    throw new InvalidParamsError(
      `the ring degree must be a power of two in [${MIN_DEGREE}, ${MAX_DEGREE}] but is ${n}`,
      { n },
    );
  }
  if (moduli.length === 0) throw new InvalidParamsError('a ring needs at least one modulus', {});
  moduli.forEach((q, i) => {
    if (!(q < MODULUS_BOUND) || q % (2 * n) !== 1 || !isPrime(q)) {
      throw new InvalidParamsError(`a modulus must be a prime 1 mod ${2 * n} below 2^50 but is ${q}`, {
        n,
        q,
      });
    }
    if (moduli.indexOf(q) !== i) throw new InvalidParamsError(`the modulus ${q} is given twice`, { q });
  });
}

export function checkLength(what: string, length: number, needed: number): void {
  if (length !== needed) throw new ShapeError(`the length of ${what}`, needed, length);
}

/** Words in one polynomial over `mods`. */
export function polynomialWords(ring: RingTables, mods: readonly number[]): number {
  if (mods.length === 0) throw new ShapeError('the number of limbs', 'at least 1', 0);
  for (const limb of mods) {
    if (!Number.isInteger(limb) || limb < 0 || limb >= ring.moduli.length) {
      throw new ShapeError('a limb index', `an integer in [0, ${ring.moduli.length})`, limb);
    }
  }
  return mods.length * ring.n;
}

/** How many runs of `size` words make up `length`. */
export function batchCount(what: string, length: number, size: number): number {
  if (length % size !== 0) throw new ShapeError(`the length of ${what}`, `a multiple of ${size}`, length);
  return length / size;
}

/** @throws {ShapeError} when the two runs share a word. */
export function checkDisjoint(what: string, out: Words, input: Words): void {
  const x = out.bytes();
  const y = input.bytes();
  const apart = x.byteOffset >= y.byteOffset + y.byteLength || y.byteOffset >= x.byteOffset + x.byteLength;
  if (x.buffer === y.buffer && !apart) throw new ShapeError('out', `other words than ${what}`, 'the same');
}

/** The batch size of out = f(a). */
export function checkUnary(ring: RingTables, out: Words, a: Words, mods: readonly number[]): number {
  const count = batchCount('out', out.length, polynomialWords(ring, mods));
  checkLength('a', a.length, out.length);
  return count;
}

/** The batch size of out = f(a, b) where b may be one polynomial for all. */
export function checkBinary(
  ring: RingTables,
  out: Words,
  a: Words,
  b: Words,
  mods: readonly number[],
): number {
  const count = checkUnary(ring, out, a, mods);
  const size = polynomialWords(ring, mods);
  if (b.length !== size) checkLength('b', b.length, out.length);
  return count;
}

export function checkScalars(ring: RingTables, scalars: readonly number[], mods: readonly number[]): void {
  checkLength('scalars', scalars.length, mods.length);
  scalars.forEach((scalar, i) => {
    const q = ring.moduli[mods[i] as number] as number;
    if (!Number.isInteger(scalar) || scalar < 0 || scalar >= q) {
      throw new ShapeError('a scalar', `a residue in [0, ${q})`, scalar);
    }
  });
}

export function checkGalois(ring: RingTables, galois: number): void {
  if (!Number.isInteger(galois) || galois % 2 !== 1 || galois < 1 || galois >= 2 * ring.n) {
    throw new ShapeError('a Galois element', `odd in [1, ${2 * ring.n})`, galois);
  }
}

/** out over mods without its last, a over mods: the batch size. */
export function checkRescale(ring: RingTables, out: Words, a: Words, mods: readonly number[]): number {
  if (mods.length < 2) throw new ShapeError('the number of limbs to rescale', 'at least 2', mods.length);
  const count = batchCount('a', a.length, polynomialWords(ring, mods));
  checkLength('out', out.length, count * (mods.length - 1) * ring.n);
  checkDisjoint('a', out, a);
  return count;
}

/** Sizes that follow from a key-switch shape. */
export interface KeySwitchSizes {
  readonly digits: number;
  /** q then p: the limbs of a digit. */
  readonly mods: readonly number[];
  /** Position of each of `mods` in the key's limb list. */
  readonly keySlots: readonly number[];
  /** Words of one polynomial over q, of one over q and p, and of one key part. */
  readonly qWords: number;
  readonly digitWords: number;
  readonly keyWords: number;
}

export function keySwitchSizes(ring: RingTables, shape: KeySwitchShape): KeySwitchSizes {
  const { q, p, alpha, keyLimbs } = shape;
  const mods = [...q, ...p];
  const qWords = polynomialWords(ring, q);
  if (p.length === 0) throw new ShapeError('the number of special primes', 'at least 1', 0);
  if (!Number.isInteger(alpha) || alpha < 1) throw new ShapeError('alpha', 'an integer of at least 1', alpha);
  const keySlots = mods.map((limb) => keyLimbs.indexOf(limb));
  if (keySlots.includes(-1) || new Set(mods).size !== mods.length) {
    throw new ShapeError('the key limbs', `a superset of ${mods.join(',')}, each once`, keyLimbs.join(','));
  }
  const digitWords = polynomialWords(ring, mods);
  const digits = Math.ceil(q.length / alpha);
  return { digits, mods, keySlots, qWords, digitWords, keyWords: polynomialWords(ring, keyLimbs) };
}

/** A key may carry more digits than the shape uses: the first ones serve a ciphertext with fewer primes. */
export function checkKey(key: Words, sizes: KeySwitchSizes): void {
  const have = batchCount('the key', key.length, 2 * sizes.keyWords);
  if (have < sizes.digits) throw new ShapeError('the number of key digits', `at least ${sizes.digits}`, have);
}

/** The operands of an accumulation of key products; see {@link Kernel.accumulateKey}. */
export function checkAccumulation(
  sizes: KeySwitchSizes,
  sum: Words,
  digits: Words,
  key: Words,
  weight: Words | undefined,
): void {
  checkLength('the sum', sum.length, 2 * sizes.digitWords);
  checkLength('the digits', digits.length, sizes.digits * sizes.digitWords);
  checkDisjoint('the digits', sum, digits);
  checkDisjoint('the key', sum, key);
  if (weight === undefined) return;
  checkLength('the weight', weight.length, sizes.digitWords);
  checkDisjoint('the weight', sum, weight);
}

/** The batch size of a fused product of two-part ciphertexts; `qWords` of one polynomial. */
export function checkFusedProduct(
  ring: RingTables,
  out: Words,
  a: Words,
  b: Words,
  shape: KeySwitchShape,
  qWords: number,
): number {
  const count = batchCount('a', a.length, 2 * qWords);
  checkLength('b', b.length, a.length);
  checkLength('out', out.length, 2 * count * (qWords - ring.n));
  if (shape.q.length < 2)
    throw new ShapeError('the number of limbs to rescale', 'at least 2', shape.q.length);
  checkDisjoint('a', out, a);
  checkDisjoint('b', out, b);
  return count;
}

/** The batch size of a division by the special primes. */
export function checkModDown(
  ring: RingTables,
  out: Words,
  a: Words,
  q: readonly number[],
  p: readonly number[],
): number {
  const mods = [...q, ...p];
  if (new Set(mods).size !== mods.length) throw new ShapeError('the limbs', 'distinct', 'repeated');
  const count = batchCount('a', a.length, polynomialWords(ring, q) + polynomialWords(ring, p));
  checkLength('out', out.length, count * q.length * ring.n);
  checkDisjoint('a', out, a);
  return count;
}

/** Slot values in re and im, one run of 2 slots coefficients at equal distances in `all`, from `first`. */
export function checkEmbedding(
  { slots, cos, sin }: CanonicalEmbedding,
  re: Float64Array,
  im: Float64Array,
  all: Float64Array,
  first: number,
): void {
  if (!Number.isInteger(Math.log2(slots))) throw new ShapeError('slots', 'a power of two', slots);
  checkLength('the cosines', cos.length, slots);
  checkLength('the sines', sin.length, slots);
  checkLength('the real parts', re.length, slots);
  checkLength('the imaginary parts', im.length, slots);
  const gap = batchCount('the coefficients', all.length, 2 * slots);
  if (!Number.isInteger(first) || first < 0 || first >= gap) {
    throw new ShapeError('the first coefficient', `an integer in [0, ${gap})`, first);
  }
}

export function checkSeed(what: string, bytes: Uint8Array): void {
  checkLength(what, bytes.length, 32);
}

export function checkNonce(nonce: number): void {
  if (!Number.isSafeInteger(nonce) || nonce < 0) {
    throw new OutOfRangeError('a nonce', 'an integer in [0, 2^53)', nonce);
  }
}

/** Of polynomials that are sampled one batch after the other. */
export function checkFirst(first: number): void {
  if (!Number.isInteger(first) || first < 0 || first >= 2 ** 31)
    throw new OutOfRangeError('the first polynomial', 'an integer in [0, 2^31)', first);
}

export function checkMultiplier(multiplier: number): void {
  if (!Number.isInteger(multiplier) || multiplier < 1 || multiplier >= 2 ** 46) {
    throw new OutOfRangeError('the multiplier of a Gaussian', 'an integer in [1, 2^46)', multiplier);
  }
}

/** @throws {OutOfRangeError} unless each value is an integer below 2^100 in absolute value. */
export function checkIntegers(values: Float64Array): void {
  for (const v of values) {
    // A fixed text: the value itself may be a secret.
    if (!Number.isInteger(v) || Math.abs(v) >= 2 ** 100) {
      throw new OutOfRangeError('a value', 'an integer below 2^100', 'not one');
    }
  }
}

export function checkGemmWeights(weights: Int32Array, rows: number, cols: number): number {
  checkLength('weights', weights.length, rows * cols);
  let maxAbs = 0;
  for (const w of weights) maxAbs = Math.max(maxAbs, Math.abs(w));
  if (maxAbs >= 2 ** 15) throw new OutOfRangeError('a weight', 'below 2^15 in absolute value', maxAbs);
  return maxAbs;
}

/** The row index in use, of one position or several, checked against the rows that c has. */
export function checkGemm(
  ring: RingTables,
  out: Words,
  shape: { readonly rows: number; readonly cols: number },
  c: Words,
  parts: number,
  mods: readonly number[],
  rowIndex?: Uint32Array,
): Uint32Array {
  const size = parts * polynomialWords(ring, mods);
  if (!Number.isInteger(parts) || parts < 1) throw new ShapeError('parts', 'an integer of at least 1', parts);
  checkDisjoint('c', out, c);
  const have = batchCount('c', c.length, size);
  const index = rowIndex ?? Uint32Array.from({ length: shape.cols }, (_, i) => i);
  const positions = batchCount('rowIndex', index.length, shape.cols);
  if (positions === 0) throw new ShapeError('rowIndex', 'at least one position', 'empty');
  checkLength('out', out.length, positions * shape.rows * size);
  for (const row of index) {
    if (row >= have) throw new ShapeError('a row index', `below the ${have} rows of c`, row);
  }
  return index;
}

export function checkBits(bits: number, byteLength: number, words: number): void {
  if (!Number.isInteger(bits) || bits < 1 || bits > 64) {
    throw new OutOfRangeError('bits per word', 'an integer in [1, 64]', bits);
  }
  checkLength('the packed bytes', byteLength, Math.ceil((words * bits) / 8));
}

export function checkSgemm(
  m: number,
  n: number,
  k: number,
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
): void {
  checkLength('a', a.length, m * k);
  checkLength('b', b.length, k * n);
  checkLength('c', c.length, m * n);
}

/** @throws {ShapeError} unless x holds `batch` vectors. */
export function checkIntegerBatch({ map }: IntegerLinearWeights, x: Int32Array, batch: number): void {
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new ShapeError('the batch', 'a positive integer', batch);
  checkLength('x', x.length, batch * inputSize(map));
}

/** @throws {ShapeError} unless x and out hold `batch` vectors each and lie apart. */
export function checkIntegerLinear(
  out: Int32Array,
  weights: IntegerLinearWeights,
  x: Int32Array,
  batch: number,
): void {
  checkIntegerBatch(weights, x, batch);
  checkLength('out', out.length, batch * outputSize(weights.map));
  checkApart('x', out, x);
}

/** @throws {ShapeError} when the arrays share memory. */
export function checkApart(what: string, out: ArrayBufferView, input: ArrayBufferView): void {
  const [ends, starts] = [input.byteOffset + input.byteLength, out.byteOffset + out.byteLength];
  if (input.buffer === out.buffer && input.byteOffset < starts && out.byteOffset < ends)
    throw new ShapeError('out', `apart from ${what}`, 'overlapping');
}

/** Bits of the exact parts of a fraction that {@link Kernel.fractionDot} splits, all together. */
export const MAX_SPLIT_BITS = 48;

/** Rows and terms of {@link Kernel.fractionDot}. */
export function checkFractionDot(
  { slots, cos, sin }: CanonicalEmbedding,
  out: Float64Array,
  values: Int32Array,
  b: Uint32Array,
  words: number,
  { bits, exact }: FractionParts,
): { readonly rows: number; readonly terms: number } {
  checkFractionWords(words);
  if (!Number.isInteger(Math.log2(slots))) throw new ShapeError('slots', 'a power of two', slots);
  checkLength('the cosines', cos.length, slots);
  checkLength('the sines', sin.length, slots);
  const n = 2 * slots;
  const [rows, terms] = [batchCount('out', out.length, n), batchCount('b', b.length, words * n)];
  if (terms === 0) throw new ShapeError('b', 'at least one polynomial', 'empty');
  checkLength('the values', values.length, rows * terms * n);
  const fits = Number.isInteger(bits) && Number.isInteger(exact) && bits >= 1 && exact >= 0;
  if (!fits || bits * exact > MAX_SPLIT_BITS)
    throw new ShapeError(
      'the parts of fractions',
      `of at most ${MAX_SPLIT_BITS} bits together`,
      `${exact} of ${bits}`,
    );
  return { rows, terms };
}

/** Digits of a value, and values of a row that are wanted, of {@link Kernel.roundFractions}. */
export function checkRoundFractions(
  out: Float64Array,
  distances: Float64Array,
  digits: Int32Array,
  masks: Float64Array,
  n: number,
  digitBits: number,
): { readonly steps: number; readonly count: number } {
  const rows = distances.length;
  if (rows === 0 || !Number.isInteger(n / 4) || n < 4)
    throw new ShapeError('the rows', 'of a multiple of four', `${rows} of ${n}`);
  if (!Number.isInteger(digitBits) || digitBits < 0 || digitBits > 32)
    throw new ShapeError('the bits of a digit', 'an integer in [0, 32]', digitBits);
  checkLength('the masks', masks.length, rows * n);
  const steps = batchCount('the digits', digits.length, rows * n);
  const count = batchCount('out', out.length, rows);
  if (steps < 2) throw new ShapeError('the digits', 'two or more for each value', steps);
  if (count > n) throw new ShapeError('out', `rows of at most ${n}`, count);
  return { steps, count };
}

/** The length of a row of {@link Kernel.squaredNorms}. */
export function checkSquaredNorms(out: Float64Array, values: Int32Array, bound: number): number {
  if (out.length === 0) throw new ShapeError('out', 'at least one row', 'empty');
  const length = batchCount('the values', values.length, out.length);
  if (!Number.isInteger(bound) || bound < 0 || length * bound ** 2 > 2 ** 53)
    throw new ShapeError('the bound', `a size of which ${length} squares are at most 2^53 together`, bound);
  return length;
}

/** The number of polynomials of {@link Kernel.fractionSums}. */
export function checkFractionSums(
  ring: RingTables,
  out: Uint32Array,
  a: Words,
  words: number,
  mods: readonly number[],
): number {
  checkFractionWords(words);
  const count = batchCount('a', a.length, polynomialWords(ring, mods));
  checkLength('out', out.length, count * ring.n * words);
  return count;
}

function checkFractionWords(words: number): void {
  if (![2, 3, 4].includes(words)) throw new ShapeError('the words of a fraction', '2, 3 or 4', words);
}

/** The terms of {@link Kernel.sumProducts}. */
export function checkSumProducts(
  ring: RingTables,
  out: Words,
  a: Words,
  b: Words,
  mods: readonly number[],
): number {
  const size = polynomialWords(ring, mods);
  batchCount('out', out.length, size);
  const terms = batchCount('b', b.length, size);
  if (terms === 0) throw new ShapeError('b', 'at least one polynomial', 'empty');
  checkLength('a', a.length, terms * out.length);
  checkDisjoint('a', out, a);
  checkDisjoint('b', out, b);
  return terms;
}

/** Ciphertexts and steps of {@link Kernel.blindRotate}. */
export function checkBlindRotation(...operands: Parameters<Kernel['blindRotate']>): {
  readonly count: number;
  readonly steps: number;
} {
  const [ring, acc, exponents, key, shift] = operands;
  const count = batchCount('acc', acc.length, 2 * ring.n);
  const steps = batchCount('the key', key.length, 4 * ring.n);
  if (steps === 0) throw new ShapeError('the key', 'at least one step', 'none');
  checkLength('the exponents', exponents.length, count * steps);
  if (exponents.some((exponent) => exponent >= 2 * ring.n))
    throw new OutOfRangeError('an exponent', `below ${2 * ring.n}`, 'a larger one');
  if (!(Number.isInteger(shift) && shift >= 1 && shift <= 49))
    throw new OutOfRangeError('the shift of digits', 'from 1 to 49', shift);
  checkDisjoint('the key', acc, key);
  return { count, steps };
}

const RESIDUE_PRIME_BOUND = 2 ** 26;

/** Rows of out, and rows that are subtracted, of {@link Kernel.subtractProduct}. */
export function checkSubtractProduct(...operands: Parameters<Kernel['subtractProduct']>): {
  readonly targets: number;
  readonly sources: number;
} {
  const [prime, out, rows, factors, stride, first] = operands;
  if (!(prime >= 5 && prime < RESIDUE_PRIME_BOUND && prime % 2 === 1))
    throw new OutOfRangeError('the prime of residues', 'an odd prime in [5, 2^26)', prime);
  if (!Number.isSafeInteger(stride) || stride < 1)
    throw new ShapeError('the length of a row', 'a positive integer', stride);
  if (!Number.isInteger(first) || first < 0 || first > stride)
    throw new ShapeError('the first column', `an integer in [0, ${stride}]`, first);
  const [targets, sources] = [
    batchCount('out', out.length, stride),
    batchCount('the rows', rows.length, stride),
  ];
  checkLength('the factors', factors.length, targets * sources);
  checkApart('the rows', out, rows);
  checkApart('the factors', out, factors);
  return { targets, sources };
}
