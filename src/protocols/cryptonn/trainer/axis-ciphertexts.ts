/** Ciphertexts along one axis of a batch, where their keys come from, and how they are decrypted. */
import type {
  FunctionKeys,
  InnerProductCiphertext,
  InnerProductScheme,
} from '../../../fe/inner-product-scheme.ts';
import { resultArray } from '../../../fe/object-header.ts';
import type { AxisName } from '../agreement/dataset-spec.ts';

/** Asks the authority for the keys of the rows of `weights`. */
export type KeySource = (axis: AxisName, weights: Int32Array) => Promise<FunctionKeys>;

export interface AxisCiphertexts {
  readonly scheme: InnerProductScheme;
  /** Vectors in order, up to `packing` in each. */
  readonly ciphertexts: readonly InnerProductCiphertext[];
}

/** `[keys, vectors]` over ciphertexts that share their keys; in `into` where it is given. */
export function decryptBlocks(
  scheme: InnerProductScheme,
  ciphertexts: readonly InnerProductCiphertext[],
  keys: FunctionKeys,
  weights: Int32Array,
  into?: Float64Array,
): Float64Array {
  if (ciphertexts.length === 1)
    return scheme.decrypt(ciphertexts[0] as InnerProductCiphertext, keys, weights, into);
  const vectors = ciphertexts.reduce((sum, { count }) => sum + count, 0);
  const out = resultArray(into, keys.count * vectors);
  let at = 0;
  for (const ciphertext of ciphertexts) {
    const part = scheme.decrypt(ciphertext, keys, weights);
    for (let row = 0; row < keys.count; row++) {
      out.set(part.subarray(row * ciphertext.count, (row + 1) * ciphertext.count), row * vectors + at);
    }
    at += ciphertext.count;
  }
  return out;
}
