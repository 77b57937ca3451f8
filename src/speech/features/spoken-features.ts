/**
 * Log-mel features that do not depend on how much silence a recording has, nor on how deep it is: low noise is added at
 * a fixed distance below the speech, so that digital silence, gated and coarsely quantised pauses all look like a quiet
 * room, and the mean that is removed is that of the loud parts of the speech, which silence does not change.
 */
import type { FeatureMatrix } from './features.ts';
import { logMels, PRE_EMPHASIS, subtractMean } from './features.ts';
import { findSpeech } from './spoken-part.ts';

/** The noise lies this far (dB) below loud passages, both after pre-emphasis. */
const DITHER_DB = 50;
/** What digital silence counts as: below the smallest step of 16 bits. */
const LEAST_LEVEL = 1e-11;
/** First-order low-pass of the noise: with pre-emphasis its spectrum is about flat. */
const DECAY = 0.7;

/** Samples with low noise added; `level` as in `SpeechActivity`. Always the same noise: it has nothing to hide. */
export function dithered(samples: Float32Array, level: number): Float32Array {
  const energy = Math.max(LEAST_LEVEL, level * 10 ** (-DITHER_DB / 10));
  // Of white noise through the low-pass, what pre-emphasis leaves.
  const passed = (1 + PRE_EMPHASIS ** 2 - 2 * PRE_EMPHASIS * DECAY) / (1 - DECAY * DECAY);
  const gain = Math.sqrt((3 * energy) / passed);
  let state = 0x2545f491;
  let noise = 0;
  return samples.map((sample) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    noise = DECAY * noise + gain * (state / 2 ** 31 - 1);
    return sample + noise;
  });
}

/**
 * The [frames, 40] log-mel features of mono samples, dithered, with mean zero over the loud frames in every filter
 * (over all frames of digital silence). Nothing is cut; see `spokenPart`.
 *
 * @throws {AudioError} as `logMelFeatures`.
 */
export function spokenFeatures(samples: Float32Array, rate: number): FeatureMatrix {
  const { level, loud } = findSpeech(samples, rate);
  const features = logMels(dithered(samples, level), rate);
  // A frame of 25 ms has the block after its first in its middle.
  subtractMean(features, (frame) => loud[frame + 1] === 1);
  return features;
}
