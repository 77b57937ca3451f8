/**
 * Operations of encrypted training on top of {@link ExactOperations}: sums of ciphertexts times masks of slots, sums of products with one
 * relinearisation, and axes of slots taken apart and put together. Levels and scales of all results are given exactly.
 */
import { ScaleMismatchError } from '../../../base/errors.ts';
import { ExactOperations, type ExactTarget, isSameScale } from '../../../circuits/exact-operations.ts';
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import type { CkksEncoder } from '../../../schemes/ckks/encoder.ts';
import type { CkksPlaintext } from '../../../schemes/ckks/plaintext.ts';
import { allocateCiphertext } from '../../../schemes/rlwe/ciphertext.ts';
import { hoistedGalois } from '../../../schemes/rlwe/hoisted-galois.ts';
import { rotationElement } from '../../../schemes/rlwe/keys/key-plan.ts';
import { relinearizeInto } from '../../../schemes/rlwe/key-switching.ts';
import type { SlotAxis } from './layout.ts';

/** A vector of slots by a name that says it: equal names are equal vectors. */
export interface SlotMask {
  readonly name: string;
  value(slot: number): number;
}

/** 1 at one index of an axis. */
export function indexMask({ stride, size }: SlotAxis, index: number): SlotMask {
  return {
    name: `${stride}/${size}=${index}`,
    value: (slot) => (Math.floor(slot / stride) % size === index ? 1 : 0),
  };
}

export function bothMasks(a: SlotMask, b: SlotMask | undefined): SlotMask {
  if (b === undefined) return a;
  return { name: `${a.name}*${b.name}`, value: (slot) => a.value(slot) * b.value(slot) };
}

/** Masks as plaintexts, each encoded once; they belong to the encoder's arena. */
export class EncodedMasks {
  #encoder: CkksEncoder;
  #slots: number;
  #made = new Map<string, CkksPlaintext>();

  constructor(encoder: CkksEncoder, slots: number) {
    this.#encoder = encoder;
    this.#slots = slots;
  }

  at(mask: SlotMask, level: number, scale: number): CkksPlaintext {
    const key = `${mask.name} ${level} ${scale}`;
    let plaintext = this.#made.get(key);
    if (plaintext === undefined) {
      const values = Float64Array.from({ length: this.#slots }, (_, slot) => mask.value(slot));
      plaintext = this.#encoder.encode(values, { level, scale });
      this.#made.set(key, plaintext);
    }
    return plaintext;
  }
}

export interface MaskedTerm {
  readonly ciphertext: CkksCiphertext;
  readonly mask: SlotMask;
}

/** One of the parts that an axis is taken apart into. */
export interface WantedPart {
  readonly index: number;
  readonly target: ExactTarget;
}

export class MaskedOperations {
  readonly exact: ExactOperations;
  #masks: EncodedMasks;

  constructor(exact: ExactOperations, masks: EncodedMasks) {
    this.exact = exact;
    this.#masks = masks;
  }

  /** The sum of terms times masks, then of its rotations by all sums of `fill`, then divided: exactly at the target. */
  maskedSum(terms: readonly MaskedTerm[], target: ExactTarget, fill: readonly number[] = []): CkksCiphertext {
    const { exact } = this;
    const { kernel, ring, params } = exact.context;
    const above = target.level + 1;
    const mods = exact.context.qMods(above);
    const poly = mods.length * params.n;
    const scale = target.scale * exact.prime(above);
    const like = terms[0]!.ciphertext;
    let sum = allocateCiphertext(exact.arena, like, { level: above, parts: 2, scale, maxAbs: target.maxAbs });
    for (const { ciphertext, mask } of terms) {
      const { words } = this.#masks.at(mask, above, scale / ciphertext.scale).polynomial;
      for (const part of [0, 1])
        kernel.mulAdd(
          ring.tables,
          sum.part(0, part).words,
          ciphertext.part(0, part).words.sub(0, poly),
          words,
          mods,
        );
    }
    for (const step of fill) sum = exact.addUp(sum, exact.rotate(sum, step), target.maxAbs);
    return exact.restate(exact.rescale(sum), { scale: target.scale, maxAbs: target.maxAbs });
  }

  /** The sum of the rotations by all sums of `steps`; the argument is used up. */
  rotateSum(a: CkksCiphertext, steps: readonly number[]): CkksCiphertext {
    let sum = a;
    for (const step of steps) sum = this.exact.addUp(sum, this.exact.rotate(sum, step), a.maxAbs);
    return sum;
  }

  /** Several rotations for one decomposition, at this level. */
  rotations(a: CkksCiphertext, steps: readonly number[], level: number): CkksCiphertext[] {
    const { exact } = this;
    const low = a.level === level ? a : exact.lowered(a, level);
    const elements = steps.map((step) => rotationElement(exact.context.params.n, step));
    const out = hoistedGalois(exact.keys, low, elements, () => allocateCiphertext(exact.arena, low));
    if (low !== a) low[Symbol.dispose]();
    return out;
  }

  /** A sum of products at this level, to which pairs are added: relinearised once. */
  productSum(level: number, maxAbs: number): ProductSum {
    return new ProductSum(this.exact, level, maxAbs);
  }

  /** a b, both lowered to the level: as {@link ExactOperations.multiply}. */
  product(a: CkksCiphertext, b: CkksCiphertext, level: number, maxAbs: number): CkksCiphertext {
    const { exact } = this;
    const low = a.level === level ? a : exact.lowered(a, level);
    const out = exact.multiply(low, b, maxAbs);
    if (low !== a) low[Symbol.dispose]();
    return out;
  }

  /**
   * What is at one index of an axis, at every index of it. Where `isCyclic`, slots repeat after the axis, and rotations in one direction
   * do; else they stay inside it. Slots that `base` does not hold are zero; then the sums of the rotations by `fill`.
   */
  parts(
    a: CkksCiphertext,
    axis: SlotAxis,
    wanted: readonly WantedPart[],
    options: { readonly isCyclic: boolean; readonly base?: SlotMask; readonly fill?: readonly number[] },
  ): CkksCiphertext[] {
    const { stride, size } = axis;
    const distances = new Set<number>();
    const distanceOf = (index: number, at: number): number =>
      options.isCyclic ? (index - at + size) % size : index - at;
    for (const { index } of wanted) for (let at = 0; at < size; at++) distances.add(distanceOf(index, at));
    const list = [...distances].sort((x, y) => x - y);
    const top = Math.max(...wanted.map(({ target }) => target.level + 1));
    const rotated = this.rotations(
      a,
      list.map((distance) => distance * stride),
      top,
    );
    const from = new Map(list.map((distance, i) => [distance, rotated[i]!]));
    const out = wanted.map(({ index, target }) => {
      const terms = Array.from({ length: size }, (_, at) => ({
        ciphertext: from.get(distanceOf(index, at))!,
        mask: bothMasks(indexMask(axis, at), options.base),
      }));
      return this.maskedSum(terms, target, options.fill);
    });
    for (const used of rotated) used[Symbol.dispose]();
    return out;
  }

  /**
   * The other way round: input j, summed over the axis, at index j of it. Cyclic: over everything that is a multiple of its end away as
   * well, once that has been summed. Not cyclic: within each run of the axis. `base` is a factor of input j, where it stands before it is
   * moved. The inputs are used up.
   */
  gathered(
    inputs: readonly (CkksCiphertext | undefined)[],
    { stride, size }: SlotAxis,
    target: ExactTarget,
    {
      isCyclic,
      base,
    }: { readonly isCyclic: boolean; readonly base?: (index: number) => SlotMask | undefined },
  ): CkksCiphertext {
    const { exact } = this;
    const first = isCyclic ? 0 : 1 - size;
    let sum: CkksCiphertext | undefined;
    for (let distance = first; distance < size; distance++) {
      // What is `distance` after index j comes to j.
      const terms = inputs.flatMap((ciphertext, j) => {
        const at = isCyclic ? (j + distance) % size : j + distance;
        if (ciphertext === undefined || at < 0 || at >= size) return [];
        return [{ ciphertext, mask: bothMasks(indexMask({ stride, size }, at), base?.(j)) }];
      });
      if (terms.length === 0) continue;
      const part = this.maskedSum(terms, target);
      const moved = distance === 0 ? part : exact.rotate(part, distance * stride);
      if (moved !== part) part[Symbol.dispose]();
      sum = sum === undefined ? moved : exact.addUp(sum, moved, target.maxAbs);
    }
    for (const used of inputs) used?.[Symbol.dispose]();
    return sum!;
  }
}

/** Products that are added up with three parts, relinearised and divided once. */
export class ProductSum {
  #exact: ExactOperations;
  #level: number;
  #maxAbs: number;
  #sum: CkksCiphertext | undefined;

  constructor(exact: ExactOperations, level: number, maxAbs: number) {
    this.#exact = exact;
    this.#level = level;
    this.#maxAbs = maxAbs;
  }

  /** @throws {ScaleMismatchError} {@link LevelExhaustedError} */
  add(a: CkksCiphertext, b: CkksCiphertext): void {
    const exact = this.#exact;
    const { kernel, ring } = exact.context;
    const [x, y] = [a, b].map((factor) =>
      factor.level === this.#level ? factor : exact.lowered(factor, this.#level),
    ) as [CkksCiphertext, CkksCiphertext];
    const scale = a.scale * b.scale;
    const out = allocateCiphertext(exact.arena, x, { parts: 3, scale, maxAbs: this.#maxAbs });
    kernel.tensor(ring.tables, out.words, x.words, y.words, x.mods);
    if (x !== a) x[Symbol.dispose]();
    if (y !== b) y[Symbol.dispose]();
    if (this.#sum === undefined) this.#sum = out;
    else {
      if (!isSameScale(this.#sum.scale, scale))
        throw new ScaleMismatchError('a sum of products', this.#sum.scale, scale);
      kernel.add(ring.tables, this.#sum.words, this.#sum.words, out.words, out.mods);
      out[Symbol.dispose]();
    }
  }

  /** One level below. */
  finish(): CkksCiphertext {
    const exact = this.#exact;
    const three = this.#sum!;
    const two = allocateCiphertext(exact.arena, three, { parts: 2 });
    relinearizeInto(two, three, exact.keys);
    three[Symbol.dispose]();
    return exact.rescale(two);
  }
}
