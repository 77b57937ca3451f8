/** CKKS ciphertext bytes: see ../rlwe/ciphertext-wire.ts; the scheme adds the scale, f64. */
import { type CiphertextShape, ciphertextWireBytes, type FactsCodec } from '../rlwe/wire/ciphertext-wire.ts';
import type { DroppedBits } from '../rlwe/wire/dropped-bits.ts';
import { roundedWireBytes } from '../rlwe/wire/rounded-wire.ts';
import { tracedWireBytes } from '../rlwe/wire/traced-wire.ts';
import type { CkksContextBase } from './context-base.ts';
import type { CkksParams } from './params.ts';

const SCALE_BYTES = 8;

export const SCALE_CODEC: FactsCodec<{ readonly scale: number }, CkksContextBase> = {
  bytes: SCALE_BYTES,
  write: (writer, { scale }) => writer.f64(scale),
  read: (reader, context, level) => {
    const scale = reader.f64();
    const inWindow = scale >= 1 && Math.log2(scale) <= context.params.logQAt(level);
    if (!Number.isFinite(scale) || !inWindow) throw reader.error('the scale is outside its window');
    return { scale };
  },
};

/** Bytes of a batch at level 0 without its low bits. */
export function roundedBytes(params: CkksParams, count: number, dropped: DroppedBits): number {
  return roundedWireBytes(params, count, dropped, SCALE_BYTES);
}

/** Bytes of a reply that carries a trace in so many slots. */
export function tracedBytes(params: CkksParams, slots: number, dropped: DroppedBits): number {
  return tracedWireBytes(params, { slots, dropped }, SCALE_BYTES);
}

/** Bytes of a batch, or of one ciphertext, on the wire. */
export function ciphertextBytes(params: CkksParams, shape: CiphertextShape): number {
  return ciphertextWireBytes(params, shape, SCALE_BYTES);
}
