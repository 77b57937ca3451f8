/** A logistic regression on encrypted rows as a person writes it down: public, and the same for owner and trainer. */
import { DataError, InvalidParamsError, OutOfRangeError } from '../../base/errors.ts';
import { MOST_PARTIES } from '../../schemes/rlwe/collective/session-random.ts';
import { assertFields, assertIntegerWithin } from './program-fields.ts';

const MAX_ROWS = 2 ** 20;
const MAX_FEATURES = 511;
const MAX_ITERATIONS = 200;

/** `keep`: the owner alone opens the weights. `publish`: they may leave it, flooded, through a release of the key. */
export type ReleaseRule = 'keep' | 'publish';

/** What a person writes down; public. JSON. */
export interface LogisticSpec {
  readonly kind: 'logistic';
  readonly version: 1;
  /** Rows to train on. */
  readonly rows: number;
  /** Columns beside the label. */
  readonly features: number;
  readonly iterations: number;
  /** Step sizes: iteration t moves by rate / (1 + decay t) times the mean gradient. */
  readonly rate: number;
  readonly decay: number;
  /** A power of two that no weight exceeds on the way. */
  readonly weightBound: number;
  readonly rule: ReleaseRule;
  /** Levels are bought by bootstrapping when there are more iterations than levels. */
  readonly bootstrapping: boolean;
  /** Rows that one iteration looks at, one batch after the other; default all. Whole ciphertexts, and they divide the rows. */
  readonly batchRows?: number;
  /** Rows of each owner when there are several, who buy levels by refreshing together; in the order of the union's rows. */
  readonly owners?: readonly number[];
}

/** Step sizes and momentum of every iteration. */
export interface NesterovStep {
  /** Times the mean gradient. */
  readonly rate: number;
  /** v' = (1 - momentum) w' + momentum w; not positive. */
  readonly momentum: number;
}

/** lambda_0 = 1, lambda' = (1 + sqrt(1 + 4 lambda^2)) / 2 [Nes83]: momentum (1 - lambda) / lambda'. */
export function nesterovSteps({ iterations, rate, decay }: LogisticSpec): NesterovStep[] {
  let lambda = 1;
  return Array.from({ length: iterations }, (_, t) => {
    const next = (1 + Math.sqrt(1 + 4 * lambda ** 2)) / 2;
    const momentum = (1 - lambda) / next;
    lambda = next;
    return { rate: rate / (1 + decay * t), momentum };
  });
}

const ORDER = [
  'kind',
  'version',
  'rows',
  'features',
  'iterations',
  'rate',
  'decay',
  'weightBound',
  'rule',
  'bootstrapping',
] as const satisfies readonly (keyof LogisticSpec)[];

/** Programs of one owner have the identifier that they always had. */
export function canonicalLogisticSpec(spec: LogisticSpec): unknown[] {
  const fields: unknown[] = ORDER.map((name) => spec[name]);
  const { owners, batchRows } = spec;
  return [
    ...fields,
    ...(owners === undefined ? [] : [owners]),
    ...(batchRows === undefined ? [] : [{ batchRows }]),
  ];
}

/** @throws {DataError} for fields of JSON that are missing or not known. */
export function assertLogisticFields(given: unknown): void {
  assertFields(given, ORDER, ['owners', 'batchRows']);
}

/** @throws {DataError} {@link OutOfRangeError} {@link InvalidParamsError} */
export function assertLogisticSpec(spec: LogisticSpec): void {
  if (spec.kind !== 'logistic' || spec.version !== 1)
    throw new DataError('not a program for logistic regression');
  if (spec.rule !== 'keep' && spec.rule !== 'publish')
    throw new DataError('a release rule is keep or publish');
  if (typeof spec.bootstrapping !== 'boolean') throw new DataError('bootstrapping is true or false');
  if (spec.bootstrapping && spec.rule === 'publish')
    throw new InvalidParamsError(
      'the noise of a bootstrap leaves no room for a release: keep the weights',
      {},
    );
  assertIntegerWithin('rows', spec.rows, 2, MAX_ROWS);
  assertIntegerWithin('features', spec.features, 1, MAX_FEATURES);
  assertIntegerWithin('iterations', spec.iterations, 1, MAX_ITERATIONS);
  for (const [what, value, least, most] of [
    ['rate', spec.rate, 2 ** -10, 2 ** 10],
    ['decay', spec.decay, 0, 2 ** 10],
    ['weightBound', spec.weightBound, 2 ** -6, 2 ** 6],
  ] as const) {
    if (!(typeof value === 'number' && value >= least && value <= most))
      throw new OutOfRangeError(what, `from ${least} to ${most}`, Number(value));
  }
  if (!Number.isInteger(Math.log2(spec.weightBound)))
    throw new OutOfRangeError('weightBound', 'a power of two', spec.weightBound);
  if (spec.owners !== undefined) assertOwners(spec, spec.owners);
  if (spec.batchRows === undefined) return;
  assertIntegerWithin('rows of a batch', spec.batchRows, 1, spec.rows);
  if (spec.rows % spec.batchRows !== 0)
    throw new OutOfRangeError('rows of a batch', `a divisor of ${spec.rows}`, spec.batchRows);
  if (spec.owners !== undefined || spec.rule === 'publish')
    throw new InvalidParamsError('batches are for weights that one owner keeps', {});
}

function assertOwners({ rows, rule, bootstrapping }: LogisticSpec, owners: unknown): void {
  if (!Array.isArray(owners) || owners.length < 2 || owners.length > MOST_PARTIES)
    throw new OutOfRangeError(
      'owners of a joint program',
      `2 to ${MOST_PARTIES}`,
      Array.isArray(owners) ? owners.length : 'something else',
    );
  let total = 0;
  for (const count of owners as readonly unknown[]) {
    if (!(typeof count === 'number' && Number.isInteger(count) && count >= 2 && count <= MAX_ROWS))
      throw new OutOfRangeError("an owner's rows", `an integer from 2 to ${MAX_ROWS}`, Number(count));
    total += count;
  }
  if (total !== rows) throw new DataError(`the owners have ${total} rows together, not ${rows}`);
  if (rule !== 'publish' || bootstrapping)
    throw new InvalidParamsError(
      "several owners refresh together and release what they trained: rule 'publish', without bootstrapping",
      {},
    );
}
