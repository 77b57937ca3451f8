/**
 * The operations that need a key or no arithmetic at all, on words: what CKKS and BGV do alike. `out` has been allocated by the
 * caller with the facts that its scheme gives the result.
 */
import type { GaloisElement } from '../../base/brand.ts';
import { ShapeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import { copyWords } from '../../ring/poly.ts';
import type { RlweCiphertexts } from './ciphertext.ts';
import type { EvaluationKeys } from './keys/evaluation-keys.ts';
import type { SecretKey } from './keys/secret-key.ts';
import { secretWords } from './keys/secret-key.ts';

/** Three parts to two. @throws {MissingKeyError} */
export function relinearizeInto(out: RlweCiphertexts, a: RlweCiphertexts, keys: EvaluationKeys): void {
  const { kernel, ring } = a.context;
  const key = keys.relinearizationKey(a.level);
  const shape = a.context.keySwitchShape(a.level, key.maxLevel);
  const two = 2 * a.polyWords;
  for (let i = 0; i < a.count; i++) {
    const at = out.words.sub(i * two, two);
    kernel.keySwitch(ring.tables, at, a.part(i, 2).words, key.words(a.level), 1, shape);
    kernel.add(ring.tables, at, at, a.words.sub(i * 3 * a.polyWords, two), a.mods);
  }
}

/** @throws {ShapeError} unless `a` has two parts. */
export function assertTwoParts(what: string, a: RlweCiphertexts): void {
  if (a.parts !== 2) throw new ShapeError(what, 'of two parts', a.parts);
}

/** X -> X^element for an element other than 1. @throws {MissingKeyError} */
export function galoisInto(
  out: RlweCiphertexts,
  a: RlweCiphertexts,
  element: GaloisElement,
  keys: EvaluationKeys,
): void {
  const { kernel, ring } = a.context;
  const key = keys.galoisKey(element, a.level);
  const shape = a.context.keySwitchShape(a.level, key.maxLevel);
  kernel.rotate(ring.tables, out.words, a.words, key.words(a.level), element, shape);
}

/** Copies what is left of `a` when the primes above the level of `out` are forgotten. */
export function dropLimbsInto(out: RlweCiphertexts, a: RlweCiphertexts): void {
  if (out.level === a.level) copyWords(out.words, a.words);
  else copyPrefixes(out.words, a.words, out.polyWords, a.polyWords);
}

/**
 * out = c_0 + c_1 s (+ c_2 s^2) of ciphertext `index` modulo the primes up to `level`, at most its own: Horner in s, from the last part.
 *
 * @throws {DisposedError}
 */
export function innerProductInto(
  out: Words,
  a: RlweCiphertexts,
  index: number,
  key: SecretKey,
  level: number = a.level,
): void {
  const { kernel, ring } = a.context;
  const mods = a.context.qMods(level);
  const [s, ...parts] = [
    secretWords(key),
    ...Array.from({ length: a.parts }, (_, i) => a.part(index, i).words),
  ].map((words) => words.sub(0, mods.length * a.context.params.n));
  copyWords(out, parts.at(-1)!);
  for (const part of parts.slice(0, -1).reverse()) {
    kernel.mul(ring.tables, out, out, s!, mods);
    kernel.add(ring.tables, out, out, part, mods);
  }
}

/** Copies the first `keep` words of each run of `from`, `each` words long. */
function copyPrefixes(to: Words, from: Words, keep: number, each: number): void {
  const [target, source] = [to.u64(), from.u64()];
  for (let i = 0; i * each < source.length; i++) {
    target.set(source.subarray(i * each, i * each + keep), i * keep);
  }
}
