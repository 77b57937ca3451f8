/** Polynomial approximation of a function: least squares, Chebyshev interpolation, integrated derivatives. */
import * as arg from '../../base/arguments.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import { solveSymmetric } from './symmetric-solve.ts';

/** Lowest power first. */
export type Coefficients = readonly number[];

export function evaluatePolynomial(coefficients: Coefficients, x: number): number {
  arg.checkArguments('evaluatePolynomial', [coefficients, x], { coefficients: arg.numbers, x: arg.number });
  let sum = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i];
  return sum;
}

/** Multiplicative depth of a polynomial by repeated squaring, the product with a plain coefficient not counted. */
export function polynomialDepth(coefficients: Coefficients): number {
  arg.checkArguments('polynomialDepth', [coefficients], { coefficients: arg.numbers });
  const degree = coefficients.reduce((last, c, i) => (c === 0 ? last : i), 0);
  return degree <= 1 ? 0 : Math.ceil(Math.log2(degree));
}

function checkFit(degree: number, low: number, high: number): void {
  if (!Number.isInteger(degree) || degree < 1 || degree > 15) {
    throw new OutOfRangeError('the degree', 'an integer of 1 to 15', degree);
  }
  if (!(low < high)) throw new OutOfRangeError('the interval', 'low < high', `${low} to ${high}`);
}

/** Coefficients in x of sum c_k T_k((2x - low - high) / (high - low)). */
function fromChebyshev(series: readonly number[], low: number, high: number): number[] {
  const scale = 2 / (high - low);
  const shift = -(low + high) / (high - low);
  const timesT = (p: readonly number[]) => {
    const out = new Array<number>(p.length + 1).fill(0);
    p.forEach((value, i) => {
      out[i] += shift * value;
      out[i + 1] += scale * value;
    });
    return out;
  };
  const out = new Array<number>(series.length).fill(0);
  let before: number[] = [];
  let current: number[] = [1];
  for (const factor of series) {
    current.forEach((value, i) => {
      out[i] += factor * value;
    });
    const next = timesT(current).map((value) => (before.length === 0 ? value : 2 * value));
    before.forEach((value, i) => {
      next[i] -= value;
    });
    before = current;
    current = next;
  }
  return out;
}

/** Function values for T_k(cos angle) by recurrence. */
function chebyshevRow(t: number, count: number): number[] {
  const row = [1, t];
  while (row.length < count) row.push(2 * t * row[row.length - 1] - row[row.length - 2]);
  return row.slice(0, count);
}

const FIT_POINTS = 4001;

/**
 * Least squares against `weight`, on an even grid of 4,001 points with trapezoid ends, in the Chebyshev basis for stability.
 */
export function leastSquaresFit(
  f: (x: number) => number,
  degree: number,
  low: number,
  high: number,
  weight: (x: number) => number = () => 1,
): number[] {
  arg.checkArguments('leastSquaresFit', [f, degree, low, high, weight], {
    f: arg.callback,
    degree: arg.number,
    low: arg.number,
    high: arg.number,
    weight: arg.optional(arg.callback),
  });
  checkFit(degree, low, high);
  const n = degree + 1;
  const gram = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  const right = new Array<number>(n).fill(0);
  for (let i = 0; i < FIT_POINTS; i++) {
    const t = (2 * i) / (FIT_POINTS - 1) - 1;
    const x = low + ((t + 1) * (high - low)) / 2;
    const w = weight(x) * (i === 0 || i === FIT_POINTS - 1 ? 0.5 : 1);
    const row = chebyshevRow(t, n);
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < n; k++) gram[j][k] += w * row[j] * row[k];
      right[j] += w * row[j] * f(x);
    }
  }
  return fromChebyshev(solveSymmetric(gram, right), low, high);
}

/** Interpolation at 64 or more Chebyshev nodes, truncated to the degree: close to the best uniform error. */
export function chebyshevFit(f: (x: number) => number, degree: number, low: number, high: number): number[] {
  arg.checkArguments('chebyshevFit', [f, degree, low, high], {
    f: arg.callback,
    degree: arg.number,
    low: arg.number,
    high: arg.number,
  });
  checkFit(degree, low, high);
  const nodes = 256;
  const series = new Array<number>(degree + 1).fill(0);
  for (let i = 0; i < nodes; i++) {
    const t = Math.cos((Math.PI * (i + 0.5)) / nodes);
    const value = f(low + ((t + 1) * (high - low)) / 2);
    chebyshevRow(t, degree + 1).forEach((basis, k) => {
      series[k] += ((k === 0 ? 1 : 2) / nodes) * basis * value;
    });
  }
  return fromChebyshev(series, low, high);
}

/**
 * ReLU by its derivative (CryptoDL, Hesamifard et al. 2017): the step is fitted by degree - 1 on [-bound, bound] by least
 * squares with `weight`, then integrated with constant 0.
 */
export function derivativeFit(degree: number, bound: number, weight?: (x: number) => number): number[] {
  arg.checkArguments('derivativeFit', [degree, bound, weight], {
    degree: arg.number,
    bound: arg.number,
    weight: arg.optional(arg.callback),
  });
  const step = leastSquaresFit((x) => (x > 0 ? 1 : x === 0 ? 0.5 : 0), degree - 1, -bound, bound, weight);
  return [0, ...step.map((c, i) => c / (i + 1))];
}

/** Largest |p - f| on 4,001 even points of the interval. */
export function largestFitError(
  coefficients: Coefficients,
  f: (x: number) => number,
  low: number,
  high: number,
): number {
  arg.checkArguments('largestFitError', [coefficients, f, low, high], {
    coefficients: arg.numbers,
    f: arg.callback,
    low: arg.number,
    high: arg.number,
  });
  let worst = 0;
  for (let i = 0; i < FIT_POINTS; i++) {
    const x = low + ((high - low) * i) / (FIT_POINTS - 1);
    worst = Math.max(worst, Math.abs(evaluatePolynomial(coefficients, x) - f(x)));
  }
  return worst;
}

/** Root mean squared error under N(0,1), by a fine sum over [-10, 10]. */
export function normalFitError(coefficients: Coefficients, f: (x: number) => number): number {
  arg.checkArguments('normalFitError', [coefficients, f], { coefficients: arg.numbers, f: arg.callback });
  let sum = 0;
  const step = 1 / 256;
  for (let x = -10; x <= 10; x += step) {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    sum += step * density * (evaluatePolynomial(coefficients, x) - f(x)) ** 2;
  }
  return Math.sqrt(sum);
}
