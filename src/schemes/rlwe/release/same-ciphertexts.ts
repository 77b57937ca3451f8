/** Equality of ciphertexts, word for word. For public values: it stops at the first difference. */
import type { RlweCiphertexts } from '../ciphertext.ts';

/** Whether parameters, number, parts, level and all words are equal; what a scheme adds its caller compares. */
export function sameCiphertexts(a: RlweCiphertexts, b: RlweCiphertexts): boolean {
  if (a.paramsId !== b.paramsId || a.count !== b.count || a.parts !== b.parts || a.level !== b.level) {
    return false;
  }
  const [x, y] = [a.words.u64(), b.words.u64()];
  return x.every((word, i) => word === y[i]);
}
