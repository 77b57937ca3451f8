/**
 * Ring-LWE ciphertexts: `count` of them back to back in one run of words (ciphertext, part, limb, n), so that one kernel call
 * works on all. Part i multiplies s^i. What a scheme knows beyond that (scale, noise, ...) its subclass adds.
 */
import type { Level, ParamsId, Seed } from '../../base/brand.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import { type Arena, Owned } from '../../ring/arena.ts';
import type { Poly } from '../../ring/poly.ts';
import type { RlweContext } from './context.ts';

/** What every ciphertext of a batch shares, whatever the scheme. */
export interface RlweFacts<C extends RlweContext = RlweContext> {
  readonly context: C;
  readonly count: number;
  /** 2 when fresh, 3 after a product that was not relinearised. */
  readonly parts: number;
  readonly level: number;
  /** When the second parts are the uniform polynomials of this seed: serialised in its place. */
  readonly seed?: Seed;
}

export abstract class RlweCiphertexts<C extends RlweContext = RlweContext> extends Owned {
  readonly context: C;
  readonly count: number;
  readonly parts: number;
  readonly level: Level;
  readonly seed: Seed | undefined;
  #words: Words;
  #isTaken = false;

  /** Takes ownership of `words` (or borrows them, when they are a `sub` of another's). */
  constructor(words: Words, facts: RlweFacts<C>) {
    super();
    this.context = facts.context;
    this.count = facts.count;
    this.parts = facts.parts;
    this.level = facts.level as Level;
    this.seed = facts.seed;
    this.#words = words;
  }

  /** What {@link allocateCiphertext} copies: all but the seed, which belongs to this batch as a whole. */
  abstract get facts(): RlweFacts<C>;

  get paramsId(): ParamsId {
    return this.context.params.id;
  }

  /** The active limbs q_0 .. q_level. */
  get mods(): readonly number[] {
    return this.context.qMods(this.level);
  }

  /** Words per polynomial. */
  get polyWords(): number {
    return (this.level + 1) * this.context.params.n;
  }

  /** All words, borrowed. @throws {DisposedError} */
  get words(): Words {
    this.assertLive('a ciphertext');
    return this.#words;
  }

  /** Part `part` of ciphertext `index`, borrowed. @throws {DisposedError} */
  part(index: number, part: number): Poly<'ntt'> {
    const at = (index * this.parts + part) * this.polyWords;
    return { domain: 'ntt', mods: this.mods, words: this.words.sub(at, this.polyWords) };
  }

  /** The words of ciphertexts `start` .. `start + count - 1`, borrowed. @throws {OutOfRangeError} */
  protected range(start: number, count: number): Words {
    const isInside =
      Number.isInteger(start) &&
      Number.isInteger(count) &&
      start >= 0 &&
      count >= 1 &&
      start + count <= this.count;
    if (!isInside) {
      throw new OutOfRangeError(
        'a range of ciphertexts',
        `inside 0 .. ${this.count - 1}`,
        `${start} + ${count}`,
      );
    }
    const each = this.parts * this.polyWords;
    return this.words.sub(start * each, count * each);
  }

  /** All words, handed over: the caller frees them, and this is disposed. @throws {DisposedError} */
  takeWords(): Words {
    const { words } = this;
    this.#isTaken = true;
    this[Symbol.dispose]();
    return words;
  }

  protected override free(): void {
    if (!this.#isTaken) this.#words[Symbol.dispose]();
  }
}

/** Words that hold ciphertexts of these facts. */
export function ciphertextWords(facts: RlweFacts): number {
  return facts.count * facts.parts * (facts.level + 1) * facts.context.params.n;
}

/** Fresh words for a result that differs from `like` in `change`; of the same class, owned by `arena`. */
export function allocateCiphertext<T extends RlweCiphertexts, F extends RlweFacts>(
  arena: Arena,
  like: T & { readonly facts: F },
  change: Partial<Omit<F, 'context' | 'seed'>> = {},
): T {
  const facts = { ...like.facts, ...change };
  const Same = like.constructor as new (words: Words, facts: RlweFacts) => T;
  return arena.make(ciphertextWords(facts), (words) => new Same(words, facts));
}
