/** The files of `models/mnist`: the float network, its forms for the two-edge mode and for encryption, and a card. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kernel } from '../../kernel/kernel.ts';
import {
  IntegerRunner,
  PolynomialRunner,
  exportPolynomial,
  graphOf,
  quantiseInput,
  quantiseToIntegers,
  unitPixels,
} from '../../nn/index.ts';
import type {
  IntegerNetwork,
  LabelledImages,
  MatrixMultiply,
  PolynomialNetwork,
  Sequential,
} from '../../nn/index.ts';
import { formatImageCard } from './image-card.ts';
import type { ImageCard, ImageResultRow } from './image-card.ts';
import type { ImagePlan } from './image-plan.ts';
import { calibrationImages, imageAccuracy } from './image-training.ts';
import { writeModelFiles } from './model-directory.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';
import type { TrainingLog } from './training-log.ts';

/** A pixel is an integer from 0 to 255 as it is. */
export const PIXEL_INPUT = { scale: 1 / 255, offset: 0, low: 0, high: 255 } as const;

const POLYNOMIAL_BITS = 8;
const TEST_BLOCK = 500;

export interface ImageModelOptions {
  readonly training: LabelledImages;
  readonly test: LabelledImages;
  readonly directory: string;
  readonly command: string;
  readonly kernel: Kernel;
  readonly log: TrainingLog;
}

/** Writes the forms of one network and its rows of `results.json` and the card; those of other networks stay. */
export function writeImageModel(
  network: Sequential,
  plan: ImagePlan,
  options: ImageModelOptions,
): ImageResultRow[] {
  const { training, test, directory, kernel, log } = options;
  const calibration = calibrationImages(training);
  const integers = quantiseToIntegers(graphOf(network, kernel), calibration, PIXEL_INPUT, kernel);
  const polynomial =
    plan.network === 'cryptonets'
      ? exportPolynomial(network, POLYNOMIAL_BITS, calibration, kernel)
      : undefined;
  const files = writeModelFiles(directory, {
    [`${plan.network}-float.bin`]: network.toBytes(),
    [`${plan.network}-int8.bin`]: integers.toBytes(),
    ...(polynomial === undefined
      ? {}
      : { [`${plan.network}-polynomial-${POLYNOMIAL_BITS}bit.bin`]: polynomial.toBytes() }),
  });
  const results: ImageResultRow[] = [];
  const measure = (form: string, scores: ArrayLike<number>): void => {
    const row = {
      network: plan.network,
      form,
      images: test.count,
      accuracy: imageAccuracy(scores, test.labels),
    };
    log.note(`${row.network} ${form}: ${(100 * row.accuracy).toFixed(2)} % of ${row.images} test images`);
    results.push(row);
  };
  const inputs = unitPixels(test.pixels);
  measure('float', network.infer(inputs));
  measure('int8', integerScores(integers, inputs, kernel, log));
  if (polynomial !== undefined)
    measure(`polynomial, ${POLYNOMIAL_BITS}-bit weights`, polynomialScores(polynomial, inputs, kernel));
  const entry = {
    command: options.command,
    plan,
    trainingImages: plan.limit ?? training.count,
    files,
    results,
  };
  writeCard(directory, plan, entry);
  return results;
}

function integerScores(
  network: IntegerNetwork,
  inputs: Float32Array,
  kernel: Kernel,
  log: TrainingLog,
): Int32Array {
  using runner = new IntegerRunner(network, kernel);
  const images = inputs.length / network.inputs;
  const scores = new Int32Array(images * network.outputs);
  for (let start = 0; start < images; start += TEST_BLOCK) {
    log.progress('int8 on the test images', start / images);
    const block = inputs.subarray(start * network.inputs, (start + TEST_BLOCK) * network.inputs);
    scores.set(runner.run(quantiseInput(network, block)), start * network.outputs);
  }
  return scores;
}

function polynomialScores(
  network: PolynomialNetwork,
  inputs: Float32Array,
  multiply: MatrixMultiply,
): ArrayLike<number> {
  return new PolynomialRunner(network, multiply).run(inputs);
}

function writeCard(directory: string, plan: ImagePlan, entry: ImageCard['networks'][string]): void {
  const path = join(directory, 'card.json');
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ImageCard).networks : {};
  const card: ImageCard = { task: 'mnist', networks: { ...known, [plan.network]: entry } };
  const results = Object.values(card.networks).flatMap((one) => one.results);
  replaceFileSync(join(directory, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  replaceFileSync(path, `${JSON.stringify(card, null, 1)}\n`);
  replaceFileSync(join(directory, 'card.md'), formatImageCard(card));
}
