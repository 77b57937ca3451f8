/** Our own polynomial networks as model graphs. */
import { filled } from '../../base/filled.ts';
import type { PolynomialLayer } from '../polynomial/polynomial-layer.ts';
import type { PolynomialNetwork } from '../polynomial/polynomial-network.ts';
import { polynomialLayerOutputs } from '../polynomial/polynomial-layer.ts';
import { GraphBuilder, tensorInput } from './graph-builder.ts';
import { DenseMap, WindowMap } from './linear-map.ts';
import type { ChannelStatistics, InputDescription, ModelGraph } from './model-graph.ts';

/**
 * Linear maps with their integers (`quantised`) and squares. A convolution's wires have shape `[channels, positions]`. The trained
 * interval of a layer becomes the `trained` statistics of its wire, the same for every channel; mean and variance are those of
 * a uniform distribution over it, for want of better.
 */
export function toModelGraph(network: PolynomialNetwork, name = 'input'): ModelGraph {
  const builder = new GraphBuilder();
  let wire = builder.input(inputOf(network, name));
  const ranged = new Map<number, ChannelStatistics>();
  let width = network.inputs;
  network.layers.forEach((layer, i) => {
    const shape = layer.gather === undefined ? [layer.rows] : [layer.rows, layer.gather.positions];
    wire = builder.linear(wire, layerMap(layer, width), {
      shape,
      name: `layer ${i}`,
      quantised: { integers: layer.weights, rowStep: new Float64Array(layer.rows).fill(layer.step) },
    });
    const [low, high] = network.ranges[i];
    if (Number.isFinite(low) && Number.isFinite(high)) ranged.set(wire, uniform(low, high, layer.rows));
    if (layer.square) wire = builder.multiply(wire, wire, `square ${i}`);
    width = polynomialLayerOutputs(layer);
  });
  const graph = builder.build(wire);
  const wires = graph.wires.map((known) => {
    const trained = ranged.get(known.id);
    return trained === undefined ? known : { ...known, trained };
  });
  return { ...graph, wires };
}

/** Of a network whose file says what its inputs are, all that a client needs to read a picture for it. */
function inputOf({ inputs, input }: PolynomialNetwork, name: string): InputDescription {
  const plain = tensorInput(name, [inputs]);
  if (input === undefined) return plain;
  const { size, kind: normalisation } = input;
  const image = { channels: 1, size, fit: 'stretch', invert: false, white: 1, normalisation } as const;
  return { ...plain, kind: 'image', interval: [0, 1], clip: [0, 1], image };
}

function layerMap(layer: PolynomialLayer, cols: number): DenseMap | WindowMap {
  const matrix = filled(new Float64Array(layer.weights.length), (i) => layer.weights[i] * layer.step);
  const { rows, gather, offset } = layer;
  if (gather === undefined) return new DenseMap(rows, cols, matrix, offset);
  return new WindowMap({
    cols,
    groups: 1,
    channels: rows,
    taps: layer.cols,
    positions: gather.positions,
    matrix,
    inputs: Int32Array.from(gather.rowIndex),
    bias: offset,
  });
}

function uniform(low: number, high: number, channels: number): ChannelStatistics {
  const each = (value: number): Float64Array => new Float64Array(channels).fill(value);
  const variance = (high - low) ** 2 / 12;
  return {
    samples: 0,
    low: each(low),
    high: each(high),
    mean: each((low + high) / 2),
    variance: each(variance),
  };
}
