/**
 * The attack that a query budget is measured against: a client copies a network of one square from its answers. Every score is a
 * polynomial of degree two in the inputs, so as many samples as there are monomials determine it, and more average the noise away.
 */
import { ShapeError } from '../../base/errors.ts';

/** Keeps the equations solvable where there are fewer samples than monomials; far below the noise of any score. */
const RIDGE = 1e-10;

/** 1, x_i and x_i x_j: how many samples determine a network of one square with so many inputs. */
export function quadraticMonomials(inputs: number): number {
  return 1 + inputs + (inputs * (inputs + 1)) / 2;
}

export class QuadraticCopy {
  readonly #inputs: number;
  readonly #outputs: number;
  /** [monomials, outputs] */
  readonly #coefficients: readonly Float64Array[];

  private constructor(inputs: number, outputs: number, coefficients: readonly Float64Array[]) {
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#coefficients = coefficients;
  }

  /** Least squares over `x` `[samples, inputs]` and `scores` `[samples, outputs]`. @throws {ShapeError} */
  static fit(x: Float32Array, scores: Float32Array, inputs: number, outputs: number): QuadraticCopy {
    const samples = x.length / inputs;
    if (!Number.isInteger(samples) || scores.length !== samples * outputs)
      throw new ShapeError('the scores', `${samples} x ${outputs}`, scores.length);
    const size = quadraticMonomials(inputs);
    const equations = Array.from({ length: size }, (_, k) => {
      const row = new Float64Array(size + outputs);
      row[k] = RIDGE * samples;
      return row;
    });
    for (let t = 0; t < samples; t++) {
      const m = monomialsOf(x.subarray(t * inputs, (t + 1) * inputs));
      const y = scores.subarray(t * outputs, (t + 1) * outputs);
      equations.forEach((row, a) => {
        const factor = m[a] as number;
        for (let b = 0; b < size; b++) row[b]! += factor * (m[b] as number);
        for (let o = 0; o < outputs; o++) row[size + o]! += factor * (y[o] as number);
      });
    }
    return new QuadraticCopy(inputs, outputs, solved(equations, size));
  }

  /** Scores `[samples, outputs]` of the copy. */
  run(x: Float32Array): Float32Array {
    const samples = x.length / this.#inputs;
    const out = new Float32Array(samples * this.#outputs);
    for (let t = 0; t < samples; t++) {
      const m = monomialsOf(x.subarray(t * this.#inputs, (t + 1) * this.#inputs));
      for (let o = 0; o < this.#outputs; o++)
        out[t * this.#outputs + o] = m.reduce((sum, each, k) => sum + each * this.#coefficients[k]![o]!, 0);
    }
    return out;
  }
}

/** Root mean square of the differences. @throws {ShapeError} */
export function rmsDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new ShapeError('the second vector', a.length, b.length);
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(squares / a.length);
}

/** 1, x_i and x_i x_j, j <= i. */
export function monomialsOf(x: Float32Array | Float64Array): Float64Array {
  const out = new Float64Array(quadraticMonomials(x.length));
  out[0] = 1;
  let at = 1;
  for (let i = 0; i < x.length; i++) {
    out[at++] = x[i]!;
    for (let j = 0; j <= i; j++) out[at++] = x[i]! * x[j]!;
  }
  return out;
}

/** X of A X = B, rows of A and B beside each other, A of `size` columns. Overwrites them. */
export function solved(rows: Float64Array[], size: number): Float64Array[] {
  eliminate(rows);
  return rows.map((row, k) => row.slice(size).map((value) => value / (row[k] as number)));
}

/** Gauss-Jordan with row pivots; the leading square becomes diagonal. */
function eliminate(rows: Float64Array[]): void {
  for (let k = 0; k < rows.length; k++) {
    let best = k;
    for (let i = k; i < rows.length; i++) if (Math.abs(rows[i]![k]!) > Math.abs(rows[best]![k]!)) best = i;
    [rows[k], rows[best]] = [rows[best]!, rows[k]!];
    const pivot = rows[k]!;
    for (let i = 0; i < rows.length; i++) {
      const factor = rows[i]![k]! / pivot[k]!;
      if (i === k || factor === 0) continue;
      for (let j = k; j < pivot.length; j++) rows[i]![j]! -= factor * pivot[j]!;
    }
  }
}
