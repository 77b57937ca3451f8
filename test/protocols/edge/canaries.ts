/** Looking for values in what somebody could see: every form in which they could stand there. */
import { bytesToHex } from '@noble/hashes/utils.js';

/** So many values from the start on: no such run comes about by chance. */
const CANARY = 12;

/** Bytes, words of both orders, the texts of these, and decimals. */
export function canaryForms(values: Int32Array): Uint8Array[] {
  const little = new Uint8Array(values.length * 4);
  const big = new Uint8Array(values.length * 4);
  values.forEach((value, i) => {
    new DataView(little.buffer).setInt32(4 * i, value, true);
    new DataView(big.buffer).setInt32(4 * i, value, false);
  });
  const utf8 = new TextEncoder();
  const decimals = [',', ', ', ' ', '\n'].map((separator) => utf8.encode([...values].join(separator)));
  const raw = [Uint8Array.from(values), little, big];
  const texts = raw.flatMap((bytes) => [bytesToHex(bytes), Buffer.from(bytes).toString('base64')]);
  return [...raw, ...texts.map((text) => utf8.encode(text)), ...decimals];
}

/** In how many forms the beginning of `values` stands somewhere in `haystack`. */
export function canariesIn(haystack: Uint8Array, values: Int32Array): number {
  // A base64 text is only the same from its start on, so it is cut to whole groups.
  const needles = canaryForms(values.subarray(0, CANARY)).map((bytes) =>
    Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 4))),
  );
  return needles.filter((needle) => Buffer.from(haystack).includes(needle)).length;
}

/** Each form of the beginning, which a search must find (positive control). */
export function plantedCanaries(values: Int32Array): Uint8Array[] {
  return canaryForms(values.subarray(0, CANARY));
}
