import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, ReadBudget } from '../../src/base/bytes.ts';
import { DataError, DecodeError, OutOfRangeError } from '../../src/base/errors.ts';
import { NgramModel, perplexity } from '../../src/speech/language/ngram.ts';
import { ngramByteLength, readNgram, writeNgram } from '../../src/speech/language/ngram-bytes.ts';
import { trainNgram } from '../../src/speech/language/ngram-training.ts';

function bytesOf(model: NgramModel): Uint8Array {
  const writer = new ByteWriter(ngramByteLength(model));
  writeNgram(writer, model);
  return writer.finish();
}

function modelOf(bytes: Uint8Array, vocabularySize: number): NgramModel {
  const reader = new ByteReader('language model', bytes);
  const model = readNgram(reader, vocabularySize, new ReadBudget(1 << 20));
  reader.end();
  return model;
}

/** Sum of P(word | state) over all words and the end of the sentence. */
function mass(model: NgramModel, state: number): number {
  let sum = 0;
  for (let word = 0; word <= model.endOfSentence; word++) sum += Math.exp(model.logProbability(state, word));
  return sum;
}

const VOCABULARY = 7;
const corpus = fc.array(fc.array(fc.nat(VOCABULARY - 2), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 25,
});

describe('probabilities sum to one in every state', () => {
  for (const order of [1, 2, 3]) {
    test(`order ${order}`, () => {
      fc.assert(
        fc.property(corpus, (sentences) => {
          const model = trainNgram(sentences, VOCABULARY, order);
          for (const sentence of sentences) {
            let state = model.startState;
            expect(mass(model, state)).toBeCloseTo(1, 5);
            for (const word of sentence) {
              state = model.nextState(state, word);
              expect(mass(model, state)).toBeCloseTo(1, 5);
            }
          }
        }),
        { numRuns: 60, seed: 4 },
      );
    });
  }

  test('and the check can fail', () => {
    const model = trainNgram([[0, 1, 2]], VOCABULARY);
    model.tables.unigram[0] += 0.1;
    expect(Math.abs(mass(model, 0) - 1)).toBeGreaterThan(1e-3);
  });
});

test('a small text by hand', () => {
  // Bigrams: <s>0 x2, 01, 02, 1</s>, 2</s>. Counts of counts n1 = 4, n2 = 1, n3 = 0: Y = 4/6, D1 = 1 - 2 Y/4 = 2/3, D2 = 2.
  // D2 is kept at 2 - 0.1. Left neighbours: 0 one, 1 one, 2 one, </s> two: n1 = 3, n2 = 1, Y = 3/5, D1 = 0.6, D2 = 1.9.
  const model = trainNgram(
    [
      [0, 1],
      [0, 2],
    ],
    4,
    2,
  );
  const leftover = (3 * 0.6 + 1.9) / 5;
  const p0 = (1 - 0.6) / 5 + leftover / 5;
  expect(Math.exp(model.logProbability(0, 0))).toBeCloseTo(p0, 6);
  expect(Math.exp(model.logProbability(0, 3))).toBeCloseTo(leftover / 5, 6);
  const state = model.nextState(model.startState, 0);
  const p1 = (1 - 2 / 3) / 2 + (2 / 3) * p0;
  expect(Math.exp(model.logProbability(state, 1))).toBeCloseTo(p1, 6);
  expect(Math.exp(model.logProbability(state, 3))).toBeCloseTo((2 / 3) * (leftover / 5), 6);
  expect(Math.exp(model.logProbability(model.startState, 0))).toBeCloseTo((2 - 1.9) / 2 + 0.95 * p0, 6);
});

test('words that the text lacks share what is left, equally', () => {
  const model = trainNgram(
    [
      [0, 1, 2, 0, 1],
      [3, 0, 1],
    ],
    10,
  );
  const unseen = [4, 5, 6, 7, 8, 9].map((word) => model.logProbability(0, word));
  expect(new Set(unseen).size).toBe(1);
  expect(unseen[0]).toBeGreaterThan(-10);
  expect(unseen[0]).toBeLessThan(model.logProbability(0, 3));
});

test('seen trigrams are likelier than their back-off', () => {
  const model = trainNgram(
    [
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
      [3, 1, 4],
      [4, 2, 1],
    ],
    5,
  );
  let state = model.nextState(model.startState, 0);
  state = model.nextState(state, 1);
  expect(model.logProbability(state, 2)).toBeGreaterThan(model.logProbability(model.nextState(0, 1), 2));
});

test('the uniform model has the perplexity of its branching', () => {
  const model = NgramModel.uniform(10, 1 / 11);
  expect(perplexity(model, [[1, 2, 3], [], [9, 9]])).toBeCloseTo(11, 4);
  expect(model.nextState(model.startState, 3)).toBe(0);
  expect(() => NgramModel.uniform(10, 1)).toThrow(OutOfRangeError);
});

test('higher orders fit their own text better', () => {
  const sentences = Array.from({ length: 30 }, (_, i) => [i % 3, (i % 3) + 1, ((i % 3) * 2) % 5]);
  const [one, two, three] = [1, 2, 3].map((order) => perplexity(trainNgram(sentences, 6, order), sentences));
  expect(two).toBeLessThan(one);
  expect(three).toBeLessThanOrEqual(two);
});

test('what cannot be trained on is refused', () => {
  expect(() => trainNgram([], 5)).toThrow(DataError);
  expect(() => trainNgram([[5]], 5)).toThrow(DataError);
  expect(() => trainNgram([[0]], 5, 4)).toThrow(OutOfRangeError);
});

describe('bytes', () => {
  const model = trainNgram(
    [
      [0, 1, 2],
      [0, 1, 3],
      [4, 1, 2, 0],
    ],
    VOCABULARY,
  );
  const bytes = bytesOf(model);

  test('give the same model back', () => {
    expect(modelOf(bytes, VOCABULARY).tables).toEqual(model.tables);
  });

  test('that are damaged give a model or a DecodeError', () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, length) => {
        const damaged = bytes.slice(0, Math.max(length, bytes.length - 1));
        damaged[at] = value;
        try {
          const read = modelOf(damaged, VOCABULARY);
          for (let word = 0; word <= VOCABULARY; word++) {
            expect(Number.isFinite(read.logProbability(read.startState, word))).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          refused++;
        }
      }),
      { numRuns: 2000, seed: 5 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  test('with forged counts allocate nothing', () => {
    const forged = bytes.slice();
    forged.fill(0xff, 0, 8);
    expect(() => modelOf(forged, VOCABULARY)).toThrow(DecodeError);
  });
});
