/**
 * The two corpora as lists of utterances. Pure functions of names and texts; whoever calls them reads the files. Layout
 * as described in docs/data.md.
 */
import { DataError } from '../../base/errors.ts';

export type Split = 'train' | 'validation' | 'test';

/** One recording of one digit. */
export interface DigitRecording {
  readonly file: string;
  readonly digit: number;
  readonly speaker: string;
  readonly index: number;
}

/**
 * Reads an FSDD file name, `{digit}_{speaker}_{index}.wav`.
 *
 * @throws {DataError} for any other name.
 */
export function parseDigitFileName(file: string): DigitRecording {
  const match = /^([0-9])_([a-z]+)_([0-9]+)\.wav$/.exec(file);
  if (match === null) throw new DataError(`'${file}' is not named {digit}_{speaker}_{index}.wav`);
  return { file, digit: Number(match[1]), speaker: match[2], index: Number(match[3]) };
}

/**
 * The split of an FSDD recording by its index: up to 9 is test, 10 to 13 validation, the rest training. No recording
 * is in two splits; the speakers are the same in all.
 */
export function digitSplit(recording: DigitRecording): Split {
  if (recording.index <= 9) return 'test';
  return recording.index <= 13 ? 'validation' : 'train';
}

/** One read sentence. */
export interface SentenceRecording {
  readonly utterance: string;
  readonly speaker: string;
  readonly age: number;
  readonly gender: 'm' | 'f';
  readonly words: readonly string[];
}

const SENTENCE_COLUMNS = ['utterance', 'speaker', 'age', 'gender', 'text'];

/**
 * Reads a table of speechocean762: a header and lines of utterance, speaker, age, gender, text, divided by tabs.
 *
 * @throws {DataError} naming the line that does not fit.
 */
export function parseSentenceTable(table: string): SentenceRecording[] {
  const [header, ...lines] = table.split(/\r?\n/);
  if (header !== SENTENCE_COLUMNS.join('\t')) {
    throw new DataError(`sentence table must begin with the columns ${SENTENCE_COLUMNS.join(', ')}`);
  }
  const recordings: SentenceRecording[] = [];
  lines.forEach((line, i) => {
    if (line === '') return;
    const fields = line.split('\t');
    const [utterance, speaker, age, gender, text] = fields;
    const words = (text ?? '').split(' ').filter((word) => word !== '');
    const isGender = gender === 'm' || gender === 'f';
    if (
      fields.length !== SENTENCE_COLUMNS.length ||
      !/^[0-9]+$/.test(age) ||
      !isGender ||
      words.length === 0
    ) {
      throw new DataError(`sentence table line ${i + 2} does not fit its columns`);
    }
    recordings.push({ utterance, speaker, age: Number(age), gender, words });
  });
  return recordings;
}

/**
 * A deterministic split of the training speakers: every tenth speaker in order of name is for validation, so that early
 * stopping looks at voices that training has not heard.
 */
export function sentenceValidationSpeakers(recordings: readonly SentenceRecording[]): Set<string> {
  const speakers = [...new Set(recordings.map((recording) => recording.speaker))].sort();
  return new Set(speakers.filter((_, i) => i % 10 === 9));
}
