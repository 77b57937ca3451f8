/** Polynomials closest to a function on the values that a layer really sees. */
import { OutOfRangeError } from '../../base/errors.ts';

/** Numbers with weights: a histogram, or the nodes of a quadrature. */
export interface Distribution {
  readonly values: Float64Array;
  /** As many, not negative, not all zero. */
  readonly weights: Float64Array;
}

/**
 * Coefficients, lowest power first, of the polynomial of least weighted squares: orthogonal polynomials of the distribution by the
 * three-term recurrence (Forsythe 1957), so that high degrees stay stable. A distribution of fewer than degree + 1 different
 * values gives a polynomial of lower degree.
 * @throws {OutOfRangeError} for a degree outside 0 to 15, or a distribution without weight.
 */
export function empiricalFit(
  f: (x: number) => number,
  { values, weights }: Distribution,
  degree: number,
): number[] {
  if (!(Number.isInteger(degree) && degree >= 0 && degree <= 15))
    throw new OutOfRangeError('the degree', 'an integer of 0 to 15', degree);
  const total = weights.reduce((sum, w) => sum + w, 0);
  if (!(total > 0)) throw new OutOfRangeError('the weight of a distribution', 'above 0', total);
  // On [-1, 1], so that norms of different degrees are comparable.
  const [low, high] = extentOf(values, weights);
  const center = (low + high) / 2;
  const radius = (high - low) / 2 || 1;
  const t = values.map((x) => (x - center) / radius);
  const target = values.map(f);
  const result = new Array<number>(degree + 1).fill(0);
  let before = { row: new Float64Array(values.length), powers: [] as number[], norm: 1 };
  let current = { row: new Float64Array(values.length).fill(1), powers: [1], norm: total };
  for (let k = 0; k <= degree; k++) {
    let [projection, shift] = [0, 0];
    for (let i = 0; i < t.length; i++) {
      projection += weights[i] * current.row[i] * target[i];
      shift += weights[i] * current.row[i] ** 2 * t[i];
    }
    current.powers.forEach((c, i) => (result[i] += (projection / current.norm) * c));
    const alpha = shift / current.norm;
    const beta = k === 0 ? 0 : current.norm / before.norm;
    const row = current.row.map((value, i) => (t[i] - alpha) * value - beta * before.row[i]);
    const powers = [0, ...current.powers];
    current.powers.forEach((c, i) => (powers[i] -= alpha * c));
    before.powers.forEach((c, i) => (powers[i] -= beta * c));
    const norm = row.reduce((sum, value, i) => sum + weights[i] * value * value, 0);
    if (!(norm > 1e-24 * total)) break;
    before = current;
    current = { row, powers, norm };
  }
  return substituted(result, 1 / radius, -center / radius);
}

function extentOf(values: Float64Array, weights: Float64Array): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  values.forEach((x, i) => {
    if (weights[i] <= 0) return;
    low = Math.min(low, x);
    high = Math.max(high, x);
  });
  return [low, high];
}

/** Coefficients of p(factor x + offset). */
export function substituted(coefficients: readonly number[], factor: number, offset: number): number[] {
  let result = [0];
  for (let k = coefficients.length - 1; k >= 0; k--) {
    const next = new Array<number>(result.length + 1).fill(0);
    result.forEach((c, i) => {
      next[i] += offset * c;
      next[i + 1] += factor * c;
    });
    next[0] += coefficients[k];
    result = next;
  }
  return result.slice(0, coefficients.length);
}

/** Nodes and weights that stand for N(mean, variance), up to eight deviations. */
export function normalDistribution(mean: number, variance: number): Distribution {
  const count = 8001;
  const values = new Float64Array(count);
  const weights = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const z = (16 * i) / (count - 1) - 8;
    values[i] = mean + z * Math.sqrt(variance);
    weights[i] = Math.exp((-z * z) / 2);
  }
  return { values, weights };
}

/** Least squares under N(mean, variance), what a batch norm leaves (Chabanne et al., ePrint 2017/035, for ReLU and N(0, 1)). */
export function normalFit(f: (x: number) => number, degree: number, mean = 0, variance = 1): number[] {
  return empiricalFit(f, normalDistribution(mean, variance), degree);
}

/** Root mean squared difference over a distribution. */
export function distributionError(
  p: (x: number) => number,
  f: (x: number) => number,
  { values, weights }: Distribution,
): number {
  let [sum, total] = [0, 0];
  values.forEach((x, i) => {
    sum += weights[i] * (p(x) - f(x)) ** 2;
    total += weights[i];
  });
  return Math.sqrt(sum / total);
}
