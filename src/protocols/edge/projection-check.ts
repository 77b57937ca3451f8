/**
 * The projection check [Freivalds 1977]: with rho uniform in F_p^m and c = W^T rho, both unknown to the edges, a layer's reconstructed
 * integers satisfy <rho, y> = <c, x> mod p. p = 2^31 - 1. A y that differs from W x anywhere passes one check with probability 1/p,
 * provided no difference is a multiple of p: |y| is first held against the proven bound B < 2^30, so differences stay below p.
 * It runs over F_p and not over the ring, where an error of 2^(k-1) would pass half the time.
 *
 * c comes from the owner; rho is expanded from the device's key. Accept or reject is one bit about rho, so after a rejection the
 * pair is retired. Everything here happens on the device and nothing of it is sent.
 */
import { InvalidParamsError } from '../../base/errors.ts';
import type { IntegerConvolution, IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import type { PlannedLayer } from './layer-plan.ts';
import { MaskStream } from './mask-stream.ts';

/** 2^31 - 1, a Mersenne prime. */
export const PROJECTION_PRIME = 2 ** 31 - 1;
/** Products of a 31-bit value and 16 bits stay below 2^47; 32 of them and a residue below 2^53. */
const BLOCK = 32;

/** rho of one layer: 31-bit words; p itself counts as 0, which has probability 2^-31. */
export async function projectionVector(
  stream: MaskStream,
  layer: number,
  outputs: number,
): Promise<Uint32Array> {
  const words = await stream.words({ layer, direction: 'out' }, outputs, 31);
  for (let i = 0; i < words.length; i++) if (words[i] === PROJECTION_PRIME) words[i] = 0;
  return words;
}

/** <values, coefficients> mod p in [0, p); |values| <= 2^31, coefficients in [0, p). Exact in doubles. */
export function projectModulo(values: Int32Array, coefficients: Uint32Array): number {
  let [high, low] = [0, 0];
  for (let start = 0; start < values.length; start += BLOCK) {
    const end = Math.min(values.length, start + BLOCK);
    for (let i = start; i < end; i++) {
      const value = values[i]!;
      const coefficient = coefficients[i]!;
      high += value * (coefficient >>> 16);
      low += value * (coefficient & 0xffff);
    }
    high %= PROJECTION_PRIME;
    low %= PROJECTION_PRIME;
  }
  const sum = (high * 65536 + low) % PROJECTION_PRIME;
  return sum < 0 ? sum + PROJECTION_PRIME : sum;
}

/**
 * c = W^T rho mod p: the adjoint of the map, done once by the owner. |w| <= 2^7 and rho < 2^31, so 2^14 products fit a double;
 * sums are reduced before they get there.
 */
export function adjointProjection(map: IntegerLinearMap, rho: Uint32Array): Uint32Array {
  const sums = map.kind === 'dense' ? adjointDense(map, rho) : adjointConvolution(map, rho);
  return Uint32Array.from(
    sums,
    (sum) => (sum % PROJECTION_PRIME) + (sum % PROJECTION_PRIME < 0 ? PROJECTION_PRIME : 0),
  );
}

const REDUCE_EVERY = 2 ** 13;

function reduceAll(sums: Float64Array): void {
  for (let i = 0; i < sums.length; i++) sums[i]! %= PROJECTION_PRIME;
}

function adjointDense(map: Extract<IntegerLinearMap, { kind: 'dense' }>, rho: Uint32Array): Float64Array {
  const sums = new Float64Array(map.inputs);
  for (let j = 0, at = 0; j < map.outputs; j++) {
    const factor = rho[j]!;
    for (let i = 0; i < map.inputs; i++) sums[i]! += map.weights[at++]! * factor;
    if (j % REDUCE_EVERY === REDUCE_EVERY - 1) reduceAll(sums);
  }
  return sums;
}

function adjointConvolution(map: IntegerConvolution, rho: Uint32Array): Float64Array {
  const { input, output, kernel, groups, weights } = map;
  const sums = new Float64Array(input.channels * input.height * input.width);
  const [inChannels, outChannels] = [input.channels / groups, output.channels / groups];
  const area = kernel[0] * kernel[1];
  // An input element gets at most `area` products from one output channel.
  const reduceEvery = Math.max(1, Math.floor(REDUCE_EVERY / area));
  for (let channel = 0; channel < output.channels; channel++) {
    const first = Math.floor(channel / outChannels) * inChannels;
    const plane = rho.subarray(
      channel * output.height * output.width,
      (channel + 1) * output.height * output.width,
    );
    for (let c = 0; c < inChannels; c++) {
      const tile = weights.subarray((channel * inChannels + c) * area, (channel * inChannels + c + 1) * area);
      const into = sums.subarray(
        (first + c) * input.height * input.width,
        (first + c + 1) * input.height * input.width,
      );
      scatterPlane(map, plane, tile, into);
    }
    if (channel % reduceEvery === reduceEvery - 1) reduceAll(sums);
  }
  return sums;
}

/** Adds each output's weighted projection to the inputs that its window covers. */
function scatterPlane(
  map: IntegerConvolution,
  plane: Uint32Array,
  tile: Int8Array,
  into: Float64Array,
): void {
  const { input, output, kernel, stride, padding, dilation } = map;
  for (let ky = 0; ky < kernel[0]; ky++) {
    for (let kx = 0; kx < kernel[1]; kx++) {
      const weight = tile[ky * kernel[1] + kx]!;
      for (let oy = 0; oy < output.height; oy++) {
        const iy = oy * stride[0] + ky * dilation[0] - padding[0];
        if (iy < 0 || iy >= input.height) continue;
        for (let ox = 0; ox < output.width; ox++) {
          const ix = ox * stride[1] + kx * dilation[1] - padding[1];
          if (ix < 0 || ix >= input.width) continue;
          into[iy * input.width + ix]! += weight * plane[oy * output.width + ox]!;
        }
      }
    }
  }
}

/** The owner's half of one independent check: c per layer, expanded for the seed that the device derives too. */
export async function projectionImages(
  layers: readonly PlannedLayer[],
  seed: Uint8Array,
): Promise<Uint32Array[]> {
  const stream = await MaskStream.open(seed);
  const images: Uint32Array[] = [];
  for (const [layer, { map, outputs, bits }] of layers.entries()) {
    if (bits > 31) throw new InvalidParamsError('the projection check needs outputs below 2^30', {});
    images.push(adjointProjection(map, await projectionVector(stream, layer, outputs)));
  }
  return images;
}

/** The device's side of one independent check. */
export class ProjectionCheck {
  readonly #stream: MaskStream;
  readonly #images: readonly Uint32Array[];
  readonly #vectors = new Map<number, Uint32Array>();

  private constructor(stream: MaskStream, images: readonly Uint32Array[]) {
    this.#stream = stream;
    this.#images = images;
  }

  static async open(seed: Uint8Array, images: readonly Uint32Array[]): Promise<ProjectionCheck> {
    return new ProjectionCheck(await MaskStream.open(seed), images);
  }

  /** Makes rho of a layer ready, which depends on nothing that an edge does. */
  async prepare(layer: number, outputs: number): Promise<void> {
    if (!this.#vectors.has(layer)) {
      this.#vectors.set(layer, await projectionVector(this.#stream, layer, outputs));
    }
  }

  /** True when y, `[batch, outputs]` reconstructed integers, passes as W x for every row. Call after {@link prepare}. */
  accepts(layer: number, planned: PlannedLayer, x: Int32Array, y: Int32Array): boolean {
    const rho = this.#vectors.get(layer)!;
    const image = this.#images[layer]!;
    let difference = 0;
    for (let i = 0; i < y.length; i++) difference |= Math.abs(y[i]!) > planned.outputBound ? 1 : 0;
    for (let row = 0; row * planned.outputs < y.length; row++) {
      const left = projectModulo(y.subarray(row * planned.outputs, (row + 1) * planned.outputs), rho);
      const right = projectModulo(x.subarray(row * planned.inputs, (row + 1) * planned.inputs), image);
      difference |= left ^ right;
    }
    return difference === 0;
  }
}
