import type { PolynomialNetwork } from '../nn/polynomial/polynomial-network.ts';
import { type PolynomialLayer, polynomialLayerOutputs } from '../nn/polynomial/polynomial-layer.ts';
import type { LayerFacts } from './scales.ts';

/** Residue multiply-adds of one pass over the layer, per residue column. */
export function layerProducts(layer: PolynomialLayer): number {
  return polynomialLayerOutputs(layer) * layer.cols;
}

/** max over rows of the sum of squared integer weights: how much a layer amplifies independent noise. */
function noiseGain(layer: PolynomialLayer): number {
  let largest = 1;
  for (let i = 0; i < layer.rows; i++) {
    let sum = 0;
    for (let j = 0; j < layer.cols; j++) sum += layer.weights[i * layer.cols + j]! ** 2;
    largest = Math.max(largest, sum);
  }
  return largest;
}

/** Interval arithmetic: bounds on |z| per output from bounds on the inputs' absolute values. */
function propagate(layer: PolynomialLayer, inputs: Float64Array): Float64Array {
  const positions = layer.gather?.positions ?? 1;
  const out = new Float64Array(polynomialLayerOutputs(layer));
  for (let i = 0; i < layer.rows; i++) {
    for (let p = 0; p < positions; p++) {
      let sum = Math.abs(layer.offset[i * positions + p]!);
      for (let j = 0; j < layer.cols; j++) {
        const input = layer.gather === undefined ? j : layer.gather.rowIndex[p * layer.cols + j]!;
        sum += Math.abs(layer.weights[i * layer.cols + j]!) * layer.step * inputs[input]!;
      }
      out[i * positions + p] = sum;
    }
  }
  return out;
}

/** Everything that the scale plan needs about a network whose inputs are clipped to [-inputBound, inputBound]. */
export function networkFacts(network: PolynomialNetwork, inputBound: number): LayerFacts[] {
  let bound: Float64Array = new Float64Array(network.inputs).fill(inputBound);
  return network.layers.map((layer, i) => {
    const z = propagate(layer, bound);
    const range = network.ranges[i]!;
    const proven = z.reduce((a, b) => Math.max(a, b), 0);
    bound = layer.square ? z.map((v) => v * v) : z;
    return {
      step: layer.step,
      square: layer.square,
      trained: Math.max(Math.abs(range[0]), Math.abs(range[1])),
      gain: noiseGain(layer),
      proven,
    };
  });
}
