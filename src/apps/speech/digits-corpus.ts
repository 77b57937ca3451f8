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
  /** Further training strings of one to three digits without pauses, not even at the ends. */
  readonly tight?: number;
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
  isTight = false,
): Utterance[] {
  if (count === 0) return [];
  const own = recordings.filter((recording) => digitSplit(recording) === name);
  const generator = new SeededGenerator(seed);
  // Training also hears single digits; the reported strings are all of three to seven.
  const minDigits = name === 'train' ? 1 : 3;
  const options = isTight ? { minDigits, maxDigits: 3, minPause: 0, maxPause: 0.03 } : { minDigits };
  return drawDigitStrings(own, count, () => generator.uniform(), options).map((string, i) => {
    const noiseSeed = generator.word();
    return {
      id: `${name}-${isTight ? 'tight-' : ''}${i}`,
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

function readRecordings(directory: string): { recordings: DigitRecording[]; clips: DigitClips } {
  const folder = join(directory, 'fsdd');
  requireData('the digits task', folder);
  const files = readdirSync(folder).filter((file) => file.endsWith('.wav'));
  if (files.length === 0) throw new DataError(`${folder} holds no WAV files`);
  return { recordings: files.sort().map(parseDigitFileName), clips: new DigitClips(folder) };
}

/** Every recording of a part as it is, one digit each. @throws {DataError} as {@link readDigitsCorpus}. */
export function singleDigits(directory: string, name: Split): Utterance[] {
  const { recordings, clips } = readRecordings(directory);
  return recordings
    .filter((recording) => digitSplit(recording) === name)
    .map(({ file, speaker, digit }) => ({
      id: file,
      speaker,
      words: [DIGIT_LEXICON.words[digit]],
      samples: () => clips.samples(file),
    }));
}

/**
 * Reads `DIR/fsdd` and joins recordings into strings; the same seed gives the same strings.
 * @throws {DataError} when the folder is missing or holds other files than recordings.
 */
export function readDigitsCorpus(directory: string, counts: DigitStringCounts, seed: number): SpeechCorpus {
  const { recordings, clips } = readRecordings(directory);
  return {
    task: 'digits',
    rate: DIGITS_RATE,
    train: [
      ...digitStrings('train', recordings, clips, counts.train, seed),
      ...digitStrings('train', recordings, clips, counts.tight ?? 0, seed + 3, true),
    ],
    tuning: digitStrings('validation', recordings, clips, counts.tuning, seed + 1),
    test: digitStrings('test', recordings, clips, counts.test, seed + 2),
  };
}
