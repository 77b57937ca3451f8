/** Strings of digits put together from recordings of single ones, with pauses of recorded-level noise between. */
import { AudioError, DataError } from '../../base/errors.ts';
import type { DigitRecording } from './corpora.ts';

/** Which recordings make a string, all of one speaker, and how long the pauses around them are. */
export interface DigitString {
  readonly speaker: string;
  readonly recordings: readonly DigitRecording[];
  /** Seconds before each recording and after the last: one more than there are recordings. */
  readonly pauses: readonly number[];
}

export interface DigitStringOptions {
  readonly minDigits?: number;
  readonly maxDigits?: number;
  /** Pauses in seconds are uniform in this interval. */
  readonly minPause?: number;
  readonly maxPause?: number;
}

/**
 * `count` random strings of 3 to 7 digits, pauses of 0.05 to 0.5 s. Recordings are drawn without repetition until all of a
 * speaker were used, then again, so every recording occurs about equally often. `random` is uniform in [0, 1);
 * the same generator and recordings give the same strings.
 */
export function drawDigitStrings(
  recordings: readonly DigitRecording[],
  count: number,
  random: () => number,
  options: DigitStringOptions = {},
): DigitString[] {
  const { minDigits = 3, maxDigits = 7, minPause = 0.05, maxPause = 0.5 } = options;
  const bySpeaker = new Map<string, DigitRecording[]>();
  for (const recording of recordings) {
    const own = bySpeaker.get(recording.speaker) ?? [];
    bySpeaker.set(recording.speaker, own);
    own.push(recording);
  }
  if (bySpeaker.size === 0) throw new DataError('no recordings to make digit strings of');
  const speakers = [...bySpeaker.keys()].sort();
  const decks = new Map(speakers.map((speaker) => [speaker, [] as DigitRecording[]]));
  return Array.from({ length: count }, (_, i) => {
    const speaker = speakers[i % speakers.length];
    const length = minDigits + Math.floor(random() * (maxDigits - minDigits + 1));
    const drawn: DigitRecording[] = [];
    const deck = decks.get(speaker)!;
    while (drawn.length < length) {
      if (deck.length === 0) deck.push(...shuffled(bySpeaker.get(speaker)!, random));
      drawn.push(deck.pop()!);
    }
    const pauses = Array.from({ length: length + 1 }, () => minPause + random() * (maxPause - minPause));
    return { speaker, recordings: drawn, pauses };
  });
}

/**
 * The samples of a string at `rate` Hz, clips in the order of its recordings. Pauses are noise with the level of the
 * quietest 20 ms of the clips, so that neither silence nor a click marks the seams.
 *
 * @throws {AudioError} when clips and pauses do not match in number.
 */
export function joinDigits(
  clips: readonly Float32Array[],
  pauses: readonly number[],
  rate: number,
  random: () => number,
): Float32Array {
  if (clips.length === 0 || pauses.length !== clips.length + 1) {
    throw new AudioError(`${clips.length} clips need ${clips.length + 1} pauses, ${pauses.length} are given`);
  }
  const lengths = pauses.map((seconds) => Math.round(seconds * rate));
  const total = [...lengths, ...clips.map((clip) => clip.length)].reduce((sum, length) => sum + length, 0);
  const joined = new Float32Array(total);
  const level = Math.min(...clips.map((clip) => quietestLevel(clip, Math.round(rate / 50))));
  // A first-order low-pass gives the noise the falling spectrum of a room; the factor keeps its power.
  const decay = 0.7;
  const gain = level * Math.sqrt(3 * (1 - decay * decay));
  let noise = 0;
  let at = 0;
  const pause = (length: number): void => {
    for (let i = 0; i < length; i++) {
      noise = decay * noise + gain * (2 * random() - 1);
      joined[at++] = noise;
    }
  };
  clips.forEach((clip, i) => {
    pause(lengths[i]);
    joined.set(clip, at);
    at += clip.length;
  });
  pause(lengths[clips.length]);
  return joined;
}

/** The smallest root mean square over blocks of `block` samples; of the whole clip when it is shorter. */
function quietestLevel(clip: Float32Array, block: number): number {
  let quietest = Number.POSITIVE_INFINITY;
  const width = Math.max(1, Math.min(block, clip.length));
  for (let begin = 0; begin + width <= clip.length; begin += width) {
    let sum = 0;
    for (let i = begin; i < begin + width; i++) sum += clip[i] * clip[i];
    quietest = Math.min(quietest, Math.sqrt(sum / width));
  }
  return Number.isFinite(quietest) ? quietest : 0;
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
