/** A head that says which word a recording holds, on a small network and made-up recordings. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type KeywordData,
  keywordAccuracy,
  KEYWORD_PLAN,
  trainKeyword,
} from '../../../src/apps/train/keyword-training.ts';
import { DataError } from '../../../src/base/errors.ts';
import { decisionFactsOf } from '../../../src/compiler/decision/decision-facts.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { randomInputs, randomNetwork } from '../../protocols/random-network.ts';

const INPUTS = 10;
const WORDS = ['ONE', 'TWO', 'THREE'];
const acoustic = randomNetwork([INPUTS, 8, 5], 4, 21);

/** Recordings of 20 to 150 frames, each frame around the point of its word. */
function recordings(count: number, seed: number): KeywordData {
  const points = WORDS.map((_, c) => randomInputs(1, INPUTS, 100 + c));
  const utterances = Array.from({ length: count }, (_, i) => {
    const [word, frames] = [i % WORDS.length, 20 + ((i * 37) % 131)];
    const noise = randomInputs(frames, INPUTS, seed + i);
    const data = noise.map((value, at) => points[word]![at % INPUTS]! + 0.3 * value);
    return { id: `recording-${i}`, words: [WORDS[word]!], inputs: { data, frames } };
  });
  return { words: WORDS, utterances };
}

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel[Symbol.dispose]());

const notes: string[] = [];
const trained = (training: KeywordData) =>
  trainKeyword(acoustic, training, {
    ...{ plan: { ...KEYWORD_PLAN, epochs: 20 }, name: 'toy', multiply: kernel },
    log: { note: (line) => void notes.push(line), progress: () => undefined },
  });

test('words that can be told apart are, by scores and by levels, of recordings that training has not heard', () => {
  const { network, program } = trained(recordings(90, 1000));
  // The layers below are the acoustic network's.
  expect(network.layers.slice(0, -1)).toEqual(acoustic.layers.slice(0, -1));
  expect(program).toMatchObject({ name: 'toy', outputs: 3, decision: { kind: 'keyword', levels: 16 } });
  const heard = keywordAccuracy(network, program, recordings(30, 5000), kernel);
  expect(heard).toMatchObject({ polynomial: 1, recordings: 30 });
  expect(heard.levels).toBeGreaterThan(0.9);
  // Control: the same recordings under other names.
  const { utterances } = recordings(30, 5000);
  const wrong = { words: ['TWO', 'THREE', 'ONE'], utterances };
  expect(keywordAccuracy(network, program, wrong, kernel)).toMatchObject({ polynomial: 0 });
  // Of three windows the best, and of equal ones the narrowest.
  const tried = notes.flatMap((line) => {
    const [, from, to, right] = /^levels from (\S+) to (\S+): (\S+) % right$/.exec(line) ?? [];
    return from === undefined ? [] : [{ from, to, right: Number(right) }];
  });
  expect(tried).toHaveLength(3);
  const most = Math.max(...tried.map(({ right }) => right));
  const [from, to] = decisionFactsOf(program).window.map((score) => score.toFixed(2));
  expect(tried.findLast(({ right }) => right === most)).toMatchObject({ from, to });
});

test('a recording of two words, or of one that is not known, is refused by name', () => {
  const { words, utterances } = recordings(6, 1);
  for (const bad of [['ONE', 'TWO'], ['FOUR'], []])
    expect(() =>
      trained({ words, utterances: [...utterances, { ...utterances[0]!, id: 'odd', words: bad }] }),
    ).toThrow(new DataError('odd does not hold one of the words ONE, TWO, THREE'));
});
