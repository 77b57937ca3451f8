/**
 * Quantisation-aware training of a polynomial network in the form that will be evaluated: low-bit weights, one step per
 * layer, squares. Between the weights and the square stands a batch norm with one variance and one gain per layer, which
 * keeps training stable and folds into the step and the offsets, so the trained integers are exactly the shipped ones.
 */
import * as arg from '../../base/arguments.ts';
import { ShapeError } from '../../base/errors.ts';
import { BatchNorm } from '../layers/batch-norm.ts';
import { balanceStages } from './balance.ts';
import type { BalanceMethod } from './balance.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { normaliseRanges, quantiseStages } from './convert.ts';
import { Dense } from '../layers/dense.ts';
import type { LayerSpec, Pass } from '../layers/layer.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { PolynomialRunner } from './polynomial-network.ts';
import type { PolynomialNetwork } from './polynomial-network.ts';
import type { ActivationRange } from './polynomial-layer.ts';
import { Sequential } from '../layers/sequential.ts';
import { toSquareForm } from './square-form.ts';
import type { SquareStage } from './square-form.ts';
import { sizeOf } from '../tensor/tensor.ts';

const BLOCK = 512;

function rootMeanSquare(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum / Math.max(1, values.length)) || 1;
}

/** Runs `[count, inputs]` samples through the network and records the interval of every layer. */
export function measureRanges(
  network: PolynomialNetwork,
  inputs: Float32Array,
  multiply: MatrixMultiply,
): PolynomialNetwork {
  arg.checkArguments('measureRanges', [network, inputs, multiply], {
    network: arg.like('a PolynomialNetwork', 'withRanges', 'run'),
    inputs: arg.typed('a Float32Array', Float32Array),
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
  });
  const runner = new PolynomialRunner(network, multiply);
  const block = BLOCK * network.inputs;
  for (let at = 0; at < inputs.length; at += block) runner.run(inputs.subarray(at, at + block));
  return network.withRanges(runner.ranges);
}

/**
 * Replaces the running statistics of every batch norm by plain averages over the batches of `inputs`, which are steadier
 * than the decaying averages of training. Worth doing before a network is converted.
 */
export function refreshStatistics(network: Sequential, inputs: Float32Array, batch = BLOCK): void {
  arg.checkArguments('refreshStatistics', [network, inputs, batch], {
    network: arg.like('a Sequential', 'forward', 'infer'),
    inputs: arg.typed('a Float32Array', Float32Array),
    batch: arg.optional(arg.number),
  });
  const norms = network.layers.filter((layer) => layer instanceof BatchNorm);
  const kept = norms.map((norm) => norm.momentum);
  const batches = Math.max(1, Math.floor(inputs.length / network.inputs / batch));
  for (let i = 0; i < batches; i++) {
    for (const norm of norms) norm.momentum = i / (i + 1);
    const part = inputs.subarray(i * batch * network.inputs, (i + 1) * batch * network.inputs);
    network.forward(part, part.length / network.inputs, true);
  }
  norms.forEach((norm, i) => {
    norm.momentum = kept[i];
  });
}

export interface FineTuningOptions {
  readonly bits: number;
  readonly multiply: MatrixMultiply;
  readonly seed: number;
  /** 'cross' by default. */
  readonly balance?: BalanceMethod;
  /** Weight of the penalty on values beyond the measured interval, in units of that interval; 1 by default. */
  readonly rangePenalty?: number;
}

function linearSpec(stage: SquareStage, bits: number, bias: boolean): LayerSpec {
  if (stage.window === undefined) return { kind: 'dense', outputs: stage.rows, bias, bits };
  const { size, stride } = stage.window;
  return { kind: 'conv2d', filters: stage.rows, size, stride, bias, bits };
}

function traineeSpecs(
  stages: readonly SquareStage[],
  ranges: readonly ActivationRange[],
  options: FineTuningOptions,
): LayerSpec[] {
  return stages.flatMap((stage, i) => {
    const linear = linearSpec(stage, options.bits, !stage.square);
    if (!stage.square) return [linear];
    const bound = Math.max(Math.abs(ranges[i][0]), Math.abs(ranges[i][1])) || 1;
    const penalty = (options.rangePenalty ?? 1) / (bound * bound);
    const specs: LayerSpec[] = [
      linear,
      { kind: 'batch-norm', shared: true, momentum: 0.98 },
      { kind: 'square', bound, penalty },
    ];
    if (stage.pool !== undefined) {
      specs.push({ kind: 'mean-pool', size: stage.pool.size, stride: stage.pool.stride, scale: 1 });
    }
    return specs;
  });
}

/** Sets statistics, gain and shifts so that the norm adds `offset` and nothing else, given the data before it. */
function calibrateNorm(norm: BatchNorm, data: Float32Array, batch: number, offset: Float64Array): void {
  const pass: Pass = { multiply: { sgemm: () => undefined }, training: true };
  const momentum = norm.momentum;
  norm.momentum = 0;
  norm.forward(data, batch, pass);
  norm.momentum = momentum;
  const gain = Math.sqrt(norm.variance[0] + norm.epsilon);
  norm.gain.value[0] = gain;
  norm.gain.rate = gain;
  norm.shift.rate = gain;
  for (let row = 0; row < offset.length; row++) norm.shift.value[row] = offset[row] + norm.mean[row];
}

/**
 * A trainable network in canonical form that starts as the quantised version of `stages`. `calibration` is a few hundred
 * to a few thousand samples of training data, `[count, inputs]`. Parameters carry relative learning rates: a rate of
 * 1e-2 with Adam changes every layer by about one per cent of its size per step; 3e-3 falling to 0 works well.
 * Train with {@link Trainer}, then {@link exportPolynomial}.
 * @throws {ShapeError} when the calibration data does not fit.
 */
export function prepareFineTuning(
  stages: readonly SquareStage[],
  calibration: Float32Array,
  options: FineTuningOptions,
): Sequential {
  arg.checkArguments('prepareFineTuning', [stages, calibration, options], {
    stages: arg.list,
    calibration: arg.typed('a Float32Array', Float32Array),
    options: arg.options,
  });
  const inputShape = stages[0].inputShape;
  const batch = calibration.length / sizeOf(inputShape);
  if (!Number.isInteger(batch) || batch < 2) {
    throw new ShapeError('calibration data', `n x ${sizeOf(inputShape)} values`, calibration.length);
  }
  const balanced = balanceStages(stages, options.balance ?? 'cross');
  const quantised = measureRanges(quantiseStages(balanced, options.bits), calibration, options.multiply);
  const trainee = new Sequential(inputShape, traineeSpecs(balanced, quantised.ranges, options), options);
  const pass: Pass = { multiply: options.multiply, training: false };
  let data = calibration;
  let stage = -1;
  for (const layer of trainee.layers) {
    if (layer instanceof Dense || layer instanceof Conv2d) {
      stage++;
      layer.weights.value.set(balanced[stage].weights);
      layer.weights.rate = rootMeanSquare(balanced[stage].weights);
      layer.quantiser?.calibrate(layer.weights.value);
      if (layer.quantiser !== undefined && balanced[stage].quantised?.bits === options.bits) {
        layer.quantiser.step.value[0] = balanced[stage].quantised!.step;
      }
      layer.bias?.value.set(balanced[stage].offset);
    }
    if (layer instanceof BatchNorm) calibrateNorm(layer, data, batch, balanced[stage].offset);
    data = layer.forward(data, batch, pass);
    if ((layer instanceof Dense || layer instanceof Conv2d) && layer.bias !== undefined) {
      layer.bias.rate = rootMeanSquare(data);
    }
  }
  return trainee;
}

/**
 * A trained network as the canonical one: stages, balance, integers (kept exactly when they come from fine-tuning), ranges
 * over `inputs`, values normalised to at most 1 in every hidden layer.
 * @throws {UnsupportedOpError} naming layers that have no polynomial form.
 */
export function exportPolynomial(
  network: Sequential,
  bits: number,
  inputs: Float32Array,
  multiply: MatrixMultiply,
  balance: BalanceMethod = 'cross',
): PolynomialNetwork {
  arg.checkArguments('exportPolynomial', [network, bits, inputs, multiply, balance], {
    network: arg.like('a Sequential', 'forward', 'infer'),
    bits: arg.number,
    inputs: arg.typed('a Float32Array', Float32Array),
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
    balance: arg.optional(arg.oneOf('none', 'rows', 'cross')),
  });
  const stages = balanceStages(toSquareForm(network), balance);
  return normaliseRanges(measureRanges(quantiseStages(stages, bits), inputs, multiply));
}
