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
} from '../../nn/index.ts';
import type {
  DrawingInput,
  IntegerNetwork,
  LabelledImages,
  PolynomialNetwork,
  Sequential,
} from '../../nn/index.ts';
import { formatImageCard } from './image-card.ts';
import type { ImageCard, ImageResultRow } from './image-card.ts';
import type { ImageNetworkKind, ImagePlan } from './image-plan.ts';
import { IMAGE_CONDITIONS, measureConditions } from './image-conditions.ts';
import type { TestedForm } from './image-conditions.ts';
import { calibrationImages, type TrainedPhase } from './image-training.ts';
import { writeModelFiles } from './model-directory.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';
import type { TrainingLog } from './training-log.ts';

/** A pixel is an integer from 0 to 255, of a normalised drawing. */
const PIXEL_INPUT = {
  scale: 1 / 255,
  offset: 0,
  low: 0,
  high: 255,
  normalisation: 'drawing',
} as const;

const DRAWINGS: DrawingInput = { kind: 'drawing', size: [28, 28] };

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
  phases: readonly TrainedPhase[],
  plan: ImagePlan,
  options: ImageModelOptions,
): ImageResultRow[] {
  const { training, test, directory, kernel, log } = options;
  const calibration = calibrationImages(training, plan);
  const [first, last] = [phases[0]!.network, phases.at(-1)!.network];
  const integers = isForEdges(plan.network)
    ? quantiseToIntegers(graphOf(first, kernel), calibration, PIXEL_INPUT, kernel)
    : undefined;
  const polynomial = isPolynomial(plan.network)
    ? exportPolynomial(last, POLYNOMIAL_BITS, calibration, kernel).withInput(DRAWINGS)
    : undefined;
  const files = writeModelFiles(directory, {
    [`${plan.network}-float.bin`]: first.toBytes(),
    ...(integers && { [`${plan.network}-int8.bin`]: integers.toBytes() }),
    ...(polynomial && { [`${plan.network}-polynomial-${POLYNOMIAL_BITS}bit.bin`]: polynomial.toBytes() }),
  });
  const later = phases.slice(1).map(
    ({ name, network }): TestedForm => ({
      form: name,
      isNormalised: true,
      scores: (inputs) => network.infer(inputs),
    }),
  );
  const [own, asTheyAre] = [imageForms(first, integers, polynomial, kernel), IMAGE_CONDITIONS.slice(0, 1)];
  // Published numbers are of images as they are.
  const [forms, conditions] = isForEdges(plan.network)
    ? [own, IMAGE_CONDITIONS]
    : [[...own.slice(0, -1), ...later], asTheyAre];
  const progress = (share: number): void => log.progress('conditions of the test images', share);
  const rows = measureConditions(test, forms, progress, conditions);
  const results = rows.map((row) => ({ network: plan.network, ...row }));
  for (const { network: name, form, condition, accuracy, images } of results)
    log.note(`${name} ${form}, ${condition}: ${(100 * accuracy).toFixed(2)} % of ${images} test images`);
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

/** Networks that ship for the two-edge mode, too. */
export function isForEdges(network: ImageNetworkKind): boolean {
  return network === 'lenet5' || network === 'cryptonets';
}

/** Networks that end with polynomials alone. */
export function isPolynomial(network: ImageNetworkKind): boolean {
  return network !== 'lenet5';
}

/** The forms of one network as {@link measureConditions} takes them; the last is the float one without its normalisation. */
export function imageForms(
  network: Sequential,
  integers: IntegerNetwork | undefined,
  polynomial: PolynomialNetwork | undefined,
  kernel: Kernel,
): TestedForm[] {
  const float = (inputs: Float32Array): Float32Array => network.infer(inputs);
  return [
    { form: 'float', isNormalised: true, scores: float },
    ...(integers === undefined
      ? []
      : [
          {
            form: 'int8',
            isNormalised: true,
            scores: (inputs: Float32Array) => integerScores(integers, inputs, kernel),
          },
        ]),
    ...(polynomial === undefined
      ? []
      : [
          {
            form: `polynomial, ${polynomial.bits}-bit weights`,
            isNormalised: true,
            scores: (inputs: Float32Array) => new PolynomialRunner(polynomial, kernel).run(inputs),
          },
        ]),
    { form: 'float, not normalised', isNormalised: false, scores: float },
  ];
}

function integerScores(network: IntegerNetwork, inputs: Float32Array, kernel: Kernel): Int32Array {
  using runner = new IntegerRunner(network, kernel);
  const images = inputs.length / network.inputs;
  const scores = new Int32Array(images * network.outputs);
  for (let start = 0; start < images; start += TEST_BLOCK) {
    const block = inputs.subarray(start * network.inputs, (start + TEST_BLOCK) * network.inputs);
    scores.set(runner.run(quantiseInput(network, block)), start * network.outputs);
  }
  return scores;
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
