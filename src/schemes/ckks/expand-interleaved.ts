/**
 * Oblivious expansion: one ciphertext of sum_i X^i m_i(X^k) becomes k ciphertexts of k m_i(X^k) [ACLS18], kept in CKKS.
 *
 * For g = 1 + N/2^j, X -> X^g fixes X^e when 2^(j+1) divides e and negates it when e is 2^j times an odd number (X^N = -1). So
 * c + sigma(c) keeps twice the even class, c - sigma(c) twice the odd one, which X^(-2^j) moves onto the even exponents.
 */
import type { GaloisElement } from '../../base/brand.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { Arena } from '../../ring/arena.ts';
import { copyWords } from '../../ring/poly.ts';
import { ciphertextWords } from '../rlwe/ciphertext.ts';
import type { EvaluationKeys } from '../rlwe/keys/evaluation-keys.ts';
import { CiphertextBatch } from './ciphertext.ts';
import type { CkksContextBase } from './context-base.ts';

/** The Galois elements that an expansion by `k` uses: for the key plan. @throws {OutOfRangeError} */
export function expansionElements(n: number, k: number): GaloisElement[] {
  const steps = Math.log2(k);
  if (!Number.isInteger(steps) || k < 1 || k > n / 2) {
    throw new OutOfRangeError('the expansion factor', `a power of two up to ${n / 2}`, k);
  }
  return Array.from({ length: steps }, (_, j) => (1 + n / 2 ** j) as GaloisElement);
}

/**
 * From B ciphertexts of interleaved vectors to k B ciphertexts: number i B + b holds vector i of ciphertext b, its N/(2k) slot
 * values repeating k times over the N/2 slots.
 *
 * - level: unchanged. scale: k Delta, which cancels the factor k: the values are the encoded ones
 * - noise: step j maps V to 2 V on average over positions (4 V on the kept half of the coefficients, 0 elsewhere: both copies of a
 *   kept coefficient are the same error) plus V_ks; relative to the scale it does not grow but for the k - 1 key switches
 * - cost: (k - 1) B key switches
 *
 * @throws {OutOfRangeError} {@link MissingKeyError} before any work. {@link ShapeError} for three parts.
 */
export function expandInterleaved(
  context: CkksContextBase,
  keys: EvaluationKeys,
  arena: Arena,
  a: CiphertextBatch,
  k: number,
): CiphertextBatch {
  expansionKeys(context, keys, a, k);
  const facts = { ...a.facts, count: k * a.count, scale: k * a.scale };
  return arena.make(ciphertextWords(facts), (words) => {
    using scratch = context.kernel.allocate(Math.max(1, (k / 2) * a.words.length));
    expandInterleavedInto(words, scratch, keys, a, k);
    return new CiphertextBatch(words, facts);
  });
}

/**
 * {@link expandInterleaved} into given words, k times as many as those of `a`, with half as many (1 for k = 1) as scratch.
 *
 * @throws as that, before any work.
 */
export function expandInterleavedInto(
  words: Words,
  scratch: Words,
  keys: EvaluationKeys,
  a: CiphertextBatch,
  k: number,
): void {
  const { context, mods, words: source } = a;
  const { kernel, ring } = context;
  const switching = expansionKeys(context, keys, a, k);
  copyWords(words.sub(0, source.length), source);
  switching.forEach(({ element, key }, j) => {
    const done = 2 ** j * source.length;
    const [even, odd, mapped] = [words.sub(0, done), words.sub(done, done), scratch.sub(0, done)];
    const shape = context.keySwitchShape(a.level, key.maxLevel);
    kernel.rotate(ring.tables, mapped, even, key.words(a.level), element, shape);
    kernel.sub(ring.tables, odd, even, mapped, mods);
    kernel.mul(ring.tables, odd, odd, ring.monomial(-(2 ** j)).sub(0, a.polyWords), mods);
    kernel.add(ring.tables, even, even, mapped, mods);
  });
}

function expansionKeys(context: CkksContextBase, keys: EvaluationKeys, a: CiphertextBatch, k: number) {
  if (a.parts !== 2) throw new ShapeError('a ciphertext to expand', 'of two parts', a.parts);
  return expansionElements(context.params.n, k).map((element) => ({
    element,
    key: keys.galoisKey(element, a.level),
  }));
}
