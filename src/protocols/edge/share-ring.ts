/**
 * Additive sharing in Z_2^k and its wire form. k is the smallest width for which the layer's true outputs cannot wrap, so a sum of
 * output shares, lifted to [-2^(k-1), 2^(k-1)), is the integer itself. Edges compute modulo 2^32: Z_2^k is a quotient of that ring,
 * so dropping the high bits afterwards is exact.
 *
 * Every loop here runs over all words without a branch on their values: words are shares, and on the device also clear values.
 */
import { DecodeError, InvalidParamsError } from '../../base/errors.ts';

/**
 * Width k = 1 + ceil(log2(bound + 1)) of the ring for outputs with |y| <= `outputBound`.
 *
 * Proof: ceil(log2(B + 1)) is the bit length of B, so B <= 2^(k-1) - 1 and [-B, B] lies in the centred range of Z_2^k. With one bit
 * less the range ends at 2^(k-2) - 1, and for B > 0 the bit length says B >= 2^(k-2): B would wrap.
 * @throws {InvalidParamsError} when the bound is no integer below 2^31.
 */
export function shareBits(outputBound: number): number {
  if (!Number.isInteger(outputBound) || outputBound < 0 || outputBound >= 2 ** 31) {
    throw new InvalidParamsError('the outputs of an outsourced layer must be provably below 2^31', {});
  }
  return 33 - Math.clz32(outputBound);
}

/** The k low bits set; k from 1 to 32. */
export function ringMask(bits: number): number {
  return 0xffffffff >>> (32 - bits);
}

/** Bytes of `count` words of `bits` bits. */
export function packedShareBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

/** The `bits` low bits of each word, least significant bit first, without gaps; the last byte is filled with zeros. */
export function packShares(words: Uint32Array, bits: number): Uint8Array<ArrayBuffer> {
  // One word more than the data, so that what straddles the last border has a place.
  const packed = new Uint32Array(Math.ceil((words.length * bits) / 32) + 1);
  const keep = ringMask(bits);
  let [at, used] = [0, 0];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]! & keep;
    packed[at]! |= word << used;
    // Two shifts, because one by 32 is one by 0 in JavaScript.
    packed[at + 1] = (word >>> 1) >>> (31 - used);
    used += bits;
    at += used >>> 5;
    used &= 31;
  }
  return new Uint8Array(packed.buffer, 0, packedShareBytes(words.length, bits));
}

/**
 * The inverse of {@link packShares}.
 * @throws {DecodeError} when the length is not that of `count` words, or a bit is set behind the last.
 */
export function unpackShares(bytes: Uint8Array, count: number, bits: number): Uint32Array {
  const length = packedShareBytes(count, bits);
  if (bytes.length !== length)
    throw new DecodeError('shares', `${length} bytes were needed, not ${bytes.length}`);
  const spare = length * 8 - count * bits;
  if (spare > 0 && bytes[length - 1]! >>> (8 - spare) !== 0)
    throw new DecodeError('shares', 'a padding bit is set');
  // One word more than the data, so that the last straddling read stays inside.
  const packed = new Uint32Array(Math.ceil(length / 4) + 1);
  new Uint8Array(packed.buffer).set(bytes);
  const words = new Uint32Array(count);
  const mask = ringMask(bits);
  let offset = 0;
  let at = 0;
  for (let i = 0; i < count; i++) {
    // Two shifts keep the upper part empty at offset 0, where one shift by 32 would keep everything.
    words[i] = ((packed[at]! >>> offset) | ((packed[at + 1]! << (31 - offset)) << 1)) & mask;
    offset += bits;
    at += offset >>> 5;
    offset &= 31;
  }
  return words;
}

/** x - mask in Z_2^k: the second share of x when `mask` is the first. */
export function subtractShares(x: Int32Array | Uint32Array, mask: Uint32Array, bits: number): Uint32Array {
  const keep = ringMask(bits);
  const share = new Uint32Array(x.length);
  for (let i = 0; i < x.length; i++) share[i] = (x[i]! - mask[i]!) & keep;
  return share;
}

/** a + b in Z_2^k. */
export function addShares(a: Int32Array | Uint32Array, b: Uint32Array, bits: number): Uint32Array {
  const keep = ringMask(bits);
  const sum = new Uint32Array(a.length);
  for (let i = 0; i < a.length; i++) sum[i] = (a[i]! + b[i]!) & keep;
  return sum;
}

/** The centred representatives in [-2^(k-1), 2^(k-1)) of the sum of two shares. */
export function liftSum(a: Uint32Array, b: Uint32Array, bits: number): Int32Array {
  const spare = 32 - bits;
  const lifted = new Int32Array(a.length);
  for (let i = 0; i < a.length; i++) lifted[i] = ((a[i]! + b[i]!) << spare) >> spare;
  return lifted;
}
