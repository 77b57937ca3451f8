/**
 * Log-mel features: 25 ms frames every 10 ms, pre-emphasis, Povey window, power spectrum, 40 mel filters, logarithm,
 * and the mean of the utterance removed per filter.
 *
 * Frame rules follow Kaldi with `snip-edges`: only whole frames, 1 + floor((samples - frame) / shift) of them.
 */
import FFT from 'fft.js';
import { AudioError } from '../../base/errors.ts';
import type { MelFilter } from './mel.ts';
import { melFilterBank } from './mel.ts';
import { MIN_SAMPLE_RATE } from '../audio/sample-rates.ts';

/** A row-major [frames, dim] matrix of features, 100 frames a second. */
export interface FeatureMatrix {
  readonly data: Float32Array;
  readonly frames: number;
  readonly dim: number;
}

export const MEL_FILTERS = 40;
export const FRAMES_PER_SECOND = 100;

export interface LogMelOptions {
  /** Energies this many dB below the loudest filter output of the utterance are raised to that floor. Default 70. */
  readonly dynamicRangeDb?: number;
  /** Noise in [-1, 1) times `dither` is added to every sample; absent means none, and features are deterministic. */
  readonly dither?: { readonly amplitude: number; readonly random: () => number };
}

const FRAME_SECONDS = 0.025;
export const PRE_EMPHASIS = 0.97;
const LOWEST_HERTZ = 20;
const HIGHEST_HERTZ = 7600;
// The power of a 16-bit step is 1e-9; a floor just under it keeps digital silence finite.
const ABSOLUTE_FLOOR = 1e-10;

/** The fixed tables of one sample rate. */
interface Analysis {
  readonly frameLength: number;
  readonly shift: number;
  readonly window: Float64Array;
  readonly fft: FFT;
  readonly filters: readonly MelFilter[];
}

const analyses = new Map<number, Analysis>();

function analysisFor(rate: number): Analysis {
  const known = analyses.get(rate);
  if (known !== undefined) return known;
  const frameLength = Math.round(rate * FRAME_SECONDS);
  // Padding to 512 keeps the lowest filters wider than a bin at 8 kHz.
  let fftSize = 512;
  while (fftSize < frameLength) fftSize *= 2;
  const high = Math.min(rate / 2, HIGHEST_HERTZ);
  const analysis: Analysis = {
    frameLength,
    shift: Math.round(rate / FRAMES_PER_SECOND),
    window: poveyWindow(frameLength),
    fft: new FFT(fftSize),
    filters: melFilterBank(MEL_FILTERS, fftSize, rate, LOWEST_HERTZ, high),
  };
  // Any rate can be asked for; the two that models use stay, a stream of odd ones does not fill the memory.
  if (analyses.size >= 8) analyses.clear();
  analyses.set(rate, analysis);
  return analysis;
}

/** Kaldi's window: a Hann window to the power 0.85, which does not reach zero as fast at the edges. */
function poveyWindow(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => {
    return (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (length - 1))) ** 0.85;
  });
}

/** How many frames `logMelFeatures` makes of so many samples; 0 when they do not fill one frame. */
export function frameCount(samples: number, rate: number): number {
  const frameLength = Math.round(rate * FRAME_SECONDS);
  return samples < frameLength
    ? 0
    : 1 + Math.floor((samples - frameLength) / Math.round(rate / FRAMES_PER_SECOND));
}

/**
 * The [frames, 40] log-mel features of mono samples, with mean zero over the utterance in every filter.
 * A gain on the samples does not change them, but for the absolute floor. Digital silence gives all zeros.
 *
 * @throws {AudioError} when the samples do not fill one frame of 25 ms, the rate is below 1,000 Hz, or a sample is not finite.
 */
export function logMelFeatures(
  samples: Float32Array,
  rate: number,
  options: LogMelOptions = {},
): FeatureMatrix {
  const features = logMels(samples, rate, options);
  subtractMean(features);
  return features;
}

/** The features of {@link logMelFeatures} before the mean is removed. @throws {AudioError} as it does. */
export function logMels(samples: Float32Array, rate: number, options: LogMelOptions = {}): FeatureMatrix {
  if (!(rate >= MIN_SAMPLE_RATE))
    throw new AudioError(`sample rate is ${rate} Hz, at least ${MIN_SAMPLE_RATE} is needed`);
  const frames = frameCount(samples.length, rate);
  if (frames === 0) {
    const ms = Math.round((1000 * samples.length) / rate);
    throw new AudioError(
      `audio is ${ms} ms long; at least one frame of ${1000 * FRAME_SECONDS} ms is needed`,
    );
  }
  const data = melEnergies(samples, frames, analysisFor(rate), options);
  takeLogarithm(data, options.dynamicRangeDb ?? 70);
  return { data, frames, dim: MEL_FILTERS };
}

function melEnergies(
  samples: Float32Array,
  frames: number,
  analysis: Analysis,
  options: LogMelOptions,
): Float32Array {
  const { frameLength, shift, window, fft, filters } = analysis;
  const frame: number[] = Array.from({ length: fft.size }, () => 0);
  const spectrum = fft.createComplexArray();
  const power = new Float64Array(fft.size / 2 + 1);
  const energies = new Float32Array(frames * filters.length);
  const dither = options.dither;
  for (let t = 0; t < frames; t++) {
    let mean = 0;
    for (let i = 0; i < frameLength; i++) {
      frame[i] = samples[t * shift + i] + (dither ? dither.amplitude * (2 * dither.random() - 1) : 0);
      mean += frame[i];
    }
    mean /= frameLength;
    if (!Number.isFinite(mean)) throw new AudioError(`audio has a sample that is not finite in frame ${t}`);
    let previous = frame[0] - mean;
    for (let i = 0; i < frameLength; i++) {
      const sample = frame[i] - mean;
      frame[i] = (sample - PRE_EMPHASIS * previous) * window[i];
      previous = sample;
    }
    fft.realTransform(spectrum, frame);
    for (let bin = 0; bin < power.length; bin++)
      power[bin] = spectrum[2 * bin] ** 2 + spectrum[2 * bin + 1] ** 2;
    for (let m = 0; m < filters.length; m++) {
      const { firstBin, weights } = filters[m];
      let energy = 0;
      for (let i = 0; i < weights.length; i++) energy += weights[i] * power[firstBin + i];
      energies[t * filters.length + m] = energy;
    }
  }
  return energies;
}

function takeLogarithm(energies: Float32Array, dynamicRangeDb: number): void {
  let loudest = 0;
  for (const energy of energies) if (energy > loudest) loudest = energy;
  const floor = Math.max(ABSOLUTE_FLOOR, loudest * 10 ** (-dynamicRangeDb / 10));
  for (let i = 0; i < energies.length; i++) energies[i] = Math.log(Math.max(energies[i], floor));
}

/** Removes the mean of every column, in place: that of the frames for which `counts` is true, of all when there are none. */
export function subtractMean(features: FeatureMatrix, counts: (frame: number) => boolean = () => true): void {
  const { data, frames, dim } = features;
  const mean = new Float64Array(dim);
  let counted = 0;
  for (let t = 0; t < frames; t++) {
    if (!counts(t)) continue;
    counted++;
    for (let d = 0; d < dim; d++) mean[d] += data[t * dim + d];
  }
  if (counted === 0) {
    subtractMean(features);
    return;
  }
  for (let d = 0; d < dim; d++) mean[d] /= counted;
  for (let i = 0; i < data.length; i++) data[i] -= mean[i % dim];
}
