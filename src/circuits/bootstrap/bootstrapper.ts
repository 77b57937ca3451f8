/**
 * Bootstrapping: a ciphertext at its last levels becomes one at high levels, its values mapped by any circle functions on the way.
 *
 * Slots go to coefficients first, so that the values themselves meet the circle; the modulus is raised under a sparse secret [BTH22],
 * coefficients go back to slots, E = exp(2 pi i x) is computed once, and each circle function is a polynomial in E. Real numbers, bits,
 * tables and activations differ in nothing else.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError, ScaleMismatchError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import { Scratch } from '../../ring/scratch.ts';
import { copyWords } from '../../ring/poly.ts';
import { allocateCiphertext } from '../../schemes/rlwe/ciphertext.ts';
import type { EncapsulationKeys } from '../../schemes/rlwe/keys/encapsulation-keys.ts';
import type { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContextBase } from '../../schemes/ckks/context-base.ts';
import { CkksEncoder } from '../../schemes/ckks/encoder.ts';
import type { LinearTransform } from '../../schemes/ckks/linear-transform.ts';
import { bitFunction, type CircleFunction, identityFunction, TURN_STEPS } from '../circle/circle-function.ts';
import { ExactOperations, isSameScale } from '../exact-operations.ts';
import { applyLinearMap } from '../linear/linear-map.ts';
import { evaluateSeries, PolynomialBasis } from '../polynomial/evaluate.ts';
import type { Series } from '../polynomial/series.ts';
import { babyStepsOf, type DftFactor } from './dft-factors.ts';
import { exponential, turningSeries } from './exponential.ts';
import { type BootstrapPlan, isScaledCosine } from './plan.ts';

export interface BootstrapKeys {
  readonly evaluation: EvaluationKeys;
  readonly encapsulation: EncapsulationKeys;
}

/** Values in slots with their noise: what a result may exceed its bound by. */
const NOISE_ROOM = 2 ** -10;
/** Relative: bounds are rounded up to quarters of a bit, and noise is added. */
const BOUND_ROOM = 2 ** -2;
/** Arguments u = x / K in [-1, 1], noise included. */
const ARGUMENT_BOUND = 1.01;

export class Bootstrapper implements Disposable {
  readonly plan: BootstrapPlan;
  #context: CkksContextBase;
  #keys: BootstrapKeys;
  #factors: Arena;
  #toCoefficients: readonly LinearTransform[];
  #toSlots: readonly LinearTransform[];
  #series: Series;

  /**
   * Encodes the factors of the transforms, which takes a while at full size. Keys are borrowed.
   *
   * @throws {ParamsMismatchError} {@link KernelError} when memory is exhausted.
   */
  constructor(context: CkksContextBase, keys: BootstrapKeys, plan: BootstrapPlan) {
    arg.checkArguments('new Bootstrapper', [context, keys, plan], {
      context: arg.like('a CkksContextBase', 'embedding', 'arena'),
      keys: arg.like('a BootstrapKeys', 'evaluation', 'encapsulation'),
      plan: arg.like('a BootstrapPlan', 'outputLevel', 'levelsLeft'),
    });
    for (const [what, object] of [
      ['a bootstrap plan', { paramsId: plan.params.id }],
      ['evaluation keys', keys.evaluation],
      ['encapsulation keys', keys.encapsulation],
    ] as const)
      context.assertOwn(what, object);
    this.plan = plan;
    this.#context = context;
    this.#keys = keys;
    this.#series = turningSeries(plan.range);
    this.#factors = context.arena();
    const { params } = context;
    const { defaultScale: scale, slots: all } = params;
    const q0 = params.q[0]!.q;
    // Forward: values v at `scale` become v q_0 / TURN_STEPS. Back: at K q_0, times N/2 by the trace and by the factors, to half the scale,
    // because the real parts are doubled.
    const down = q0 / TURN_STEPS / scale;
    const up = scale / (2 * plan.range * q0 * all);
    this.#toCoefficients = this.#encode(plan.slotsToCoefficients, plan.inputLevel, down);
    this.#toSlots = this.#encode(plan.coefficientsToSlots, params.maxLevel, up);
  }

  /** The factors one level below another, which together change the scale by `change`: each takes an equal part of it. */
  #encode(factors: readonly DftFactor[], top: number, change: number): LinearTransform[] {
    const { params } = this.#context;
    const encoder = new CkksEncoder(this.#context, this.#factors);
    const each = change ** (1 / factors.length);
    return factors.map((factor, i) =>
      factor.map.encode(encoder, params.slots, {
        level: top - i,
        scale: params.q[top - i]!.q * each,
        babySteps: babyStepsOf(this.plan.slots, factor),
      }),
    );
  }

  /**
   * Real values with |v| <= bound, a power of two up to 64, at the highest level that a bootstrap leaves.
   *
   * - level: `plan.outputLevel(identityFunction(bound))`. scale: the default one, exactly
   * - noise: near 2^-22 of the bound at N = 2^16, standard deviation
   *
   * @throws as {@link apply}.
   */
  refresh(a: CkksCiphertext, arena: Arena, { bound = 1 }: { readonly bound?: number } = {}): CkksCiphertext {
    return this.apply(a, identityFunction(bound), arena);
  }

  /** Bits, cleaned: noise e becomes about 2.5 e^2 and the noise of the circuit. @throws as {@link apply}. */
  refreshBits(a: CkksCiphertext, arena: Arena): CkksCiphertext {
    return this.apply(a, bitFunction, arena);
  }

  /**
   * A circle function of every slot, in the arena.
   *
   * @throws {ScaleMismatchError} when the scale is not the default one and no level is left to make it so. {@link LevelExhaustedError}
   * {@link OutOfRangeError} when what is known of the values exceeds the bound of the function. {@link MissingKeyError}
   */
  apply(a: CkksCiphertext, f: CircleFunction, arena: Arena): CkksCiphertext {
    return this.applyMany(a, [f], arena)[0]!;
  }

  /** Several circle functions of the same input, with the same turn: one exponential for all. @throws as {@link apply}. */
  applyMany(a: CkksCiphertext, functions: readonly CircleFunction[], arena: Arena): CkksCiphertext[] {
    const first = functions[0];
    if (first === undefined) throw new OutOfRangeError('functions of a bootstrap', 'at least one', 0);
    for (const { turns, name } of functions)
      if (turns !== first.turns)
        throw new OutOfRangeError(`the turn of ${name}`, `that of ${first.name}, ${first.turns}`, turns);
    for (const { bound, name } of functions)
      if (a.maxAbs > bound * (1 + BOUND_ROOM))
        throw new OutOfRangeError(
          `values for ${name}, as far as is known (declareMaxAbs)`,
          `at most ${bound}`,
          a.maxAbs,
        );
    using work = this.#context.arena();
    const operations = new ExactOperations(this.#context, this.#keys.evaluation, work);
    const sparse = this.#encapsulated(operations, this.#coefficients(operations, a, first.turns));
    const isFree = functions.length === 1 && isScaledCosine(first);
    const { defaultScale } = this.plan.params;
    const scale = isFree ? (defaultScale * Math.abs(first.series.re[1]!)) / 2 : defaultScale;
    const e = this.exponentialOf(operations, sparse, scale);
    if (isFree) return [arena.adopt(work.keep(this.#scaledCosine(operations, e, first)))];
    using powers = new PolynomialBasis(operations, 'power', e);
    return functions.map((f) => arena.adopt(work.keep(this.#value(operations, powers, f))));
  }

  /**
   * exp(2 pi i x), x the phases of a ciphertext at level 0 under the sparse secret, which is used up, divided by q_0, their order that of
   * slots to coefficients: real parts only. The part of a bootstrap that meets phases of every size.
   */
  exponentialOf(operations: ExactOperations, sparse: CkksCiphertext, scale?: number): CkksCiphertext {
    using argument = this.#argument(operations, sparse);
    return exponential(operations, argument, this.#series, scale ?? this.plan.params.defaultScale);
  }

  /** Level 0, the coefficients v h q_0. */
  #coefficients(operations: ExactOperations, a: CkksCiphertext, turns: number): CkksCiphertext {
    const { plan } = this;
    const { params } = plan;
    this.#context.assertOwn('a ciphertext to bootstrap', a);
    const input = { level: plan.inputLevel, scale: params.defaultScale, maxAbs: a.maxAbs };
    if (!isSameScale(a.scale, input.scale) && a.level <= plan.inputLevel)
      throw new ScaleMismatchError('bootstrap', a.scale, input.scale);
    let at = operations.brought(a, input);
    for (const transform of this.#toCoefficients) {
      const next = applyLinearMap(operations, at, transform, { maxAbs: a.maxAbs });
      at[Symbol.dispose]();
      at = next;
    }
    operations.multiplyInteger(at, turns);
    return operations.restate(at, { scale: (params.q[0]!.q * turns) / TURN_STEPS });
  }

  /** Under the sparse secret. `a` is used up. */
  #encapsulated(operations: ExactOperations, a: CkksCiphertext): CkksCiphertext {
    const { kernel, ring } = this.#context;
    const { words, shape } = this.#keys.encapsulation.toSparse;
    const out = allocateCiphertext(operations.arena, a);
    kernel.keySwitch(ring.tables, out.words, a.part(0, 1).words, words, 1, shape);
    const c0 = out.part(0, 0).words;
    kernel.add(ring.tables, c0, c0, a.part(0, 0).words, a.mods);
    a[Symbol.dispose]();
    return out;
  }

  /**
   * From a ciphertext at level 0 under the sparse secret, which is used up, to x / K in real slots, x the phase divided by q_0: its
   * fraction is what the coefficients held, and the multiples of q_0 that the raised modulus uncovers are its integer part.
   */
  #argument(operations: ExactOperations, sparse: CkksCiphertext): CkksCiphertext {
    const { params } = this.#context;
    const { range, slots } = this.plan;
    let at = this.#raised(operations, sparse);
    for (const step of this.plan.traceRotations) {
      at = operations.addUp(at, operations.rotate(at, step), ARGUMENT_BOUND);
    }
    at = operations.restate(at, { scale: range * params.q[0]!.q * (params.slots / slots) });
    for (const transform of this.#toSlots) {
      const next = applyLinearMap(operations, at, transform, { maxAbs: ARGUMENT_BOUND });
      at[Symbol.dispose]();
      at = next;
    }
    const both = operations.addUp(at, operations.conjugate(at), ARGUMENT_BOUND);
    return operations.restate(both, { scale: params.defaultScale });
  }

  /** The centred residues modulo q_0 over all primes, switched back to the dense secret. */
  #raised(operations: ExactOperations, sparse: CkksCiphertext): CkksCiphertext {
    const { kernel, ring, params } = this.#context;
    const top = params.maxLevel;
    const mods = this.#context.qMods(top);
    const { fromSparse } = this.#keys.encapsulation;
    using scratch = new Scratch(kernel);
    const centred = new Float64Array(params.n);
    const residues = scratch.allocate(params.n);
    const raised = scratch.allocate(2 * mods.length * params.n);
    const poly = mods.length * params.n;
    for (const part of [0, 1]) {
      copyWords(residues, sparse.part(0, part).words);
      kernel.nttInverse(ring.tables, residues, [0]);
      kernel.toDoubles(ring.tables, centred, residues, [0]);
      kernel.transformDoubles(ring.tables, raised.sub(part * poly, poly), centred, mods);
    }
    const out = allocateCiphertext(operations.arena, sparse, { level: top, maxAbs: ARGUMENT_BOUND });
    sparse[Symbol.dispose]();
    const shape = this.#context.keySwitchShape(top, fromSparse.maxLevel);
    kernel.keySwitch(ring.tables, out.words, raised.sub(poly, poly), fromSparse.words(top), 1, shape);
    const c0 = out.part(0, 0).words;
    kernel.add(ring.tables, c0, c0, raised.sub(0, poly), mods);
    return out;
  }

  /** d_0 + d_1 Re E, read off E at the scale that was chosen for it. `e` is used up. */
  #scaledCosine(operations: ExactOperations, e: CkksCiphertext, f: CircleFunction): CkksCiphertext {
    const { re } = f.series;
    const maxAbs = f.maxAbs + NOISE_ROOM;
    const both = operations.addUp(e, operations.conjugate(e), maxAbs);
    if (re[1]! < 0) operations.multiplyInteger(both, -1);
    const out = operations.restate(both, { scale: this.plan.params.defaultScale });
    operations.addConstant(out, re[0]!);
    return out;
  }

  /** Re sum d_k E^k: half the polynomial, and its conjugate. */
  #value(operations: ExactOperations, powers: PolynomialBasis, f: CircleFunction): CkksCiphertext {
    const { series } = f;
    const half = (values: readonly number[]): number[] => values.map((value, k) => (k === 0 ? 0 : value / 2));
    const halved: Series = { kind: 'power', re: half(series.re), im: half(series.im) };
    const maxAbs = f.maxAbs + NOISE_ROOM;
    const target = { level: this.plan.outputLevel(f), scale: this.plan.params.defaultScale, maxAbs };
    const sum = evaluateSeries(powers, halved, target);
    const out = operations.addUp(sum, operations.conjugate(sum), maxAbs);
    operations.addConstant(out, series.re[0]!);
    return out;
  }

  [Symbol.dispose](): void {
    this.#factors[Symbol.dispose]();
  }
}

printOnOneLine(Bootstrapper);
arg.guard('Bootstrapper', Bootstrapper.prototype, {
  refresh: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    arena: arg.like('an Arena', 'make', 'adopt'),
    options: arg.optional(arg.options),
  },
  refreshBits: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
  apply: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    f: arg.like('a CircleFunction', 'name', 'turns'),
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
  applyMany: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    functions: arg.list,
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
  exponentialOf: {
    operations: arg.like('an ExactOperations', 'prime', 'restate'),
    sparse: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    scale: arg.optional(arg.number),
  },
});
