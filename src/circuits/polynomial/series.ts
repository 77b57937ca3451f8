/**
 * Polynomials as coefficients in the basis of powers or of Chebyshev polynomials, complex, with what evaluating them under encryption
 * needs: division by the basis polynomial of a power of two, and interpolation.
 */
import { InvalidParamsError } from '../../base/errors.ts';

export type PolynomialBasisKind = 'power' | 'chebyshev';

/** sum over k of (re[k] + i im[k]) B_k, B_k = x^k or T_k(x). */
export interface Series {
  readonly kind: PolynomialBasisKind;
  readonly re: readonly number[];
  readonly im: readonly number[];
}

/** @throws {InvalidParamsError} for an empty list, lengths that differ or a coefficient that is not finite. */
export function seriesOf(
  kind: PolynomialBasisKind,
  re: ArrayLike<number>,
  im: ArrayLike<number> = { length: 0 },
): Series {
  const imaginary = im.length === 0 ? new Array<number>(re.length).fill(0) : Array.from(im);
  const series = { kind, re: Array.from(re), im: imaginary };
  if (series.re.length === 0 || series.re.length !== imaginary.length)
    throw new InvalidParamsError('a polynomial has as many real as imaginary coefficients, at least one', {});
  if (![...series.re, ...imaginary].every(Number.isFinite))
    throw new InvalidParamsError('a coefficient of a polynomial is not a finite number', {});
  return Object.freeze(series);
}

/** The last index with a coefficient other than zero; 0 for the zero polynomial. */
export function degreeOf({ re, im }: Series): number {
  for (let k = re.length - 1; k > 0; k--) if (re[k] !== 0 || im[k] !== 0) return k;
  return 0;
}

/** Products one after the other that a generic polynomial of this degree needs, the constants included: ceil(log2(degree + 1)). */
export function depthOf(degree: number): number {
  return Math.ceil(Math.log2(degree + 1));
}

/**
 * quotient B_m + rest = series, where degree < 2m and the rest has degree < m. Chebyshev: T_(m+j) = 2 T_m T_j - T_(m-j).
 */
export function dividedByBasis(series: Series, m: number): { quotient: Series; rest: Series } {
  const divide = (from: readonly number[]): [number[], number[]] => {
    const [quotient, rest] = [from.slice(m), from.slice(0, m)];
    if (series.kind === 'chebyshev') {
      for (let j = 1; j < quotient.length; j++) {
        rest[m - j] = rest[m - j]! - quotient[j]!;
        quotient[j] = 2 * quotient[j]!;
      }
    }
    return [quotient, rest];
  };
  const [quotientRe, restRe] = divide(series.re);
  const [quotientIm, restIm] = divide(series.im);
  return {
    quotient: { kind: series.kind, re: quotientRe, im: quotientIm },
    rest: { kind: series.kind, re: restRe, im: restIm },
  };
}

/** The values of the series at a real number. */
export function valueOf({ kind, re, im }: Series, x: number): { re: number; im: number } {
  let [previous, current] = [1, x];
  const sum = { re: re[0]!, im: im[0]! };
  for (let k = 1; k < re.length; k++) {
    sum.re += re[k]! * current;
    sum.im += im[k]! * current;
    [previous, current] = [current, kind === 'power' ? current * x : 2 * x * current - previous];
  }
  return sum;
}

/** The Chebyshev series of this degree through f at the Chebyshev nodes of [-1, 1], four times as many as coefficients. */
export function chebyshevSeries(f: (x: number) => { re: number; im: number }, degree: number): Series {
  const nodes = 4 * (degree + 1);
  const re = new Array<number>(degree + 1).fill(0);
  const im = new Array<number>(degree + 1).fill(0);
  for (let node = 0; node < nodes; node++) {
    const angle = (Math.PI * (node + 0.5)) / nodes;
    const value = f(Math.cos(angle));
    for (let k = 0; k <= degree; k++) {
      const weight = ((k === 0 ? 1 : 2) * Math.cos(k * angle)) / nodes;
      re[k] = re[k]! + weight * value.re;
      im[k] = im[k]! + weight * value.im;
    }
  }
  return seriesOf('chebyshev', re, im);
}
