/**
 * CKKS ciphertexts: ring-LWE ones with a scale. Values are immutable through the public API. A single ciphertext is a batch of
 * one.
 */
import type { Scale } from '../../base/brand.ts';
import type { Words } from '../../kernel/kernel.ts';
import type { Arena } from '../../ring/arena.ts';
import { readRlweCiphertexts, writeRlweCiphertexts } from '../rlwe/wire/ciphertext-wire.ts';
import type { DroppedBits } from '../rlwe/wire/dropped-bits.ts';
import { readRounded, writeRounded } from '../rlwe/wire/rounded-wire.ts';
import { readTraced, type TracedShape, writeTraced } from '../rlwe/wire/traced-wire.ts';
import { RlweCiphertexts, type RlweFacts } from '../rlwe/ciphertext.ts';
import type { CkksContextBase } from './context-base.ts';
import { SCALE_CODEC } from './ciphertext-wire.ts';
import { DEFAULT_MAX_ABS } from './message-bound.ts';

/** What every ciphertext of a batch shares. */
export interface CiphertextFacts extends RlweFacts<CkksContextBase> {
  readonly scale: number;
  /** Of every slot, noise included: see message-bound.ts. Default {@link DEFAULT_MAX_ABS}. */
  readonly maxAbs?: number;
  /** What the bytes it was read from did not carry, or one that it was computed from: noise that a circuit does not know of. */
  readonly dropped?: DroppedBits;
}

export class CiphertextBatch extends RlweCiphertexts<CkksContextBase> {
  readonly scale: Scale;
  /** No slot is above it, noise included. Not on the wire, where it would tell of the message. */
  readonly maxAbs: number;
  /** Low bits that its bytes did not carry: see {@link CiphertextFacts}. */
  readonly dropped: DroppedBits | undefined;

  /** Takes ownership of `words` (or borrows them, when they are a `sub` of another's). */
  constructor(words: Words, facts: CiphertextFacts) {
    super(words, facts);
    this.scale = facts.scale as Scale;
    this.maxAbs = facts.maxAbs ?? DEFAULT_MAX_ABS;
    this.dropped = facts.dropped;
  }

  /** Ciphertext `index` as a view: valid while the batch lives, owns nothing. @throws {OutOfRangeError} */
  at(index: number): CkksCiphertext {
    return new CkksCiphertext(this.range(index, 1), { ...this.facts, count: 1 });
  }

  /** Ciphertexts `start` .. `start + count - 1` as a view: as {@link at}. @throws {OutOfRangeError} */
  slice(start: number, count: number): CiphertextBatch {
    return new CiphertextBatch(this.range(start, count), { ...this.facts, count });
  }

  override get facts(): CiphertextFacts {
    const { context, count, parts, level, scale, maxAbs, dropped } = this;
    const facts = { context, count, parts, level, scale, maxAbs };
    return dropped === undefined ? facts : { ...facts, dropped };
  }

  /** Header, facts, then the seed and the first parts when seeded, else all parts; residues packed to their primes. */
  toBytes(): Uint8Array {
    return writeRlweCiphertexts(this, SCALE_CODEC, false);
  }

  /**
   * At most `maxCount` ciphertexts: the receiver knows how many it expects.
   *
   * @throws {DecodeError} {@link ParamsMismatchError}
   */
  static fromBytes(
    context: CkksContextBase,
    bytes: Uint8Array,
    arena: Arena,
    maxCount: number,
  ): CiphertextBatch {
    const { words, facts } = readRlweCiphertexts(context, bytes, SCALE_CODEC, { single: false, maxCount });
    return arena.adopt(new CiphertextBatch(words, facts));
  }

  /**
   * As {@link CiphertextBatch.fromBytes}, into given words, which are borrowed: exactly as many as the ciphertexts need.
   *
   * @throws {DecodeError} {@link ParamsMismatchError}; what the words held is gone.
   */
  static readInto(
    context: CkksContextBase,
    bytes: Uint8Array,
    words: Words,
    maxCount: number,
  ): CiphertextBatch {
    const expected = { single: false, maxCount, into: words };
    return new CiphertextBatch(words, readRlweCiphertexts(context, bytes, SCALE_CODEC, expected).facts);
  }

  /**
   * A reply: without the low bits `dropped`, which {@link droppableBits} chooses. Only for two parts at level 0.
   *
   * - noise: see {@link droppedNoise}, at most {@link droppedBound}. Nothing more is learnt from it: it is computed from what would
   *   have been sent otherwise
   *
   * @throws {ShapeError}
   */
  toRoundedBytes(dropped: DroppedBits): Uint8Array {
    return writeRounded(this, SCALE_CODEC, dropped);
  }

  /** As {@link CiphertextBatch.fromBytes}, of what {@link toRoundedBytes} wrote. @throws {DecodeError} {@link ParamsMismatchError} */
  static fromRoundedBytes(
    context: CkksContextBase,
    bytes: Uint8Array,
    arena: Arena,
    maxCount: number,
  ): CiphertextBatch {
    const { words, facts, dropped } = readRounded(context, bytes, SCALE_CODEC, maxCount);
    return arena.adopt(new CiphertextBatch(words, { ...facts, dropped }));
  }

  /**
   * A reply of one ciphertext whose slots repeat with a period, as its mean over the periods: the second part without low bits, of the first
   * the coefficients of the subring of so many slots. Whatever else the slots hold stays hidden. Only for two parts at level 0.
   *
   * - scale: unchanged, that of the mean; noise: that of the mean, and {@link droppedNoise} in each carried coefficient
   * - source: the field trace (Gentry, Halevi, Peikert, Smart 2013), without its key switches
   *
   * @throws {ShapeError}
   */
  toTracedBytes(shape: TracedShape): Uint8Array {
    return writeTraced(this, SCALE_CODEC, shape);
  }

  /**
   * What {@link toTracedBytes} wrote, with zeros in place of what was not sent. Decrypted it means something in the subring alone: decode
   * `slots` slots, and publish nothing of it, for all other coefficients show the secret key. {@link CkksRelease} refuses it, since it
   * lacks all bits of the first part.
   *
   * @throws {DecodeError} {@link ParamsMismatchError} {@link ShapeError} when no trace is in so many slots.
   */
  static fromTracedBytes(
    context: CkksContextBase,
    bytes: Uint8Array,
    arena: Arena,
    slots: number,
  ): CiphertextBatch {
    const { words, facts, dropped } = readTraced(context, bytes, SCALE_CODEC, slots);
    return arena.adopt(new CiphertextBatch(words, { ...facts, dropped }));
  }
}

/** One ciphertext: a batch of one. */
export class CkksCiphertext extends CiphertextBatch {
  override toBytes(): Uint8Array {
    return writeRlweCiphertexts(this, SCALE_CODEC, true);
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static override fromBytes(context: CkksContextBase, bytes: Uint8Array, arena: Arena): CkksCiphertext {
    const { words, facts } = readRlweCiphertexts(context, bytes, SCALE_CODEC, { single: true, maxCount: 1 });
    return arena.adopt(new CkksCiphertext(words, facts));
  }
}
