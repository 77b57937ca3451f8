/** From stages with real weights to the canonical integer network. */
import * as arg from '../../base/arguments.ts';
import type { WindowGeometry } from '../tensor/im2col.ts';
import { PolynomialNetwork } from './polynomial-network.ts';
import type { ActivationRange, PolynomialLayer } from './polynomial-layer.ts';
import { integerWeights, largestLevel, searchStep } from '../quantise/quantise.ts';
import type { SquareStage } from './square-form.ts';
import { sizeOf } from '../tensor/tensor.ts';

/** Stored inputs that make up input feature `index` of a stage: itself, or a pooling window of the stage before. */
function storedInputs(pool: WindowGeometry | undefined, index: number): number[] {
  if (pool === undefined) return [index];
  const places = pool.outHeight * pool.outWidth;
  const channel = Math.floor(index / places);
  const place = index % places;
  const top = Math.floor(place / pool.outWidth) * pool.stride[0];
  const left = (place % pool.outWidth) * pool.stride[1];
  const out: number[] = [];
  for (let ky = 0; ky < pool.size[0]; ky++) {
    for (let kx = 0; kx < pool.size[1]; kx++) {
      out.push((channel * pool.height + top + ky) * pool.width + left + kx);
    }
  }
  return out;
}

/** For each place of a convolution, the features under the filter, channel-major. */
function windowFeatures(window: WindowGeometry): number[][] {
  const places: number[][] = [];
  for (let oy = 0; oy < window.outHeight; oy++) {
    for (let ox = 0; ox < window.outWidth; ox++) {
      const features: number[] = [];
      for (let channel = 0; channel < window.channels; channel++) {
        for (let ky = 0; ky < window.size[0]; ky++) {
          const y = oy * window.stride[0] + ky;
          const start = (channel * window.height + y) * window.width + ox * window.stride[1];
          for (let kx = 0; kx < window.size[1]; kx++) features.push(start + kx);
        }
      }
      places.push(features);
    }
  }
  return places;
}

/** The columns of a stage repeated for every stored input of a pooling window. */
function repeatColumns(weights: Int32Array, times: number): Int32Array {
  if (times === 1) return weights;
  const out = new Int32Array(weights.length * times);
  for (let i = 0; i < weights.length; i++) out.fill(weights[i], i * times, (i + 1) * times);
  return out;
}

/** Columns of a dense stage in the order of the stored inputs; overlapping windows add up. */
function scatterColumns(
  weights: Int32Array,
  rows: number,
  pool: WindowGeometry | undefined,
  stored: number,
): Int32Array {
  if (pool === undefined) return weights;
  const cols = weights.length / rows;
  const out = new Int32Array(rows * stored);
  for (let j = 0; j < cols; j++) {
    for (const at of storedInputs(pool, j)) {
      for (let row = 0; row < rows; row++) out[row * stored + at] += weights[row * cols + j];
    }
  }
  return out;
}

function stageLayer(
  stage: SquareStage,
  before: SquareStage | undefined,
  integers: Int32Array,
  step: number,
): PolynomialLayer {
  const pool = before?.pool;
  const stored = before === undefined ? sizeOf(stage.inputShape) : sizeOf(before.outputShape);
  const { rows, window, square, offset } = stage;
  const overlaps = pool !== undefined && (pool.stride[0] < pool.size[0] || pool.stride[1] < pool.size[1]);
  if (window === undefined && !overlaps) {
    const weights = scatterColumns(integers, rows, pool, stored);
    return { weights, rows, cols: stored, step, offset, square };
  }
  const area = pool === undefined ? 1 : pool.size[0] * pool.size[1];
  // A dense stage over overlapping windows keeps one column per window member: summed columns could leave the integer range.
  const places =
    window === undefined ? [Array.from({ length: stage.cols }, (_, j) => j)] : windowFeatures(window);
  const rowIndex = Uint32Array.from(places.flatMap((p) => p.flatMap((f) => storedInputs(pool, f))));
  const positions = places.length;
  const offsets = new Float64Array(rows * positions);
  for (let i = 0; i < offsets.length; i++) offsets[i] = offset[Math.floor(i / positions)];
  return {
    weights: repeatColumns(integers, area),
    rows,
    cols: stage.cols * area,
    step,
    offset: offsets,
    square,
    gather: { positions, rowIndex },
  };
}

/**
 * Rounds every stage to `bits`-bit integers with one step per stage, chosen by least squared error; stages that come
 * from quantised training with at most that many bits keep their integers exactly. Ranges are not known yet.
 * @throws {OutOfRangeError} when `bits` is not 2 to 16.
 */
export function quantiseStages(stages: readonly SquareStage[], bits: number): PolynomialNetwork {
  arg.checkArguments('quantiseStages', [stages, bits], { stages: arg.list, bits: arg.number });
  largestLevel(bits);
  const layers = stages.map((stage, i) => {
    const kept = stage.quantised !== undefined && stage.quantised.bits <= bits ? stage.quantised : undefined;
    const step = kept?.step ?? searchStep(stage.weights, bits);
    return stageLayer(
      stage,
      stages[i - 1],
      kept?.integers ?? integerWeights(stage.weights, step, bits),
      step,
    );
  });
  return new PolynomialNetwork(layers, sizeOf(stages[0].inputShape), bits);
}

/**
 * An equal network in which every hidden |z| of the trained ranges is at most 1: layer i is multiplied by s_i and layer
 * i+1 divided by s_i^2, in the steps and offsets alone. The last layer keeps its unit, so outputs do not change.
 */
export function normaliseRanges(network: PolynomialNetwork): PolynomialNetwork {
  arg.checkArguments('normaliseRanges', [network], {
    network: arg.like('a PolynomialNetwork', 'withRanges', 'run'),
  });
  const ranges: ActivationRange[] = [];
  let incoming = 1;
  const layers = network.layers.map((layer, i) => {
    const [low, high] = network.ranges[i];
    const largest = Math.max(Math.abs(low), Math.abs(high));
    const scale = layer.square && Number.isFinite(largest) && largest > 0 ? 1 / largest : 1;
    ranges.push([low * scale, high * scale]);
    const step = layer.step * scale * incoming;
    incoming = 1 / (scale * scale);
    return { ...layer, step, offset: layer.offset.map((value) => value * scale) };
  });
  return new PolynomialNetwork(layers, network.inputs, network.bits, ranges, network.input);
}
