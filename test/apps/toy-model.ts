/** Speech models with random weights, in the shape and the files of real ones: they recognise nonsense, always the same. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  PolynomialNetwork,
  PolynomialRunner,
  plainMatrixMultiply,
  SeededGenerator,
} from '../../src/nn/index.ts';
import {
  DIGIT_LEXICON,
  DecodingGraph,
  NgramModel,
  StateInventory,
  uniformTransitions,
} from '../../src/speech/index.ts';
import { writeClientPart } from '../../src/apps/speech/client-part.ts';
import { FrontEnd } from '../../src/apps/speech/front-end.ts';
import { CLIENT_FILE, DEFAULT_POLYNOMIAL } from '../../src/apps/speech/speech-model.ts';
import { DEFAULT_DECODER_SETTINGS, WordDecoder } from '../../src/apps/speech/word-decoder.ts';

const CONTEXT = { left: 2, right: 2, coefficients: 2 };

/** A decoder that knows the digits and nothing about their sound. */
export function toyClientPart(task: 'digits' | 'sentences') {
  const inventory = new StateInventory(DIGIT_LEXICON, 'word', 3);
  const graph = new DecodingGraph(
    inventory,
    uniformTransitions(inventory.stateCount),
    NgramModel.uniform(DIGIT_LEXICON.words.length),
  );
  const inputs = 40 * CONTEXT.coefficients;
  const normalization = {
    mean: new Float32Array(inputs),
    inverseDeviation: new Float32Array(inputs).fill(0.2),
  };
  const frontEnd = new FrontEnd(task === 'digits' ? 8000 : 16_000, CONTEXT, normalization);
  const logPriors = new Float32Array(inventory.stateCount).fill(-Math.log(inventory.stateCount));
  const decoder = new WordDecoder(graph, logPriors, DEFAULT_DECODER_SETTINGS);
  return { inputs, graph, clientPart: { task, frontEnd, decoder } };
}

/** Writes `directory` with a network of the given hidden widths. */
export function writeToyModel(
  directory: string,
  task: 'digits' | 'sentences',
  hidden: readonly number[],
  seed = 1,
): void {
  const { inputs, graph, clientPart } = toyClientPart(task);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, CLIENT_FILE), writeClientPart(clientPart));
  const network = randomNetwork([inputs, ...hidden, graph.inventory.stateCount], new SeededGenerator(seed));
  writeFileSync(join(directory, `${DEFAULT_POLYNOMIAL}.bin`), network.toBytes());
}

function randomNetwork(widths: readonly number[], random: SeededGenerator): PolynomialNetwork {
  const layers = widths.slice(1).map((rows, i) => {
    const cols = widths[i] as number;
    const weights = Int32Array.from({ length: rows * cols }, () => Math.floor(15 * random.uniform()) - 7);
    const offset = Float64Array.from({ length: rows }, () => random.uniform() - 0.5);
    return { weights, rows, cols, step: 0.2 / Math.sqrt(cols), offset, square: i < widths.length - 2 };
  });
  const network = new PolynomialNetwork(layers, widths[0] as number, 4);
  const runner = new PolynomialRunner(network, plainMatrixMultiply);
  runner.run(Float32Array.from({ length: 500 * network.inputs }, () => 6 * random.uniform() - 3));
  return network.withRanges(runner.ranges.map(([low, high]) => [3 * low, 3 * high] as const));
}
