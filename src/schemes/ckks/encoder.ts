/**
 * Numbers to plaintexts and back. Symbols: N the ring degree, Delta the scale, s the number of slots of the subring in use.
 *
 * Noise of encoding: each coefficient is rounded to an integer, variance 1/12; in a slot, standard deviation sqrt(N/12) / Delta.
 */
import { kindOf } from '../../base/arguments.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { roundTiesToEven } from '../../kernel/tables/canonical-embedding.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { Arena } from '../../ring/arena.ts';
import { type GiantStep, giantSteps } from '../rlwe/giant-steps.ts';
import type { CkksContextBase } from './context-base.ts';
import { LinearTransform } from './linear-transform.ts';
import { encodingBits } from '../rlwe/noise-bound.ts';
import { boundOf } from './message-bound.ts';
import type { CkksParams } from './params.ts';
import { CkksPlaintext } from './plaintext.ts';

export interface EncodeOptions {
  /** Default: the highest level. */
  readonly level?: number;
  /** Default: the default scale of the parameters. */
  readonly scale?: number;
  /** A power of two dividing N/2: the plaintext is a polynomial in X^(N/(2 slots)), its slot vector repeats. Default N/2. */
  readonly slots?: number;
  /** Imaginary parts; default zero. */
  readonly imaginary?: ArrayLike<number>;
}

export interface LinearTransformOptions extends Pick<EncodeOptions, 'level' | 'scale'> {
  /** Rotations between giant steps: about the root of the number of diagonals needs fewest keys. Default N/2: no giant steps. */
  readonly babySteps?: number;
  /** Giant and baby steps of the caller's own, in place of `babySteps`: every diagonal is the sum of one of each. */
  readonly giants?: readonly GiantStep[];
  /** Imaginary parts of the diagonals, each of one that is there; default zero. */
  readonly imaginary?: ReadonlyMap<number, ArrayLike<number>>;
}

/** What every coefficient times scale must be below at `level`, to be encoded and to decode to itself. */
function encodingBound(params: CkksParams, level: number): number {
  return 2 ** Math.min(99, params.logQAt(level) - 1);
}

/**
 * Whether vectors of real values up to `largest` can be encoded at `scale` whatever they are: a coefficient is a mean of slots times
 * roots of unity, so at most the largest slot; a factor of two covers the rounding of the transform.
 */
export function fitsAnyVector(params: CkksParams, level: number, largest: number, scale: number): boolean {
  return 2 * (largest * scale + 1) <= encodingBound(params, level);
}

interface EncodingTarget {
  readonly level: number;
  readonly scale: number;
  /** What every coefficient must be below. */
  readonly bound: number;
}

export class CkksEncoder {
  #context: CkksContextBase;
  #arena: Arena;
  /** Space for one plaintext, zero between calls. */
  #coefficients: Float64Array;
  #re: Float64Array;
  #im: Float64Array;

  constructor(context: CkksContextBase, arena: Arena) {
    this.#context = context;
    this.#arena = arena;
    this.#coefficients = new Float64Array(context.params.n);
    this.#re = new Float64Array(context.params.slots);
    this.#im = new Float64Array(context.params.slots);
  }

  /**
   * Up to `slots` values, zero-padded.
   *
   * - level, scale: as asked
   * - cost: O(s log s) floating point, level + 1 forward NTTs
   *
   * @throws {ShapeError} when there are more values than slots. {@link OutOfRangeError} for a value that is not finite, or a
   * coefficient beyond 2^99 or half the active modulus.
   */
  encode(values: ArrayLike<number>, options: EncodeOptions = {}): CkksPlaintext {
    return this.#embed([values], options.imaginary ?? [], this.#slots(options.slots), options);
  }

  /**
   * Real parts of `slots` slots (default N/2); fewer slots average over the repetitions. What was decrypted is for the owner of the key
   * alone: {@link CkksRelease} is the way to publish.
   *
   * @throws {ParamsMismatchError}
   */
  decode(plaintext: CkksPlaintext, options: { readonly slots?: number } = {}): Float64Array {
    return this.decodeComplex(plaintext, options).re;
  }

  /** @throws {ParamsMismatchError} */
  decodeComplex(
    plaintext: CkksPlaintext,
    options: { readonly slots?: number } = {},
  ): { re: Float64Array; im: Float64Array } {
    return this.#decodeInto(plaintext, this.#slots(options.slots), 1)[0]!;
  }

  /** N real coefficients times scale, rounded. @throws {ShapeError} {@link OutOfRangeError} */
  encodeCoefficients(coefficients: ArrayLike<number>, options: EncodeOptions = {}): CkksPlaintext {
    const { n } = this.#context.params;
    if (coefficients.length !== n) throw new ShapeError('coefficients', n, coefficients.length);
    const target = this.#target(options);
    try {
      let fits = true;
      for (let i = 0; i < n; i++) {
        const rounded = roundTiesToEven(coefficients[i]! * target.scale);
        this.#coefficients[i] = rounded;
        fits = fits && Math.abs(rounded) < target.bound;
      }
      this.#assertFits(fits, target, [coefficients]);
      let sum = 0;
      for (let i = 0; i < n; i++) sum += Math.abs(this.#coefficients[i]!);
      return this.#plaintext(target, sum / target.scale);
    } finally {
      this.#coefficients.fill(0);
    }
  }

  /** The N coefficients divided by the scale, each the centred representative. @throws {ParamsMismatchError} */
  decodeCoefficients(plaintext: CkksPlaintext): Float64Array {
    const out = new Float64Array(this.#context.params.n);
    this.#coefficientsInto(out, plaintext);
    for (let i = 0; i < out.length; i++) out[i] = out[i]! / plaintext.scale;
    return out;
  }

  /** The first `count` vectors that {@link encodeInterleaved} put there. */
  #decodeInto(
    plaintext: CkksPlaintext,
    slots: number,
    count: number,
  ): { re: Float64Array; im: Float64Array }[] {
    const { kernel } = this.#context;
    try {
      this.#coefficientsInto(this.#coefficients, plaintext);
      return Array.from({ length: count }, (_, first) => {
        const [re, im] = [new Float64Array(slots), new Float64Array(slots)];
        const embedding = this.#context.embedding(slots);
        kernel.unembed(embedding, re, im, this.#coefficients, first, plaintext.scale);
        return { re, im };
      });
    } finally {
      this.#coefficients.fill(0);
    }
  }

  /** The centred representatives of the coefficients. */
  #coefficientsInto(out: Float64Array, plaintext: CkksPlaintext): void {
    const context = this.#context;
    context.assertOwn('a plaintext', plaintext);
    const { words, mods } = plaintext.polynomial;
    const copy = context.kernel.allocate(words.length);
    try {
      copy.u64().set(words.u64());
      context.kernel.nttInverse(context.ring.tables, copy, mods);
      context.kernel.toDoubles(context.ring.tables, out, copy, mods);
    } finally {
      copy.wipe();
    }
  }

  /**
   * k vectors of N/(2k) values each in one plaintext: sum_i X^i m_i(X^k), m_i the encoding of vector i in the subring of degree
   * N/k. Multiplying or shifting it whole means nothing; {@link expandInterleaved} separates the vectors under encryption.
   *
   * @throws {ShapeError} {@link OutOfRangeError}
   */
  encodeInterleaved(vectors: readonly ArrayLike<number>[], options: EncodeOptions = {}): CkksPlaintext {
    return this.#embed(vectors, [], this.#slots(this.#context.params.n / (2 * vectors.length)), options);
  }

  /** The inverse of {@link encodeInterleaved}: k vectors of N/(2k) values. @throws {ShapeError} {@link ParamsMismatchError} */
  decodeInterleaved(plaintext: CkksPlaintext, k: number): Float64Array[] {
    const slots = this.#slots(this.#context.params.n / (2 * k));
    return this.#decodeInto(plaintext, slots, k).map(({ re }) => re);
  }

  /**
   * The map out[j] = sum over d of diagonals.get(d)[j] in[j + d mod N/2], for `CkksEvaluator.linearTransform`. A diagonal has up
   * to N/2 values, zero-padded. {@link linearTransformRotations} tells the rotations that need keys.
   *
   * - level, scale: as asked; it serves ciphertexts at or above that level
   * - cost: an encoding per diagonal
   *
   * @throws {OutOfRangeError} as {@link encode}, or for a diagonal that is no integer or there twice. {@link ShapeError}
   */
  encodeLinearTransform(
    diagonals: ReadonlyMap<number, ArrayLike<number>>,
    options: LinearTransformOptions = {},
  ): LinearTransform {
    const context = this.#context;
    const { slots, n } = context.params;
    const target = this.#target(options);
    const giants = options.giants ?? giantSteps(diagonals.keys(), options.babySteps ?? slots, slots);
    const cyclic = (step: number): number => ((step % slots) + slots) % slots;
    const byStep = (given: ReadonlyMap<number, ArrayLike<number>>): Map<number, ArrayLike<number>> =>
      new Map([...given].map(([step, diagonal]) => [cyclic(step), diagonal]));
    const [values, imaginary] = [byStep(diagonals), byStep(options.imaginary ?? new Map())];
    for (const step of imaginary.keys())
      if (!values.has(step)) throw new OutOfRangeError('an imaginary diagonal', 'one that is there', step);
    const mods = [...context.qMods(target.level), ...context.pMods];
    const each = mods.length * n;
    const rows = new Float64Array(slots);
    return this.#arena.make(values.size * each, (words) => {
      let at = 0;
      for (const { step: giant, babies } of giants) {
        for (const baby of babies) {
          const [re, im] = [values, imaginary].map((of) => {
            const diagonal = of.get(cyclic(giant + baby)) ?? [];
            if (diagonal.length > slots)
              throw new ShapeError('a diagonal', `at most ${slots}`, diagonal.length);
            // The giant rotation moves the weights, too: they are moved back beforehand.
            const moved = new Float64Array(slots);
            for (let j = 0; j < diagonal.length; j++) moved[cyclic(j + giant)] = diagonal[j]!;
            return moved;
          }) as [Float64Array, Float64Array];
          for (let j = 0; j < slots; j++) {
            const from = cyclic(j + giant);
            rows[j] = rows[j]! + Math.hypot(re[from]!, im[from]!);
          }
          const to = words.sub(each * at++, each);
          this.#embedInto([re], im, slots, target, () => this.#transformInto(to, mods));
        }
      }
      const { level, scale } = target;
      const rowNorm = largest(rows) + (values.size * 2 ** encodingBits(n)) / scale;
      return new LinearTransform(words, { context, level, scale, rowNorm, giants });
    });
  }

  #slots(asked: number | undefined): number {
    const all = this.#context.params.slots;
    const slots = asked ?? all;
    if (!Number.isInteger(Math.log2(slots)) || slots < 1 || slots > all) {
      throw new ShapeError('slots', `a power of two up to ${all}`, slots);
    }
    return slots;
  }

  /** One vector per residue of the exponent modulo the gap n / (2 slots), or a single one for residue 0. */
  #embed(
    vectors: readonly ArrayLike<number>[],
    imaginary: ArrayLike<number>,
    slots: number,
    options: EncodeOptions,
  ): CkksPlaintext {
    for (const [what, { length }] of [
      ...vectors.map((values) => ['values', values] as const),
      ['imaginary values', imaginary] as const,
    ])
      if (length > slots) throw new ShapeError(what, `at most ${slots}`, length);
    const target = this.#target(options);
    const bound = vectors.reduce((sum, values) => sum + largest(values), 0) + largest(imaginary);
    return this.#embedInto(vectors, imaginary, slots, target, () => this.#plaintext(target, bound));
  }

  /** What `use` makes of the rounded coefficients, which are gone afterwards. */
  #embedInto<T>(
    vectors: readonly ArrayLike<number>[],
    imaginary: ArrayLike<number>,
    slots: number,
    target: EncodingTarget,
    use: () => T,
  ): T {
    const [re, im] = [this.#re.subarray(0, slots), this.#im.subarray(0, slots)];
    const { kernel } = this.#context;
    const embedding = this.#context.embedding(slots);
    try {
      let fits = true;
      vectors.forEach((values, i) => {
        re.fill(0, values.length).set(values);
        im.fill(0, imaginary.length).set(imaginary);
        const factor = target.scale / slots;
        fits = kernel.embed(embedding, re, im, this.#coefficients, i, factor, target.bound) && fits;
      });
      this.#assertFits(fits, target, [...vectors, imaginary]);
      return use();
    } finally {
      for (const secret of [re, im, this.#coefficients]) secret.fill(0);
    }
  }

  #target(options: Pick<EncodeOptions, 'level' | 'scale'>): EncodingTarget {
    const { params } = this.#context;
    const level = options.level ?? params.maxLevel;
    const scale = options.scale ?? params.defaultScale;
    this.#context.assertLevel(level);
    if (!(scale > 0 && scale < 2 ** 99)) throw new OutOfRangeError('scale', 'positive and below 2^99', scale);
    return { level, scale, bound: encodingBound(params, level) };
  }

  #assertFits(fits: boolean, { bound }: EncodingTarget, given: readonly ArrayLike<number>[]): void {
    if (fits) return;
    for (const values of given) assertFiniteValues(values);
    const needed = `below 2^${Math.log2(bound).toFixed(1)}`;
    throw new OutOfRangeError('every coefficient times scale', needed, 'larger');
  }

  /** The rounded coefficients at hand over `mods`. */
  #transformInto(words: Words, mods: readonly number[]): void {
    const { kernel, ring } = this.#context;
    kernel.transformDoubles(ring.tables, words, this.#coefficients, mods);
  }

  /** The plaintext with the rounded coefficients at hand. */
  #plaintext({ level, scale }: EncodingTarget, largestSlot: number): CkksPlaintext {
    const context = this.#context;
    const mods = context.qMods(level);
    const maxAbs = boundOf(largestSlot) + 2 ** encodingBits(context.params.n) / scale;
    return this.#arena.make(mods.length * context.params.n, (words) => {
      this.#transformInto(words, mods);
      return new CkksPlaintext(context, words, { level, scale, maxAbs });
    });
  }
}

/** The same work whatever the values. */
function largest(values: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(values[i]!));
  return max;
}

function assertFiniteValues(values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i]))
      throw new OutOfRangeError(`value ${i}`, 'a finite number', kindOf(values[i]));
}
