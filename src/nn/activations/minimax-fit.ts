/** Polynomials of the least largest error, and polynomials whose coefficients are powers of two. */
import { OutOfRangeError } from '../../base/errors.ts';
import { evaluatePolynomial } from '../layers/polynomial-fit.ts';
import { distributionError, substituted } from './weighted-fit.ts';
import type { Distribution } from './weighted-fit.ts';

export interface MinimaxFit {
  /** Lowest power first. */
  readonly coefficients: readonly number[];
  /** The largest error, reached degree + 2 times with alternating sign. */
  readonly maxError: number;
}

const GRID = 16_000;
const MAX_EXCHANGES = 60;

/**
 * The polynomial of the least largest error on [low, high]: Remez's exchange on a grid of 16,001 points, in Chebyshev's basis.
 * @throws {OutOfRangeError} for a degree outside 1 to 15 or an empty interval.
 */
export function remezFit(f: (x: number) => number, degree: number, low: number, high: number): MinimaxFit {
  if (!(Number.isInteger(degree) && degree >= 1 && degree <= 15))
    throw new OutOfRangeError('the degree', 'an integer of 1 to 15', degree);
  if (!(low < high)) throw new OutOfRangeError('the interval', 'low < high', `${low} to ${high}`);
  const grid = Float64Array.from({ length: GRID + 1 }, (_, i) => -Math.cos((Math.PI * i) / GRID));
  const target = grid.map((t) => f(low + ((t + 1) * (high - low)) / 2));
  let places = Array.from({ length: degree + 2 }, (_, i) => Math.round((GRID * i) / (degree + 1)));
  let series: number[] = [];
  let maxError = 0;
  for (let round = 0; round < MAX_EXCHANGES; round++) {
    series = alternatingSolution(
      places.map((i) => grid[i]),
      places.map((i) => target[i]),
      degree,
    );
    const error = grid.map((t, i) => clenshaw(series, t) - target[i]);
    const next = alternation(error, degree + 2);
    const worst = error.reduce((most, e) => Math.max(most, Math.abs(e)), 0);
    const isLast = next === undefined || next.every((place, i) => place === places[i]);
    maxError = worst;
    if (isLast) break;
    places = next;
  }
  return {
    coefficients: substituted(monomials(series), 2 / (high - low), -(low + high) / (high - low)),
    maxError,
  };
}

/** Chebyshev coefficients of p with p(t_i) - f_i = +-e. */
function alternatingSolution(points: readonly number[], values: readonly number[], degree: number): number[] {
  const n = degree + 2;
  const rows = points.map((t, i) => {
    const row = [1, t];
    while (row.length < degree + 1) row.push(2 * t * row[row.length - 1] - row[row.length - 2]);
    return [...row.slice(0, degree + 1), i % 2 === 0 ? 1 : -1, values[i]];
  });
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(rows[i][k]) > Math.abs(rows[pivot][k])) pivot = i;
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= factor * rows[k][j];
    }
  }
  return rows.slice(0, degree + 1).map((row, i) => row[n] / row[i]);
}

/** Places of alternating extrema, the largest ones kept; undefined when there are too few. */
function alternation(error: Float64Array, count: number): number[] | undefined {
  const extrema: number[] = [];
  for (let i = 0; i < error.length; i++) {
    const last = extrema.at(-1);
    if (last === undefined || Math.sign(error[i]) !== Math.sign(error[last])) extrema.push(i);
    else if (Math.abs(error[i]) > Math.abs(error[last])) extrema[extrema.length - 1] = i;
  }
  while (extrema.length > count) {
    if (Math.abs(error[extrema[0]]) < Math.abs(error[extrema.at(-1)!])) extrema.shift();
    else extrema.pop();
  }
  return extrema.length === count ? extrema : undefined;
}

function clenshaw(series: readonly number[], t: number): number {
  let [b1, b2] = [0, 0];
  for (let k = series.length - 1; k >= 1; k--) [b1, b2] = [2 * t * b1 - b2 + series[k], b1];
  return t * b1 - b2 + series[0];
}

function monomials(series: readonly number[]): number[] {
  const out = new Array<number>(series.length).fill(0);
  let [before, current] = [[0], [1]];
  series.forEach((factor, k) => {
    current.forEach((c, i) => (out[i] += factor * c));
    const next = [0, ...current.map((c) => (k === 0 ? c : 2 * c))];
    if (k > 0) before.forEach((c, i) => (next[i] -= c));
    [before, current] = [current, next];
  });
  return out;
}

/**
 * a x^2 + b x + c with a, b, c in {0, +-2^p}, p from -8 to 2, of least error over a distribution: products with it are shifts (the
 * activation of Faster CryptoNets, arXiv 1811.09953). By exhaustion over a and b, c being the power next to the best.
 */
export function powerOfTwoQuadratic(
  f: (x: number) => number,
  distribution: Distribution,
): readonly [c: number, b: number, a: number] {
  const powers = Array.from({ length: 11 }, (_, i) => 2 ** (i - 8));
  const choices = [0, ...powers, ...powers.map((p) => -p)];
  let best: readonly [number, number, number] = [0, 0, 0];
  let least = Number.POSITIVE_INFINITY;
  const total = distribution.weights.reduce((sum, w) => sum + w, 0);
  for (const a of choices) {
    for (const b of choices) {
      const rest =
        distribution.values.reduce(
          (sum, x, i) => sum + distribution.weights[i] * (f(x) - a * x * x - b * x),
          0,
        ) / total;
      const c = choices.reduce(
        (near, choice) => (Math.abs(choice - rest) < Math.abs(near - rest) ? choice : near),
        0,
      );
      const error = distributionError((x) => evaluatePolynomial([c, b, a], x), f, distribution);
      if (error < least) [least, best] = [error, [c, b, a]];
    }
  }
  return best;
}
