/** The element functions that networks use, in double precision, as ONNX defines them. */

/** Parameters stand in the order of the comment. */
export type FunctionName =
  | 'relu'
  | 'leaky-relu' // slope below zero
  | 'prelu' // slope below zero, per channel
  | 'thresholded-relu' // threshold
  | 'clip' // low, high
  | 'sigmoid'
  | 'hard-sigmoid' // alpha, beta: clip(alpha x + beta, 0, 1)
  | 'tanh'
  | 'softplus'
  | 'softsign'
  | 'elu' // alpha
  | 'celu' // alpha
  | 'selu' // alpha, gamma
  | 'gelu'
  | 'gelu-tanh'
  | 'swish' // alpha: x sigmoid(alpha x)
  | 'hard-swish'
  | 'mish'
  | 'abs'
  | 'power' // exponent
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'reciprocal'
  | 'erf'
  | 'sign'
  | 'floor'
  | 'ceil'
  | 'round'
  | 'truncate'
  | 'fake-quantise'; // step, low, high: to the nearest multiple of the step, halves to even, then clipped

type Evaluate = (x: number, parameters: readonly number[]) => number;

const sigmoidOf = (x: number): number => 1 / (1 + Math.exp(-x));
const softplusOf = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const FUNCTIONS: Readonly<Record<FunctionName, Evaluate>> = {
  relu: (x) => (x <= 0 ? 0 : x),
  'leaky-relu': (x, [slope]) => (x < 0 ? slope * x : x),
  prelu: (x, [slope]) => (x < 0 ? slope * x : x),
  'thresholded-relu': (x, [threshold]) => (x <= threshold ? 0 : x),
  // Low above high gives high everywhere.
  clip: (x, [low, high]) => Math.min(Math.max(x, low), high),
  sigmoid: sigmoidOf,
  'hard-sigmoid': (x, [alpha, beta]) => Math.min(Math.max(alpha * x + beta, 0), 1),
  tanh: Math.tanh,
  softplus: softplusOf,
  softsign: (x) => x / (1 + Math.abs(x)),
  elu: (x, [alpha]) => (x < 0 ? alpha * Math.expm1(x) : x),
  celu: (x, [alpha]) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha)),
  selu: (x, [alpha, gamma]) => gamma * (x > 0 ? x : alpha * Math.expm1(x)),
  gelu: (x) => 0.5 * x * (1 + errorFunction(x / Math.SQRT2)),
  'gelu-tanh': (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  swish: (x, [alpha]) => x * sigmoidOf(alpha * x),
  'hard-swish': (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1),
  mish: (x) => x * Math.tanh(softplusOf(x)),
  abs: Math.abs,
  power: (x, [exponent]) => x ** exponent,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  erf: (x) => errorFunction(x),
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfToEven,
  truncate: Math.trunc,
  'fake-quantise': (x, [step, low, high]) => Math.min(Math.max(roundHalfToEven(x / step) * step, low), high),
};

/** How many parameters a function takes. */
export const FUNCTION_PARAMETERS: Readonly<Record<FunctionName, number>> = {
  relu: 0,
  'leaky-relu': 1,
  prelu: 1,
  'thresholded-relu': 1,
  clip: 2,
  sigmoid: 0,
  'hard-sigmoid': 2,
  tanh: 0,
  softplus: 0,
  softsign: 0,
  elu: 1,
  celu: 1,
  selu: 2,
  gelu: 0,
  'gelu-tanh': 0,
  swish: 1,
  'hard-swish': 0,
  mish: 0,
  abs: 0,
  power: 1,
  exp: 0,
  log: 0,
  sqrt: 0,
  reciprocal: 0,
  erf: 0,
  sign: 0,
  floor: 0,
  ceil: 0,
  round: 0,
  truncate: 0,
  'fake-quantise': 3,
};

/** f(x) for one number. A `prelu` takes the slope of the element's channel as its parameter. */
export function evaluateFunction(name: FunctionName, x: number, parameters: readonly number[] = []): number {
  return FUNCTIONS[name](x, parameters);
}

/** To the nearest integer; halves to the even one. */
export function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * erf to about 1e-15: the Maclaurin series below 2.5, beyond it the continued fraction of erfc (Abramowitz and Stegun
 * 7.1.6 and 7.1.14).
 */
export function errorFunction(x: number): number {
  const size = Math.abs(x);
  if (!(size < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  if (size < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * sum * Math.exp(-x * x);
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (size + fraction);
  const complement = Math.exp(-size * size) / (Math.sqrt(Math.PI) * (size + fraction));
  return Math.sign(x) * (1 - complement);
}
