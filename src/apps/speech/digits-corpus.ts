/**
 * Connected digits from the Free Spoken Digit Dataset (8 kHz, six speakers, one digit per file).
 *
 * Strings are recordings of one speaker with pauses at that speaker's own background level. Recordings are split by their
 * index (`digitSplit`), so none is in two parts; the speakers are the same in all.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../base/errors.ts';
import { SeededGenerator } from '../../nn/index.ts';
import {
  DIGIT_LEXICON,
  digitSplit,
  drawDigitStrings,
  joinDigits,
  parseDigitFileName,
  readWav,
} from '../../speech/index.ts';
import type { DigitRecording, Split } from '../../speech/index.ts';
import { requireData } from './corpus.ts';
import type { SpeechCorpus, Utterance } from './corpus.ts';

export const DIGITS_RATE = 8000;

/** How many strings of each part are made. */
export interface DigitStringCounts {
  readonly train: number;
  readonly tuning: number;
  readonly test: number;
}

/** Reads each file once, when it is first needed. */
class DigitClips {
  readonly #folder: string;
  readonly #clips = new Map<string, Float32Array>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  samples(file: string): Float32Array {
    const known = this.#clips.get(file);
    if (known !== undefined) return known;
    const clip = readWav(readFileSync(join(this.#folder, file)));
    if (clip.rate !== DIGITS_RATE)
      throw new DataError(`${file} is at ${clip.rate} Hz, ${DIGITS_RATE} Hz is needed`);
    this.#clips.set(file, clip.samples);
    return clip.samples;
  }
}

function digitStrings(
  name: Split,
  recordings: readonly DigitRecording[],
  clips: DigitClips,
  count: number,
  seed: number,
): Utterance[] {
  if (count === 0) return [];
  const own = recordings.filter((recording) => digitSplit(recording) === name);
  const generator = new SeededGenerator(seed);
  // Training also hears single digits; the reported strings are all of three to seven.
  const minDigits = name === 'train' ? 1 : 3;
  return drawDigitStrings(own, count, () => generator.uniform(), { minDigits }).map((string, i) => {
    const noiseSeed = generator.word();
    return {
      id: `${name}-${i}`,
      speaker: string.speaker,
      words: string.recordings.map(({ digit }) => DIGIT_LEXICON.words[digit]),
      samples: () => {
        const noise = new SeededGenerator(noiseSeed);
        const parts = string.recordings.map(({ file }) => clips.samples(file));
        return joinDigits(parts, string.pauses, DIGITS_RATE, () => noise.uniform());
      },
    };
  });
}

/**
 * Reads `DIR/fsdd` and joins recordings into strings; the same seed gives the same strings.
 * @throws {DataError} when the folder is missing or holds other files than recordings.
 */
export function readDigitsCorpus(directory: string, counts: DigitStringCounts, seed: number): SpeechCorpus {
  const folder = join(directory, 'fsdd');
  requireData('the digits task', folder);
  const files = readdirSync(folder).filter((file) => file.endsWith('.wav'));
  if (files.length === 0) throw new DataError(`${folder} holds no WAV files`);
  const recordings = files.sort().map(parseDigitFileName);
  const clips = new DigitClips(folder);
  return {
    task: 'digits',
    rate: DIGITS_RATE,
    train: digitStrings('train', recordings, clips, counts.train, seed),
    tuning: digitStrings('validation', recordings, clips, counts.tuning, seed + 1),
    test: digitStrings('test', recordings, clips, counts.test, seed + 2),
  };
}
