import { describe, expect, test } from 'vitest';
import { AudioError, DataError } from '../../src/base/errors.ts';
import { drawDigitStrings, joinDigits } from '../../src/speech/alignment/connected-digits.ts';
import {
  digitSplit,
  parseDigitFileName,
  parseSentenceTable,
  sentenceValidationSpeakers,
} from '../../src/speech/alignment/corpora.ts';

/** A generator for tests: the same numbers in every run. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('digit recordings', () => {
  test('are described by their names', () => {
    const recording = parseDigitFileName('7_jackson_32.wav');
    expect(recording).toEqual({ file: '7_jackson_32.wav', digit: 7, speaker: 'jackson', index: 32 });
    for (const name of ['7_jackson_32.mp3', '77_jackson_1.wav', 'README.md', '7__1.wav', '../7_a_1.wav']) {
      expect(() => parseDigitFileName(name)).toThrow(DataError);
    }
  });

  test('are split by index', () => {
    const splits = [5, 9, 10, 13, 14, 49].map((index) => digitSplit(parseDigitFileName(`0_a_${index}.wav`)));
    expect(splits).toEqual(['test', 'test', 'validation', 'validation', 'train', 'train']);
  });
});

describe('digit strings', () => {
  const recordings = ['a', 'b'].flatMap((speaker) =>
    Array.from({ length: 30 }, (_, i) =>
      parseDigitFileName(`${i % 10}_${speaker}_${14 + Math.floor(i / 10)}.wav`),
    ),
  );

  test('have one speaker, 3 to 7 digits and pauses around them', () => {
    const strings = drawDigitStrings(recordings, 200, sequence(1));
    const lengths = new Set<number>();
    for (const { speaker, recordings, pauses } of strings) {
      for (const recording of recordings) expect(recording.speaker).toBe(speaker);
      expect(pauses).toHaveLength(recordings.length + 1);
      for (const pause of pauses) expect(pause >= 0.05 && pause < 0.5).toBe(true);
      lengths.add(recordings.length);
    }
    expect([...lengths].sort()).toEqual([3, 4, 5, 6, 7]);
  });

  test('use all recordings about equally often, and are repeated by their seed', () => {
    const strings = drawDigitStrings(recordings, 100, sequence(2));
    const uses = new Map<string, number>();
    for (const string of strings)
      for (const { file } of string.recordings) uses.set(file, (uses.get(file) ?? 0) + 1);
    expect(uses.size).toBe(60);
    expect(Math.max(...uses.values()) - Math.min(...uses.values())).toBeLessThanOrEqual(3);
    expect(drawDigitStrings(recordings, 100, sequence(2))).toEqual(strings);
    expect(drawDigitStrings(recordings, 100, sequence(3))).not.toEqual(strings);
    expect(() => drawDigitStrings([], 1, sequence(1))).toThrow(DataError);
  });

  test('are clips with noise of their quietest level between', () => {
    const random = sequence(4);
    const clip = Float32Array.from({ length: 1600 }, (_, i) => (i < 800 ? 0.01 : 0.5) * (2 * random() - 1));
    const joined = joinDigits([clip, clip], [0.5, 0.25, 0.5], 8000, random);
    expect(joined).toHaveLength(4000 + 1600 + 2000 + 1600 + 4000);
    expect(joined.subarray(4000, 5600)).toEqual(clip);
    expect(joined.subarray(7600, 9200)).toEqual(clip);
    const power = joined.subarray(0, 4000).reduce((sum, x) => sum + x * x, 0) / 4000;
    expect(Math.sqrt(power)).toBeGreaterThan(0.7 * (0.01 / Math.sqrt(3)));
    expect(Math.sqrt(power)).toBeLessThan(1.3 * (0.01 / Math.sqrt(3)));
    expect(() => joinDigits([clip], [0.1], 8000, random)).toThrow(AudioError);
  });
});

describe('sentence tables', () => {
  const header = 'utterance\tspeaker\tage\tgender\ttext\n';

  test('are read line by line', () => {
    const [first, second] = parseSentenceTable(
      `${header}01\t0001\t6\tm\tWE CALL IT BEAR\n02\t0002\t30\tf\tYES\n`,
    );
    expect(first).toEqual({
      utterance: '01',
      speaker: '0001',
      age: 6,
      gender: 'm',
      words: ['WE', 'CALL', 'IT', 'BEAR'],
    });
    expect(second.words).toEqual(['YES']);
  });

  test('name the line that is wrong', () => {
    for (const line of [
      '01\t0001\t6\tm',
      '01\t0001\tsix\tm\tA',
      '01\t0001\t6\tx\tA',
      '01\t0001\t6\tm\t',
      'x',
    ]) {
      expect(() => parseSentenceTable(`${header}01\t0001\t6\tm\tA\n${line}\n`)).toThrow(/line 3/);
    }
    expect(() => parseSentenceTable('a,b,c')).toThrow(DataError);
  });

  test('give every tenth speaker for validation', () => {
    const lines = Array.from({ length: 40 }, (_, i) => `${i}\t${String(i % 20).padStart(4, '0')}\t6\tm\tA`);
    const speakers = sentenceValidationSpeakers(parseSentenceTable(header + lines.join('\n')));
    expect([...speakers]).toEqual(['0009', '0019']);
  });
});
