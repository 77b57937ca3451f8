/** BGV ciphertext bytes: see ../rlwe/ciphertext-wire.ts; the scheme adds the noise bound, f64, and the correction factor, u64. */
import { type CiphertextShape, ciphertextWireBytes, type FactsCodec } from '../rlwe/wire/ciphertext-wire.ts';
import type { ByteReader } from '../../base/bytes.ts';
import type { BgvContextBase } from './context-base.ts';
import type { DroppedBits } from '../rlwe/wire/dropped-bits.ts';
import { roundedWireBytes } from '../rlwe/wire/rounded-wire.ts';
import { roundingBits } from '../rlwe/noise-bound.ts';
import { freshBits, noiseRoom } from './noise-bound.ts';
import type { BgvParams } from './params.ts';

const FACTOR_BYTES = 8;
const NOISE_BYTES = 8 + FACTOR_BYTES;

/**
 * The bound is the sender's word, as the whole ciphertext is: what it decrypts to may be the secret key, which is why results are
 * published by releases alone (see release.ts). It is never below a fresh ciphertext's, nor above what its level holds.
 */
export const NOISE_CODEC: FactsCodec<
  { readonly noiseBits: number; readonly factor: number },
  BgvContextBase
> = {
  bytes: NOISE_BYTES,
  write: (writer, { noiseBits, factor }) => {
    writer.f64(noiseBits);
    writer.u64(factor);
  },
  read: (reader, context, level) => {
    const noiseBits = reader.f64();
    const factor = readFactor(reader, context);
    const inWindow =
      noiseBits >= lowestBits(context.params) && noiseBits <= noiseRoom(context.modulusBits, level);
    if (!inWindow) throw reader.error('the noise bound is outside its window');
    return { noiseBits, factor };
  },
};

/** Of a rounded reply: what was dropped takes all the room, so it can be decrypted and nothing else. */
export const ROUNDED_CODEC: typeof NOISE_CODEC = {
  bytes: FACTOR_BYTES,
  write: (writer, { factor }) => writer.u64(factor),
  read: (reader, context, level) => ({
    noiseBits: noiseRoom(context.modulusBits, level),
    factor: readFactor(reader, context),
  }),
};

function readFactor(reader: ByteReader, { params }: BgvContextBase): number {
  const factor = reader.u64();
  if (factor < 1 || factor >= params.t) throw reader.error('the factor is no unit modulo t');
  return factor;
}

/** No ciphertext is quieter than a fresh one or than one that was just switched. */
function lowestBits(params: BgvParams): number {
  return Math.min(freshBits(params.n), roundingBits(params.n));
}

/** Bytes of a batch, or of one ciphertext, on the wire. */
export function bgvCiphertextBytes(params: BgvParams, shape: CiphertextShape): number {
  return ciphertextWireBytes(params, shape, NOISE_BYTES);
}

/** Bytes of a batch at level 0 without its low bits. */
export function bgvRoundedBytes(params: BgvParams, count: number, dropped: DroppedBits): number {
  return roundedWireBytes(params, count, dropped, FACTOR_BYTES);
}
