/** Shapes and value bounds through an integer network: what every step needs of its operands, and what it makes. */
import * as arg from '../../base/arguments.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import {
  checkIntegerLinearMap,
  imageSize,
  inputSize,
  rowNorms,
  weightRows,
} from '../../kernel/integer-linear-map.ts';
import type { ImageShape } from '../../kernel/integer-linear-map.ts';
import { HIGHEST_INT8, LOWEST_INT8 } from './integer-step.ts';
import type { IntegerStep, IntegerStepOf, Requantisation } from './integer-step.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/** What is known of a tensor before any value is. */
export interface IntegerTensorFacts {
  readonly shape: SampleShape;
  /** Largest |value|. */
  readonly bound: number;
}

const INT32_LIMIT = 2 ** 31 - 1;
const EXACT_LIMIT = 2 ** 53;
const LARGEST_SHIFT = 52;

/** @throws {ShapeError} unless the tensor is `[channels, height, width]`. */
export function imageOf(shape: SampleShape, name: string): ImageShape {
  arg.checkArguments('imageOf', [shape, name], { shape: arg.numbers, name: arg.text });
  if (shape.length !== 3)
    throw new ShapeError(`the input of ${name}`, '[channels, height, width]', shape.join('x'));
  const [channels, height, width] = shape;
  return { channels, height, width };
}

/** The extents of a window step's output. */
export function pooledExtents(
  { height, width }: ImageShape,
  size: readonly [number, number],
  stride: readonly [number, number],
  padding: readonly [number, number] = [0, 0],
): [height: number, width: number] {
  return [
    Math.floor((height + 2 * padding[0] - size[0]) / stride[0]) + 1,
    Math.floor((width + 2 * padding[1] - size[1]) / stride[1]) + 1,
  ];
}

/**
 * The facts of a step's output from those of its operands (`other` for additions only).
 * @throws {ShapeError} when operands do not fit.
 * @throws {OutOfRangeError} when a value could leave int32, a fixed-point product could leave 2^53, or a field is no valid number.
 */
export function stepFacts(
  step: IntegerStep,
  x: IntegerTensorFacts,
  other: IntegerTensorFacts | undefined,
  name: string,
): IntegerTensorFacts {
  switch (step.kind) {
    case 'linear':
      return linearFacts(step, x, name);
    case 'relu':
      return x;
    case 'square':
      if (x.bound ** 2 > INT32_LIMIT)
        throw new OutOfRangeError(`the squares of ${name}`, 'below 2^31', `up to ${x.bound}^2`);
      return { shape: x.shape, bound: x.bound ** 2 };
    case 'flatten':
      return { shape: [sizeOf(x.shape)], bound: x.bound };
    case 'max-pool':
    case 'sum-pool':
      return poolFacts(step, x, name);
    case 'requantise':
      checkRange(fixedPointLargest(step, x, name), step.shift, name);
      return { shape: x.shape, bound: clampBound(step, name) };
    case 'add':
      return addFacts(step, x, other, name);
    case 'zero-extend': {
      const from = imageOf(x.shape, name);
      const { channels, height, width } = step.to;
      const grows = channels >= from.channels && height >= from.height && width >= from.width;
      if (!grows || !Number.isSafeInteger(imageSize(step.to)))
        throw new ShapeError(
          `the extent of ${name}`,
          `at least ${x.shape.join('x')}`,
          `${channels}x${height}x${width}`,
        );
      return { shape: [channels, height, width], bound: x.bound };
    }
  }
}

function linearFacts(step: IntegerStepOf<'linear'>, x: IntegerTensorFacts, name: string): IntegerTensorFacts {
  const { map, bias } = step;
  checkIntegerLinearMap(map);
  if (sizeOf(x.shape) !== inputSize(map))
    throw new ShapeError(`the input of ${name}`, inputSize(map), sizeOf(x.shape));
  if (map.kind === 'convolution') {
    const needed = [map.input.channels, map.input.height, map.input.width].join('x');
    if (x.shape.join('x') !== needed) throw new ShapeError(`the input of ${name}`, needed, x.shape.join('x'));
  }
  if (bias.length !== weightRows(map))
    throw new ShapeError(`the bias of ${name}`, weightRows(map), bias.length);
  let bound = 0;
  rowNorms(map).forEach((norm, row) => {
    bound = Math.max(bound, norm * x.bound + Math.abs(bias[row]));
  });
  if (bound > INT32_LIMIT) throw new OutOfRangeError(`the sums of ${name}`, 'below 2^31', `up to ${bound}`);
  const shape =
    map.kind === 'dense' ? [map.outputs] : [map.output.channels, map.output.height, map.output.width];
  return { shape, bound };
}

function poolFacts(
  step: IntegerStepOf<'max-pool' | 'sum-pool'>,
  x: IntegerTensorFacts,
  name: string,
): IntegerTensorFacts {
  const image = imageOf(x.shape, name);
  const padding = step.kind === 'max-pool' ? (step.padding ?? [0, 0]) : ([0, 0] as const);
  const counts = [...step.size, ...step.stride];
  const sound = counts.every((v) => Number.isSafeInteger(v) && v >= 1);
  // With less padding than window, every window has a value in it.
  const padded = padding.every((v, axis) => Number.isSafeInteger(v) && v >= 0 && v < step.size[axis]);
  const [height, width] = pooledExtents(image, step.size, step.stride, padding);
  if (!sound || !padded || !(height >= 1 && width >= 1))
    throw new ShapeError(`the windows of ${name}`, `inside ${x.shape.join('x')}`, counts.join(', '));
  const shape = [image.channels, height, width];
  if (step.kind === 'max-pool') return { shape, bound: x.bound };
  const { divisor } = step;
  if (!Number.isSafeInteger(divisor) || divisor < 1 || divisor > 2 ** 20)
    throw new OutOfRangeError(`the divisor of ${name}`, 'an integer from 1 to 2^20', divisor);
  const sum = step.size[0] * step.size[1] * x.bound;
  if (sum > INT32_LIMIT)
    throw new OutOfRangeError(`the window sums of ${name}`, 'below 2^31', `up to ${sum}`);
  return { shape, bound: Math.ceil(sum / divisor) };
}

function addFacts(
  step: IntegerStepOf<'add'>,
  x: IntegerTensorFacts,
  y: IntegerTensorFacts | undefined,
  name: string,
): IntegerTensorFacts {
  if (y === undefined || y.shape.join('x') !== x.shape.join('x'))
    throw new ShapeError(`the second operand of ${name}`, x.shape.join('x'), y?.shape.join('x') ?? 'absent');
  const second = { multipliers: step.otherMultipliers, shift: step.shift };
  checkRange(fixedPointLargest(step, x, name) + fixedPointLargest(second, y, name), step.shift, name);
  return { shape: x.shape, bound: clampBound(step, name) };
}

/** The largest |x * multiplier|. */
function fixedPointLargest(
  { multipliers, shift }: Requantisation,
  x: IntegerTensorFacts,
  name: string,
): number {
  if (multipliers.length !== 1 && multipliers.length !== x.shape[0])
    throw new ShapeError(`the multipliers of ${name}`, `1 or ${x.shape[0]}`, multipliers.length);
  if (!Number.isInteger(shift) || shift < 1 || shift > LARGEST_SHIFT)
    throw new OutOfRangeError(`the shift of ${name}`, `an integer from 1 to ${LARGEST_SHIFT}`, shift);
  let largest = 0;
  for (const multiplier of multipliers) {
    if (!Number.isSafeInteger(multiplier) || multiplier < 1)
      throw new OutOfRangeError(`a multiplier of ${name}`, 'a positive integer', multiplier);
    largest = Math.max(largest, multiplier);
  }
  return largest * x.bound;
}

function checkRange(largest: number, shift: number, name: string): void {
  if (!(largest + 2 ** (shift - 1) <= EXACT_LIMIT))
    throw new OutOfRangeError(`the fixed-point products of ${name}`, 'at most 2^53', `up to ${largest}`);
}

function clampBound(
  { low = LOWEST_INT8, high = HIGHEST_INT8 }: { low?: number; high?: number },
  name: string,
): number {
  const sound = Number.isInteger(low) && Number.isInteger(high) && low <= high;
  if (!sound || Math.abs(low) > INT32_LIMIT || Math.abs(high) > INT32_LIMIT)
    throw new OutOfRangeError(`the interval of ${name}`, 'integers low <= high', `${low} to ${high}`);
  return Math.max(Math.abs(low), Math.abs(high));
}
