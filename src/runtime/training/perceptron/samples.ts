/** Samples as networks under training take them: small pictures, centred numbers, batches in an order of the owner's choice. */
import { DataError, ShapeError } from '../../../base/errors.ts';
import type { Standardisation } from '../labelled-table.ts';
import type { LabelledSamples } from './clear.ts';
import { PERCEPTRON_INPUT_BOUND } from './spec.ts';

/** Grey pictures of 28 x 28 with a class each, byte by byte, as MNIST has them. */
export interface GreyPictures {
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

const SIDE = 28;
const [BORDER, BLOCK, SMALL] = [2, 3, 8];
const [MEAN, GAIN] = [0.2, 1.2];

/** 64 numbers a picture: means of blocks of 3 x 3 without the border of two, (v - 0.2) 1.2. @throws {ShapeError} */
export function smallPictures({ pixels, labels }: GreyPictures): LabelledSamples {
  assertPictures(pixels, labels);
  const inputs = new Float64Array(labels.length * SMALL ** 2);
  for (let at = 0; at < inputs.length; at++) {
    const [picture, place] = [Math.floor(at / SMALL ** 2), at % SMALL ** 2];
    const [row, column] = [Math.floor(place / SMALL), place % SMALL];
    let sum = 0;
    for (let i = 0; i < BLOCK ** 2; i++) {
      const y = BORDER + row * BLOCK + Math.floor(i / BLOCK);
      const x = BORDER + column * BLOCK + (i % BLOCK);
      sum += pixels[picture * SIDE ** 2 + y * SIDE + x]!;
    }
    inputs[at] = (sum / BLOCK ** 2 / 255 - MEAN) * GAIN;
  }
  return { inputs, labels };
}

/** 784 numbers a picture, (v - 0.2) 1.2. @throws {ShapeError} */
export function wholePictures({ pixels, labels }: GreyPictures): LabelledSamples {
  assertPictures(pixels, labels);
  return { inputs: Float64Array.from(pixels, (v) => (v / 255 - MEAN) * GAIN), labels };
}

const [MIDDLE, LARGEST_SHEAR] = [(SIDE - 1) / 2, 1];

/**
 * Pictures whose centre of mass is in the middle and whose strokes stand upright: rows are moved sideways by the slope of x over y, at most
 * one to one, as handwriting has been prepared for long [LBBH98]. In between pixels by linear interpolation; empty pictures stay as they are.
 *
 * @throws {ShapeError}
 */
export function straightenedPictures({ pixels, labels }: GreyPictures): GreyPictures {
  assertPictures(pixels, labels);
  const out = new Uint8Array(pixels.length);
  for (let start = 0; start < pixels.length; start += SIDE ** 2) {
    const picture = pixels.subarray(start, start + SIDE ** 2);
    const { x, y, slope } = slantOf(picture);
    const grey = (row: number, column: number): number =>
      Math.min(row, column) < 0 || Math.max(row, column) >= SIDE ? 0 : picture[row * SIDE + column]!;
    for (let at = 0; at < picture.length; at++) {
      const down = Math.floor(at / SIDE) - MIDDLE;
      const [row, column] = [y + down, x + (at % SIDE) - MIDDLE + slope * down];
      const [top, left] = [Math.floor(row), Math.floor(column)];
      const [low, right] = [row - top, column - left];
      const above = (1 - right) * grey(top, left) + right * grey(top, left + 1);
      const below = (1 - right) * grey(top + 1, left) + right * grey(top + 1, left + 1);
      out[start + at] = Math.round((1 - low) * above + low * below);
    }
  }
  return { pixels: out, labels };
}

/** Centre of mass, and the slope of x over y, of one picture. */
function slantOf(picture: Uint8Array): { readonly x: number; readonly y: number; readonly slope: number } {
  let [mass, x, y] = [0, 0, 0];
  picture.forEach((value, at) => {
    mass += value;
    x += value * (at % SIDE);
    y += value * Math.floor(at / SIDE);
  });
  if (mass === 0) return { x: MIDDLE, y: MIDDLE, slope: 0 };
  [x, y] = [x / mass, y / mass];
  let [across, along] = [0, 0];
  picture.forEach((value, at) => {
    const down = Math.floor(at / SIDE) - y;
    across += value * ((at % SIDE) - x) * down;
    along += value * down ** 2;
  });
  const slope = along === 0 ? 0 : across / along;
  return { x, y, slope: Math.max(-LARGEST_SHEAR, Math.min(LARGEST_SHEAR, slope)) };
}

function assertPictures(pixels: Uint8Array, labels: Uint8Array): void {
  if (pixels.length !== labels.length * SIDE ** 2)
    throw new ShapeError('pixels of pictures of 28 x 28', labels.length * SIDE ** 2, pixels.length);
}

/** Inputs that hardly change are not blown up: a deviation counts as at least this share of the largest one. */
const LEAST_DEVIATION = 1 / 4;
/** Wider samples are made smaller, so that first sums are alike whatever the width. */
const UNSCALED_WIDTH = 64;

/**
 * What {@link standardisedSamples} subtracts from each input, and what it divides by: means and standard deviations over the samples, the
 * deviations at least a quarter of the largest, and larger by sqrt(width / 64) where there are more than 64 inputs. A network learns from
 * such inputs in a quarter of the steps that fixed grey levels take.
 *
 * @throws {ShapeError} without samples.
 */
export function sampleStandardisation({ inputs, labels }: LabelledSamples): Standardisation {
  const [count, width] = [labels.length, inputs.length / labels.length];
  if (count === 0 || !Number.isInteger(width))
    throw new ShapeError('inputs of samples', 'a multiple of the number of labels', inputs.length);
  const [means, squares] = [new Float64Array(width), new Float64Array(width)];
  inputs.forEach((value, at) => {
    means[at % width] = means[at % width]! + value / count;
  });
  inputs.forEach((value, at) => {
    squares[at % width] = squares[at % width]! + (value - means[at % width]!) ** 2 / count;
  });
  const deviations = squares.map(Math.sqrt);
  const most = deviations.reduce((max, value) => Math.max(max, value), 0);
  const least = most === 0 ? 1 : LEAST_DEVIATION * most;
  const scale = Math.sqrt(Math.max(1, width / UNSCALED_WIDTH));
  return { means: [...means], deviations: [...deviations].map((value) => scale * Math.max(least, value)) };
}

/** (v - mean) / deviation for each input, cut off at the bound of inputs. @throws {ShapeError} for samples of another width. */
export function standardisedSamples(
  { inputs, labels }: LabelledSamples,
  { means, deviations }: Standardisation,
): LabelledSamples {
  const width = means.length;
  if (inputs.length !== labels.length * width || deviations.length !== width)
    throw new ShapeError('inputs of samples', labels.length * width, inputs.length);
  const bound = PERCEPTRON_INPUT_BOUND;
  const scaled = inputs.map((value, at) =>
    Math.max(-bound, Math.min(bound, (value - means[at % width]!) / deviations[at % width]!)),
  );
  return { inputs: scaled, labels };
}

/** The samples at these places, in this order. */
export function samplesAt({ inputs, labels }: LabelledSamples, order: ArrayLike<number>): LabelledSamples {
  const width = inputs.length / labels.length;
  const out = new Float64Array(order.length * width);
  for (let r = 0; r < order.length; r++)
    out.set(inputs.subarray(order[r]! * width, (order[r]! + 1) * width), r * width);
  return { inputs: out, labels: Uint8Array.from(order, (at) => labels[at]!) };
}

/**
 * Places of the samples of every step: a new order of all samples whenever fewer than a batch are left. `uniform` gives numbers in [0, 1).
 *
 * @throws {DataError} with fewer samples than a batch.
 */
export function batchOrder(
  samples: number,
  { batch, steps }: { readonly batch: number; readonly steps: number },
  uniform: () => number,
): Uint32Array[] {
  if (samples < batch) throw new DataError(`a batch has ${batch} samples, but there are ${samples}`);
  const order = Uint32Array.from({ length: samples }, (_, i) => i);
  const shuffle = (): void => {
    for (let i = samples - 1; i > 0; i--) {
      const j = Math.floor(uniform() * (i + 1));
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
  };
  let at = samples;
  return Array.from({ length: steps }, () => {
    if (at + batch > samples) {
      shuffle();
      at = 0;
    }
    at += batch;
    return order.slice(at - batch, at);
  });
}

/** Generated samples for demonstrations and tests: a centre for every class, and noise. */
export function generatedSamples(
  { count, inputs, classes }: { readonly count: number; readonly inputs: number; readonly classes: number },
  uniform: () => number,
): LabelledSamples {
  const centres = Float64Array.from({ length: classes * inputs }, () => (uniform() < 0.5 ? -0.5 : 0.5));
  const labels = Uint8Array.from({ length: count }, (_, r) => r % classes);
  const values = Float64Array.from({ length: count * inputs }, (_, at) => {
    const label = labels[Math.floor(at / inputs)]!;
    return centres[label * inputs + (at % inputs)]! + 0.8 * (uniform() - 0.5);
  });
  return { inputs: values, labels };
}
