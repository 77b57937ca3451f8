/** Word error rates on utterances that training has not seen: the rows of the tables. */
import type { PolynomialNetwork } from '../../nn/index.ts';
import { PolynomialRunner } from '../../nn/index.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import type { WordErrors } from '../../speech/index.ts';
import type { Utterance } from './corpus.ts';
import type { SpeechTask } from './speech-task.ts';
import { readDigitsCorpus } from './digits-corpus.ts';
import type { FrontEnd, NetworkInputs } from './front-end.ts';
import { readSentencesCorpus } from './sentences-corpus.ts';
import { wordErrorRate } from './word-decoder.ts';
import type { WordDecoder } from './word-decoder.ts';

/** Seeds the choice of digit strings, so that training and every later evaluation mean the same test. */
export const CORPUS_SEED = 762;

/** Connected digit strings in the digits test. */
export const TEST_STRINGS = 240;

export interface TestUtterance {
  readonly id: string;
  readonly words: readonly string[];
  readonly inputs: NetworkInputs;
}

/**
 * How a network computes: in float32, with rounded weights and no retraining, with rounded weights retrained, as a
 * polynomial in the clear, or as a polynomial under encryption.
 */
export type Machine = 'float' | 'quantised' | 'retrained' | 'polynomial' | 'encrypted';

export interface WordErrorRow {
  readonly task: SpeechTask;
  readonly network: 'dnn' | 'cnn';
  readonly bits: number;
  readonly machine: Machine;
  readonly utterances: number;
  readonly words: number;
  /** Errors per reference word. */
  readonly wer: number;
}

/** Outputs [frames, states] for inputs [frames, inputs]. */
export type Scorer = (inputs: NetworkInputs) => ArrayLike<number>;

export function testUtterances(utterances: readonly Utterance[], frontEnd: FrontEnd): TestUtterance[] {
  return utterances.map((utterance) => ({
    id: utterance.id,
    words: utterance.words,
    inputs: frontEnd.inputsOf({ samples: utterance.samples(), rate: frontEnd.rate }),
  }));
}

/**
 * The test set of a task with its network inputs: 240 digit strings from held-out recordings, or the sentences of the dev
 * speakers; `limit` takes an even spread of so many.
 * @throws {DataError} when the data is not in `directory`.
 */
export async function loadTestSet(
  task: SpeechTask,
  directory: string,
  frontEnd: FrontEnd,
  limit = Number.POSITIVE_INFINITY,
): Promise<TestUtterance[]> {
  const corpus =
    task === 'digits'
      ? readDigitsCorpus(directory, { train: 0, tuning: 0, test: TEST_STRINGS }, CORPUS_SEED)
      : await readSentencesCorpus(directory, { testOnly: true });
  const count = Math.min(limit, corpus.test.length);
  const chosen = Array.from(
    { length: count },
    (_, i) => corpus.test[Math.floor((i * corpus.test.length) / count)],
  );
  return testUtterances(chosen, frontEnd);
}

/** Word errors of a scorer over the utterances. */
export function evaluateScorer(
  decoder: WordDecoder,
  utterances: readonly TestUtterance[],
  scorer: Scorer,
): WordErrors {
  function* scored() {
    for (const { inputs, words } of utterances) yield { logits: Float32Array.from(scorer(inputs)), words };
  }
  return wordErrorRate(decoder, scored());
}

export function polynomialScorer(network: PolynomialNetwork, multiply: MatrixMultiply): Scorer {
  const runner = new PolynomialRunner(network, multiply);
  return ({ data }) => runner.run(data);
}
