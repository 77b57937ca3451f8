/**
 * A network of dense layers trained on encrypted batches, as a person writes it down: public, and the same for owner and trainer.
 * Stochastic gradient descent with momentum and weight decay; hidden layers tanh, the last one sigmoids.
 */
import { DataError, OutOfRangeError } from '../../../base/errors.ts';
import {
  type CircleFunction,
  rangeGuard,
  smoothFunction,
  tableFunction,
  TURN_STEPS,
} from '../../../circuits/circle/circle-function.ts';
import { assertFields, assertIntegerWithin } from '../program-fields.ts';

/** `cross-entropy` of the sigmoids: delta = a - y. `squared`: delta = 4 (a - y) a (1 - a), as in [NRPH19]. */
export type PerceptronLoss = 'cross-entropy' | 'squared';
/** `smooth`: trigonometric polynomials of degree 31 and 15. `table`: look-up tables of 256 entries, as in [NRPH19]. */
export type PerceptronActivation = 'smooth' | 'table';

export interface PerceptronSpec {
  readonly kind: 'perceptron';
  readonly version: 1;
  /** Units of every layer, inputs first. */
  readonly layers: readonly number[];
  /** Samples in a step. */
  readonly batch: number;
  readonly steps: number;
  readonly rate: number;
  readonly momentum: number;
  /** Of what a weight loses in a step. */
  readonly decay: number;
  readonly loss: PerceptronLoss;
  readonly activation: PerceptronActivation;
  /** Sums before an activation stay below it: a function on the circle comes back beyond. */
  readonly sumBound: number;
  /** Powers of two that no weight and no error of a unit exceeds on the way. */
  readonly weightBound: number;
  readonly errorBound: number;
  /** Whether every sum before an activation is watched: where one leaves its range comes back with the state, for the owner alone. */
  readonly guard?: true;
}

const FIELDS = [
  'kind',
  'version',
  'layers',
  'batch',
  'steps',
  'rate',
  'momentum',
  'decay',
  'loss',
  'activation',
  'sumBound',
  'weightBound',
  'errorBound',
] as const satisfies readonly (keyof PerceptronSpec)[];

/** The steps that were found for MNIST, pictures straightened and inputs standardised: 94 % of test pictures after 40 steps. */
export const PERCEPTRON_RECIPE = Object.freeze({
  kind: 'perceptron',
  version: 1,
  layers: [64, 32, 16, 10],
  batch: 512,
  steps: 40,
  rate: 1,
  momentum: 0.7,
  decay: 1e-3,
  loss: 'cross-entropy',
  activation: 'smooth',
  sumBound: 20,
  weightBound: 8,
  errorBound: 16,
} as const satisfies PerceptronSpec);

/** Inputs of the first layer are at most this large: what the owner encrypts. */
export const PERCEPTRON_INPUT_BOUND = 2;

const MAX_LAYERS = 6;
const MAX_UNITS = 2 ** 14;
const MAX_STEPS = 100_000;

/** What files agree on: the fields in their order. */
export function canonicalPerceptronSpec(spec: PerceptronSpec): unknown[] {
  // Without a guard as it was before there were guards.
  return [...FIELDS.map((name) => spec[name]), ...(spec.guard === true ? ['guard'] : [])];
}

/** @throws {DataError} {@link OutOfRangeError} */
export function assertPerceptronSpec(value: unknown): asserts value is PerceptronSpec {
  assertFields(value, FIELDS, ['guard']);
  const spec = value as PerceptronSpec;
  if (spec.kind !== 'perceptron' || spec.version !== 1)
    throw new DataError('not a program for the training of a network');
  if (spec.loss !== 'cross-entropy' && spec.loss !== 'squared')
    throw new DataError('a loss is cross-entropy or squared');
  if (spec.activation !== 'smooth' && spec.activation !== 'table')
    throw new DataError('an activation is smooth or table');
  if (!Array.isArray(spec.layers) || spec.layers.length < 3 || spec.layers.length > MAX_LAYERS)
    throw new DataError(`a network has from 3 to ${MAX_LAYERS} sizes of layers, inputs included`);
  for (const units of spec.layers) assertIntegerWithin('units of a layer', units, 1, MAX_UNITS);
  assertIntegerWithin('samples in a batch', spec.batch, 1, MAX_UNITS);
  assertIntegerWithin('steps', spec.steps, 1, MAX_STEPS);
  within('rate', spec.rate, 2 ** -20, 16);
  within('momentum', spec.momentum, 0, 0.999);
  within('decay', spec.decay, 0, 0.5);
  within('sumBound', spec.sumBound, 1, 256);
  for (const name of ['weightBound', 'errorBound'] as const) {
    within(name, spec[name], 2 ** -6, 64);
    if (!Number.isInteger(Math.log2(spec[name])))
      throw new OutOfRangeError(name, 'a power of two', spec[name]);
  }
  if (spec.activation === 'table' && !Number.isInteger(Math.log2(spec.sumBound)))
    throw new OutOfRangeError('sumBound of tables', 'a power of two', spec.sumBound);
  if (spec.guard !== undefined && spec.guard !== true) throw new DataError('a guard is true, or not there');
  if (spec.guard === true && spec.activation === 'table')
    throw new DataError('a table takes the whole circle: no guard can see that a sum went round it');
}

function within(what: string, value: unknown, least: number, most: number): void {
  if (!(typeof value === 'number' && value >= least && value <= most))
    throw new OutOfRangeError(what, `from ${least} to ${most}`, Number(value));
}

const TABLE_ENTRIES = 256;

/** A table of 256 entries over [-bound, bound): entry j stands for the middle of its step. */
function signedTable(name: string, f: (v: number) => number, bound: number): CircleFunction {
  const step = (2 * bound) / TABLE_ENTRIES;
  const values = Array.from({ length: TABLE_ENTRIES }, (_, j) =>
    f(step * (j < TABLE_ENTRIES / 2 ? j : j - TABLE_ENTRIES)),
  );
  const table = tableFunction(name, values);
  return Object.freeze({ ...table, turns: TURN_STEPS / (2 * bound), bound });
}

function sigmoid(v: number): number {
  return 1 / (1 + Math.exp(-v));
}

const [HIDDEN_DEGREE, OUTPUT_DEGREE] = [31, 15];
const BITS = 127;

export interface PerceptronActivations {
  readonly hidden: CircleFunction;
  readonly output: CircleFunction;
}

/** Fits take a while: each is made once. */
const made = new Map<string, PerceptronActivations>();
const guards = new Map<CircleFunction, CircleFunction>();

/** What is computed inside the bootstrap after hidden layers and after the last. */
export function activationsOf(spec: Pick<PerceptronSpec, 'activation' | 'sumBound'>): PerceptronActivations {
  const key = `${spec.activation} ${spec.sumBound}`;
  const known = made.get(key) ?? makeActivations(spec);
  made.set(key, known);
  return known;
}

function makeActivations({
  activation,
  sumBound: bound,
}: Pick<PerceptronSpec, 'activation' | 'sumBound'>): PerceptronActivations {
  if (activation === 'smooth')
    return {
      hidden: smoothFunction('tanh', Math.tanh, { bound, degree: HIDDEN_DEGREE }),
      output: smoothFunction('sigmoid', sigmoid, { bound, degree: OUTPUT_DEGREE }),
    };
  const rounded = (f: (v: number) => number) => (v: number) => Math.round(BITS * f(v)) / BITS;
  return {
    hidden: signedTable('table of tanh', rounded(Math.tanh), bound),
    output: signedTable('table of the sigmoid', rounded(sigmoid), bound),
  };
}

/** 0 where the sum before an activation is in its range: one for both activations, which turn alike. Of programs with a guard. */
export function guardOf(spec: PerceptronSpec): CircleFunction | undefined {
  if (spec.guard !== true) return undefined;
  const { hidden } = activationsOf(spec);
  const known = guards.get(hidden) ?? rangeGuard(hidden);
  guards.set(hidden, known);
  return known;
}
