/** Speech models on disk, as the commands use them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../base/errors.ts';
import { type MatrixMultiply, PolynomialRunner } from '../../nn/index.ts';
import { FLOAT_FILE, SpeechModel } from '../speech/recogniser.ts';
import type { ClearInputs, Recogniser } from './recogniser.ts';

/** For processes that only need the files: a server never runs a network in the clear. */
const NO_CLEAR_NETWORKS: MatrixMultiply = {
  sgemm: () => {
    throw new Error('a network was run in the clear where none should be');
  },
};

export interface LoadOptions {
  /** Runs the clear networks; without it they cannot run. */
  readonly multiply?: MatrixMultiply;
  /** Which of the model's polynomial networks; the shipped default otherwise. */
  readonly network?: string;
}

/** @throws {DataError} when the directory holds no model. @throws {DecodeError} when a file of it is damaged. */
export async function loadRecogniser(directory: string, options: LoadOptions = {}): Promise<Recogniser> {
  if (!existsSync(directory))
    throw new DataError(`there is no model at ${directory}: subrosa doctor lists the models`);
  const model = await SpeechModel.load(directory, options.multiply ?? NO_CLEAR_NETWORKS);
  const polynomial = model.polynomial(options.network);
  return {
    task: model.task,
    inputs: model.inputs,
    outputs: model.outputs,
    frameRate: Math.round(1 / model.frameShift),
    polynomial,
    inputsOf: (audio) => model.features(audio),
    decode: (scores) => model.decode(scores, scores.length / model.outputs).words,
    clearPolynomial: ({ data }: ClearInputs) => {
      const runner = new PolynomialRunner(polynomial, options.multiply ?? NO_CLEAR_NETWORKS);
      const scores = runner.run(data);
      const leaves = runner.ranges.flatMap(([low, high], layer) => {
        const [trainedLow, trainedHigh] = polynomial.ranges[layer] ?? [low, high];
        return low < trainedLow || high > trainedHigh ? [layer] : [];
      });
      return { scores, leaves };
    },
    ...(existsSync(join(directory, FLOAT_FILE))
      ? { floatScores: ({ data }: ClearInputs) => model.float.infer(data) }
      : {}),
  };
}

/** The card that was written with the model, for programs and for people; null where there is none. */
export function readModelCard(directory: string): { readonly facts: unknown; readonly text: string } | null {
  const [facts, text] = ['card.json', 'card.md'].map((name) => join(directory, name));
  if (facts === undefined || text === undefined || !existsSync(facts) || !existsSync(text)) return null;
  return { facts: JSON.parse(readFileSync(facts, 'utf8')), text: readFileSync(text, 'utf8') };
}
