/** What a training on encrypted data is asked for and gives back. */
import { createHash } from 'node:crypto';
import type { LayerSpec } from '../../nn/index.ts';
import type { LearningCurve } from './learning-curve.ts';

/** What a faithful network begins with. */
export type FirstLayerName = 'dense' | 'lenet5';

export interface TrainingPlan {
  readonly epochs: number;
  /** LeNet-5 is what faithful mode trains on the windows of images. */
  readonly network: FirstLayerName;
  /** Units of the first dense layer and of the hidden layers above it; LeNet-5 has its own. */
  readonly units: readonly number[];
  readonly learningRate: number;
  /** Of gradient descent; without it projected training uses Adam. */
  readonly momentum: number | undefined;
  readonly seed: number;
  readonly checkpoint: string;
  /** Steps. */
  readonly checkpointEvery: number;
  /** Ends after so many steps, to be continued. */
  readonly stopAfter?: number;
  /** Of everything that decides the result, besides the data. */
  readonly digest: string;
}

export function planDigest(
  mode: string,
  plan: Pick<TrainingPlan, 'epochs' | 'network' | 'units' | 'learningRate' | 'momentum' | 'seed'>,
): string {
  const { epochs, network, units, learningRate, momentum, seed } = plan;
  return createHash('sha256')
    .update(JSON.stringify([mode, epochs, network, units, learningRate, momentum, seed]))
    .digest('hex');
}

export interface TrainingProgress {
  /** Share of all steps. */
  readonly done: number;
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number;
  /** Where windows are encrypted: rank of the equations that one image under the keys of a step gives. */
  readonly imageRank?: number | undefined;
}

export interface TrainingWatch {
  progress(progress: TrainingProgress): void;
  /** Is told every decrypted product: what a curious trainer would keep. */
  products?(
    batch: number,
    axis: 'forward' | 'gradient',
    weights: Int32Array,
    values: Float32Array | Float64Array,
  ): void;
  /** The same in projected mode: P x of all samples, `[rank, samples]`, and their renamed labels. */
  projected?(products: Float32Array, labels: Int32Array): void;
}

export interface TrainingResult {
  readonly steps: number;
  readonly isComplete: boolean;
  /** Of the last steps, smoothed. */
  readonly loss: number;
  readonly accuracy: number;
  /** From the first step on, interruptions or not. */
  readonly curve: LearningCurve;
  readonly testAccuracy: number | undefined;
  /** As in {@link TrainingProgress}. */
  readonly imageRank?: number | undefined;
  /** A network over real inputs, as `Sequential.toBytes`. */
  readonly model: Uint8Array;
}

/** ReLU after the first layer, hidden layers with ReLU, one output per class. */
export function networkAbove(hidden: readonly number[], classes: number): LayerSpec[] {
  const inner = hidden.flatMap((outputs): LayerSpec[] => [{ kind: 'dense', outputs }, { kind: 'relu' }]);
  return [{ kind: 'relu' }, ...inner, { kind: 'dense', outputs: classes }];
}
