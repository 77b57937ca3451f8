/**
 * CKKS operations with the scale of every result given exactly: circuits are planned with the scale of every node as a number, and nothing is
 * "assumed equal". The bounds of values are the circuit's own, too: what is known of a Chebyshev polynomial, say, and not of three
 * products, so they replace the worst case that an evaluator follows.
 */
import * as arg from '../base/arguments.ts';
import { printOnOneLine } from '../base/inspect.ts';
import { LevelExhaustedError, ScaleMismatchError } from '../base/errors.ts';
import type { Arena } from '../ring/arena.ts';
import { allocateCiphertext } from '../schemes/rlwe/ciphertext.ts';
import { conjugationElement, rotationElement } from '../schemes/rlwe/keys/key-plan.ts';
import { dropLimbsInto, galoisInto } from '../schemes/rlwe/key-switching.ts';
import type { CkksCiphertext } from '../schemes/ckks/ciphertext.ts';
import { constantResidues } from '../schemes/ckks/constant-residues.ts';
import type { CkksContextBase } from '../schemes/ckks/context-base.ts';
import type { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';

/** Relative difference of two numbers for the same scale, computed in another order: far below any noise. */
const EXACT_SCALE_TOLERANCE = 2 ** -40;

/** What is said of a result: every slot, noise included, is at most `maxAbs`. */
export interface ExactTarget {
  readonly level: number;
  readonly scale: number;
  readonly maxAbs: number;
}

/** A ciphertext with a complex factor. */
export interface WeightedTerm {
  readonly ciphertext: CkksCiphertext;
  readonly re: number;
  readonly im: number;
}

export function isSameScale(a: number, b: number): boolean {
  return Math.abs(a - b) <= EXACT_SCALE_TOLERANCE * Math.abs(b);
}

/** Results belong to the arena; arguments are borrowed unless a method says otherwise. */
export class ExactOperations {
  readonly context: CkksContextBase;
  readonly keys: EvaluationKeys;
  readonly arena: Arena;

  constructor(context: CkksContextBase, keys: EvaluationKeys, arena: Arena) {
    arg.checkArguments('new ExactOperations', [context, keys, arena], {
      context: arg.like('a CkksContextBase', 'embedding', 'arena'),
      keys: arg.like('an EvaluationKeys', 'has', 'galoisKey'),
      arena: arg.like('an Arena', 'make', 'adopt'),
    });
    context.assertOwn('evaluation keys', keys);
    this.context = context;
    this.keys = keys;
    this.arena = arena;
  }

  /** The prime q_level. */
  prime(level: number): number {
    return this.context.params.q[level]!.q;
  }

  /** The words of `a` under another scale or bound: its values are then a.scale / scale times what they were. `a` is used up. */
  restate(a: CkksCiphertext, facts: Partial<Omit<ExactTarget, 'level'>>): CkksCiphertext {
    const Same = a.constructor as new (words: typeof a.words, facts: typeof a.facts) => CkksCiphertext;
    const stated = { ...a.facts, ...facts };
    return this.arena.adopt(new Same(a.takeWords(), stated));
  }

  /** A copy at a level not above that of `a`. */
  lowered(a: CkksCiphertext, level: number): CkksCiphertext {
    if (level > a.level) throw new LevelExhaustedError('a circuit', a.level, level);
    const out = allocateCiphertext(this.arena, a, { level });
    dropLimbsInto(out, a);
    return out;
  }

  /** a b, relinearised and rescaled: at the lower level less one, at Delta_a Delta_b / q. */
  multiply(a: CkksCiphertext, b: CkksCiphertext, maxAbs: number): CkksCiphertext {
    const level = Math.min(a.level, b.level);
    if (level === 0) throw new LevelExhaustedError('a product in a circuit', 0, 1);
    const { kernel, ring } = this.context;
    const key = this.keys.relinearizationKey(level);
    const [x, y] = [a, b].map((factor) =>
      factor.level === level ? factor : this.lowered(factor, level),
    ) as [CkksCiphertext, CkksCiphertext];
    const scale = (a.scale * b.scale) / this.prime(level);
    const out = allocateCiphertext(this.arena, x, { level: level - 1, scale, maxAbs });
    const shape = this.context.keySwitchShape(level, key.maxLevel);
    kernel.multiplyRelinearizeRescale(ring.tables, out.words, x.words, y.words, key.words(level), shape);
    if (x !== a) x[Symbol.dispose]();
    if (y !== b) y[Symbol.dispose]();
    return out;
  }

  /** a + b at the lower level, disposing both. @throws {ScaleMismatchError} */
  addUp(a: CkksCiphertext, b: CkksCiphertext, maxAbs: number): CkksCiphertext {
    if (!isSameScale(a.scale, b.scale)) throw new ScaleMismatchError('a sum in a circuit', a.scale, b.scale);
    const [low, high] = a.level <= b.level ? [a, b] : [b, a];
    const other = high.level === low.level ? high : this.lowered(high, low.level);
    this.#add('add', low, low, other);
    for (const used of new Set([high, other])) used[Symbol.dispose]();
    return this.restate(low, { maxAbs });
  }

  /** a - b, which are at one level; `a` is written to. @throws {ScaleMismatchError} */
  subtractFrom(a: CkksCiphertext, b: CkksCiphertext): void {
    if (!isSameScale(a.scale, b.scale))
      throw new ScaleMismatchError('a difference in a circuit', a.scale, b.scale);
    this.#add('sub', a, a, b);
  }

  /** a + a, in place. */
  double(a: CkksCiphertext): void {
    this.#add('add', a, a, a);
  }

  #add(op: 'add' | 'sub', out: CkksCiphertext, a: CkksCiphertext, b: CkksCiphertext): void {
    this.context.kernel[op](this.context.ring.tables, out.words, a.words, b.words, a.mods);
  }

  /** Adds a real number to every slot, in place. */
  addConstant(a: CkksCiphertext, value: number): void {
    const { kernel, ring, params } = this.context;
    const scalars = constantResidues(params, value * a.scale, a.mods);
    const c0 = a.part(0, 0).words;
    kernel.addScalar(ring.tables, c0, c0, scalars, a.mods);
  }

  /** Times an integer, in place: the scale stays, the values are multiplied. */
  multiplyInteger(a: CkksCiphertext, factor: number): void {
    const { kernel, ring, params } = this.context;
    kernel.mulScalar(ring.tables, a.words, a.words, constantResidues(params, factor, a.mods), a.mods);
  }

  /** Times i, or -i, slot by slot: X^(N/2) is i in every slot. In place. */
  multiplyByI(a: CkksCiphertext, sign: 1 | -1 = 1): void {
    const { kernel, ring, params } = this.context;
    const monomial = ring.monomial((sign * params.n) / 2).sub(0, a.polyWords);
    kernel.mul(ring.tables, a.words, a.words, monomial, a.mods);
  }

  /** Divides by q_level and rounds; `a` is disposed. */
  rescale(a: CkksCiphertext): CkksCiphertext {
    const { kernel, ring } = this.context;
    if (a.level === 0) throw new LevelExhaustedError('a rescaling in a circuit', 0, 1);
    const scale = a.scale / this.prime(a.level);
    const out = allocateCiphertext(this.arena, a, { level: a.level - 1, scale });
    kernel.rescale(ring.tables, out.words, a.words, a.mods);
    a[Symbol.dispose]();
    return out;
  }

  /** Slots shifted left by `step`. @throws {MissingKeyError} */
  rotate(a: CkksCiphertext, step: number): CkksCiphertext {
    const element = rotationElement(this.context.params.n, step);
    if (element === 1) return this.lowered(a, a.level);
    return this.#galois(a, element);
  }

  /** @throws {MissingKeyError} */
  conjugate(a: CkksCiphertext): CkksCiphertext {
    return this.#galois(a, conjugationElement(this.context.params.n));
  }

  #galois(a: CkksCiphertext, element: ReturnType<typeof conjugationElement>): CkksCiphertext {
    this.keys.galoisKey(element, a.level);
    const out = allocateCiphertext(this.arena, a);
    galoisInto(out, a, element, this.keys);
    return out;
  }

  /**
   * The sum of terms times complex constants at exactly this level and scale: each constant is encoded at the scale that makes its product
   * meet the target, and one division by q_(level + 1) ends it.
   *
   * @throws {LevelExhaustedError} when a term is not above the target level.
   */
  weightedSum(terms: readonly WeightedTerm[], target: ExactTarget): CkksCiphertext {
    const { kernel, ring, params } = this.context;
    const above = target.level + 1;
    const like = terms[0]!.ciphertext;
    const mods = this.context.qMods(above);
    const poly = mods.length * params.n;
    const scale = target.scale * this.prime(above);
    const sum = allocateCiphertext(this.arena, like, { level: above, scale, maxAbs: target.maxAbs });
    using space = kernel.allocate(poly);
    let imaginary: CkksCiphertext | undefined;
    const addTo = (into: CkksCiphertext, from: CkksCiphertext, factor: number): void => {
      const scalars = constantResidues(params, (factor * scale) / from.scale, mods);
      for (const part of [0, 1]) {
        kernel.mulScalar(ring.tables, space, from.part(0, part).words.sub(0, poly), scalars, mods);
        const to = into.part(0, part).words;
        kernel.add(ring.tables, to, to, space, mods);
      }
    };
    for (const { ciphertext, re, im } of terms) {
      if (ciphertext.level < above)
        throw new LevelExhaustedError('a sum in a circuit', ciphertext.level, above);
      if (re !== 0) addTo(sum, ciphertext, re);
      if (im === 0) continue;
      imaginary ??= allocateCiphertext(this.arena, sum);
      addTo(imaginary, ciphertext, im);
    }
    if (imaginary !== undefined) {
      kernel.mulAdd(ring.tables, sum.words, imaginary.words, ring.monomial(params.n / 2).sub(0, poly), mods);
      imaginary[Symbol.dispose]();
    }
    return this.restate(this.rescale(sum), { scale: target.scale });
  }

  /**
   * `a` itself at exactly this level and scale, as a new ciphertext: a copy where the scale is the same, else one product with a constant.
   *
   * @throws {LevelExhaustedError} when a product is needed and `a` is at the target level.
   */
  brought(a: CkksCiphertext, target: ExactTarget): CkksCiphertext {
    if (isSameScale(a.scale, target.scale)) return this.restate(this.lowered(a, target.level), target);
    return this.weightedSum([{ ciphertext: a, re: 1, im: 0 }], target);
  }
}

printOnOneLine(ExactOperations);
arg.guard('ExactOperations', ExactOperations.prototype, {
  prime: { level: arg.number },
  restate: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), facts: arg.options },
  lowered: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), level: arg.number },
  multiply: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    b: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    maxAbs: arg.number,
  },
  addUp: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    b: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    maxAbs: arg.number,
  },
  subtractFrom: {
    a: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    b: arg.like('a CkksCiphertext', 'toBytes', 'at'),
  },
  double: { a: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  addConstant: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), value: arg.number },
  multiplyInteger: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), factor: arg.number },
  multiplyByI: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), sign: arg.optional(arg.number) },
  rescale: { a: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  rotate: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), step: arg.number },
  conjugate: { a: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  weightedSum: { terms: arg.list, target: arg.options },
  brought: { a: arg.like('a CkksCiphertext', 'toBytes', 'at'), target: arg.options },
});
