/** Writes WAV files: RIFF/WAVE, 16-bit PCM, mono. */
import { AudioError } from '../../base/errors.ts';
import { MAX_SAMPLE_RATE, MIN_SAMPLE_RATE } from './sample-rates.ts';
import type { AudioClip } from './wav.ts';

/**
 * A mono 16-bit WAV file. Samples are rounded to the nearest step and clipped to [-1, 1).
 *
 * @throws {AudioError} when the clip has no samples or a rate outside the supported interval.
 */
export function writeWav(clip: AudioClip): Uint8Array {
  const { samples, rate } = clip;
  if (samples.length === 0) throw new AudioError('a WAV file needs at least one sample');
  if (!Number.isInteger(rate) || rate < MIN_SAMPLE_RATE || rate > MAX_SAMPLE_RATE) {
    throw new AudioError(
      `WAV sample rate is ${rate} Hz; ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE} are supported`,
    );
  }
  const bytes = new Uint8Array(44 + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const text = (offset: number, id: string): void => {
    for (let i = 0; i < 4; i++) view.setUint8(offset + i, id.charCodeAt(i));
  };
  text(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  text(8, 'WAVE');
  text(12, 'fmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; i++) {
    const step = Math.round(samples[i] * 0x8000);
    view.setInt16(44 + 2 * i, Math.max(-0x8000, Math.min(0x7fff, step)), true);
  }
  return bytes;
}
