/**
 * Ciphertexts: `count` of them back to back in one run of words (ciphertext, part, limb, n), so that one kernel call works on all.
 * Part i multiplies s^i. Values are immutable through the public API. A single ciphertext is a batch of one.
 */
import type { Level, ParamsId, Scale, Seed } from '../../base/brand.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { Arena } from '../../ring/arena.ts';
import { Owned } from '../../ring/arena.ts';
import type { Poly } from '../../ring/poly.ts';
import type { CkksContext } from './context.ts';
import { readCiphertexts, writeCiphertexts } from './ciphertext-wire.ts';

/** What every ciphertext of a batch shares. */
export interface CiphertextFacts {
  readonly context: CkksContext;
  readonly count: number;
  /** 2 when fresh, 3 after a product that was not relinearised. */
  readonly parts: number;
  readonly level: number;
  readonly scale: number;
  /** When the second parts are the uniform polynomials of this seed: serialised in its place. */
  readonly seed?: Seed;
}

export class CiphertextBatch extends Owned {
  readonly context: CkksContext;
  readonly count: number;
  readonly parts: number;
  readonly level: Level;
  readonly scale: Scale;
  readonly seed: Seed | undefined;
  #words: Words;

  /** Takes ownership of `words` (or borrows them, when they are a `sub` of another's). */
  constructor(words: Words, facts: CiphertextFacts) {
    super();
    this.context = facts.context;
    this.count = facts.count;
    this.parts = facts.parts;
    this.level = facts.level as Level;
    this.scale = facts.scale as Scale;
    this.seed = facts.seed;
    this.#words = words;
  }

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

  /** Ciphertext `index` as a view: valid while the batch lives, owns nothing. @throws {OutOfRangeError} */
  at(index: number): CkksCiphertext {
    return new CkksCiphertext(this.#range(index, 1), { ...this.facts, count: 1 });
  }

  /** Ciphertexts `start` .. `start + count - 1` as a view: as {@link at}. @throws {OutOfRangeError} */
  slice(start: number, count: number): CiphertextBatch {
    return new CiphertextBatch(this.#range(start, count), { ...this.facts, count });
  }

  #range(start: number, count: number): Words {
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

  /** Without the seed, which belongs to this batch as a whole. */
  get facts(): CiphertextFacts {
    const { context, count, parts, level, scale } = this;
    return { context, count, parts, level, scale };
  }

  /** Header, facts, then the seed and the first parts when seeded, else all parts; residues packed to their primes. */
  toBytes(): Uint8Array {
    return writeCiphertexts(this, false);
  }

  /**
   * At most `maxCount` ciphertexts: the receiver knows how many it expects.
   *
   * @throws {DecodeError} {@link ParamsMismatchError}
   */
  static fromBytes(context: CkksContext, bytes: Uint8Array, arena: Arena, maxCount: number): CiphertextBatch {
    const { words, facts } = readCiphertexts(context, bytes, { single: false, maxCount });
    return arena.adopt(new CiphertextBatch(words, facts));
  }

  protected override free(): void {
    this.#words[Symbol.dispose]();
  }
}

/** One ciphertext: a batch of one. */
export class CkksCiphertext extends CiphertextBatch {
  override toBytes(): Uint8Array {
    return writeCiphertexts(this, true);
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static override fromBytes(context: CkksContext, bytes: Uint8Array, arena: Arena): CkksCiphertext {
    const { words, facts } = readCiphertexts(context, bytes, { single: true, maxCount: 1 });
    return arena.adopt(new CkksCiphertext(words, facts));
  }
}

/** Fresh words for a result that differs from `like` in `change`; of the same class, owned by `arena`. */
export function allocateCiphertext<T extends CiphertextBatch>(
  arena: Arena,
  like: T,
  change: Partial<Pick<CiphertextFacts, 'count' | 'parts' | 'level' | 'scale'>> = {},
): T {
  const facts = { ...like.facts, ...change };
  const words = arena.allocate(facts.count * facts.parts * (facts.level + 1) * facts.context.params.n);
  const made =
    like instanceof CkksCiphertext ? new CkksCiphertext(words, facts) : new CiphertextBatch(words, facts);
  return arena.adopt(made) as CiphertextBatch as T;
}
