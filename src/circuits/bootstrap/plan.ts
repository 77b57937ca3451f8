/**
 * What a bootstrap will need and give, before a key is made: levels, keys, bytes, operations.
 *
 * The chain of levels, from the top: the factors of coefficients to slots, then E = exp(2 pi i x) (a Chebyshev polynomial and two
 * squarings), then the circle function. Slots to coefficients comes first, on the last levels of the input.
 */
import { InvalidParamsError, LevelExhaustedError, LimitError } from '../../base/errors.ts';
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import { EncapsulationKeys, SPARSE_WEIGHT } from '../../schemes/rlwe/keys/encapsulation-keys.ts';
import { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { conjugationElement, type KeyPlan, resolveKeyPlan } from '../../schemes/rlwe/keys/key-plan.ts';
import { type HomomorphicWork, type MachineCosts, predictedSeconds, referenceCosts } from '../cost.ts';
import type { CircleFunction } from '../circle/circle-function.ts';
import { degreeOf, depthOf } from '../polynomial/series.ts';
import {
  babyStepsOf,
  coefficientsToSlotsFactors,
  type DftFactor,
  slotsToCoefficientsFactors,
} from './dft-factors.ts';

/** exp is approximated on 1 / 2^DOUBLINGS of its argument, then squared so often. */
export const DOUBLINGS = 2;
/** Of the Chebyshev polynomial; the largest that six levels allow. At range 21 its error is 2^-40. */
export const EXPONENTIAL_DEGREE = 63;

/**
 * Phases are at most (weight + 1) / 2 times q_0, whatever the ciphertext: both parts are centred, and the secret has that many non-zero
 * coefficients. So no ciphertext leaves the range, with probability 1.
 */
export const PHASE_RANGE = Math.ceil((SPARSE_WEIGHT + 1) / 2);

/** Factors of radix 32 at most: the products of their diagonals are what a bootstrap spends most of its time on. */
const STAGES_PER_FACTOR = 5;
const WORD_BYTES = 8;

export interface BootstrapOptions {
  /** Values in use: a power of two up to N/2, which slot vectors repeat. Default N/2. */
  readonly slots?: number;
  /** For tests on insecure parameters, to see a bootstrap whose range is too small fail. Default {@link PHASE_RANGE}. */
  readonly range?: number;
}

export class BootstrapPlan {
  readonly params: CkksParams;
  readonly slots: number;
  readonly range: number;
  /** Of the transform in either direction. */
  readonly factorCount: number;
  #slotsToCoefficients: readonly DftFactor[] | undefined;
  #coefficientsToSlots: readonly DftFactor[] | undefined;

  /** @throws {InvalidParamsError} for slots that do not fit, or parameters with too few levels. */
  constructor(params: CkksParams, options: BootstrapOptions = {}) {
    arg.checkArguments('new BootstrapPlan', [params, options], {
      params: arg.like('a CkksParams', 'toBytes', 'qMods'),
      options: arg.optional(arg.options),
    });
    const slots = options.slots ?? params.slots;
    if (!Number.isInteger(Math.log2(slots)) || slots < 2 || slots > params.slots)
      throw new InvalidParamsError(`a bootstrap works on a power of two of slots from 2 to ${params.slots}`, {
        slots,
      });
    this.range = options.range ?? PHASE_RANGE;
    if (this.range < PHASE_RANGE && !params.isInsecure)
      throw new InvalidParamsError(`the range of a bootstrap is at least ${PHASE_RANGE}`, {
        range: this.range,
      });
    this.params = params;
    this.slots = slots;
    this.factorCount = Math.ceil(Math.log2(slots) / STAGES_PER_FACTOR);
    if (this.exponentialLevel < 0)
      throw new InvalidParamsError(
        `a bootstrap of ${slots} slots needs ${params.maxLevel - this.exponentialLevel} levels, but there are ${params.maxLevel}`,
        { levels: params.maxLevel },
      );
  }

  /** Made when they are first asked for: levels are known without them. */
  get slotsToCoefficients(): readonly DftFactor[] {
    this.#slotsToCoefficients ??= slotsToCoefficientsFactors(this.slots, this.factorCount);
    return this.#slotsToCoefficients;
  }

  get coefficientsToSlots(): readonly DftFactor[] {
    this.#coefficientsToSlots ??= coefficientsToSlotsFactors(this.slots, this.factorCount);
    return this.#coefficientsToSlots;
  }

  /** The lowest level that an input may have. */
  get inputLevel(): number {
    return this.factorCount;
  }

  /** Where slots hold the arguments of the exponential. */
  get argumentLevel(): number {
    return this.params.maxLevel - this.factorCount;
  }

  /** Where E is. */
  get exponentialLevel(): number {
    return this.argumentLevel - depthOf(EXPONENTIAL_DEGREE) - DOUBLINGS;
  }

  /** The level of the result of a circle function. @throws {LevelExhaustedError} */
  outputLevel(f: CircleFunction): number {
    const depth = isScaledCosine(f) ? 0 : depthOf(degreeOf(f.series));
    const level = this.exponentialLevel - depth;
    if (level < 0) throw new LevelExhaustedError(`a bootstrap with ${f.name}`, this.exponentialLevel, depth);
    return level;
  }

  /** Levels for computing between the result of `f` and the next bootstrap. */
  levelsLeft(f: CircleFunction): number {
    return this.outputLevel(f) - this.inputLevel;
  }

  /** Rotations of the trace onto the subring with `slots` slots. */
  get traceRotations(): number[] {
    const count = Math.log2(this.params.slots / this.slots);
    return Array.from({ length: count }, (_, i) => this.slots * 2 ** i);
  }

  /** The evaluation keys of the circuit, with those of `program` besides. */
  keyPlan(program: KeyPlan = {}): KeyPlan {
    const { params, argumentLevel } = this;
    const rotations = [...(program.rotations ?? [])];
    for (const step of this.traceRotations) rotations.push({ step, maxLevel: params.maxLevel });
    this.coefficientsToSlots.forEach((factor, i) => {
      for (const step of factor.map.rotations(params.slots, babyStepsOf(this.slots, factor)))
        rotations.push({ step, maxLevel: params.maxLevel - i });
    });
    this.slotsToCoefficients.forEach((factor, i) => {
      for (const step of factor.map.rotations(params.slots, babyStepsOf(this.slots, factor)))
        rotations.push({ step, maxLevel: this.inputLevel - i });
    });
    const conjugation = { element: conjugationElement(params.n), maxLevel: argumentLevel };
    return {
      ...program,
      relinearize: program.relinearize === true ? true : { maxLevel: argumentLevel },
      rotations,
      galois: [...(program.galois ?? []), conjugation],
    };
  }

  /** Sizes in bytes: of keys in memory and on the wire, of the encoded factors, and of ciphertexts while a bootstrap runs. */
  bytes(program: KeyPlan = {}): { keys: number; wire: number; factors: number; working: number } {
    const { params } = this;
    const keyPlan = this.keyPlan(program);
    const resolved = resolveKeyPlan(params, keyPlan);
    const limbs = (level: number): number => level + 1 + params.p.length;
    const keyBytes = (level: number): number =>
      2 * params.digits(level) * limbs(level) * params.n * WORD_BYTES;
    const levels = [...resolved.galois.map(({ maxLevel }) => maxLevel), params.maxLevel];
    if (resolved.relinearizeLevel !== null) levels.push(resolved.relinearizeLevel);
    const factorBytes = (factors: readonly DftFactor[], top: number): number =>
      factors.reduce((sum, { map }, i) => sum + map.steps.length * limbs(top - i) * params.n * WORD_BYTES, 0);
    return {
      keys: levels.reduce((sum, level) => sum + keyBytes(level), 0),
      wire: EvaluationKeys.byteLength(params, keyPlan) + EncapsulationKeys.byteLength(params),
      factors:
        factorBytes(this.coefficientsToSlots, params.maxLevel) +
        factorBytes(this.slotsToCoefficients, this.inputLevel),
      working: WORKING_CIPHERTEXTS * 2 * limbs(params.maxLevel) * params.n * WORD_BYTES,
    };
  }

  /** The most slots, up to those of this plan, with which a bootstrap and its keys fit in so many bytes. */
  fittingSlots(memory: number): number | undefined {
    for (let slots = this.slots; slots >= 2; slots /= 2) {
      const { keys, factors, working } = new BootstrapPlan(this.params, { slots }).bytes();
      if (keys + factors + working <= memory) return slots;
    }
    return undefined;
  }

  /** Before keys are made or read. @throws {LimitError} that names the bundle that would fit. */
  assertFits(memory: number): void {
    const { keys, factors, working } = this.bytes();
    const needed = keys + factors + working;
    if (needed <= memory) return;
    const slots = this.fittingSlots(memory);
    const advice = slots === undefined ? 'no bundle fits' : `the bundle for ${slots} slots fits`;
    const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new LimitError(
      `the memory of a bootstrap of ${this.slots} slots`,
      `${gigabytes(memory)} (${advice})`,
      gigabytes(needed),
    );
  }

  /** Key switches with the limbs that each works on, and diagonals with theirs: what takes the time. */
  work(f: CircleFunction): HomomorphicWork {
    return this.workOfMany([f]);
  }

  /** The same for several circle functions of one exponential, at least one. */
  workOfMany(functions: readonly CircleFunction[]): HomomorphicWork {
    const [keySwitches, diagonals]: [number[], number[]] = [[], []];
    const many = (list: number[], count: number, level: number): void => {
      for (let i = 0; i < count; i++) list.push(level + 1);
    };
    const transform = (factors: readonly DftFactor[], top: number): void => {
      factors.forEach((factor, i) => {
        const rotations = factor.map.rotations(this.params.slots, babyStepsOf(this.slots, factor));
        many(keySwitches, rotations.length, top - i);
        many(diagonals, factor.map.steps.length, top - i);
      });
    };
    transform(this.slotsToCoefficients, this.inputLevel);
    many(keySwitches, 1 + this.traceRotations.length, this.params.maxLevel);
    transform(this.coefficientsToSlots, this.params.maxLevel);
    many(keySwitches, 1, this.argumentLevel);
    // Babies T_2 .. T_7, giants T_8, T_16, T_32, nine joins; then the squarings.
    many(keySwitches, 18, this.argumentLevel - 2);
    many(keySwitches, DOUBLINGS, this.exponentialLevel + 1);
    // Constants cost about what diagonals do.
    many(diagonals, EXPONENTIAL_DEGREE, this.argumentLevel - 4);
    functions.forEach((f, i) => {
      many(keySwitches, 1, this.outputLevel(f));
      if (isScaledCosine(f)) return;
      const degree = degreeOf(f.series);
      many(diagonals, 2 * degree, this.exponentialLevel - 1);
      // The powers are made once; each function joins its own parts.
      many(keySwitches, Math.ceil((i === 0 ? 2 : 1) * Math.sqrt(degree + 1)), this.exponentialLevel);
    });
    return { keySwitches, diagonals };
  }

  /** Seconds of one thread for a bootstrap with `f`, as far as the costs of the machine are known. */
  seconds(
    f: CircleFunction,
    costs: MachineCosts = referenceCosts(this.params.logN, this.params.p.length),
  ): number {
    return predictedSeconds(this.work(f), costs);
  }

  /** log2 of the probability that a phase leaves the range: it cannot. */
  get logWrapProbability(): number {
    return this.range >= PHASE_RANGE ? -Infinity : 0;
  }
}

/** At most so many ciphertexts at the top are alive at once: the powers of the argument and the sums of a factor. */
const WORKING_CIPHERTEXTS = 24;

/** Degree one with a real coefficient: its factor can be a matter of scale alone, and costs no level. */
export function isScaledCosine({ series }: CircleFunction): boolean {
  return degreeOf(series) === 1 && series.im[1] === 0;
}

printOnOneLine(BootstrapPlan);
arg.guard('BootstrapPlan', BootstrapPlan.prototype, {
  outputLevel: { f: arg.like('a CircleFunction', 'name', 'turns') },
  levelsLeft: { f: arg.like('a CircleFunction', 'name', 'turns') },
  keyPlan: { program: arg.optional(arg.options) },
  bytes: { program: arg.optional(arg.options) },
  work: { f: arg.like('a CircleFunction', 'name', 'turns') },
  workOfMany: { functions: arg.list },
  fittingSlots: { memory: arg.number },
  assertFits: { memory: arg.number },
  seconds: {
    f: arg.like('a CircleFunction', 'name', 'turns'),
    costs: arg.optional(arg.like('a MachineCosts', 'keySwitch', 'diagonal')),
  },
});
