/**
 * Linear maps on slots by their diagonals, complex, periodic in the number of slots in use: made, multiplied, encoded and applied to
 * ciphertexts by baby and giant steps.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { InvalidParamsError, LevelExhaustedError, ShapeError } from '../../base/errors.ts';
import { allocateCiphertext } from '../../schemes/rlwe/ciphertext.ts';
import { linearTransformInto } from '../../schemes/rlwe/double-hoisting.ts';
import { linearTransformRotations } from '../../schemes/rlwe/giant-steps.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksEncoder } from '../../schemes/ckks/encoder.ts';
import type { LinearTransform } from '../../schemes/ckks/linear-transform.ts';
import type { ExactOperations, ExactTarget } from '../exact-operations.ts';

interface Diagonal {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** out[j] = sum over d of diagonal_d[j] in[j + d mod slots]. */
export class LinearMap {
  readonly slots: number;
  /** By d from 0 to slots - 1. */
  readonly #diagonals: ReadonlyMap<number, Diagonal>;

  private constructor(slots: number, diagonals: ReadonlyMap<number, Diagonal>) {
    this.slots = slots;
    this.#diagonals = diagonals;
  }

  /**
   * A map on `slots` values (a power of two) from what `entry` says of each diagonal; steps that are equal modulo `slots` add up.
   *
   * @throws {InvalidParamsError}
   */
  static of(
    slots: number,
    steps: Iterable<number>,
    entry: (step: number, row: number) => { re: number; im: number },
  ): LinearMap {
    if (!Number.isInteger(Math.log2(slots)))
      throw new InvalidParamsError(`a linear map works on a power of two of slots, not ${slots}`, { slots });
    const diagonals = new Map<number, Diagonal>();
    for (const step of steps) {
      const { re, im } = diagonalAt(diagonals, ((step % slots) + slots) % slots, slots);
      for (let row = 0; row < slots; row++) {
        const value = entry(step, row);
        re[row] = re[row]! + value.re;
        im[row] = im[row]! + value.im;
      }
    }
    return new LinearMap(slots, diagonals);
  }

  /** Of a square matrix of real numbers, its zero diagonals left out. @throws {ShapeError} */
  static ofMatrix(rows: readonly ArrayLike<number>[]): LinearMap {
    const slots = rows.length;
    for (const row of rows)
      if (row.length !== slots) throw new ShapeError('a row of the matrix', slots, row.length);
    const at = (step: number, row: number): number => rows[row]![(row + step) % slots]!;
    const steps = rows.map((_, step) => step).filter((step) => rows.some((_, row) => at(step, row) !== 0));
    return LinearMap.of(slots, steps, (step, row) => ({ re: at(step, row), im: 0 }));
  }

  /** The diagonals that are there, ascending. */
  get steps(): number[] {
    return [...this.#diagonals.keys()].sort((a, b) => a - b);
  }

  /** This after `first`: the product of the matrices. @throws {ShapeError} */
  after(first: LinearMap): LinearMap {
    const { slots } = this;
    if (first.slots !== slots) throw new ShapeError('slots of the first map', slots, first.slots);
    const diagonals = new Map<number, Diagonal>();
    for (const [d, a] of this.#diagonals) {
      for (const [e, b] of first.#diagonals) {
        const out = diagonalAt(diagonals, (d + e) % slots, slots);
        for (let row = 0; row < slots; row++) {
          const from = (row + d) % slots;
          out.re[row] = out.re[row]! + a.re[row]! * b.re[from]! - a.im[row]! * b.im[from]!;
          out.im[row] = out.im[row]! + a.re[row]! * b.im[from]! + a.im[row]! * b.re[from]!;
        }
      }
    }
    return new LinearMap(slots, diagonals);
  }

  /** The map on a vector, in the clear. */
  apply(re: ArrayLike<number>, im: ArrayLike<number> = new Float64Array(this.slots)): Diagonal {
    const { slots } = this;
    const out = { re: new Float64Array(slots), im: new Float64Array(slots) };
    for (const [step, diagonal] of this.#diagonals) {
      for (let row = 0; row < slots; row++) {
        const from = (row + step) % slots;
        out.re[row] = out.re[row]! + diagonal.re[row]! * re[from]! - diagonal.im[row]! * im[from]!;
        out.im[row] = out.im[row]! + diagonal.re[row]! * im[from]! + diagonal.im[row]! * re[from]!;
      }
    }
    return out;
  }

  /** The rotations that ciphertexts of N/2 = `all` slots need keys for. */
  rotations(all: number, babySteps: number): number[] {
    return linearTransformRotations(this.steps, babySteps, all);
  }

  /** For ciphertexts whose slot vector repeats this map's slots. @throws as {@link CkksEncoder.encodeLinearTransform}. */
  encode(
    encoder: CkksEncoder,
    all: number,
    options: { readonly level: number; readonly scale: number; readonly babySteps: number },
  ): LinearTransform {
    const repeated = (values: Float64Array): Float64Array => {
      const out = new Float64Array(all);
      for (let at = 0; at < all; at += this.slots) out.set(values, at);
      return out;
    };
    const [re, im] = [new Map<number, Float64Array>(), new Map<number, Float64Array>()];
    for (const [step, diagonal] of this.#diagonals) {
      re.set(step, repeated(diagonal.re));
      im.set(step, repeated(diagonal.im));
    }
    return encoder.encodeLinearTransform(re, { ...options, imaginary: im });
  }
}

function diagonalAt(diagonals: Map<number, Diagonal>, step: number, slots: number): Diagonal {
  let diagonal = diagonals.get(step);
  if (diagonal === undefined) {
    diagonal = { re: new Float64Array(slots), im: new Float64Array(slots) };
    diagonals.set(step, diagonal);
  }
  return diagonal;
}

/**
 * The encoded map on `a`, rescaled, at the level below the transform's and at the scale that follows from both, which the caller has
 * planned and states exactly.
 *
 * @throws {LevelExhaustedError} when `a` is below the transform. {@link MissingKeyError}
 */
export function applyLinearMap(
  operations: ExactOperations,
  a: CkksCiphertext,
  transform: LinearTransform,
  stated: Pick<ExactTarget, 'maxAbs'>,
): CkksCiphertext {
  const { level } = transform;
  if (a.level < level) throw new LevelExhaustedError('a linear map', a.level, level);
  const x = a.level === level ? a : operations.lowered(a, level);
  const out = allocateCiphertext(operations.arena, x, { scale: a.scale * transform.scale, ...stated });
  linearTransformInto(out, x, transform.giantSteps, operations.keys);
  if (x !== a) x[Symbol.dispose]();
  return operations.rescale(out);
}

printOnOneLine(LinearMap);
arg.guard('LinearMap', LinearMap, {
  of: { slots: arg.number, steps: arg.iterable, entry: arg.callback },
  ofMatrix: { rows: arg.list },
});
arg.guard('LinearMap', LinearMap.prototype, {
  after: { first: arg.like('a LinearMap', 'after', 'apply') },
  apply: { re: arg.numbers, im: arg.optional(arg.numbers) },
  rotations: { all: arg.number, babySteps: arg.number },
  encode: { encoder: arg.like('a CkksEncoder', 'encode', 'decode'), all: arg.number, options: arg.options },
});
