/**
 * The owner's half of the projection check: c = W^T rho modulo its prime. Adjoints are computed by the kernels' integer map: the adjoint of a
 * convolution is a convolution of the outputs, spread by the stride, with the kernel turned around and the channels exchanged.
 */
import { InvalidParamsError } from '../../base/errors.ts';
import {
  type ImageShape,
  imageSize,
  type IntegerConvolution,
  integerConvolution,
  type IntegerLinearMap,
  outputSize,
  rowNorms,
} from '../../kernel/integer-linear-map.ts';
import type { ApplyLinearAsync } from '../../nn/integer/integer-evaluate.ts';
import type { PlannedLayer } from './layer-plan.ts';
import { MaskStream } from './mask-stream.ts';
import { PROJECTION_PRIME, projectionVector } from './projection-check.ts';

/** W^T as a map of the kernels. */
export interface AdjointMap {
  readonly map: IntegerLinearMap;
  /** Digits of so many bits of a vector keep every sum of the map below 2^31. */
  readonly digitBits: number;
  /** Puts one vector of W's outputs where `map` reads it; `into` is zero elsewhere. */
  readonly place: (vector: Int32Array, into: Int32Array) => void;
}

/** More bits would not fit the doubles that put digits together. */
const MAX_DIGIT_BITS = 16;
const PROJECTION_BITS = 31;

/** @throws {InvalidParamsError} when a column of W is so heavy that not even bits can be summed. {@link LimitError} */
export function adjointOf(map: IntegerLinearMap): AdjointMap {
  const { adjoint, place } = map.kind === 'dense' ? adjointDense(map) : adjointConvolution(map);
  const heaviest = rowNorms(adjoint).reduce((most, norm) => Math.max(most, norm), 1);
  const digitBits = Math.min(MAX_DIGIT_BITS, Math.floor(Math.log2((2 ** 31 - 1) / heaviest)));
  if (digitBits < 1) throw new InvalidParamsError('the columns of a layer must have norms below 2^30', {});
  return { map: adjoint, digitBits, place };
}

/** Columns are read in tiles, so that both matrices stay in the cache. */
const TILE = 64;

function adjointDense({ inputs, outputs, weights }: Extract<IntegerLinearMap, { kind: 'dense' }>) {
  const turned = new Int8Array(weights.length);
  for (let top = 0; top < outputs; top += TILE) {
    const bottom = Math.min(outputs, top + TILE);
    for (let left = 0; left < inputs; left += TILE) {
      const right = Math.min(inputs, left + TILE);
      for (let i = left; i < right; i++) {
        for (let j = top; j < bottom; j++) turned[i * outputs + j] = weights[j * inputs + i]!;
      }
    }
  }
  const adjoint: IntegerLinearMap = { kind: 'dense', inputs: outputs, outputs: inputs, weights: turned };
  return { adjoint, place: (vector: Int32Array, into: Int32Array) => into.set(vector) };
}

function adjointConvolution(map: IntegerConvolution) {
  const { input, output, kernel, stride, padding, dilation, groups } = map;
  const extents = { height: 0, width: 0 };
  const pad: [number, number] = [0, 0];
  const first: [number, number] = [0, 0];
  for (const [axis, name] of (['height', 'width'] as const).entries()) {
    const reach = (kernel[axis]! - 1) * dilation[axis]!;
    // Less than nothing when W pads further than its window reaches: then the outermost outputs saw padding alone.
    const around = reach - padding[axis]!;
    pad[axis] = Math.max(0, around);
    first[axis] = Math.min(0, around);
    extents[name] = input[name] + reach - 2 * pad[axis];
  }
  const spread: ImageShape = { channels: output.channels, ...extents };
  const adjoint = integerConvolution(spread, input.channels, kernel, turnedWeights(map), {
    padding: pad,
    dilation,
    groups,
  });
  const place = (vector: Int32Array, into: Int32Array) => {
    for (let channel = 0, at = 0; channel < output.channels; channel++) {
      for (let oy = 0; oy < output.height; oy++) {
        const y = oy * stride[0] + first[0];
        for (let ox = 0; ox < output.width; ox++, at++) {
          const x = ox * stride[1] + first[1];
          if (y < 0 || y >= spread.height || x < 0 || x >= spread.width) continue;
          into[(channel * spread.height + y) * spread.width + x] = vector[at]!;
        }
      }
    }
  };
  return { adjoint, place };
}

/** Input and output channels exchanged within each group, the kernel turned by half a turn. */
function turnedWeights({ input, output, kernel, groups, weights }: IntegerConvolution): Int8Array {
  const [ins, outs] = [input.channels / groups, output.channels / groups];
  const area = kernel[0] * kernel[1];
  const turned = new Int8Array(weights.length);
  for (let o = 0; o < output.channels; o++) {
    const group = Math.floor(o / outs);
    for (let c = 0; c < ins; c++) {
      const from = (o * ins + c) * area;
      const to = ((group * ins + c) * outs + (o % outs)) * area;
      for (let k = 0; k < area; k++) turned[to + k] = weights[from + area - 1 - k]!;
    }
  }
  return turned;
}

/**
 * W^T rho mod p for rho in F_p: rho is cut into digits, the kernel maps all of them at once, Horner puts the results together.
 * `index` is what `apply` knows the adjoint map by.
 */
export async function adjointProjection(
  { map, digitBits, place }: AdjointMap,
  index: number,
  rho: Uint32Array,
  apply: ApplyLinearAsync,
): Promise<Uint32Array> {
  const digits = Math.ceil(PROJECTION_BITS / digitBits);
  const inputs = map.kind === 'dense' ? map.inputs : imageSize(map.input);
  const placed = new Int32Array(digits * inputs);
  const digit = new Int32Array(rho.length);
  for (let d = 0; d < digits; d++) {
    for (let i = 0; i < rho.length; i++) digit[i] = (rho[i]! >>> (d * digitBits)) & (2 ** digitBits - 1);
    place(digit, placed.subarray(d * inputs, (d + 1) * inputs));
  }
  const sums = await apply(index, map, placed, digits);
  const outputs = outputSize(map);
  const projected = new Uint32Array(outputs);
  for (let i = 0; i < outputs; i++) {
    let value = 0;
    for (let d = digits - 1; d >= 0; d--)
      value = (value * 2 ** digitBits + sums[d * outputs + i]!) % PROJECTION_PRIME;
    projected[i] = value < 0 ? value + PROJECTION_PRIME : value;
  }
  return projected;
}

/**
 * c per layer of one independent check, for the seed that the device derives too. `adjoints` are those of the
 * layers, and `apply` knows them by the layers' numbers. @throws {InvalidParamsError}
 */
export async function projectionImages(
  layers: readonly PlannedLayer[],
  seed: Uint8Array,
  adjoints: readonly AdjointMap[],
  apply: ApplyLinearAsync,
): Promise<Uint32Array[]> {
  const stream = await MaskStream.open(seed);
  const images: Uint32Array[] = [];
  for (const [layer, { outputs, bits }] of layers.entries()) {
    if (bits > 31) throw new InvalidParamsError('the projection check needs outputs below 2^30', {});
    const rho = await projectionVector(stream, layer, outputs);
    images.push(await adjointProjection(adjoints[layer]!, layer, rho, apply));
  }
  return images;
}
