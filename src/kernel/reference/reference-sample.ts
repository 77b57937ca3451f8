/** Samplers and bit packing of the reference kernel. */
import { shake128 } from '@noble/hashes/sha3.js';
import { chacha20Stream } from './chacha20.ts';

function littleEndian(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** Uniform residues mod q for limb q of polynomial number `polynomial`, by rejection from SHAKE128 (FIPS 202). */
export function uniformLimb(out: BigUint64Array, seed: Uint8Array, polynomial: number, q: bigint): void {
  const input = [...seed, ...littleEndian(BigInt(polynomial), 4), ...littleEndian(q, 8)];
  const stream = shake128.create({}).update(Uint8Array.from(input));
  const bits = q.toString(2).length;
  const bytes = Math.ceil(bits / 8);
  const mask = (1n << BigInt(bits)) - 1n;
  for (let i = 0; i < out.length; ) {
    const candidate = fromLittleEndian(stream.xof(bytes)) & mask;
    if (candidate < q) out[i++] = candidate;
  }
}

function popcount(x: bigint): number {
  return x.toString(2).replaceAll('0', '').length;
}

export function sampleCentredBinomial(out: Int8Array, key: Uint8Array, nonce: number): void {
  const stream = chacha20Stream(key, nonce);
  const mask = (1n << 21n) - 1n;
  for (let i = 0; i < out.length; i++) {
    const v = fromLittleEndian(stream(6));
    out[i] = popcount(v & mask) - popcount((v >> 21n) & mask);
  }
}

export function sampleTernary(out: Int8Array, key: Uint8Array, nonce: number): void {
  const stream = chacha20Stream(key, nonce);
  for (let i = 0; i < out.length; ) {
    const byte = stream(1)[0];
    for (let shift = 0; shift < 8 && i < out.length; shift += 2) {
      const bits = (byte >> shift) & 3;
      if (bits !== 3) out[i++] = bits - 1;
    }
  }
}

export function sampleUniformSigned(out: Float64Array, bits: number, key: Uint8Array, nonce: number): void {
  const stream = chacha20Stream(key, nonce);
  const mask = (1n << BigInt(bits + 1)) - 1n;
  for (let i = 0; i < out.length; i++) {
    out[i] = Number((fromLittleEndian(stream(8)) & mask) - (1n << BigInt(bits)));
  }
}

/** Bit i of word w stands at bit w * bits + i of the bytes. */
export function packWords(out: Uint8Array, words: BigUint64Array, bits: number): void {
  out.fill(0);
  let position = 0;
  for (const word of words) {
    for (let left = BigInt(bits), w = word; left > 0n; ) {
      const room = 8 - (position % 8);
      const take = Math.min(room, Number(left));
      out[position >> 3] |= Number(w & ((1n << BigInt(take)) - 1n)) << (position % 8);
      w >>= BigInt(take);
      left -= BigInt(take);
      position += take;
    }
  }
}

export function unpackWords(out: BigUint64Array, bytes: Uint8Array, bits: number): void {
  let position = 0;
  for (let i = 0; i < out.length; i++) {
    let word = 0n;
    for (let done = 0; done < bits; ) {
      const room = 8 - (position % 8);
      const take = Math.min(room, bits - done);
      const piece = (bytes[position >> 3] >> (position % 8)) & ((1 << take) - 1);
      word |= BigInt(piece) << BigInt(done);
      done += take;
      position += take;
    }
    out[i] = word;
  }
}
