/**
 * Functions on the circle: what a bootstrap computes for free. An input v is turned by v h of a circle, E = exp(2 pi i h v), and the
 * value is the real part of a polynomial in E. Whatever polynomial, the bootstrap below it is the same.
 *
 * A circle function repeats: an input beyond its bound gets a wrong but bounded value, which nothing behind it can notice.
 */
import { InvalidParamsError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { type Series, seriesOf } from '../polynomial/series.ts';

/** The circle is divided into this many steps; h is a whole number of them, which multiplies exactly. */
export const TURN_STEPS = 4096;

export interface CircleFunction {
  readonly name: string;
  /** h in units of 1 / {@link TURN_STEPS}. */
  readonly turns: number;
  /** Inputs are at most this large. */
  readonly bound: number;
  /** d_0, d_1 ..: the value is the real part of sum d_k E^k. */
  readonly series: Series;
  /** How far the circle function is from what it stands for, on exact inputs: 0 for tables at their entries. */
  readonly error: number;
  /** No value is above it. */
  readonly maxAbs: number;
}

/** The value at `v`, in the clear. */
export function circleValue({ turns, series }: CircleFunction, v: number): number {
  let sum = series.re[0]!;
  for (let k = 1; k < series.re.length; k++) {
    const angle = (2 * Math.PI * turns * k * v) / TURN_STEPS;
    sum += series.re[k]! * Math.cos(angle) - series.im[k]! * Math.sin(angle);
  }
  return sum;
}

function circleFunction(
  name: string,
  turns: number,
  bound: number,
  re: readonly number[],
  im: readonly number[],
  error: number,
): CircleFunction {
  const series = seriesOf('power', re, im);
  const maxAbs = series.re.reduce((sum, value, k) => sum + Math.hypot(value, series.im[k]!), 0);
  return Object.freeze({ name, turns, bound, series, error, maxAbs });
}

/** Bits of the part of the circle that real numbers up to their bound take: what is left of the sine series' error is below 2^-26. */
const REAL_TURN = 2 ** -6;

/**
 * v itself for |v| <= bound, a power of two: theta = (3/2) sin theta - (3/10) sin 2 theta + (1/30) sin 3 theta - theta^7 / 140 ..
 * [JM22]. With bound h = 2^-6 the error is 2^-27 of the bound; h has a least step, so bounds above 64 are refused.
 *
 * @throws {OutOfRangeError}
 */
export function identityFunction(bound = 1): CircleFunction {
  const turns = (TURN_STEPS * REAL_TURN) / bound;
  if (!(Number.isInteger(turns) && turns >= 1))
    throw new OutOfRangeError('the bound of real values', 'a power of two from 2^-20 to 64', bound);
  const c = TURN_STEPS / (2 * Math.PI * turns);
  // Im z = Re(-i z).
  const im = [0, -1.5 * c, 0.3 * c, -c / 30];
  const error = bound * ((2 * Math.PI * REAL_TURN) ** 6 / 140);
  const made = circleFunction('identity', turns, bound, [0, 0, 0, 0], im, error);
  return Object.freeze({ ...made, maxAbs: bound });
}

/** Bits 0 and 1: (1 - cos(pi v)) / 2, whose derivative is 0 at both, so that noise e becomes (pi^2 / 4) e^2. */
export const bitFunction: CircleFunction = Object.freeze({
  ...circleFunction('bit', TURN_STEPS / 2, 1, [0.5, -0.5], [0, 0], 0),
  maxAbs: 1,
});

/**
 * A table of p values, p a power of two up to 256: f at integers modulo p, by the Fejer sum, which has the value f and the derivative 0 at
 * every integer [AKP25]. Noise e in units of the spacing becomes at most 3.29 e^2 (max f - min f).
 *
 * @throws {InvalidParamsError} {@link ShapeError}
 */
export function tableFunction(name: string, values: ArrayLike<number>): CircleFunction {
  const p = values.length;
  if (!Number.isInteger(Math.log2(p)) || p < 2 || p > 256)
    throw new ShapeError('entries of a table', 'a power of two from 2 to 256', p);
  if (Array.from(values).every((value) => value === values[0]))
    throw new InvalidParamsError(`the table ${name} is constant: no bootstrap is needed for it`, {});
  const [re, im] = [new Array<number>(p).fill(0), new Array<number>(p).fill(0)];
  for (let k = 0; k < p; k++) {
    const weight = (k === 0 ? 1 : 2 * (1 - k / p)) / p;
    for (let j = 0; j < p; j++) {
      const angle = (-2 * Math.PI * ((j * k) % p)) / p;
      re[k] = re[k]! + weight * values[j]! * Math.cos(angle);
      im[k] = im[k]! + weight * values[j]! * Math.sin(angle);
    }
  }
  const largest = Array.from(values).reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (!Number.isFinite(largest))
    throw new InvalidParamsError(`an entry of the table ${name} is not finite`, {});
  // The Fejer kernel is positive: no value is above the largest entry.
  return Object.freeze({ ...circleFunction(name, TURN_STEPS / p, p, re, im, 0), maxAbs: largest });
}

/** The part of the circle on which smooth functions are fitted; the rest lets them come back. */
const FITTED_TURN = 0.35;
const SAMPLES = 1000;
const RIDGE = 1e-8;

/**
 * A smooth function on [-bound, bound] by least squares with a ridge of 1e-8 on 0.35 of the circle to either side. `error` is the largest
 * difference at 2001 points. Sigma on [-8, 8]: 4e-4 with degree 7, 4e-5 with 15.
 *
 * @throws {OutOfRangeError} for a bound or degree out of range. {@link InvalidParamsError} where f is not finite.
 */
export function smoothFunction(
  name: string,
  f: (v: number) => number,
  { bound, degree }: { readonly bound: number; readonly degree: number },
): CircleFunction {
  const turns = Math.floor((FITTED_TURN * TURN_STEPS) / bound);
  if (!(bound > 0 && turns >= 1 && turns < TURN_STEPS / 2))
    throw new OutOfRangeError('the bound of a circle function', 'from 0.71 to 1433', bound);
  if (!Number.isInteger(degree) || degree < 1 || degree > 63)
    throw new OutOfRangeError('the degree of a circle function', 'an integer from 1 to 63', degree);
  const points = Array.from({ length: 2 * SAMPLES + 1 }, (_, i) => (bound * (i - SAMPLES)) / SAMPLES);
  const wanted = points.map(f);
  if (!wanted.every(Number.isFinite))
    throw new InvalidParamsError(`${name} is not finite on its interval`, {});
  const columns: number[][] = [points.map(() => 1)];
  for (let k = 1; k <= degree; k++) {
    const angles = points.map((v) => (2 * Math.PI * k * turns * v) / TURN_STEPS);
    columns.push(angles.map(Math.cos), angles.map(Math.sin));
  }
  const weights = leastSquares(columns, wanted);
  const re = [weights[0]!, ...Array.from({ length: degree }, (_, k) => weights[2 * k + 1]!)];
  // a cos + b sin = Re((a - i b) E).
  const im = [0, ...Array.from({ length: degree }, (_, k) => -weights[2 * k + 2]!)];
  const made = circleFunction(name, turns, bound, re, im, 0);
  const error = points.reduce((max, v, i) => Math.max(max, Math.abs(circleValue(made, v) - wanted[i]!)), 0);
  return Object.freeze({ ...made, error });
}

/** From here to half a turn a guard is 1: beyond what smooth functions are fitted on, the circle function has turned back. */
const GUARDED_TURN = 0.42;
const GUARD_DEGREE = 31;

/**
 * 0 while an input is where the smooth function `f` is what it stands for, and 1 where it has left that range, from 0.42 of a turn on: an even
 * polynomial of degree 31, within 8e-4. It shares the exponential of `f`, so that it costs a few products. What has gone more than half a
 * turn looks like a small input again, to a guard as to `f`.
 */
export function rangeGuard(f: CircleFunction): CircleFunction {
  const turn = (i: number): number => i / (4 * SAMPLES);
  const points = Array.from({ length: 2 * SAMPLES + 1 }, (_, i) => turn(i)).filter(
    (x) => x <= FITTED_TURN || x >= GUARDED_TURN,
  );
  const wanted = points.map((x) => (x >= GUARDED_TURN ? 1 : 0));
  const columns = Array.from({ length: GUARD_DEGREE + 1 }, (_, k) =>
    points.map((x) => Math.cos(2 * Math.PI * k * x)),
  );
  const re = leastSquares(columns, wanted);
  const im = re.map(() => 0);
  const made = circleFunction(`guard of ${f.name}`, f.turns, TURN_STEPS / (2 * f.turns), re, im, 0);
  const error = points.reduce(
    (max, x, i) => Math.max(max, Math.abs(circleValue(made, (x * TURN_STEPS) / f.turns) - wanted[i]!)),
    0,
  );
  return Object.freeze({ ...made, error });
}

/** Weights of the columns nearest to `wanted`, with a ridge: normal equations by Cholesky. */
function leastSquares(columns: readonly number[][], wanted: readonly number[]): number[] {
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const size = columns.length;
  const factor = columns.map((column, i) => columns.slice(0, i + 1).map((other) => dot(column, other)));
  for (let i = 0; i < size; i++) {
    const row = factor[i]!;
    row[i] = row[i]! + RIDGE * wanted.length;
    for (let j = 0; j <= i; j++) {
      for (let k = 0; k < j; k++) row[j] = row[j]! - row[k]! * factor[j]![k]!;
      row[j] = i === j ? Math.sqrt(row[j]!) : row[j]! / factor[j]![j]!;
    }
  }
  const solution = columns.map((column) => dot(column, wanted));
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) solution[i] = solution[i]! - factor[i]![k]! * solution[k]!;
    solution[i] = solution[i]! / factor[i]![i]!;
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) solution[i] = solution[i]! - factor[k]![i]! * solution[k]!;
    solution[i] = solution[i]! / factor[i]![i]!;
  }
  return solution;
}
