/**
 * Perturbation of network inputs while training, a new one for every frame: another vocal-tract length (the frequency axis
 * stretched, Jaitly and Hinton 2013), a band of filters missing (Park et al. 2019), a little noise. The temporal
 * coefficients of a filter are moved together, so that this equals doing it to the log-mels themselves.
 */
import type { SeededGenerator } from '../../nn/index.ts';

export interface PerturbationRanges {
  /** The frequency axis is stretched by a factor within 1 +- this. */
  readonly warp: number;
  /** Most filters that are missing; each number down to none is equally likely. */
  readonly mask: number;
  /** Standard deviation of the noise on normalised inputs. */
  readonly noise: number;
}

export class InputPerturbation {
  readonly #ranges: PerturbationRanges;
  readonly #generator: SeededGenerator;
  readonly #filters: number;
  readonly #row: Float32Array;

  constructor(ranges: PerturbationRanges, filters: number, generator: SeededGenerator) {
    this.#ranges = ranges;
    this.#generator = generator;
    this.#filters = filters;
    this.#row = new Float32Array(filters);
  }

  /**
   * Changes one row of normalised inputs in place: `width` numbers, of which the first `windowed` are `[coefficients, filters]`
   * and the rest know no filters and only get noise.
   */
  apply(inputs: Float32Array, offset: number, width: number, windowed = width): void {
    const { warp, mask, noise } = this.#ranges;
    const generator = this.#generator;
    const filters = this.#filters;
    const factor = 1 + warp * (2 * generator.uniform() - 1);
    const masked = generator.below(mask + 1);
    const first = generator.below(filters - masked + 1);
    const row = this.#row;
    for (let start = offset; start < offset + windowed; start += filters) {
      row.set(inputs.subarray(start, start + filters));
      for (let m = 0; m < filters; m++) {
        const from = Math.min(filters - 1, m * factor);
        const below = Math.floor(from);
        const above = Math.min(filters - 1, below + 1);
        inputs[start + m] = row[below] + (from - below) * (row[above] - row[below]);
      }
      inputs.fill(0, start + first, start + first + masked);
    }
    if (noise === 0) return;
    // The sum of three uniform numbers has the spread of a normal one and costs a tenth.
    const scale = 2 * noise;
    for (let i = offset; i < offset + width; i++) {
      inputs[i] += scale * (generator.uniform() + generator.uniform() + generator.uniform() - 1.5);
    }
  }
}
