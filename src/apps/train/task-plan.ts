/** What is fixed per task: shapes, data volumes, seeds. The reproduction of a shipped model starts here. */
import type { LayerSpec } from '../../nn/index.ts';
import type { ContextShape, UnitKind } from '../../speech/index.ts';
import { EMBEDDING_SIZE } from '../speech/embedder.ts';
import { CORPUS_SEED, TEST_STRINGS } from '../speech/evaluation.ts';
import type { DigitStringCounts } from '../speech/digits-corpus.ts';
import type { SpeechTask } from '../speech/speech-task.ts';
import type { FeatureMethod } from '../speech/front-end.ts';
import type { PerturbationRanges } from './input-perturbation.ts';
import type { SyntheticStyle } from '../speech/synthetic-voices.ts';

export type NetworkKind = 'dnn' | 'cnn';

/** Units of every hidden layer, and the filters of the convolution. */
export interface TopologySizes {
  readonly dense: readonly number[];
  readonly filters: number;
  readonly convDense: readonly number[];
}

/** Epochs of every stage of training. */
export interface StageEpochs {
  /** Of the float network on the first alignment; a network of a kind that does not align adds them to its float stage. */
  readonly first: number;
  /** Of the float network on the second alignment. */
  readonly float: number;
  readonly polynomial: number;
  /** With weights of 8 bits or more. */
  readonly lightlyQuantised: number;
  readonly quantised: number;
}

export interface TaskPlan {
  readonly task: SpeechTask;
  readonly seed: number;
  readonly context: ContextShape;
  readonly units: UnitKind;
  readonly statesPerUnit: number;
  /** Outputs that states in context are tied to; without it every state of every unit has its own. */
  readonly outputs?: number;
  readonly sizes: TopologySizes;
  /** Digit strings to make; unused for sentences. */
  readonly strings: DigitStringCounts;
  /** How features become inputs. */
  readonly method: FeatureMethod;
  /** Utterances by synthetic voices, which of them, and how these speak. */
  readonly synthetic: number;
  readonly voices: 'basic' | 'many';
  readonly style: SyntheticStyle;
  /** Speed factors of additional copies of the training set. */
  readonly speeds: readonly number[];
  /** Share of the training set that also comes as a noisy copy. */
  readonly noisy: number;
  /** Copies of every utterance through random recording channels, and how far their speed varies. */
  readonly channels: { readonly copies: number; readonly speed: number };
  /** Perturbation of inputs while training; none when absent. */
  readonly perturbation?: PerturbationRanges;
  /** Utterances that the Gaussian mixtures of the first alignment are trained on. */
  readonly alignerUtterances: number;
  /** Share of silent frames that the networks are trained on. */
  readonly silenceShare: number;
  /** Frames of one epoch. */
  readonly framesPerEpoch: number;
  readonly epochs: Readonly<Record<NetworkKind, StageEpochs>>;
  /** Peak learning rate when the square form is tuned at its weight bits. */
  readonly fineTuningRate: Readonly<Record<NetworkKind, number>>;
  /** Share of the targets of polynomial networks that the float network's answers take. */
  readonly teacherShare: Readonly<Record<NetworkKind, number>>;
  /** Largest number of utterances read of each part; all when absent. */
  readonly limit?: number;
}

const DIGIT_EPOCHS: StageEpochs = { first: 3, float: 4, polynomial: 5, lightlyQuantised: 3, quantised: 3 };

const DIGITS: TaskPlan = {
  task: 'digits',
  seed: CORPUS_SEED,
  context: { left: 8, right: 8, coefficients: 4 },
  units: 'word',
  statesPerUnit: 3,
  sizes: { dense: [256, 256, 256], filters: 16, convDense: [256, 256] },
  strings: { train: 1000, tight: 500, tuning: 150, test: TEST_STRINGS },
  method: 'speech',
  synthetic: 1200,
  voices: 'many',
  style: { speed: [105, 190], gap: [0, 22], playback: 0.15 },
  speeds: [],
  noisy: 0,
  channels: { copies: 2, speed: 0.12 },
  perturbation: { warp: 0.08, mask: 4, noise: 0.15 },
  alignerUtterances: 600,
  silenceShare: 0.4,
  framesPerEpoch: 300_000,
  epochs: { dnn: { ...DIGIT_EPOCHS, float: 8, polynomial: 6, quantised: 4 }, cnn: DIGIT_EPOCHS },
  fineTuningRate: { dnn: 3e-3, cnn: 3e-3 },
  // The labels of a noisy copy are those of its original; what the float network makes of it is the better target.
  teacherShare: { dnn: 0.5, cnn: 0.5 },
};

const SENTENCES: TaskPlan = {
  task: 'sentences',
  seed: CORPUS_SEED,
  context: { left: 9, right: 9, coefficients: 4 },
  units: 'phone',
  statesPerUnit: 3,
  sizes: { dense: [512, 512, 512], filters: 24, convDense: [384, 384] },
  strings: { train: 0, tuning: 0, test: 0 },
  method: 'utterance',
  synthetic: 300,
  voices: 'basic',
  style: { speed: [105, 150], gap: [0, 6] },
  speeds: [0.9, 1.1],
  noisy: 0.2,
  channels: { copies: 0, speed: 0 },
  perturbation: { warp: 0.12, mask: 8, noise: 0.2 },
  alignerUtterances: 1200,
  silenceShare: 0.3,
  framesPerEpoch: 400_000,
  // Eight of these epochs have as many frames as the training set. The CNN, there to compare, costs twice the time per frame.
  epochs: {
    dnn: { first: 5, float: 24, polynomial: 10, lightlyQuantised: 1, quantised: 4 },
    cnn: { first: 0, float: 9, polynomial: 3, lightlyQuantised: 1, quantised: 2 },
  },
  // A network trained this long fits the speakers it has heard; tuned at a higher rate it loses words of the others.
  fineTuningRate: { dnn: 1e-3, cnn: 3e-3 },
  // Half of a float network's opinion brings the polynomial form closer to it than labels alone.
  teacherShare: { dnn: 0.5, cnn: 0 },
};

/**
 * Phones in context; with the public embedding beside the log-mels, 256 inputs. Few epochs and no copies at other speeds: the
 * shipped models start from an earlier one (`--from`) that had both.
 */
const CONTEXTUAL: TaskPlan = {
  ...SENTENCES,
  units: 'triphone',
  outputs: 400,
  speeds: [],
  noisy: 0,
  framesPerEpoch: 100_000,
  epochs: {
    dnn: { first: 5, float: 6, polynomial: 3, lightlyQuantised: 1, quantised: 6 },
    cnn: SENTENCES.epochs.cnn,
  },
  // New outputs begin as copies of old ones and have to part.
  fineTuningRate: { dnn: 2e-3, cnn: 3e-3 },
  // The polynomial network of an earlier model needs no teacher to start from.
  teacherShare: { dnn: 0, cnn: 0 },
};

const QUICK_EPOCHS: StageEpochs = { first: 1, float: 2, polynomial: 2, lightlyQuantised: 1, quantised: 1 };

/** The plan of a task; `quick` shrinks everything to minutes and is good for nothing but checking the machinery. */
export function planFor(task: SpeechTask, quick = false, hasEmbedding = false): TaskPlan {
  const base = task === 'digits' ? DIGITS : CONTEXTUAL;
  const plan: TaskPlan = hasEmbedding
    ? { ...base, context: { ...base.context, beside: EMBEDDING_SIZE } }
    : base;
  if (!quick) return plan;
  return {
    ...plan,
    ...(plan.outputs === undefined ? {} : { outputs: 150 }),
    sizes: { dense: [64, 64, 64], filters: 4, convDense: [64, 64] },
    strings: { train: 120, tuning: 20, test: 30 },
    synthetic: 0,
    speeds: [],
    noisy: 0,
    channels: { copies: 0, speed: 0 },
    alignerUtterances: 60,
    framesPerEpoch: 20_000,
    epochs: { dnn: QUICK_EPOCHS, cnn: QUICK_EPOCHS },
    limit: 60,
  };
}

const RELU: LayerSpec = { kind: 'relu' };

/** The learned quadratic; its inputs have unit variance, and beyond five deviations, where it grows fast, they are penalised. */
const QUADRATIC: LayerSpec = { kind: 'quadratic', bound: 5, penalty: 0.02 };

function layerSpecs(
  kind: NetworkKind,
  sizes: TopologySizes,
  outputs: number,
  activation: LayerSpec,
): LayerSpec[] {
  const block = (width: number): LayerSpec[] => [
    { kind: 'dense', outputs: width, bias: false },
    { kind: 'batch-norm' },
    activation,
  ];
  if (kind === 'dnn') return [...sizes.dense.flatMap(block), { kind: 'dense', outputs }];
  return [
    // The 40 mel filters give 16 places; temporal coefficients are the channels.
    { kind: 'conv2d', filters: sizes.filters, size: [1, 10], stride: [1, 2], bias: false },
    { kind: 'batch-norm' },
    activation,
    { kind: activation.kind === 'relu' ? 'max-pool' : 'mean-pool', size: [1, 2] },
    ...sizes.convDense.flatMap(block),
    { kind: 'dense', outputs },
  ];
}

/** The floating-point network: batch norm, ReLU, max pool. */
export function reluSpecs(kind: NetworkKind, sizes: TopologySizes, outputs: number): LayerSpec[] {
  return layerSpecs(kind, sizes, outputs, RELU);
}

/** Its polynomial counterpart before folding: batch norm, learned quadratics, mean pool; parameters correspond. */
export function quadraticSpecs(kind: NetworkKind, sizes: TopologySizes, outputs: number): LayerSpec[] {
  return layerSpecs(kind, sizes, outputs, QUADRATIC);
}
