/** BGV ciphertext bytes: see ../rlwe/ciphertext-wire.ts; the scheme adds the noise bound, f64, and the correction factor, u64. */
import { type CiphertextShape, ciphertextWireBytes, type FactsCodec } from '../rlwe/ciphertext-wire.ts';
import type { BgvContext } from './context.ts';
import { roundingBits } from '../rlwe/noise-bound.ts';
import { freshBits, noiseRoom } from './noise-bound.ts';
import type { BgvParams } from './params.ts';

const NOISE_BYTES = 16;

/**
 * The bound is the sender's word: a lie makes its owner's own decryptions wrong, nothing else. It is never below a fresh
 * ciphertext's, nor above what its level holds.
 */
export const NOISE_CODEC: FactsCodec<{ readonly noiseBits: number; readonly factor: number }, BgvContext> = {
  bytes: NOISE_BYTES,
  write: (writer, { noiseBits, factor }) => {
    writer.f64(noiseBits);
    writer.u64(factor);
  },
  read: (reader, context, level) => {
    const noiseBits = reader.f64();
    const factor = reader.u64();
    const inWindow =
      noiseBits >= lowestBits(context.params) && noiseBits <= noiseRoom(context.modulusBits, level);
    if (!inWindow) throw reader.error('the noise bound is outside its window');
    if (factor < 1 || factor >= context.params.t) throw reader.error('the factor is no unit modulo t');
    return { noiseBits, factor };
  },
};

/** No ciphertext is quieter than a fresh one or than one that was just switched. */
function lowestBits(params: BgvParams): number {
  return Math.min(freshBits(params.n), roundingBits(params.n));
}

/** Bytes of a batch, or of one ciphertext, on the wire. */
export function bgvCiphertextBytes(params: BgvParams, shape: CiphertextShape): number {
  return ciphertextWireBytes(params, shape, NOISE_BYTES);
}
