/** Networks of our own trainer as model graphs. */
import { UnsupportedOpError } from '../../base/errors.ts';
import { filled } from '../../base/filled.ts';
import { BatchNorm } from '../layers/batch-norm.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Dense } from '../layers/dense.ts';
import { LayerGraph, sourcesOf } from '../layers/layer-graph.ts';
import type { GraphNode } from '../layers/layer-graph.ts';
import type { Layer } from '../layers/layer.ts';
import { Quadratic } from '../layers/quadratic.ts';
import type { Sequential } from '../layers/sequential.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { GraphBuilder, tensorInput } from './graph-builder.ts';
import { chosen } from './index-maps.ts';
import { DenseMap, DiagonalMap, GatherMap, WindowMap } from './linear-map.ts';
import type { ModelGraph } from './model-graph.ts';
import { simplifyGraph } from './passes/simplify.ts';
import { channelPlaces, windowMap, windowPlaces } from './window-places.ts';
import type { Windows } from './window-places.ts';

/**
 * The function that the network computes in inference, with its weights as they are used (in their bits, where it has any): batch norms
 * merged, dropout gone.
 * @throws {UnsupportedOpError} for layers without such a form: quantised activations.
 */
export function layerModel(network: Sequential | LayerGraph, name = 'input'): ModelGraph {
  const nodes: readonly GraphNode[] =
    network instanceof LayerGraph ? network.nodes : network.layers.map((layer) => ({ kind: 'layer', layer }));
  const builder = new GraphBuilder();
  const input = builder.input(tensorInput(name, network.inputShape));
  const wires: number[] = [];
  nodes.forEach((node, i) => {
    const [from, other] = sourcesOf(node, i).map((source) => (source < 0 ? input : wires[source]));
    if (node.kind === 'add') wires.push(builder.add(from, other));
    else if (node.kind === 'layer')
      wires.push(addLayer(builder, from, node.layer, `${node.layer.spec.kind} ${i}`));
    else wires.push(zeroExtended(builder, from, [node.to.channels, node.to.height, node.to.width]));
  });
  return simplifyGraph(builder.build(wires.at(-1)!));
}

function zeroExtended(builder: GraphBuilder, from: number, to: readonly number[]): number {
  const shape = builder.shapeOf(from);
  let view = Int32Array.from({ length: sizeOf(shape) }, (_, i) => i);
  let own = shape;
  to.forEach((extent, axis) => {
    const indices = Int32Array.from({ length: extent }, (_, i) => (i < own[axis] ? i : -1));
    const next = chosen(own, axis, indices);
    view = next.from.map((at) => (at < 0 ? -1 : view[at]));
    own = next.shape;
  });
  return builder.linear(from, new GatherMap(view, sizeOf(shape)), { shape: to });
}

function addLayer(builder: GraphBuilder, from: number, layer: Layer, name: string): number {
  const { spec, inputShape, outputShape } = layer;
  if (layer instanceof Dense || layer instanceof Conv2d) {
    const weights = Float32Array.from(layer.quantiser?.apply(layer.weights.value) ?? layer.weights.value);
    const map = layer instanceof Dense ? denseMap(layer, weights) : convolutionMap(layer, weights);
    return builder.linear(from, map, { shape: outputShape, name });
  }
  if (layer instanceof BatchNorm) return builder.linear(from, normMap(layer), { shape: outputShape, name });
  if (layer instanceof Quadratic) {
    const rows = [layer.c, layer.b, layer.a].map(({ value }) => Float64Array.from(value));
    return builder.polynomial(from, rows, { name });
  }
  switch (spec.kind) {
    case 'relu':
    case 'sigmoid':
      return builder.function(from, spec.kind, [], { name });
    case 'square':
      return builder.multiply(from, from, name);
    case 'polynomial':
      return builder.polynomial(from, spec.coefficients, { name });
    case 'dropout':
      return from;
    case 'mean-pool':
    case 'max-pool': {
      const windows = poolWindows(inputShape, outputShape, spec.size, spec.stride ?? spec.size);
      const [channels] = inputShape;
      const positions = sizeOf(windows.output);
      const taps = sizeOf(windows.kernel);
      const { kernel, stride } = windows;
      if (spec.kind === 'max-pool') {
        const inputs = channelPlaces(windowPlaces(windows), positions, channels, 1, sizeOf(windows.input));
        return builder.maximum(from, { taps, inputs, pool: { kernel, stride } }, outputShape, name);
      }
      const map = windowMap(windows, {
        inChannels: channels,
        outChannels: channels,
        groups: channels,
        matrix: new Float64Array(channels * taps).fill(spec.scale ?? 1 / taps),
        bias: new Float64Array(channels * positions),
      });
      return builder.linear(from, map, { shape: outputShape, name });
    }
    default:
      throw new UnsupportedOpError([`layer ${spec.kind} (${name})`]);
  }
}

function denseMap(layer: Dense, weights: Float32Array): DenseMap {
  const rows = layer.spec.outputs;
  const bias = layer.bias === undefined ? new Float64Array(rows) : Float64Array.from(layer.bias.value);
  return new DenseMap(rows, weights.length / rows, weights, bias);
}

function convolutionMap(layer: Conv2d, weights: Float32Array): WindowMap {
  const { filters, size, stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = layer.spec;
  const [channels, ...input] = layer.inputShape;
  const windows: Windows = {
    input,
    output: layer.outputShape.slice(1),
    kernel: size,
    stride,
    dilation,
    padding: padding.map((p) => [p, p] as const),
  };
  const positions = sizeOf(windows.output);
  const bias = filled(
    new Float64Array(filters * positions),
    (i) => layer.bias?.value[Math.floor(i / positions)] ?? 0,
  );
  return windowMap(windows, { inChannels: channels, outChannels: filters, groups, matrix: weights, bias });
}

function normMap(layer: BatchNorm): DiagonalMap {
  const channels = layer.inputShape[0];
  const inside = sizeOf(layer.inputShape) / channels;
  const of = (values: Float32Array, i: number): number =>
    values[values.length === 1 ? 0 : Math.floor(i / inside)];
  const factors = Float64Array.from(
    { length: channels * inside },
    (_, i) => of(layer.gain.value, i) / Math.sqrt(of(layer.variance, i) + layer.epsilon),
  );
  return new DiagonalMap(
    factors,
    factors.map((factor, i) => of(layer.shift.value, i) - factor * of(layer.mean, i)),
  );
}

function poolWindows(
  inputShape: readonly number[],
  outputShape: readonly number[],
  kernel: readonly number[],
  stride: readonly number[],
): Windows {
  const padding = kernel.map(() => [0, 0] as const);
  return {
    input: inputShape.slice(1),
    output: outputShape.slice(1),
    kernel,
    stride,
    dilation: kernel.map(() => 1),
    padding,
  };
}
