/** Speech models on disk, as the commands use them. A client needs one file of them and no network. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../../base/errors.ts';
import { type MatrixMultiply, type PolynomialNetwork, PolynomialRunner } from '../../../nn/index.ts';
import { needsEmbedding } from '../../speech/client-part.ts';
import type { Embedder } from '../../speech/embedder.ts';
import { loadSpeechEmbedding } from '../../speech/embedding-package.ts';
import { CLIENT_FILE, FLOAT_FILE, SpeechModel } from '../../speech/speech-model.ts';
import {
  type ClearInputs,
  type ClearNetworks,
  type Recogniser,
  recogniserOf,
} from '../../speech-client/recogniser.ts';

/** For processes that only need the files: a server never runs a network in the clear. */
const NO_CLEAR_NETWORKS: MatrixMultiply = {
  sgemm: () => {
    throw new Error('a network was run in the clear where none should be');
  },
};

/** Nor does it compute features. */
const NO_EMBEDDER: Embedder = {
  embed: () => {
    throw new Error('features were computed where none should be');
  },
};

/**
 * The client's part; `multiply`, which is borrowed, runs the public embedding of models that have one.
 * @throws {DataError} when it is not there, or its embedding is not installed. @throws {DecodeError} when it is damaged.
 */
export async function loadRecogniser(directory: string, multiply: MatrixMultiply): Promise<Recogniser> {
  const path = join(directory, CLIENT_FILE);
  if (!existsSync(path)) {
    throw new DataError(
      `${directory} is not a speech model: it has no ${CLIENT_FILE}; subrosa doctor lists the models`,
    );
  }
  const bytes = readFileSync(path);
  return recogniserOf(bytes, needsEmbedding(bytes) ? await loadSpeechEmbedding(multiply) : undefined);
}

/** The network to serve; the shipped default unless named. @throws {DataError | DecodeError} */
export async function loadNetwork(directory: string, name?: string): Promise<PolynomialNetwork> {
  if (!existsSync(directory))
    throw new DataError(`there is no model at ${directory}: subrosa doctor lists the models`);
  return (await SpeechModel.load(directory, NO_CLEAR_NETWORKS, NO_EMBEDDER)).polynomial(name);
}

/** The default network and the float network behind it, to run in the clear. @throws {DataError | DecodeError} */
export async function loadClearNetworks(directory: string, multiply: MatrixMultiply): Promise<ClearNetworks> {
  const model = await SpeechModel.load(directory, multiply);
  const network = model.polynomial();
  const hasFloat = existsSync(join(directory, FLOAT_FILE));
  return {
    polynomial: ({ data }) => {
      const runner = new PolynomialRunner(network, multiply);
      const scores = runner.run(data);
      const leaves = runner.ranges.flatMap(([low, high], layer) => {
        const [trainedLow, trainedHigh] = network.ranges[layer] ?? [low, high];
        return low < trainedLow || high > trainedHigh ? [layer + 1] : [];
      });
      return { scores, leaves };
    },
    ...(hasFloat ? { float: ({ data }: ClearInputs) => model.float.infer(data) } : {}),
  };
}

/** The card that was written with the model, for programs and for people; null where there is none. */
export function readModelCard(directory: string): { readonly facts: unknown; readonly text: string } | null {
  const [facts, text] = [join(directory, 'card.json'), join(directory, 'card.md')];
  if (!existsSync(facts) || !existsSync(text)) return null;
  return { facts: JSON.parse(readFileSync(facts, 'utf8')), text: readFileSync(text, 'utf8') };
}
