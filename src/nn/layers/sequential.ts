import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { DecodeError, LimitError, ShapeError } from '../../base/errors.ts';
import { SeededGenerator } from '../tensor/generator.ts';
import { buildLayer, weightCount } from './layer-factory.ts';
import type { Layer, LayerSpec, Parameter, Pass } from './layer.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { ModelReader, ModelWriter } from '../files/model-bytes.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

const MAGIC = 'SRNN';
const VERSION = 1;
const MAX_LAYERS = 256;

const MAX_READ_INPUTS = 2 ** 20;

export interface SequentialOptions {
  readonly multiply: MatrixMultiply;
  /** Seed of the initial weights and of dropout. */
  readonly seed: number;
  /** A layer with more weights is refused before it is allocated; no limit by default. */
  readonly mostWeights?: number;
}

/** A chain of layers over float32 samples, for training and for inference in the clear. */
export class Sequential {
  readonly inputShape: SampleShape;
  readonly layers: readonly Layer[];
  readonly parameters: readonly Parameter[];
  /** Source of initial weights and of dropout; part of checkpoints. */
  readonly generator: SeededGenerator;
  readonly inputs: number;
  readonly outputs: number;
  readonly #multiply: MatrixMultiply;
  readonly #first: number;

  /** @throws {ShapeError} {@link OutOfRangeError} {@link UnsupportedOpError} on a description that cannot be built. */
  constructor(inputShape: SampleShape, specs: readonly LayerSpec[], options: SequentialOptions) {
    arg.checkArguments('new Sequential', [inputShape, specs, options], {
      inputShape: arg.numbers,
      specs: arg.list,
      options: arg.options,
    });
    if (specs.length === 0 || specs.length > MAX_LAYERS) {
      throw new ShapeError('the number of layers', `1 to ${MAX_LAYERS}`, specs.length);
    }
    this.generator = new SeededGenerator(options.seed);
    this.inputShape = inputShape;
    this.#multiply = options.multiply;
    const layers: Layer[] = [];
    for (const spec of specs) {
      const shape = layers.at(-1)?.outputShape ?? inputShape;
      if (!(weightCount(spec, shape) <= (options.mostWeights ?? Number.POSITIVE_INFINITY))) {
        throw new LimitError('a layer', options.mostWeights ?? 'finite', weightCount(spec, shape));
      }
      layers.push(buildLayer(spec, shape, this.generator));
    }
    this.layers = layers;
    this.parameters = layers.flatMap((layer) => layer.parameters);
    this.inputs = sizeOf(inputShape);
    this.outputs = sizeOf(layers[layers.length - 1].outputShape);
    this.#first = layers.findIndex((layer) => layer.parameters.length > 0);
  }

  get specs(): LayerSpec[] {
    return this.layers.map((layer) => layer.spec);
  }

  /** Sum of the layers' own penalties in the last training pass, per sample. */
  get penalty(): number {
    return this.layers.reduce((sum, layer) => sum + layer.penalty, 0);
  }

  /**
   * `[batch, ...inputShape]` to `[batch, outputs]`. The result belongs to the network and is valid until the next call.
   * @throws {ShapeError}
   */
  forward(x: Float32Array, batch: number, training: boolean): Float32Array {
    if (x.length !== batch * this.inputs) {
      throw new ShapeError('a network input', `${batch} x ${this.inputs} values`, x.length);
    }
    const pass: Pass = { multiply: this.#multiply, training };
    let data = x;
    for (const layer of this.layers) data = layer.forward(data, batch, pass);
    return data;
  }

  /** Outputs for `x` in inference mode, in a fresh array. Runs in blocks, so memory does not grow with the batch. */
  infer(x: Float32Array, block = 512): Float32Array {
    if (x.length % this.inputs !== 0) throw new ShapeError('a network input', `n x ${this.inputs}`, x.length);
    const samples = x.length / this.inputs;
    const out = new Float32Array(samples * this.outputs);
    for (let start = 0; start < samples; start += block) {
      const batch = Math.min(block, samples - start);
      const part = x.subarray(start * this.inputs, (start + batch) * this.inputs);
      out.set(this.forward(part, batch, false), start * this.outputs);
    }
    return out;
  }

  /**
   * Back-propagates d(mean loss)/d(outputs) of the last training pass into the gradients of all parameters. With
   * `inputGradient`, returns d(mean loss)/d(input).
   */
  backward(gradient: Float32Array, batch: number, inputGradient = false): Float32Array {
    const pass: Pass = { multiply: this.#multiply, training: true };
    let data = gradient;
    const last = inputGradient ? 0 : Math.max(0, this.#first);
    for (let i = this.layers.length - 1; i >= last; i--) {
      data = this.layers[i].backward(data, batch, pass, i > last || inputGradient);
    }
    return data;
  }

  /** Description, parameters, running statistics and generator. */
  toBytes(): Uint8Array {
    const writer = new ModelWriter(MAGIC, VERSION);
    writer.text(JSON.stringify({ inputShape: this.inputShape, specs: this.specs }));
    writer.doubles(this.generator.snapshot());
    for (const layer of this.layers) {
      for (const parameter of layer.parameters) {
        writer.f64(parameter.rate);
        writer.floats(parameter.value);
      }
      for (const values of layer.statistics) writer.floats(values);
    }
    return writer.finish();
  }

  /** @throws {DecodeError} on bytes that are not such a network. */
  static fromBytes(bytes: Uint8Array, multiply: MatrixMultiply): Sequential {
    const reader = new ModelReader('network', bytes, MAGIC, VERSION);
    const network = describedNetwork(reader.text(), bytes.length, multiply);
    const generator = reader.doubles('the generator', 5, false);
    for (const layer of network.layers) {
      for (const parameter of layer.parameters) {
        parameter.rate = reader.f64('a rate');
        parameter.value.set(reader.floats(parameter.name, parameter.value.length));
      }
      for (const values of layer.statistics) values.set(reader.floats('statistics', values.length));
    }
    reader.finish();
    network.generator.restore(generator);
    return network;
  }
}

/** Builds the network of a JSON description that is not trusted: its weights must fit in the bytes that follow. */
function describedNetwork(json: string, byteLength: number, multiply: MatrixMultiply): Sequential {
  const refuse = (reason: string) => new DecodeError('network', reason);
  let description: { inputShape?: unknown; specs?: unknown };
  try {
    description = JSON.parse(json);
  } catch {
    throw refuse('the description is not JSON');
  }
  const { inputShape, specs } = description ?? {};
  if (!Array.isArray(inputShape) || !Array.isArray(specs))
    throw refuse('the description lacks shape or layers');
  const layerKinds = specs.every((spec) => typeof spec === 'object' && spec !== null && !Array.isArray(spec));
  if (!layerKinds) throw refuse('a layer is not an object');
  if (!(inputShape.every(Number.isInteger) && sizeOf(inputShape) <= MAX_READ_INPUTS))
    throw refuse('the shape is out of range');
  try {
    return new Sequential(inputShape, specs, { multiply, seed: 0, mostWeights: byteLength / 4 });
  } catch (error) {
    throw refuse(
      `the description cannot be built: ${error instanceof Error ? error.message : 'unknown reason'}`,
    );
  }
}

printOnOneLine(Sequential);
arg.guard('Sequential', Sequential, {
  fromBytes: { bytes: arg.bytes, multiply: arg.like('a MatrixMultiply', 'sgemm') },
});
arg.guard('Sequential', Sequential.prototype, {
  forward: { x: arg.typed('a Float32Array', Float32Array), batch: arg.number, training: arg.flag },
  infer: { x: arg.typed('a Float32Array', Float32Array), block: arg.optional(arg.number) },
  backward: {
    gradient: arg.typed('a Float32Array', Float32Array),
    batch: arg.number,
    inputGradient: arg.optional(arg.flag),
  },
});
