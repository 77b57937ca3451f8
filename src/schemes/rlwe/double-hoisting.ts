/**
 * Linear transforms of a ciphertext by double hoisting [BMTH21]: one decomposition for all rotations, and the products with keys and
 * weights summed modulo Q P, so that P is divided away once per sum instead of once per rotation.
 */
import type { GaloisElement } from '../../base/brand.ts';
import type { KeySwitchShape, Words } from '../../kernel/kernel.ts';
import type { RlweCiphertexts } from './ciphertext.ts';
import type { EvaluationKeys } from './keys/evaluation-keys.ts';
import { rotationElement } from './keys/key-plan.ts';

/** Polynomials over q_0 .. q_level, then p, NTT domain: what rotations by `step` of inner sums are made of. */
export interface WeightedGiantStep {
  readonly step: number;
  readonly babies: readonly { readonly step: number; readonly weight: Words }[];
}

/** A sum of two parts: `extended` over q and p, still to be divided by P; `plain` over q, as it is. */
interface HoistedSum {
  readonly extended: Words;
  readonly plain: Words;
}

class DoubleHoisting implements Disposable {
  readonly #a: RlweCiphertexts;
  readonly #keys: EvaluationKeys;
  readonly #qWords: number;
  readonly #extendedWords: number;
  readonly #held: Words[] = [];
  #digits: Words | undefined;

  constructor(a: RlweCiphertexts, keys: EvaluationKeys) {
    this.#a = a;
    this.#keys = keys;
    const { n, p } = a.context.params;
    this.#qWords = a.polyWords;
    this.#extendedWords = a.polyWords + p.length * n;
  }

  get #mods(): readonly number[] {
    return [...this.#a.mods, ...this.#a.context.pMods];
  }

  /** Zeros, freed with this. */
  scratch(words: number): Words {
    const run = this.#a.context.kernel.allocate(words);
    this.#held.push(run);
    return run;
  }

  emptySum(): HoistedSum {
    return { extended: this.scratch(2 * this.#extendedWords), plain: this.scratch(2 * this.#qWords) };
  }

  #key(step: number): { element: GaloisElement; key: Words; shape: KeySwitchShape } {
    const { context, level } = this.#a;
    const element = rotationElement(context.params.n, step);
    const key = this.#keys.galoisKey(element, level);
    return { element, key: key.words(level), shape: context.keySwitchShape(level, key.maxLevel) };
  }

  /** Of one polynomial over q. */
  #decompose(into: Words, d: Words): void {
    const { context, level } = this.#a;
    context.kernel.decompose(context.ring.tables, into, d, context.keySwitchShape(level, level));
  }

  /** The digits of the ciphertext itself. */
  #ownDigits(): Words {
    if (this.#digits === undefined) {
      this.#digits = this.digitScratch();
      this.#decompose(this.#digits, this.#a.part(0, 1).words);
    }
    return this.#digits;
  }

  digitScratch(): Words {
    return this.scratch(this.#a.context.digits(this.#a.level) * this.#extendedWords);
  }

  /** sum += weight * the ciphertext rotated by `step`; `product`, where given, is the key product of that rotation. */
  addBaby(sum: HoistedSum, step: number, weight: Words, moved: Words, product: Words | undefined): void {
    const { kernel, ring } = this.#a.context;
    const { mods } = this.#a;
    const [c0, c1] = [this.#a.part(0, 0).words, this.#a.part(0, 1).words];
    const [plain0, plain1] = [0, 1].map((part) => sum.plain.sub(part * this.#qWords, this.#qWords));
    const lower = weight.sub(0, this.#qWords);
    if (step === 0) {
      kernel.mulAdd(ring.tables, plain0!, c0, lower, mods);
      kernel.mulAdd(ring.tables, plain1!, c1, lower, mods);
      return;
    }
    const { element, key, shape } = this.#key(step);
    kernel.automorphism(ring.tables, moved, c0, element, mods);
    kernel.mulAdd(ring.tables, plain0!, moved, lower, mods);
    if (product !== undefined) kernel.mulAdd(ring.tables, sum.extended, product, weight, this.#mods);
    else kernel.accumulateKey(ring.tables, sum.extended, this.#ownDigits(), key, element, shape, weight);
  }

  /** The product of the ciphertext's digits, rotated by `step`, with the key. */
  keyProduct(step: number): Words {
    const { kernel, ring } = this.#a.context;
    const { element, key, shape } = this.#key(step);
    const product = this.scratch(2 * this.#extendedWords);
    kernel.accumulateKey(ring.tables, product, this.#ownDigits(), key, element, shape);
    return product;
  }

  /** total += inner rotated by `step`; `inner` is used up. `digits` and `moved` (one polynomial over q and p) are space. */
  addGiant(total: HoistedSum, inner: HoistedSum, step: number, digits: Words, moved: Words): void {
    const { kernel, ring, pMods } = this.#a.context;
    const { tables } = ring;
    const { mods } = this.#a;
    const [extended, plain] = [this.#extendedWords, this.#qWords];
    const { element, key, shape } = this.#key(step);
    const second = moved.sub(0, plain);
    kernel.modDown(tables, second, inner.extended.sub(extended, extended), mods, pMods);
    kernel.add(tables, second, second, inner.plain.sub(plain, plain), mods);
    this.#decompose(digits, second);
    kernel.accumulateKey(tables, total.extended, digits, key, element, shape);
    const [extended0, plain0] = [total.extended.sub(0, extended), total.plain.sub(0, plain)];
    kernel.automorphism(tables, moved, inner.extended.sub(0, extended), element, this.#mods);
    kernel.add(tables, extended0, extended0, moved, this.#mods);
    kernel.automorphism(tables, second, inner.plain.sub(0, plain), element, mods);
    kernel.add(tables, plain0, plain0, second, mods);
  }

  finish(out: RlweCiphertexts, total: HoistedSum): void {
    const { kernel, ring, pMods } = this.#a.context;
    kernel.modDown(ring.tables, out.words, total.extended, this.#a.mods, pMods);
    kernel.add(ring.tables, out.words, out.words, total.plain, this.#a.mods);
  }

  /** Space for one polynomial over q and p. */
  polynomial(): Words {
    return this.scratch(this.#extendedWords);
  }

  [Symbol.dispose](): void {
    for (const run of this.#held) run[Symbol.dispose]();
  }
}

/** The baby steps that several giant steps use: their key products are made once and kept. */
function sharedBabies(giants: readonly WeightedGiantStep[]): number[] {
  const uses = new Map<number, number>();
  for (const { babies } of giants) for (const { step } of babies) uses.set(step, (uses.get(step) ?? 0) + 1);
  return [...uses].filter(([step, count]) => step !== 0 && count > 1).map(([step]) => step);
}

/**
 * out = the sum over giant steps g and their baby steps b of rotate(weight * rotate(a, b), g), for one ciphertext of two parts.
 *
 * - noise: see `linearTransformNoise`
 * - cost: a decomposition; per rotation the products with the key; per giant step but 0 a decomposition and half a division by P; one
 *   division by P
 *
 * @throws {MissingKeyError} before any work.
 */
export function linearTransformInto(
  out: RlweCiphertexts,
  a: RlweCiphertexts,
  giants: readonly WeightedGiantStep[],
  keys: EvaluationKeys,
): void {
  const { n } = a.context.params;
  for (const step of giants.flatMap((giant) => [giant.step, ...giant.babies.map((baby) => baby.step)])) {
    if (step !== 0) keys.galoisKey(rotationElement(n, step), a.level);
  }
  using work = new DoubleHoisting(a, keys);
  const products = new Map(sharedBabies(giants).map((step) => [step, work.keyProduct(step)]));
  const total = work.emptySum();
  const space = work.polynomial();
  const moved = space.sub(0, a.polyWords);
  const hasGiants = giants.some(({ step }) => step !== 0);
  const [inner, digits] = hasGiants ? [work.emptySum(), work.digitScratch()] : [];
  for (const { step: giant, babies } of giants) {
    const sum = giant === 0 || inner === undefined ? total : inner;
    for (const { step, weight } of babies) work.addBaby(sum, step, weight, moved, products.get(step));
    if (sum === total || digits === undefined) continue;
    work.addGiant(total, sum, giant, digits, space);
    for (const words of [sum.extended, sum.plain]) words.u64().fill(0n);
  }
  work.finish(out, total);
}
