/**
 * Whether a recording resembles what a model was trained on. A polynomial network is right inside the ranges that it was
 * trained on and can be anything outside of them, so that a transcript from there deserves a warning. Two looks, both on the
 * client alone: at the inputs before anything is encrypted, and at the decrypted scores. Nothing that is sent depends on
 * either.
 */
import { ShapeError } from '../../base/errors.ts';
import type { NetworkInputs } from './front-end.ts';

/** An interval, both ends included. */
export type Interval = readonly [low: number, high: number];

/** Facts about the inputs of one recording, as a person reads them. */
export const INPUT_FACTS = [
  'the contrast between loud and quiet',
  'the loudest moments',
  'the colour of the sound',
  'how fast the sound changes',
  'the shape of the spectrum',
] as const;

/** Facts about the scores of one recording. */
export const SCORE_FACTS = ['the lowest score', 'the highest score', 'the certainty of the network'] as const;

/** What training data had; one interval per fact, in the order of the names. */
export interface FamiliarRanges {
  readonly inputs: readonly Interval[];
  readonly scores: readonly Interval[];
}

/** Of fewer frames than this the facts are accidents, and no warning is given for the inputs. */
export const LEAST_FRAMES = 20;

/** The value that a share of all values does not exceed. */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/**
 * Mean square, its 99 % quantile over frames, mean square of the averages, of the change from frame to frame, and of the
 * differences of neighbouring filters; `filters` per coefficient, then `beside` others.
 */
export function inputFacts({ data, frames }: NetworkInputs, filters: number, beside = 0): number[] {
  const width = frames === 0 ? 0 : data.length / frames;
  if (frames === 0 || (width - beside) % filters !== 0)
    throw new ShapeError('inputs', `frames x (n x ${filters} + ${beside})`, data.length);
  const energies = new Float64Array(frames);
  const means = new Float64Array(width);
  let [motion, roughness] = [0, 0];
  for (let t = 0; t < frames; t++) {
    for (let d = 0; d < width; d++) {
      const value = data[t * width + d];
      energies[t] += value * value;
      means[d] += value;
      if (t > 0) motion += (value - data[(t - 1) * width + d]) ** 2;
      if (d % filters > 0) roughness += (value - data[t * width + d - 1]) ** 2;
    }
  }
  const all = frames * width;
  const spread = energies.reduce((sum, energy) => sum + energy, 0) / all;
  return [
    spread,
    quantile(energies.sort(), 0.99) / width,
    means.reduce((sum, mean) => sum + (mean / frames) ** 2, 0) / width,
    motion / Math.max(1, all - width),
    roughness / all,
  ];
}

/** Lowest and highest score, and the average log of the largest posterior of a frame; `outputs` scores per frame. */
export function scoreFacts(scores: ArrayLike<number>, outputs: number): number[] {
  const frames = scores.length / outputs;
  if (!Number.isInteger(frames) || frames === 0)
    throw new ShapeError('scores', `n x ${outputs}`, scores.length);
  let [lowest, highest, certainty] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (let t = 0; t < frames; t++) {
    let best = Number.NEGATIVE_INFINITY;
    for (let i = t * outputs; i < (t + 1) * outputs; i++) {
      lowest = Math.min(lowest, scores[i]);
      best = Math.max(best, scores[i]);
    }
    highest = Math.max(highest, best);
    let sum = 0;
    for (let i = t * outputs; i < (t + 1) * outputs; i++) sum += Math.exp(scores[i] - best);
    certainty -= Math.log(sum) / frames;
  }
  return [lowest, highest, certainty];
}

/** Room on either side of what training had, in widths of it: other clean speech is not an alarm. */
const ROOM = 0.1;

/**
 * The intervals of many recordings' facts. `freaks` is the share that an interval may leave out on either side: single odd
 * recordings do not widen it.
 * @throws {ShapeError} when there is no recording.
 */
export function familiarIntervals(facts: readonly (readonly number[])[], freaks: number): Interval[] {
  if (facts.length === 0) throw new ShapeError('recordings to learn ranges from', 'at least 1', 0);
  return facts[0].map((_, i) => {
    const sorted = Float64Array.from(facts, (each) => each[i]).sort();
    const [low, high] = [quantile(sorted, freaks), quantile(sorted, 1 - freaks)];
    return [low - ROOM * (high - low), high + ROOM * (high - low)];
  });
}

/** The names of the facts that lie outside of their intervals; NaN does. */
export function unfamiliar(
  facts: readonly number[],
  intervals: readonly Interval[],
  names: readonly string[],
): string[] {
  return names.filter((_, i) => {
    const [low, high] = intervals[i] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    return !(facts[i] >= low && facts[i] <= high);
  });
}
