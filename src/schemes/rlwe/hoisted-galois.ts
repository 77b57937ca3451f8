/** Several automorphisms of one ciphertext for one digit decomposition: hoisting [HS18]. */
import type { GaloisElement } from '../../base/brand.ts';
import { copyWords } from '../../ring/poly.ts';
import type { RlweCiphertexts } from './ciphertext.ts';
import type { EvaluationKeys } from './keys/evaluation-keys.ts';
import { assertTwoParts } from './key-switching.ts';

/**
 * X -> X^element for each element, in order, of a batch of one; `make` allocates a result. The digits are mapped instead of the
 * ciphertext, which commutes with their decomposition because they are centred residues.
 *
 * - level: unchanged. noise: V + V_ks. cost: one decomposition, then per element the products with the key and the division by P
 *
 * @throws {MissingKeyError} before any work. {@link ShapeError} for three parts.
 */
export function hoistedGalois<T extends RlweCiphertexts>(
  keys: EvaluationKeys,
  a: T,
  elements: readonly GaloisElement[],
  make: (element: GaloisElement) => T,
): T[] {
  assertTwoParts('a ciphertext to map', a);
  for (const element of elements) if (element !== 1) keys.galoisKey(element, a.level);
  const { context } = a;
  const { kernel, ring, params } = context;
  const digitWords = (a.level + 1 + params.p.length) * params.n;
  using digits = kernel.allocate(context.digits(a.level) * digitWords);
  using mapped = kernel.allocate(a.polyWords);
  kernel.decompose(ring.tables, digits, a.part(0, 1).words, context.keySwitchShape(a.level, a.level));
  return elements.map((element) => {
    const out = make(element);
    if (element === 1) {
      copyWords(out.words, a.words);
      return out;
    }
    const key = keys.galoisKey(element, a.level);
    const shape = context.keySwitchShape(a.level, key.maxLevel);
    kernel.applyKey(ring.tables, out.words, digits, key.words(a.level), element, shape);
    kernel.automorphism(ring.tables, mapped, a.part(0, 0).words, element, a.mods);
    const c0 = out.part(0, 0).words;
    kernel.add(ring.tables, c0, c0, mapped, a.mods);
    return out;
  });
}
