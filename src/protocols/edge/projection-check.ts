/**
 * The projection check [Freivalds 1977]: with rho uniform in F_p^m and c = W^T rho, both unknown to the edges, a layer's reconstructed
 * integers satisfy <rho, y> = <c, x> mod p. p = 2^31 - 1. A y that differs from W x anywhere passes one check with probability 1/p,
 * provided no difference is a multiple of p: |y| is first held against the proven bound B < 2^30, so differences stay below p.
 * It runs over F_p and not over the ring, where an error of 2^(k-1) would pass half the time.
 *
 * c comes from the owner; rho is expanded from the device's key. Accept or reject is one bit about rho, so after a rejection the
 * pair is retired. Everything here happens on the device and nothing of it is sent.
 */
import { printOnOneLine } from '../../base/inspect.ts';
import { ProtocolError } from '../../base/errors.ts';
import type { PlannedLayer } from './layer-plan.ts';
import { MaskStream } from './mask-stream.ts';

/** 2^31 - 1, a Mersenne prime. */
export const PROJECTION_PRIME = 2 ** 31 - 1;
/** What must be done about vectors that are used up. */
export const RETIRED = 'the check vectors rejected an answer before and are used up: have new ones made';
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

/**
 * <values, coefficients> mod p in [0, p); |values| <= `bound` <= 2^31, coefficients in [0, p). Exact in doubles: halves of a
 * coefficient are below 2^16, and as many products as stay below 2^52 are summed before a reduction.
 */
export function projectModulo(values: Int32Array, coefficients: Uint32Array, bound = 2 ** 31): number {
  const block = Math.floor(2 ** 36 / Math.max(1, bound));
  let [high, low] = [0, 0];
  for (let start = 0; start < values.length; start += block) {
    const end = Math.min(values.length, start + block);
    let [h0, h1, l0, l1] = [0, 0, 0, 0];
    let i = start;
    for (; i + 1 < end; i += 2) {
      const [first, second] = [values[i]!, values[i + 1]!];
      const [c0, c1] = [coefficients[i]!, coefficients[i + 1]!];
      h0 += first * (c0 >>> 16);
      l0 += first * (c0 & 0xffff);
      h1 += second * (c1 >>> 16);
      l1 += second * (c1 & 0xffff);
    }
    if (i < end) {
      h0 += values[i]! * (coefficients[i]! >>> 16);
      l0 += values[i]! * (coefficients[i]! & 0xffff);
    }
    high = (high + h0 + h1) % PROJECTION_PRIME;
    low = (low + l0 + l1) % PROJECTION_PRIME;
  }
  const sum = (high * 65536 + low) % PROJECTION_PRIME;
  return sum < 0 ? sum + PROJECTION_PRIME : sum;
}

/** The device's side of one independent check. */
export class ProjectionCheck {
  readonly #stream: MaskStream;
  readonly #images: readonly Uint32Array[];
  readonly #vectors = new Map<number, Uint32Array>();
  #isRetired = false;

  private constructor(stream: MaskStream, images: readonly Uint32Array[]) {
    this.#stream = stream;
    this.#images = images;
  }

  static async open(seed: Uint8Array, images: readonly Uint32Array[]): Promise<ProjectionCheck> {
    return new ProjectionCheck(await MaskStream.open(seed), images);
  }

  /** True once an answer was rejected: the edges may know a bit about the vectors. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** For good: nothing is accepted or rejected with these vectors any more. */
  retire(): void {
    this.#isRetired = true;
  }

  /** Makes rho of a layer ready, which depends on nothing that an edge does. */
  async prepare(layer: number, outputs: number): Promise<void> {
    if (!this.#vectors.has(layer)) {
      this.#vectors.set(layer, await projectionVector(this.#stream, layer, outputs));
    }
  }

  /**
   * True when y, `[batch, outputs]` reconstructed integers, passes as W x for every row. Call after {@link prepare}.
   * @throws {ProtocolError} after {@link retire}
   */
  accepts(layer: number, planned: PlannedLayer, x: Int32Array, y: Int32Array): boolean {
    if (this.#isRetired) throw new ProtocolError(RETIRED);
    const rho = this.#vectors.get(layer)!;
    const image = this.#images[layer]!;
    const { inputBound, outputBound } = planned;
    let difference = 0;
    for (let i = 0; i < y.length; i++) difference |= (y[i]! + outputBound) | (outputBound - y[i]!);
    // A sum is negative where y leaves the bound; the bound and y stay below 2^30.
    if (difference < 0) return false;
    difference = 0;
    for (let row = 0; row * planned.outputs < y.length; row++) {
      const left = projectModulo(
        y.subarray(row * planned.outputs, (row + 1) * planned.outputs),
        rho,
        outputBound,
      );
      const right = projectModulo(
        x.subarray(row * planned.inputs, (row + 1) * planned.inputs),
        image,
        inputBound,
      );
      difference |= left ^ right;
    }
    return difference === 0;
  }
}

printOnOneLine(ProjectionCheck);
