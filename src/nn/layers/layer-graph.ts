/**
 * Layers in a graph with additions: residual networks, for inference in the clear and as the source of integer networks. Batch norms
 * must have been folded away.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';
import type { ImageShape } from '../../kernel/integer-linear-map.ts';
import { Conv2d } from './conv2d.ts';
import { Dense } from './dense.ts';
import { foldBatchNorms } from './fold.ts';
import { SeededGenerator } from '../tensor/generator.ts';
import { zeroExtend } from '../integer/integer-loops.ts';
import { buildLayer } from './layer-factory.ts';
import type { Layer, LayerSpec } from './layer.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import type { Sequential } from './sequential.ts';
import { toSquareForm } from '../polynomial/square-form.ts';
import type { SquareStage } from '../polynomial/square-form.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

interface ReadsNode {
  /** An index of an earlier node, -1 for the input; the node before by default. */
  readonly from?: number;
}

export type GraphNode =
  | ({ readonly kind: 'layer'; readonly layer: Layer } & ReadsNode)
  /** The sum of two tensors of one shape. */
  | ({ readonly kind: 'add'; readonly other: number } & ReadsNode)
  /** Zeros after the last channel, below and to the right. */
  | ({ readonly kind: 'zero-extend'; readonly to: ImageShape } & ReadsNode);

/** Immutable but for the buffers of its layers. Nodes are in topological order; the last one is the result. */
export class LayerGraph {
  readonly inputShape: SampleShape;
  readonly nodes: readonly GraphNode[];
  /** Of each node's output. */
  readonly shapes: readonly SampleShape[];
  readonly inputs: number;

  /** @throws {ShapeError} when nodes do not fit together. */
  constructor(inputShape: SampleShape, nodes: readonly GraphNode[]) {
    arg.checkArguments('new LayerGraph', [inputShape, nodes], { inputShape: arg.numbers, nodes: arg.list });
    const shapes: SampleShape[] = [];
    nodes.forEach((node, i) => {
      for (const source of sourcesOf(node, i))
        if (!(Number.isInteger(source) && source >= -1 && source < i))
          throw new ShapeError(`a source of node ${i}`, 'an earlier node', source);
      const [from, other] = sourcesOf(node, i).map((source) => shapes[source] ?? inputShape);
      shapes.push(outputShapeOf(node, i, from, other));
    });
    if (nodes.length === 0) throw new ShapeError('the number of nodes', 'at least 1', 0);
    this.inputShape = inputShape;
    this.nodes = nodes;
    this.shapes = shapes;
    this.inputs = sizeOf(inputShape);
  }

  /**
   * `[batch, ...inputShape]` to `[batch, outputs]`; the result is valid until the next call. `observe` sees every node's output.
   * @throws {ShapeError}
   */
  infer(
    x: Float32Array,
    multiply: MatrixMultiply,
    observe: (node: number, output: Float32Array) => void = () => undefined,
  ): Float32Array {
    const batch = x.length / this.inputs;
    if (!Number.isInteger(batch) || batch < 1)
      throw new ShapeError('a network input', `n x ${this.inputs}`, x.length);
    const results: Float32Array[] = [];
    this.nodes.forEach((node, i) => {
      const [from, other] = sourcesOf(node, i);
      const input = results[from] ?? x;
      if (node.kind === 'layer') results[i] = node.layer.forward(input, batch, { multiply, training: false });
      else if (node.kind === 'add') results[i] = input.map((value, j) => value + results[other][j]);
      else results[i] = zeroExtend(input, this.shapes[from] ?? this.inputShape, this.shapes[i], batch);
      observe(i, results[i]);
    });
    return results[results.length - 1];
  }
}

/** The nodes that a node reads, both of an addition. */
export function sourcesOf(node: GraphNode, index: number): number[] {
  arg.checkArguments('sourcesOf', [node, index], { node: arg.options, index: arg.number });
  const from = node.from ?? index - 1;
  return node.kind === 'add' ? [from, node.other] : [from];
}

function outputShapeOf(node: GraphNode, i: number, from: SampleShape, other: SampleShape): SampleShape {
  if (node.kind === 'zero-extend') return [node.to.channels, node.to.height, node.to.width];
  if (node.kind === 'add') {
    if (from.join('x') !== other.join('x'))
      throw new ShapeError(`the second operand of node ${i}`, from.join('x'), other.join('x'));
    return from;
  }
  const needed = node.layer.inputShape;
  const fits = node.layer instanceof Dense ? sizeOf(needed) === sizeOf(from) : needed.join() === from.join();
  if (!fits) throw new ShapeError(`the input of node ${i}`, needed.join('x'), from.join('x'));
  return node.layer.outputShape;
}

/** A dense or convolution layer with the given weights and biases. @throws {ShapeError} when their numbers differ. */
export function linearLayer(
  spec: LayerSpec & { kind: 'dense' | 'conv2d' },
  inputShape: SampleShape,
  weights: ArrayLike<number>,
  bias: ArrayLike<number>,
): Dense | Conv2d {
  arg.checkArguments('linearLayer', [spec, inputShape, weights, bias], {
    spec: arg.options,
    inputShape: arg.numbers,
    weights: arg.numbers,
    bias: arg.numbers,
  });
  const layer = buildLayer({ ...spec, bias: true }, inputShape, new SeededGenerator(0)) as Dense | Conv2d;
  const needed = [layer.weights.value.length, layer.bias!.value.length];
  if (needed[0] !== weights.length || needed[1] !== bias.length)
    throw new ShapeError('weights and biases', needed.join(', '), `${weights.length}, ${bias.length}`);
  layer.weights.value.set(weights);
  layer.bias!.value.set(bias);
  return layer;
}

const POLYNOMIAL_KINDS: readonly LayerSpec['kind'][] = ['quadratic', 'square', 'polynomial'];

/**
 * A trained chain as a graph, batch norms folded; with learned quadratics these become squares.
 * @throws {UnsupportedOpError} for layers that have no such form.
 */
export function graphOf(network: Sequential, multiply: MatrixMultiply): LayerGraph {
  arg.checkArguments('graphOf', [network, multiply], {
    network: arg.like('a Sequential', 'forward', 'infer'),
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
  });
  if (network.specs.some(({ kind }) => POLYNOMIAL_KINDS.includes(kind)))
    return new LayerGraph(network.inputShape, toSquareForm(network).flatMap(stageNodes));
  const layers = foldBatchNorms(network, multiply).layers.filter(({ spec }) => spec.kind !== 'dropout');
  return new LayerGraph(
    network.inputShape,
    layers.map((layer) => ({ kind: 'layer', layer })),
  );
}

function stageNodes(stage: SquareStage): GraphNode[] {
  const spec: LayerSpec & { kind: 'dense' | 'conv2d' } =
    stage.window === undefined
      ? { kind: 'dense', outputs: stage.rows }
      : { kind: 'conv2d', filters: stage.rows, size: stage.window.size, stride: stage.window.stride };
  const linear = linearLayer(spec, stage.inputShape, stage.weights, stage.offset);
  const layers: Layer[] = [linear];
  const append = (next: LayerSpec): void => {
    layers.push(buildLayer(next, layers[layers.length - 1].outputShape, new SeededGenerator(0)));
  };
  if (stage.square) append({ kind: 'square' });
  if (stage.pool !== undefined) {
    const { size, stride } = stage.pool;
    append({ kind: 'mean-pool', size, stride, scale: 1 });
  }
  return layers.map((layer) => ({ kind: 'layer', layer }));
}

printOnOneLine(LayerGraph);
arg.guard('LayerGraph', LayerGraph.prototype, {
  infer: {
    x: arg.typed('a Float32Array', Float32Array),
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
    observe: arg.optional(arg.callback),
  },
});
