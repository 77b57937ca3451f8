/** Noise measured over many keys, beside the formula for its variance and the bound on its largest coefficient. */
import { expect } from 'vitest';

export interface NoiseFigures {
  /** Coefficients seen. */
  readonly coefficients: number;
  /** Measured variance over formula. */
  readonly ratio: number;
  /** Coefficients above the bound. */
  readonly above: number;
  /** The largest coefficient over the bound. */
  readonly worst: number;
}

export class NoiseRecord {
  readonly #entries = new Map<
    string,
    { coefficients: number; sum: number; expected: number; above: number; worst: number }
  >();

  /** `errors` in units of one; `formula` their variance, `boundBits` log2 of a bound on each. */
  add(name: string, errors: Float64Array, formula: number, boundBits = Infinity): void {
    const entry = this.#entries.get(name) ?? { coefficients: 0, sum: 0, expected: 0, above: 0, worst: 0 };
    const bound = 2 ** boundBits;
    for (const error of errors) {
      const size = Math.abs(error);
      entry.sum += error * error;
      if (size > bound) entry.above++;
      entry.worst = Math.max(entry.worst, size / bound);
    }
    entry.coefficients += errors.length;
    entry.expected += formula * errors.length;
    this.#entries.set(name, entry);
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  figures(name: string): NoiseFigures {
    const { coefficients, sum, expected, above, worst } = this.#entries.get(name)!;
    return { coefficients, ratio: sum / expected, above, worst };
  }

  /** Variance within the formula's interval, no coefficient above its bound, and the bound not so wide that it says nothing. */
  expectKept(name: string, widest = 2 ** -24): void {
    const { ratio, above, worst } = this.figures(name);
    expect({ name, isInside: ratio > 0.9 && ratio < 1.05, ratio, above }).toMatchObject({
      isInside: true,
      above: 0,
    });
    if (worst > 0) expect(worst).toBeGreaterThan(widest);
  }
}
