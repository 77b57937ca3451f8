/**
 * Where a recording is spoken. Energies of 10 ms blocks after pre-emphasis, so that hum and offsets count little and
 * fricatives much; the level of loud passages and of the background are ranks of these energies, and what rises
 * clearly above the background is speech. Deterministic, and independent of the gain of the recording.
 */
import { AudioError } from '../../base/errors.ts';
import { FRAMES_PER_SECOND, PRE_EMPHASIS } from './features.ts';

/** Samples `from` to `to`, the latter not included. */
export interface SampleSpan {
  readonly from: number;
  readonly to: number;
}

export interface SpeechActivity {
  /** Energy per sample of loud passages, after pre-emphasis; 0 for digital silence. */
  readonly level: number;
  /** 1 for every block of 10 ms with speech in it. */
  readonly blocks: Uint8Array;
  /** 1 for every block near the level: of a given speech the same blocks, whatever silence is around it. */
  readonly loud: Uint8Array;
}

/** A recording without its long pauses. */
export interface SpokenPart {
  readonly samples: Float32Array;
  /** Where the samples come from, in order; the whole recording when nothing was cut. */
  readonly spans: readonly SampleSpan[];
  /** False for digital silence. */
  readonly hasSpeech: boolean;
}

/** Energies are averaged over so many blocks, so that a click of 10 ms loses to a vowel. */
const SMOOTHING = 5;
/** The level is what this many blocks reach, a tenth of a second; of very short clips a quarter of all. */
const LOUD_BLOCKS = 10;
/** Blocks within this distance (dB) of the level are loud. */
const LOUD_DB = 20;
/** A quieter background than this (dB below the level) changes nothing any more. */
const DEEPEST_BACKGROUND_DB = 50;
/** Speech begins at a quarter of the way from the background to the level, within these distances (dB). */
const RISE_SHARE = 0.25;
const RISE_DB = [3, 12] as const;
/** Below this rise of the level over the background (dB), nothing tells speech from noise: all of it may be speech. */
const LEAST_CONTRAST_DB = 6;
/** Kept on either side of speech; a pause of twice this length stays as it is. */
const MARGIN_SECONDS = 0.3;
/** Of digital silence, what is kept: enough to be answered with no words. */
const UNSPOKEN_SECONDS = 0.5;

/** Mean energy per sample of every whole block, after pre-emphasis. */
function blockEnergies(samples: Float32Array, block: number): Float64Array {
  const energies = new Float64Array(Math.floor(samples.length / block));
  let previous = samples[0] ?? 0;
  for (let b = 0; b < energies.length; b++) {
    let sum = 0;
    for (let i = b * block; i < (b + 1) * block; i++) {
      const difference = samples[i] - PRE_EMPHASIS * previous;
      previous = samples[i];
      sum += difference * difference;
    }
    if (!Number.isFinite(sum))
      throw new AudioError(`audio has a sample that is not finite in block ${b} of 10 ms`);
    energies[b] = sum / block;
  }
  return energies;
}

/** The average over `SMOOTHING` neighbours, fewer at the ends. */
function smoothed(energies: Float64Array): Float64Array {
  const reach = (SMOOTHING - 1) / 2;
  return energies.map((_, b) => {
    const from = Math.max(0, b - reach);
    const to = Math.min(energies.length, b + reach + 1);
    let sum = 0;
    for (let i = from; i < to; i++) sum += energies[i];
    return sum / (to - from);
  });
}

const decibels = (ratio: number): number => 10 * Math.log10(ratio);
const ratioOf = (db: number): number => 10 ** (db / 10);

/** The blocks that may hold speech, at `rate` Hz: all where loud and quiet hardly differ, none of digital silence. @throws {AudioError} when a sample is not finite. */
export function findSpeech(samples: Float32Array, rate: number): SpeechActivity {
  const energies = blockEnergies(samples, Math.round(rate / FRAMES_PER_SECOND));
  const blocks = new Uint8Array(energies.length);
  const loud = new Uint8Array(energies.length);
  if (energies.length === 0) return { level: 0, blocks, loud };
  const even = smoothed(energies);
  const sorted = Float64Array.from(even).sort();
  const rank = Math.min(LOUD_BLOCKS, Math.ceil(sorted.length / 4));
  const level = sorted[sorted.length - rank];
  if (!(level > 0)) return { level: 0, blocks, loud };
  for (let b = 0; b < loud.length; b++) if (even[b] > level / ratioOf(LOUD_DB)) loud[b] = 1;
  const background = Math.max(sorted[Math.floor(sorted.length / 10)], level / ratioOf(DEEPEST_BACKGROUND_DB));
  const contrast = decibels(level / background);
  if (contrast < LEAST_CONTRAST_DB) return { level, blocks: blocks.fill(1), loud };
  const threshold = background * ratioOf(Math.min(RISE_DB[1], Math.max(RISE_DB[0], RISE_SHARE * contrast)));
  // Smoothed energies decide, so that a click reaches over five blocks at most and a gap in a word does not count.
  for (let b = 0; b < blocks.length; b++) if (even[b] > threshold) blocks[b] = 1;
  return { level, blocks, loud };
}

/**
 * What is spoken of a recording, with 0.3 s around it: silence before and after is cut to that, pauses to twice that.
 * Of digital silence, the first half second stays; where speech cannot be told from steady noise, everything does. Cuts lie on whole blocks of 10 ms; nothing is copied when nothing
 * is cut.
 */
export function spokenPart(samples: Float32Array, rate: number): SpokenPart {
  const block = Math.round(rate / FRAMES_PER_SECOND);
  const { blocks } = findSpeech(samples, rate);
  const hasSpeech = blocks.includes(1);
  const spans = hasSpeech
    ? spansAround(blocks, Math.round(MARGIN_SECONDS * FRAMES_PER_SECOND), block, samples.length)
    : [{ from: 0, to: Math.min(samples.length, Math.round(UNSPOKEN_SECONDS * rate)) }];
  const length = spans.reduce((sum, { from, to }) => sum + to - from, 0);
  if (length === samples.length) return { samples, spans, hasSpeech };
  const kept = new Float32Array(length);
  let at = 0;
  for (const { from, to } of spans) {
    kept.set(samples.subarray(from, to), at);
    at += to - from;
  }
  return { samples: kept, spans, hasSpeech };
}

function spansAround(blocks: Uint8Array, margin: number, block: number, length: number): SampleSpan[] {
  const spans: { from: number; to: number }[] = [];
  blocks.forEach((spoken, b) => {
    if (spoken === 0) return;
    const from = Math.max(0, b - margin) * block;
    const end = b + 1 + margin;
    // The samples after the last whole block belong to it.
    const to = end >= blocks.length ? length : end * block;
    const last = spans.at(-1);
    if (last !== undefined && from <= last.to) last.to = to;
    else spans.push({ from, to });
  });
  return spans;
}

/** The time in the recording, in samples, of sample `at` of its spoken part. */
export function timeInRecording(spans: readonly SampleSpan[], at: number): number {
  let left = at;
  for (const { from, to } of spans) {
    if (left < to - from) return from + left;
    left -= to - from;
  }
  return spans.at(-1)?.to ?? 0;
}
