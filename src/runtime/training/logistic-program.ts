/**
 * A logistic regression on encrypted rows as a public program: shapes, steps, parameters. Owner and trainer derive everything else from
 * it, and every file carries its hash. Nesterov's accelerated gradient with a cubic for the sigmoid, as in [KSKLC18].
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { InvalidParamsError, OutOfRangeError } from '../../base/errors.ts';
import { BootstrapPlan } from '../../circuits/bootstrap/plan.ts';
import { identityFunction } from '../../circuits/circle/circle-function.ts';
import { referenceCosts } from '../../circuits/cost.ts';
import { refreshLevel, type RefreshTerms } from '../../schemes/ckks/collective/refresh.ts';
import { CkksParams, type CkksSpec } from '../../schemes/ckks/params.ts';
import { conjugationElement, type KeyPlan } from '../../schemes/rlwe/keys/key-plan.ts';
import { logQPCeiling } from '../../schemes/rlwe/security.ts';
import { VALUE_BOUND } from './labelled-table.ts';
import {
  assertLogisticFields,
  assertLogisticSpec,
  canonicalLogisticSpec,
  type LogisticSpec,
  type NesterovStep,
  nesterovSteps,
  type ReleaseRule,
} from './logistic-spec.ts';
import { assertForTests, specId } from './program-fields.ts';

/** -sigma(-m) on [-8, 8] by least squares: c0 + c1 m + c3 m^3. */
export const SIGMOID_CUBIC = Object.freeze({ c0: -0.5, c1: 0.15012, c3: -0.001593 });
/** Beyond this the cubic turns away from the sigmoid: a margin must not get there. */
export const MARGIN_BOUND = 8;
const BATCH_MARGIN_BOUND = 10;

/** Levels of an iteration: margins, their mask, two products; the first starts from zero and takes one. */
export const LEVELS_PER_ITERATION = 4;
/** Of levelled parameters: what a level divides by, and the prime that holds the result. */
const [LEVEL_BITS, LAST_BITS, SPECIAL_BITS] = [40, 49.5, 49];
/**
 * Of weights to be published: two primes to a level. The bound of the noise grows by some twenty bits with each iteration, and the noise that
 * hides the key with it: three iterations need larger primes, four would need scales that are not encoded (2^103, limit 2^90).
 */
function publishedLevelBits(iterations: number): number {
  return iterations < 3 ? 42 : 45;
}
/** Iterations of weights that are published. */
const MOST_PUBLISHED = 3;
/** More digits than this make keys large and rotations slow. */
const MAX_DIGITS = 5;
/** Of a message to be refreshed: v and w in one polynomial, noise, and the doubling when they are taken apart. */
const REFRESHED_ROOM_BITS = 2;
/** Where bootstrapped training encrypts its data: two iterations, and the two conversions around a bootstrap. */
const BOOTSTRAPPED_TOP = 13;

/** By so much the scale of states is above the default one, at most: of one owner, of several. */
const [STATE_BITS, JOINT_STATE_BITS] = [12, 22];

/**
 * By so much the scale of the rows of several owners is above the default one: the noise of their public key is many times that of a secret
 * one, is the same in every iteration, and would be the largest part of what a release has to hide.
 */
const JOINT_ROW_BITS = 10;
/** The same of their margins: of errors in margins and errors in products with them neither is then the larger by much. */
const JOINT_MARGIN_BITS = 1;

export class LogisticProgram {
  readonly spec: LogisticSpec;
  readonly params: CkksParams;
  /** Columns with the constant, padded to a power of two: the minor axis of the slots. */
  readonly width: number;
  /** Rows per ciphertext. */
  readonly rowsPerCiphertext: number;
  readonly ciphertexts: number;
  /** Where data are encrypted. */
  readonly topLevel: number;
  /** Primes that a product is divided by. */
  readonly primesPerLevel: 1 | 2;
  /** Present when it bootstraps: the two states side by side. */
  readonly bootstrap: BootstrapPlan | undefined;
  /** Owners of the rows. */
  readonly parties: number;

  /**
   * `insecure` are parameters for tests, marked so; without them they follow from the specification.
   *
   * @throws {OutOfRangeError} {@link InvalidParamsError} that says what would fit.
   */
  constructor(spec: LogisticSpec, insecure?: CkksParams) {
    arg.checkArguments('new LogisticProgram', [spec, insecure], {
      spec: arg.options,
      insecure: arg.optional(arg.like('a CkksParams', 'toBytes', 'qMods')),
    });
    assertLogisticSpec(spec);
    assertForTests(insecure);
    this.spec = Object.freeze({ ...spec });
    this.width = 2 ** Math.ceil(Math.log2(spec.features + 1));
    this.parties = spec.owners?.length ?? 1;
    this.primesPerLevel = spec.rule === 'publish' && this.parties === 1 ? 2 : 1;
    this.params = insecure ?? paramsOf(spec, this.primesPerLevel);
    if (this.width > this.params.slots / 2)
      throw new InvalidParamsError(
        `at most ${this.params.slots / 2 - 1} columns fit, not ${spec.features}`,
        {},
      );
    this.topLevel = spec.bootstrapping ? BOOTSTRAPPED_TOP : this.params.maxLevel;
    this.rowsPerCiphertext = this.params.slots / this.width;
    this.ciphertexts = Math.ceil(spec.rows / this.rowsPerCiphertext);
    if (this.batches > 1 && this.rowsPerStep % this.rowsPerCiphertext !== 0)
      throw new InvalidParamsError(
        `rows of a batch fill whole ciphertexts of ${this.rowsPerCiphertext} rows: ${this.rowsPerStep} do not`,
        { batchRows: this.rowsPerStep },
      );
    this.bootstrap = spec.bootstrapping
      ? new BootstrapPlan(this.params, { slots: 2 * this.width })
      : undefined;
  }

  /** Rows that one iteration looks at. */
  get rowsPerStep(): number {
    return this.spec.batchRows ?? this.spec.rows;
  }

  get batches(): number {
    return this.spec.rows / this.rowsPerStep;
  }

  /**
   * No margin is above it. The cubic is fitted on 8 to either side, and is bounded by the same number up to 10: batches, which are steps towards
   * a few rows at a time, go that far.
   */
  get marginBound(): number {
    return this.batches > 1 ? BATCH_MARGIN_BOUND : MARGIN_BOUND;
  }

  /** Whether two ciphertexts at a time are real and imaginary parts of one: what is released is counted without that. */
  get isPaired(): boolean {
    return this.parties === 1 && this.spec.rule === 'keep' && this.ciphertexts > 1;
  }

  /** SHA-256 of the specification: what files must agree on. */
  get id(): string {
    return specId(canonicalLogisticSpec(this.spec));
  }

  get steps(): NesterovStep[] {
    return nesterovSteps(this.spec);
  }

  /** The largest that a step multiplies a mean gradient by. */
  get largestRate(): number {
    return Math.max(...this.steps.map(({ rate, momentum }) => rate * (1 - momentum)));
  }

  /** Slots to the left: sums over columns, then over rows; to the right: copies over columns. */
  get rotations(): { readonly overColumns: number[]; readonly overRows: number[] } {
    const powers = (from: number, to: number): number[] => {
      const steps: number[] = [];
      for (let step = from; step < to; step *= 2) steps.push(step);
      return steps;
    };
    return {
      overColumns: powers(1, this.width),
      overRows: powers(this.width, this.params.slots),
    };
  }

  /** The keys that the trainer needs. */
  get keyPlan(): KeyPlan {
    const { overColumns, overRows } = this.rotations;
    const steps = [...overColumns, ...overColumns.map((step) => -step), ...overRows];
    const plan: KeyPlan = {
      relinearize: { maxLevel: this.topLevel },
      rotations: steps.map((step) => ({ step, maxLevel: this.topLevel })),
      ...(this.isPaired && {
        galois: [{ element: conjugationElement(this.params.n), maxLevel: this.topLevel }],
      }),
    };
    return this.bootstrap === undefined ? plan : this.bootstrap.keyPlan(plan);
  }

  /** Iterations until the state must be bootstrapped, from a given level of the state. */
  iterationsFrom(level: number): number {
    return Math.floor((level - this.lowestState) / (LEVELS_PER_ITERATION * this.primesPerLevel));
  }

  /** By so much the scale of states is above the default one, at most: see `stateScaleAt` in logistic-circuit.ts. */
  get stateBits(): number {
    return this.parties > 1 ? JOINT_STATE_BITS : STATE_BITS;
  }

  /** At which rows are encrypted. */
  get rowScale(): number {
    return this.params.defaultScale * (this.parties > 1 ? 2 ** JOINT_ROW_BITS : 1);
  }

  /** Of margins, after their mask. */
  get marginScale(): number {
    return this.params.defaultScale * (this.parties > 1 ? 2 ** JOINT_MARGIN_BITS : 1);
  }

  /** Coefficients of the two states in one polynomial, v at even and w at odd multiples of N / as many. */
  get stateCoefficients(): number {
    return 4 * this.width;
  }

  /** What several owners refresh: no coefficient of a state reaches 2^messageBits. */
  get refreshTerms(): RefreshTerms {
    const scale = this.params.defaultScale * 2 ** this.stateBits;
    const messageBits = Math.ceil(Math.log2(scale * this.spec.weightBound)) + REFRESHED_ROOM_BITS;
    return { parties: this.parties, messageBits, coefficients: this.stateCoefficients };
  }

  /** Of several owners: where states are refreshed and weights released. */
  get refreshLevel(): number {
    return refreshLevel(this.params, this.refreshTerms);
  }

  /** Whether several owners must refresh a state at this level before this iteration, from 1 for the second; the last needs less. */
  needsRefresh(level: number, iteration: number): boolean {
    const isLast = iteration === this.spec.iterations - 1;
    return this.iterationsFrom(isLast ? level + 1 : level) < 1;
  }

  /** Of the weights of several owners when they are released. */
  get releaseScale(): number {
    return this.params.defaultScale * 2 ** this.stateBits;
  }

  /** Refreshes of the whole run of several owners. */
  get refreshes(): number {
    if (this.parties === 1) return 0;
    let [count, level] = [0, this.topLevel - 1];
    for (let iteration = 1; iteration < this.spec.iterations; iteration++) {
      if (this.needsRefresh(level, iteration)) {
        count++;
        level = this.topLevel;
      }
      level -= LEVELS_PER_ITERATION;
    }
    return count;
  }

  /** @throws {InvalidParamsError} for a program of several owners, whose rows have another scale and whose keys nobody has. */
  assertOneOwner(): void {
    if (this.parties > 1)
      throw new InvalidParamsError('a program of several owners is trained by their parties together', {});
  }

  /** The rows of an owner, by their place among all rows: from, and up to but not including `to`. */
  rowsOf(party: number): { readonly from: number; readonly to: number } {
    const { owners = [this.spec.rows] } = this.spec;
    if (owners[party] === undefined)
      throw new OutOfRangeError('an owner', `from 0 to ${owners.length - 1}`, party);
    const from = owners.slice(0, party).reduce((sum, rows) => sum + rows, 0);
    return { from, to: from + owners[party] };
  }

  /** Which of {@link ciphertexts} an owner's rows are in: those at the borders have rows of two owners. */
  ciphertextsOf(party: number): number[] {
    const { from, to } = this.rowsOf(party);
    const first = Math.floor(from / this.rowsPerCiphertext);
    const last = Math.floor((to - 1) / this.rowsPerCiphertext);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }

  /** Below it a state can neither be read nor, with its other half a level lower, be prepared for a bootstrap. */
  get lowestState(): number {
    if (this.parties > 1) return this.refreshLevel + 1;
    return this.bootstrap === undefined ? this.primesPerLevel - 1 : this.bootstrap.inputLevel + 2;
  }

  /** Bootstraps of the whole run. */
  get bootstraps(): number {
    if (this.bootstrap === undefined) return 0;
    const first = 1 + this.iterationsFrom(this.topLevel - 1);
    const each = this.iterationsFrom(this.bootstrap.outputLevel(identityFunction(this.spec.weightBound)) - 1);
    return Math.max(0, Math.ceil((this.spec.iterations - first) / each));
  }

  /** Of an iteration but the first. */
  get keySwitchesPerIteration(): number {
    const { overColumns, overRows } = this.rotations;
    const count = this.ciphertexts / this.batches;
    const margins = 1 + 2 * overColumns.length;
    if (!this.isPaired) return count * (margins + 3) + overRows.length;
    const pairs = Math.floor(count / 2);
    return pairs * (margins + 1) + (count % 2) * margins + 2 * count + 1 + overRows.length;
  }

  /** Key switches outside bootstraps: what takes the time. */
  get keySwitches(): number {
    const { overRows } = this.rotations;
    const taken = 2 * this.bootstraps + this.refreshes;
    const sums = Math.min(this.batches, this.spec.iterations) * overRows.length;
    return sums + (this.spec.iterations - 1) * this.keySwitchesPerIteration + taken;
  }

  /** Seconds of one thread at the trainer, as far as the costs of a machine are known: iterations in the middle of their levels. */
  get predictedSeconds(): number {
    const { logN, p } = this.params;
    const costs = referenceCosts(logN, p.length);
    const middle = Math.max(2, Math.round(this.topLevel / 2));
    const each = this.bootstrap?.seconds(identityFunction(this.spec.weightBound), costs) ?? 0;
    return (this.keySwitches * costs.keySwitch(middle)) / 1000 + this.bootstraps * each;
  }

  get #amongParties(): { readonly trainer: string[]; readonly owner: string[]; readonly nobody: string[] } {
    const { owners = [], features, iterations } = this.spec;
    return {
      trainer: [
        `that the owners have ${owners.join(', ')} rows of ${features} columns, and how long the run takes`,
        `${iterations === 1 ? 'one iteration' : `${iterations} iterations`}, the step sizes and a power of two that bounds the weights`,
      ],
      owner: [
        "the same as whoever passes messages on: every owner's number of rows, and no weight",
        `the receiver alone: ${features + 1} weights, hidden by noise so that they may be handed on`,
      ],
      nobody: [
        'rows, labels, margins, gradients and the loss of any other owner, however many of the others conspire',
      ],
    };
  }

  /** What each party learns, for people. */
  get whoLearnsWhat(): { readonly trainer: string[]; readonly owner: string[]; readonly nobody: string[] } {
    const { rows, features, iterations, rule } = this.spec;
    if (this.parties > 1) return this.#amongParties;
    return {
      trainer: [
        `that there are ${rows} rows and ${features} columns, and how long the run takes`,
        `${iterations === 1 ? 'one iteration' : `${iterations} iterations`}, the step sizes and a power of two that bounds the weights: the owner chose them with its data`,
      ],
      owner: [
        `${features + 1} weights`,
        rule === 'keep'
          ? 'they are for the owner alone: exact weights that are handed on can give away the secret key'
          : 'hidden by noise so that they may be published',
      ],
      nobody: ['rows, labels, margins, gradients and the loss, outside the owner'],
    };
  }
}

/** A program from JSON that somebody sent; `insecure` as for its constructor. @throws {DataError} {@link OutOfRangeError} {@link InvalidParamsError} */
export function parseLogisticProgram(value: unknown, insecure?: CkksParams): LogisticProgram {
  assertLogisticFields(value);
  return new LogisticProgram(value as LogisticSpec, insecure);
}

function paramsOf(spec: LogisticSpec, primesPerLevel: number): CkksParams {
  if (spec.owners !== undefined) return CkksParams.joint();
  return spec.bootstrapping ? CkksParams.bootstrapping() : levelledParams(spec, primesPerLevel);
}

/** Levels that so many iterations need. */
function levelsFor(iterations: number): number {
  return 1 + LEVELS_PER_ITERATION * (iterations - 1);
}

/** The smallest ring of 128 bits that has the levels, with keys of at most five digits. @throws {InvalidParamsError} */
function levelledParams({ iterations, rule }: LogisticSpec, primesPerLevel: number): CkksParams {
  const bits = rule === 'publish' ? publishedLevelBits(iterations) : LEVEL_BITS;
  // The result of a release holds the flooding noise as well: one more prime stays below it.
  const primes = primesPerLevel * levelsFor(iterations) + (rule === 'publish' ? 1 : 0);
  const logQ = [LAST_BITS, ...new Array<number>(primes).fill(bits)];
  const used = logQ.reduce((sum, each) => sum + each, 0);
  for (const logN of [13, 14, 15, 16]) {
    const special = Math.min(16, logQ.length, Math.floor((logQPCeiling(logN) - used) / SPECIAL_BITS));
    if (special < 1 || Math.ceil(logQ.length / special) > MAX_DIGITS) continue;
    // No more than it takes for the same number of digits.
    const digits = Math.ceil(logQ.length / special);
    const logP = new Array<number>(Math.ceil(logQ.length / digits)).fill(SPECIAL_BITS);
    const spec: CkksSpec = { logN, logQ, logP, logScale: primesPerLevel * bits };
    return CkksParams.create(spec);
  }
  const most = mostIterations(rule, primesPerLevel);
  throw new InvalidParamsError(
    `${iterations} iterations need more levels than there are without bootstrapping: at most ${most}, or with bootstrapping`,
    { iterations, most },
  );
}

function mostIterations(rule: ReleaseRule, primesPerLevel: number): number {
  if (rule === 'publish') return MOST_PUBLISHED;
  for (let most = 1; ; most++) {
    const primes = primesPerLevel * levelsFor(most + 1) + 2;
    if (primes * LEVEL_BITS * (1 + 1 / MAX_DIGITS) > logQPCeiling(16)) return most;
  }
}

/** Inputs of the circuit: the constant, the columns and the sign of the label. */
export const INPUT_BOUND = VALUE_BOUND;

printOnOneLine(LogisticProgram);
arg.guard('LogisticProgram', LogisticProgram.prototype, {
  iterationsFrom: { level: arg.number },
  needsRefresh: { level: arg.number, iteration: arg.number },
  rowsOf: { party: arg.number },
  ciphertextsOf: { party: arg.number },
});
