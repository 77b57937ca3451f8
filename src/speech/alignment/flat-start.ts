/** The first guess at an alignment: quiet ends are silence, the rest is divided equally among the states of the words. */
import type { FeatureMatrix } from '../features/features.ts';
import type { StateInventory } from '../decoding/state-inventory.ts';
import { SILENCE_UNIT } from '../decoding/state-inventory.ts';

/** An end is quiet while its level stays below this fraction of the way from the quietest to the loudest frame. */
const QUIET_FRACTION = 0.35;

/**
 * A state per frame from the first pronunciation of every word, or null when there are more states than frames.
 * `features` are log-mels: their mean over the filters is the level of a frame.
 */
export function flatSegmentation(
  words: readonly number[],
  inventory: StateInventory,
  features: FeatureMatrix,
): Uint16Array | null {
  const { statesPerUnit } = inventory;
  const spoken: number[] = [];
  for (const word of words) {
    for (const unit of inventory.pronunciations[word][0]) {
      for (let position = 0; position < statesPerUnit; position++)
        spoken.push(unit * statesPerUnit + position);
    }
  }
  if (spoken.length > features.frames) return null;
  let [begin, end] = loudInterval(features);
  if (end - begin < spoken.length) [begin, end] = [0, features.frames];
  const path = new Uint16Array(features.frames);
  const silence = SILENCE_UNIT * statesPerUnit;
  spread(path, 0, begin, silence, statesPerUnit);
  for (let t = begin; t < end; t++)
    path[t] = spoken[Math.floor(((t - begin) * spoken.length) / (end - begin))];
  spread(path, end, features.frames, silence, statesPerUnit);
  return path;
}

/** Fills [begin, end) with `count` consecutive states of equal length. */
function spread(path: Uint16Array, begin: number, end: number, state: number, count: number): void {
  for (let t = begin; t < end; t++) path[t] = state + Math.floor(((t - begin) * count) / (end - begin));
}

/** The frames between the first and the last that are not quiet. */
function loudInterval({ data, frames, dim }: FeatureMatrix): [begin: number, end: number] {
  const level = new Float64Array(frames);
  for (let i = 0; i < data.length; i++) level[Math.floor(i / dim)] += data[i];
  const sorted = level.slice().sort();
  const low = sorted[Math.floor(0.05 * frames)];
  const threshold = low + QUIET_FRACTION * (sorted[Math.floor(0.95 * frames)] - low);
  const begin = level.findIndex((value) => value > threshold);
  const end = level.findLastIndex((value) => value > threshold) + 1;
  return begin < 0 ? [0, frames] : [begin, end];
}
