/**
 * Long recordings in pieces that fit a request. A piece ends where it is quietest, so that few words are cut; the server
 * sees how many pieces there are.
 */
import { LimitError } from '../../base/errors.ts';
import type { AudioClip } from '../../speech/index.ts';

/** Longer recordings are refused rather than half done. */
export const MAX_RECORDING_SECONDS = 7200;

/** Energies are compared over windows of this length. */
const WINDOW_SECONDS = 0.2;
const STEP_SECONDS = 0.01;

/** @throws {LimitError} when the recording is over two hours. */
export function checkRecordingLength({ samples, rate }: AudioClip): void {
  const seconds = samples.length / rate;
  if (seconds > MAX_RECORDING_SECONDS) {
    throw new LimitError('the recording', `${MAX_RECORDING_SECONDS} s`, `${seconds.toFixed(0)} s long`);
  }
}

/**
 * Pieces of at most `maxSeconds`, in order, without overlap; each but the last at least half as long as that. One piece
 * when the recording is short enough; the samples are borrowed.
 *
 * @throws {LimitError} when the recording is over two hours.
 */
export function audioPieces(clip: AudioClip, maxSeconds: number): AudioClip[] {
  checkRecordingLength(clip);
  const { samples, rate } = clip;
  const most = Math.floor(maxSeconds * rate);
  const pieces: AudioClip[] = [];
  let start = 0;
  while (samples.length - start > most) {
    const end = quietest(samples, start + (most >> 1), start + most, rate);
    pieces.push({ samples: samples.subarray(start, end), rate });
    start = end;
  }
  pieces.push({ samples: samples.subarray(start), rate });
  return pieces;
}

/** The middle of the window with the least energy that lies within [from, to). */
function quietest(samples: Float32Array, from: number, to: number, rate: number): number {
  const window = Math.max(1, Math.floor(WINDOW_SECONDS * rate));
  const step = Math.max(1, Math.floor(STEP_SECONDS * rate));
  let best = to;
  let least = Number.POSITIVE_INFINITY;
  for (let at = from; at + window <= to; at += step) {
    let energy = 0;
    for (let i = at; i < at + window; i++) energy += (samples[i] as number) ** 2;
    if (energy < least) {
      least = energy;
      best = at + (window >> 1);
    }
  }
  return best;
}
