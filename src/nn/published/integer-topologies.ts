/**
 * Networks of published shapes with seeded int8 weights: for costs, which do not depend on the weights. Scales keep
 * activations spread over int8, so that no layer is all zeros.
 */
import * as arg from '../../base/arguments.ts';
import { integerConvolution } from '../../kernel/integer-linear-map.ts';
import type { ImageShape, IntegerConvolution, IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import { SeededGenerator } from '../tensor/generator.ts';
import { INT8_INPUT, IntegerNetwork } from '../integer/integer-network.ts';
import type { IntegerStep } from '../integer/integer-step.ts';
import { imageOf, pooledExtents } from '../integer/integer-shapes.ts';

type Pair = readonly [number, number];

const REQUANTISE_SHIFT = 30;
/** Of uniform int8 weights and of activations that the scales aim at. */
const WEIGHT_DEVIATION = 74;
const ACTIVATION_DEVIATION = 40;

/** Chains linear steps with the steps between them. */
class TopologyBuilder {
  readonly #steps: IntegerStep[] = [];
  readonly #generator: SeededGenerator;
  readonly #input: ImageShape;
  #image: ImageShape;
  #features: number;

  constructor(input: ImageShape, seed: number) {
    this.#input = input;
    this.#image = input;
    this.#features = input.channels * input.height * input.width;
    this.#generator = new SeededGenerator(seed);
  }

  #weights(length: number): Int8Array {
    const weights = new Int8Array(length);
    for (let i = 0; i < length; i += 4) {
      const word = this.#generator.word();
      for (let j = 0; j < 4 && i + j < length; j++) weights[i + j] = word >>> (8 * j);
    }
    return weights;
  }

  #linear(map: IntegerLinearMap, rows: number, rectified: boolean): void {
    const terms = map.weights.length / rows;
    this.#steps.push({ kind: 'linear', map, bias: new Int32Array(rows) });
    if (!rectified) return;
    const deviation = WEIGHT_DEVIATION * ACTIVATION_DEVIATION * Math.sqrt(terms);
    const multiplier = Math.round((2 ** REQUANTISE_SHIFT * ACTIVATION_DEVIATION) / deviation);
    this.#steps.push(
      { kind: 'relu' },
      { kind: 'requantise', multipliers: Float64Array.of(multiplier), shift: REQUANTISE_SHIFT },
    );
  }

  convolve(channels: number, size: number, options: { stride?: number; padding?: number } = {}): this {
    const { stride = 1, padding = 0 } = options;
    const kernel: Pair = [size, size];
    const weights = this.#weights(channels * this.#image.channels * size * size);
    const map: IntegerConvolution = integerConvolution(this.#image, channels, kernel, weights, {
      stride: [stride, stride],
      padding: [padding, padding],
    });
    this.#linear(map, channels, true);
    this.#image = map.output;
    return this;
  }

  /** Largest of `extent` x `extent` at every second place. */
  pool(padding = 0, extent = 3): this {
    const [size, stride, pad]: Pair[] = [
      [extent, extent],
      [2, 2],
      [padding, padding],
    ];
    this.#steps.push({ kind: 'max-pool', size, stride, padding: pad });
    const [height, width] = pooledExtents(this.#image, size, stride, pad);
    this.#image = imageOf([this.#image.channels, height, width], 'a pool');
    return this;
  }

  flatten(): this {
    this.#features = this.#image.channels * this.#image.height * this.#image.width;
    this.#steps.push({ kind: 'flatten' });
    return this;
  }

  dense(outputs: number, rectified = true): this {
    const map = { kind: 'dense', inputs: this.#features, outputs } as const;
    this.#linear({ ...map, weights: this.#weights(outputs * this.#features) }, outputs, rectified);
    this.#features = outputs;
    return this;
  }

  finish(softmax: boolean): IntegerNetwork {
    const { channels, height, width } = this.#input;
    const input = { ...INT8_INPUT, shape: [channels, height, width], scale: 1 };
    return new IntegerNetwork(input, this.#steps, { scale: 2 ** -20, softmax });
  }
}

/**
 * AlexNet without groups on 3 x 227 x 227 (Krizhevsky, Sutskever, Hinton 2012, as one column): 1.135 G multiply-adds, 62.4 M
 * weights in eight linear layers. Local response normalisation is left out.
 */
export function alexNet(seed = 1): IntegerNetwork {
  arg.checkArguments('alexNet', [seed], { seed: arg.optional(arg.number) });
  return new TopologyBuilder({ channels: 3, height: 227, width: 227 }, seed)
    .convolve(96, 11, { stride: 4 })
    .pool()
    .convolve(256, 5, { padding: 2 })
    .pool()
    .convolve(384, 3, { padding: 1 })
    .convolve(384, 3, { padding: 1 })
    .convolve(256, 3, { padding: 1 })
    .pool()
    .flatten()
    .dense(4096)
    .dense(4096)
    .dense(1000, false)
    .finish(true);
}

/**
 * The size of FaceNet NN1 (Schroff, Kalenichenko, Philbin 2015, table 1) on 3 x 220 x 220, with the second 64-channel 1 x 1 layer that
 * the published traffic implies. ReLU stands for the normalisations and for maxout, whose halves are not computed.
 */
export function faceNetNn1(seed = 1): IntegerNetwork {
  arg.checkArguments('faceNetNn1', [seed], { seed: arg.optional(arg.number) });
  return new TopologyBuilder({ channels: 3, height: 220, width: 220 }, seed)
    .convolve(64, 7, { stride: 2, padding: 3 })
    .pool(1)
    .convolve(64, 1)
    .convolve(64, 1)
    .convolve(192, 3, { padding: 1 })
    .pool(1)
    .convolve(192, 1)
    .convolve(384, 3, { padding: 1 })
    .pool(1)
    .convolve(384, 1)
    .convolve(256, 3, { padding: 1 })
    .convolve(256, 1)
    .convolve(256, 3, { padding: 1 })
    .convolve(256, 1)
    .convolve(256, 3, { padding: 1 })
    .pool(1)
    .flatten()
    .dense(4096)
    .dense(4096)
    .dense(128, false)
    .finish(false);
}

/** The size of LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) on 1 x 28 x 28, every filter seeing all maps. */
export function leNet5(seed = 1): IntegerNetwork {
  arg.checkArguments('leNet5', [seed], { seed: arg.optional(arg.number) });
  return new TopologyBuilder({ channels: 1, height: 28, width: 28 }, seed)
    .convolve(6, 5, { padding: 2 })
    .pool(0, 2)
    .convolve(16, 5)
    .pool(0, 2)
    .flatten()
    .dense(120)
    .dense(84)
    .dense(10, false)
    .finish(true);
}
