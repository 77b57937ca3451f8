/**
 * Polynomial replacements of activations, each with the interval it is meant for, its largest error there and the depth
 * it costs. Outside its interval a polynomial is not an approximation of anything.
 */
import * as arg from '../../base/arguments.ts';
import {
  chebyshevFit,
  derivativeFit,
  largestFitError,
  leastSquaresFit,
  normalFitError,
  polynomialDepth,
} from './polynomial-fit.ts';
import type { Coefficients } from './polynomial-fit.ts';

export type ActivationTarget = 'relu' | 'sigmoid';

export interface ActivationFit {
  readonly name: string;
  /** The function that is replaced; undefined for an activation of its own right. */
  readonly target?: ActivationTarget;
  readonly coefficients: Coefficients;
  readonly interval: readonly [low: number, high: number];
  /** Largest |p - target| on the interval. */
  readonly largestError: number;
  /** Root mean squared error under N(0,1), what matters after a batch norm. */
  readonly normalError: number;
  /** Ciphertext multiplications in a row. */
  readonly depth: number;
}

export function relu(x: number): number {
  arg.checkArguments('relu', [x], { x: arg.number });
  return x > 0 ? x : 0;
}

export function sigmoid(x: number): number {
  arg.checkArguments('sigmoid', [x], { x: arg.number });
  return 1 / (1 + Math.exp(-x));
}

const TARGETS = { relu, sigmoid };

/** Measures a polynomial against its target on an interval. */
function describeActivation(
  name: string,
  target: ActivationTarget | undefined,
  coefficients: Coefficients,
  interval: readonly [number, number],
): ActivationFit {
  arg.checkArguments('describeActivation', [name, target, coefficients, interval], {
    name: arg.text,
    target: arg.optional(arg.oneOf('relu', 'sigmoid')),
    coefficients: arg.numbers,
    interval: arg.numbers,
  });
  const depth = polynomialDepth(coefficients);
  if (target === undefined) return { name, coefficients, interval, largestError: 0, normalError: 0, depth };
  const f = TARGETS[target];
  return {
    name,
    target,
    coefficients,
    interval,
    largestError: largestFitError(coefficients, f, interval[0], interval[1]),
    normalError: normalFitError(coefficients, f),
    depth,
  };
}

/** E[ReLU(x) He_n(x)] / n! for x of N(0,1): 1/sqrt(2 pi) times these, for n = 0, 2, 4, 6; 1/2 for n = 1. */
const RELU_HERMITE = [1, 1 / 2, -1 / 24, 3 / 720];
const HERMITE = [[1], [-1, 0, 1], [3, 0, -6, 0, 1], [-15, 0, 45, 0, -15, 0, 1]];

/**
 * Least-squares fit of ReLU under N(0,1) in closed form, of degree 2, 4 or 6 (Chabanne et al., eprint 2017/035): the Hermite
 * series cut off.
 */
export function reluNormalFit(degree: 2 | 4 | 6): number[] {
  arg.checkArguments('reluNormalFit', [degree], { degree: arg.number });
  const out = new Array<number>(degree + 1).fill(0);
  for (let k = 0; 2 * k <= degree; k++) {
    HERMITE[k].forEach((c, i) => {
      out[i] += (RELU_HERMITE[k] / Math.sqrt(2 * Math.PI)) * c;
    });
  }
  out[1] += 0.5;
  return out;
}

function tabulated(): ActivationFit[] {
  const fits = [describeActivation('square', undefined, [0, 0, 1], [-4, 4])];
  for (const degree of [2, 4, 6] as const) {
    fits.push(describeActivation(`relu-normal-${degree}`, 'relu', reluNormalFit(degree), [-4, 4]));
  }
  for (const degree of [2, 4]) {
    const squares = leastSquaresFit(relu, degree, -4, 4);
    fits.push(describeActivation(`relu-interval-${degree}`, 'relu', squares, [-4, 4]));
    fits.push(
      describeActivation(`relu-chebyshev-${degree}`, 'relu', chebyshevFit(relu, degree, -4, 4), [-4, 4]),
    );
    fits.push(describeActivation(`relu-derivative-${degree}`, 'relu', derivativeFit(degree, 4), [-4, 4]));
  }
  // Coefficients of the authors of CryptoDL (arXiv 1711.05189) for [-10, 10].
  fits.push(describeActivation('relu-cryptodl-2', 'relu', [0, 0.5, 0.0263068], [-10, 10]));
  // Faster CryptoNets (arXiv 1811.09953): coefficients that are shifts.
  fits.push(describeActivation('relu-shifts', 'relu', [0.25, 0.5, 0.125], [-4, 4]));
  // Taylor series, of use for |x| < 2 only.
  fits.push(describeActivation('sigmoid-taylor-3', 'sigmoid', [0.5, 0.25, 0, -1 / 48], [-2, 2]));
  for (const [bound, degrees] of [
    [4, [3, 5]],
    [8, [3, 5, 7]],
  ] as const) {
    for (const degree of degrees) {
      const fit = leastSquaresFit(sigmoid, degree, -bound, bound).map((c, i) =>
        i > 0 && i % 2 === 0 ? 0 : c,
      );
      fits.push(describeActivation(`sigmoid-${bound}-${degree}`, 'sigmoid', fit, [-bound, bound]));
    }
  }
  return fits;
}

let table: ReadonlyMap<string, ActivationFit> | undefined;

/** All replacements by name; computed at first use. */
export function activationTable(): ReadonlyMap<string, ActivationFit> {
  table ??= new Map(tabulated().map((fit) => [fit.name, fit]));
  return table;
}
