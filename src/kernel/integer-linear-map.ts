/**
 * Bias-free linear maps with int8 weights: what the outsourced layers of an integer network are. They act on int32 and wrap
 * modulo 2^32, so that one map serves clear activations and uniform shares of them alike.
 */
import * as arg from '../base/arguments.ts';
import { LimitError, ShapeError } from '../base/errors.ts';

/** `[channels, height, width]` of a row-major image. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

type Pair = readonly [vertical: number, horizontal: number];

/** y = W x modulo 2^32, W int8. A vector is a batch row; images are channel-major. */
export type IntegerLinearMap =
  | {
      readonly kind: 'dense';
      readonly inputs: number;
      readonly outputs: number;
      /** Row-major outputs x inputs. */
      readonly weights: Int8Array;
    }
  | {
      readonly kind: 'convolution';
      readonly input: ImageShape;
      readonly output: ImageShape;
      readonly kernel: Pair;
      readonly stride: Pair;
      /** Zeros on each side. */
      readonly padding: Pair;
      readonly dilation: Pair;
      readonly groups: number;
      /** Output channels x (input channels / groups) x kernel height x kernel width. */
      readonly weights: Int8Array;
    };

/** The convolution kind of {@link IntegerLinearMap}. */
export type IntegerConvolution = Extract<IntegerLinearMap, { readonly kind: 'convolution' }>;

/** No map has more inputs, outputs or terms of one output; so addresses stay below 2^32 in every kernel. */
export const MAX_INTEGER_ELEMENTS = 2 ** 26;
/** No map has more weights. */
export const MAX_INTEGER_WEIGHTS = 2 ** 28;

export function imageSize(image: ImageShape): number {
  arg.checkArguments('imageSize', [image], { image: arg.options });
  const { channels, height, width } = image;
  return channels * height * width;
}

/** Elements of one input vector. */
export function inputSize(map: IntegerLinearMap): number {
  arg.checkArguments('inputSize', [map], { map: arg.options });
  return map.kind === 'dense' ? map.inputs : imageSize(map.input);
}

/** Elements of one output vector. */
export function outputSize(map: IntegerLinearMap): number {
  arg.checkArguments('outputSize', [map], { map: arg.options });
  return map.kind === 'dense' ? map.outputs : imageSize(map.output);
}

/** Rows of the weight matrix: outputs, or output channels. */
export function weightRows(map: IntegerLinearMap): number {
  arg.checkArguments('weightRows', [map], { map: arg.options });
  return map.kind === 'dense' ? map.outputs : map.output.channels;
}

/** Multiply-adds of one vector, those with padding included: outputs times the terms of each. */
export function multiplyAdds(map: IntegerLinearMap): number {
  arg.checkArguments('multiplyAdds', [map], { map: arg.options });
  return outputSize(map) * (map.weights.length / weightRows(map));
}

/** Sum of |w| over each row of the weight matrix. At most 2^26 * 128, so exact. */
export function rowNorms(map: IntegerLinearMap): Float64Array {
  arg.checkArguments('rowNorms', [map], { map: arg.options });
  const norms = new Float64Array(weightRows(map));
  const terms = map.weights.length / norms.length;
  for (let row = 0, at = 0; row < norms.length; row++) {
    let sum = 0;
    for (const end = at + terms; at < end; at++) sum += Math.abs(map.weights[at]);
    norms[row] = sum;
  }
  return norms;
}

/** The largest |y_j| over all x with |x_i| <= bound, padding aside: the largest row norm times the bound. */
export function outputBound(map: IntegerLinearMap, inputBound: number): number {
  arg.checkArguments('outputBound', [map, inputBound], { map: arg.options, inputBound: arg.number });
  let largest = 0;
  for (const norm of rowNorms(map)) largest = Math.max(largest, norm);
  return largest * inputBound;
}

/** The output image of a convolution over `input`. Positive extents only when the windows fit. */
export function convolutionOutput(
  input: ImageShape,
  channels: number,
  convolution: Pick<IntegerConvolution, 'kernel' | 'stride' | 'padding' | 'dilation'>,
): ImageShape {
  arg.checkArguments('convolutionOutput', [input, channels, convolution], {
    input: arg.options,
    channels: arg.number,
    convolution: arg.options,
  });
  const { kernel, stride, padding, dilation } = convolution;
  const places = (extent: number, axis: 0 | 1): number =>
    Math.floor((extent + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis]) + 1;
  return { channels, height: places(input.height, 0), width: places(input.width, 1) };
}

/**
 * A convolution, its output shape worked out; stride, dilation and groups are 1 and padding 0 unless given.
 * @throws {ShapeError} {@link LimitError} as {@link checkIntegerLinearMap}.
 */
export function integerConvolution(
  input: ImageShape,
  channels: number,
  kernel: Pair,
  weights: Int8Array,
  options: Partial<Pick<IntegerConvolution, 'stride' | 'padding' | 'dilation' | 'groups'>> = {},
): IntegerConvolution {
  arg.checkArguments('integerConvolution', [input, channels, kernel, weights, options], {
    input: arg.options,
    channels: arg.number,
    kernel: arg.numbers,
    weights: arg.typed('an Int8Array', Int8Array),
    options: arg.optional(arg.options),
  });
  const { stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = options;
  const output = convolutionOutput(input, channels, { kernel, stride, padding, dilation });
  const map = {
    kind: 'convolution',
    input,
    output,
    kernel,
    stride,
    padding,
    dilation,
    groups,
    weights,
  } as const;
  checkIntegerLinearMap(map);
  return map;
}

/**
 * @throws {ShapeError} when extents are no positive integers, do not fit together, or the weights have another number.
 * @throws {LimitError} above {@link MAX_INTEGER_ELEMENTS} or {@link MAX_INTEGER_WEIGHTS}.
 */
export function checkIntegerLinearMap(map: IntegerLinearMap): void {
  arg.checkArguments('checkIntegerLinearMap', [map], { map: arg.options });
  if (map.kind === 'dense') {
    requireCounts('the extents of a dense map', [map.inputs, map.outputs], 1);
    requireSizes(map, map.inputs, map.outputs, map.inputs);
    return;
  }
  const { input, output, kernel, stride, padding, dilation, groups } = map;
  requireCounts('the input of a convolution', [input.channels, input.height, input.width], 1);
  requireCounts('the output of a convolution', [output.channels, output.height, output.width], 1);
  requireCounts('kernel, stride, dilation and groups', [...kernel, ...stride, ...dilation, groups], 1);
  requireCounts('the padding of a convolution', padding, 0);
  const fits = convolutionOutput(input, output.channels, map);
  if (fits.height !== output.height || fits.width !== output.width) {
    const got = `${output.height}x${output.width}`;
    throw new ShapeError('the output of a convolution', `${fits.height}x${fits.width}`, got);
  }
  if (input.channels % groups !== 0 || output.channels % groups !== 0) {
    const needed = `a divisor of ${input.channels} and ${output.channels}`;
    throw new ShapeError('the groups of a convolution', needed, groups);
  }
  const terms = (input.channels / groups) * kernel[0] * kernel[1];
  requireSizes(map, imageSize(input), imageSize(output), terms);
}

function requireCounts(what: string, values: readonly number[], least: number): void {
  const sound = values.every((v) => Number.isSafeInteger(v) && v >= least && v <= MAX_INTEGER_ELEMENTS);
  if (!sound)
    throw new ShapeError(what, `integers from ${least} to ${MAX_INTEGER_ELEMENTS}`, values.join(', '));
}

function requireSizes(map: IntegerLinearMap, inputs: number, outputs: number, terms: number): void {
  for (const elements of [inputs, outputs, terms]) {
    if (elements > MAX_INTEGER_ELEMENTS)
      throw new LimitError('the elements of an integer map', MAX_INTEGER_ELEMENTS, elements);
  }
  const needed = weightRows(map) * terms;
  if (needed > MAX_INTEGER_WEIGHTS)
    throw new LimitError('the weights of an integer map', MAX_INTEGER_WEIGHTS, needed);
  if (map.weights.length !== needed)
    throw new ShapeError('the weights of an integer map', needed, map.weights.length);
}

/**
 * y = W x modulo 2^32 for `[batch, inputs]`, by the definition, in plain JavaScript: the truth that kernels are compared with.
 * @throws {ShapeError}
 */
export function applyIntegerLinear(map: IntegerLinearMap, x: Int32Array, batch: number): Int32Array {
  arg.checkArguments('applyIntegerLinear', [map, x, batch], {
    map: arg.options,
    x: arg.typed('an Int32Array', Int32Array),
    batch: arg.number,
  });
  const [inputs, outputs] = [inputSize(map), outputSize(map)];
  if (x.length !== batch * inputs) throw new ShapeError('the input', `${batch} x ${inputs}`, x.length);
  const y = new Int32Array(batch * outputs);
  for (let row = 0; row < batch; row++) {
    const from = x.subarray(row * inputs, (row + 1) * inputs);
    for (let i = 0; i < outputs; i++) y[row * outputs + i] = integerOutputAt(map, from, i);
  }
  return y;
}

/** Element `index` of W x modulo 2^32 for one vector. */
export function integerOutputAt(map: IntegerLinearMap, x: Int32Array, index: number): number {
  arg.checkArguments('integerOutputAt', [map, x, index], {
    map: arg.options,
    x: arg.typed('an Int32Array', Int32Array),
    index: arg.number,
  });
  return map.kind === 'dense' ? rowProduct(map.weights, x, index) : windowProduct(map, x, index);
}

function rowProduct(weights: Int8Array, x: Int32Array, row: number): number {
  let sum = 0;
  for (let i = 0, at = row * x.length; i < x.length; i++) sum = (sum + Math.imul(weights[at++], x[i])) | 0;
  return sum;
}

function windowProduct(map: IntegerConvolution, x: Int32Array, index: number): number {
  const { input, output, kernel, stride, padding, dilation, groups, weights } = map;
  const [inChannels, outChannels] = [input.channels / groups, output.channels / groups];
  const channel = Math.floor(index / (output.height * output.width));
  const oy = Math.floor(index / output.width) % output.height;
  const ox = index % output.width;
  const first = Math.floor(channel / outChannels) * inChannels;
  let at = channel * inChannels * kernel[0] * kernel[1];
  let sum = 0;
  for (let c = first; c < first + inChannels; c++) {
    for (let ky = 0; ky < kernel[0]; ky++) {
      const iy = oy * stride[0] + ky * dilation[0] - padding[0];
      for (let kx = 0; kx < kernel[1]; kx++, at++) {
        const ix = ox * stride[1] + kx * dilation[1] - padding[1];
        if (iy < 0 || iy >= input.height || ix < 0 || ix >= input.width) continue;
        sum = (sum + Math.imul(weights[at], x[(c * input.height + iy) * input.width + ix])) | 0;
      }
    }
  }
  return sum;
}
