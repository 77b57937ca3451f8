/** Batch norms of a network with any activation, folded into the linear layer before or after them. */
import * as arg from '../../base/arguments.ts';
import { ShapeError, UnsupportedOpError } from '../../base/errors.ts';
import { BatchNorm } from './batch-norm.ts';
import { Conv2d } from './conv2d.ts';
import { Dense } from './dense.ts';
import type { Layer, LayerSpec } from './layer.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { Sequential } from './sequential.ts';
import { sizeOf } from '../tensor/tensor.ts';

function isLinear(layer: Layer | undefined): layer is Dense | Conv2d {
  return layer instanceof Dense || layer instanceof Conv2d;
}

function foldBefore(layer: Dense | Conv2d, norm: BatchNorm): void {
  const { scale, addend } = norm.affine();
  const weights = layer.weights.value;
  const bias = layer.bias!.value;
  const cols = weights.length / bias.length;
  for (let i = 0; i < weights.length; i++) weights[i] *= scale[Math.floor(i / cols)];
  for (let row = 0; row < bias.length; row++) bias[row] = bias[row] * scale[row] + addend[row];
}

/** W' = W diag(scale), b' = b + W addend: the fold of the original paper. */
function foldAfter(norm: BatchNorm, layer: Dense | Conv2d): void {
  const { scale, addend } = norm.affine();
  const weights = layer.weights.value;
  const bias = layer.bias!.value;
  const cols = weights.length / bias.length;
  const convolution = layer instanceof Conv2d;
  const perChannel = convolution ? sizeOf(layer.spec.size) : sizeOf(norm.inputShape) / norm.inputShape[0];
  const groups = convolution ? (layer.spec.groups ?? 1) : 1;
  for (let row = 0; row < bias.length; row++) {
    const group = Math.floor((row * groups) / bias.length);
    const first = (group * scale.length) / groups;
    let sum = 0;
    for (let j = 0, at = row * cols; j < cols; j++, at++) {
      const channel = first + Math.floor(j / perChannel);
      sum += weights[at] * addend[channel];
      weights[at] *= scale[channel];
    }
    bias[row] += sum;
  }
}

function copyLayer(from: Layer, to: Layer): void {
  for (const parameter of from.parameters) {
    const target = to.parameters.find((candidate) => candidate.name === parameter.name);
    target?.value.set(parameter.value);
    if (target !== undefined) target.rate = parameter.rate;
  }
  from.statistics.forEach((values, i) => to.statistics[i].set(values));
}

/** Which linear layer takes batch norm `index`: the one before it, or else the one after. */
function targetOf(layers: readonly Layer[], index: number): 'before' | 'after' {
  if (isLinear(layers[index - 1])) return 'before';
  const next = layers[index + 1];
  const padded = next instanceof Conv2d && next.geometry.padding.some((p) => p > 0);
  if (isLinear(next) && !padded) return 'after';
  throw new UnsupportedOpError([
    `layer ${index}: a batch norm without a linear layer next to it that can take it`,
  ]);
}

/**
 * The same network without batch norms, equal in inference up to rounding. Linear layers get biases. Weight bits are kept,
 * and their steps chosen anew.
 * @throws {UnsupportedOpError} for a batch norm between two other layers, or before a padded convolution.
 */
export function foldBatchNorms(network: Sequential, multiply: MatrixMultiply): Sequential {
  arg.checkArguments('foldBatchNorms', [network, multiply], {
    network: arg.like('a Sequential', 'forward', 'infer'),
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
  });
  const layers = network.layers;
  const kept = layers.flatMap((layer, i) => (layer instanceof BatchNorm ? [] : [i]));
  const specs = kept.map((i): LayerSpec => {
    const spec = layers[i].spec;
    return spec.kind === 'dense' || spec.kind === 'conv2d' ? { ...spec, bias: true } : spec;
  });
  const folded = new Sequential(network.inputShape, specs, { multiply, seed: 0 });
  kept.forEach((from, to) => copyLayer(layers[from], folded.layers[to]));
  // Columns first: the bias that they add is then scaled with the rows.
  const norms = layers.flatMap((layer, i) =>
    layer instanceof BatchNorm ? [{ layer, i, side: targetOf(layers, i) }] : [],
  );
  for (const { layer, i } of norms.filter((norm) => norm.side === 'after')) {
    foldAfter(layer, folded.layers[kept.indexOf(i + 1)] as Dense | Conv2d);
  }
  for (const { layer, i } of norms.filter((norm) => norm.side === 'before')) {
    foldBefore(folded.layers[kept.indexOf(i - 1)] as Dense | Conv2d, layer);
  }
  for (const layer of folded.layers) if (isLinear(layer)) layer.quantiser?.calibrate(layer.weights.value);
  return folded;
}

/**
 * A network of other layers with the weights and statistics of this one: activations exchanged, weights rounded. Parameters keep
 * their values where a layer has one of that name and size. The steps of rounded weights are chosen anew.
 * @throws {ShapeError} when the number of layers differs, or a layer with weights has become another.
 */
export function withLayers(
  network: Sequential,
  specs: readonly LayerSpec[],
  multiply: MatrixMultiply,
): Sequential {
  arg.checkArguments('withLayers', [network, specs, multiply], {
    network: arg.like('a Sequential', 'forward', 'infer'),
    specs: arg.list,
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
  });
  const out = new Sequential(network.inputShape, specs, { multiply, seed: 0 });
  if (out.layers.length !== network.layers.length)
    throw new ShapeError('the layers', network.layers.length, out.layers.length);
  network.layers.forEach((layer, i) => {
    const target = out.layers[i];
    const weights = (of: Layer): number =>
      of.parameters.find(({ name }) => name === 'weights')?.value.length ?? 0;
    if (weights(layer) !== weights(target))
      throw new ShapeError(`the weights of layer ${i}`, weights(layer), weights(target));
    if (layer.spec.kind === target.spec.kind) copyLayer(layer, target);
  });
  out.generator.restore(network.generator.snapshot());
  for (const layer of out.layers) if (isLinear(layer)) layer.quantiser?.calibrate(layer.weights.value);
  return out;
}

/**
 * The same network with all weights of dense and convolution layers in `bits` bits, or in full precision when undefined.
 * Steps are chosen by least squared error; the network can be used as it is or trained on.
 */
export function withWeightBits(
  network: Sequential,
  bits: number | undefined,
  multiply: MatrixMultiply,
): Sequential {
  arg.checkArguments('withWeightBits', [network, bits, multiply], {
    network: arg.like('a Sequential', 'forward', 'infer'),
    bits: arg.optional(arg.number),
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
  });
  const specs = network.specs.map((spec): LayerSpec => {
    if (spec.kind !== 'dense' && spec.kind !== 'conv2d') return spec;
    const { bits: _, pruned: _pruned, ...rest } = spec;
    return bits === undefined ? rest : { ...rest, bits };
  });
  return withLayers(network, specs, multiply);
}
