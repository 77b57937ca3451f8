/**
 * The digits test under other conditions than those of its recordings: cut tightly, surrounded by digital silence, gated,
 * coarse, noisy, and spoken by voices that training has not met. What a model is worth outside of its own data.
 */
import { SeededGenerator } from '../../nn/index.ts';
import { DIGIT_LEXICON } from '../../speech/index.ts';
import type { Utterance } from './corpus.ts';
import { coarse, colouredNoise, gated, inRoom, louder, muLaw, whiteNoise } from './degradation.ts';
import type { Degradation } from './degradation.ts';
import { CORPUS_SEED, evaluateScorer, TEST_STRINGS, testUtterances } from './evaluation.ts';
import type { Scorer } from './evaluation.ts';
import type { FrontEnd } from './front-end.ts';
import type { WordDecoder } from './word-decoder.ts';
import { DIGITS_RATE, readDigitsCorpus, singleDigits } from './digits-corpus.ts';
import type { Split } from '../../speech/index.ts';
import {
  canSynthesise,
  synthesiseUtterances,
  TEST_ACCENTS,
  TEST_SYNTHESISER,
  TUNING_VOICES,
} from './synthetic-voices.ts';
import type { SyntheticVoice } from './synthetic-voices.ts';

export interface Condition {
  readonly name: string;
  readonly utterances: readonly Utterance[];
}

export interface ConditionSet {
  readonly conditions: readonly Condition[];
  /** Conditions that could not be made, and what they need. */
  readonly missing: readonly string[];
}

/** Every utterance through the same degradation, with randomness of its own. */
function through(utterances: readonly Utterance[], degradation: Degradation, rate: number): Utterance[] {
  return utterances.map((utterance, i) => ({
    ...utterance,
    samples: () => degradation(utterance.samples(), rate, new SeededGenerator(CORPUS_SEED + i)),
  }));
}

/** Digital zeros before and after. */
function surrounded(utterances: readonly Utterance[], seconds: number, rate: number): Utterance[] {
  const edge = Math.round(seconds * rate);
  return utterances.map((utterance) => ({
    ...utterance,
    samples: () => {
      const inside = utterance.samples();
      const out = new Float32Array(inside.length + 2 * edge);
      out.set(inside, edge);
      return out;
    },
  }));
}

function spokenStrings(voices: readonly SyntheticVoice[], count: number, seed: number): Utterance[] {
  const generator = new SeededGenerator(seed);
  const texts = Array.from({ length: count }, () =>
    Array.from({ length: 3 + generator.below(5) }, () => DIGIT_LEXICON.words[generator.below(10)]),
  );
  return synthesiseUtterances(texts, DIGITS_RATE, { speed: [120, 170], gap: [0, 18] }, seed + 1, voices);
}

/**
 * The conditions of the digits task on the recordings of one part; `test` to report, `validation` to choose by.
 * @throws {DataError} when the recordings are not in `directory`.
 */
export function digitConditions(directory: string, part: Exclude<Split, 'train'> = 'test'): ConditionSet {
  const isTest = part === 'test';
  const counts = { train: 0, tuning: isTest ? 0 : TEST_STRINGS, test: isTest ? TEST_STRINGS : 0 };
  const corpus = readDigitsCorpus(directory, counts, CORPUS_SEED);
  const strings = isTest ? corpus.test : corpus.tuning;
  const singles = singleDigits(directory, part);
  const rate = DIGITS_RATE;
  const conditions: Condition[] = [
    { name: 'connected strings', utterances: strings },
    { name: 'single digits, cut tightly', utterances: singles },
    { name: 'single digits in 0.25 s of digital zeros', utterances: surrounded(singles, 0.25, rate) },
    { name: 'strings in 5 s of digital zeros', utterances: surrounded(strings, 5, rate) },
    { name: 'quiet samples set to zero', utterances: through(strings, gated(0.02), rate) },
    { name: '8 bits', utterances: through(strings, coarse(8), rate) },
    {
      name: '8 bits, 12 dB quieter',
      utterances: through(through(strings, louder(-12), rate), coarse(8), rate),
    },
    { name: 'mu-law', utterances: through(strings, muLaw, rate) },
    { name: 'small room', utterances: through(strings, inRoom(0.3, 0.4), rate) },
    { name: 'white noise, 10 dB', utterances: through(strings, whiteNoise(10), rate) },
    { name: 'low noise, 10 dB', utterances: through(strings, colouredNoise(10, 0.95), rate) },
  ];
  const missing: string[] = [];
  const spoken = isTest
    ? [
        { name: 'unfamiliar accents (espeak-ng)', voices: TEST_ACCENTS },
        { name: 'another synthesiser (flite)', voices: TEST_SYNTHESISER },
      ]
    : [{ name: 'unfamiliar accent (espeak-ng)', voices: TUNING_VOICES }];
  for (const { name, voices } of spoken) {
    if (canSynthesise(voices[0].engine))
      conditions.push({ name, utterances: spokenStrings(voices, 120, CORPUS_SEED + (isTest ? 11 : 12)) });
    else missing.push(`${name}: ${voices[0].engine} is not installed`);
  }
  return { conditions, missing };
}

/** Word error rates of several networks under one condition. */
export interface ConditionRow {
  readonly condition: string;
  readonly utterances: number;
  readonly words: number;
  /** Errors per reference word by the name of the network. */
  readonly rates: Readonly<Record<string, number>>;
}

export function conditionRow(
  { name, utterances }: Condition,
  frontEnd: FrontEnd,
  decoder: WordDecoder,
  scorers: readonly (readonly [string, Scorer])[],
): ConditionRow {
  const tests = testUtterances(utterances, frontEnd);
  const rates = scorers.map(
    ([network, scorer]) => [network, evaluateScorer(decoder, tests, scorer).rate] as const,
  );
  const words = tests.reduce((sum, test) => sum + test.words.length, 0);
  return { condition: name, utterances: tests.length, words, rates: Object.fromEntries(rates) };
}
