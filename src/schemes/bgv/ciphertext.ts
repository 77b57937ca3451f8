/**
 * BGV ciphertexts [BGV12]: ring-LWE ones with a noise bound and a correction factor.
 *
 * What is stored is the textbook ciphertext times t^-1 mod Q: c(s) = v / t mod Q with v = factor m + t e small. In this form
 * ([AP13], appendix) keys, errors, key switching and modulus switching are those of CKKS, without any t: an error e added to c is
 * t e in v, and rounding c after division by q subtracts a multiple of t from v. Only a product must be multiplied by t, and a
 * modulus switch by q divides the message by q mod t, which `factor` remembers exactly.
 */
import type { Words } from '../../kernel/kernel.ts';
import type { Arena } from '../../ring/arena.ts';
import { readRlweCiphertexts, writeRlweCiphertexts } from '../rlwe/wire/ciphertext-wire.ts';
import { RlweCiphertexts, type RlweFacts } from '../rlwe/ciphertext.ts';
import { readRounded, writeRounded } from '../rlwe/wire/rounded-wire.ts';
import { NOISE_CODEC, ROUNDED_CODEC } from './ciphertext-wire.ts';
import type { BgvContextBase } from './context-base.ts';
import { droppableExactly, noiseRoom } from './noise-bound.ts';

export interface BgvFacts extends RlweFacts<BgvContextBase> {
  /** log2 of a bound on the canonical norm of v / t: see noise-bound.ts. */
  readonly noiseBits: number;
  /** Residue modulo t, not 0. */
  readonly factor: number;
}

export class BgvCiphertextBatch extends RlweCiphertexts<BgvContextBase> {
  readonly noiseBits: number;
  readonly factor: number;

  /** Takes ownership of `words` (or borrows them, when they are a `sub` of another's). */
  constructor(words: Words, facts: BgvFacts) {
    super(words, facts);
    this.noiseBits = facts.noiseBits;
    this.factor = facts.factor;
  }

  /** Bits that the noise may still grow by before a decryption could fail; never negative. */
  get noiseBudget(): number {
    return noiseRoom(this.context.modulusBits, this.level) - this.noiseBits;
  }

  /** Ciphertext `index` as a view: valid while the batch lives, owns nothing. @throws {OutOfRangeError} */
  at(index: number): BgvCiphertext {
    return new BgvCiphertext(this.range(index, 1), { ...this.facts, count: 1 });
  }

  /** Ciphertexts `start` .. `start + count - 1` as a view: as {@link at}. @throws {OutOfRangeError} */
  slice(start: number, count: number): BgvCiphertextBatch {
    return new BgvCiphertextBatch(this.range(start, count), { ...this.facts, count });
  }

  override get facts(): BgvFacts {
    const { context, count, parts, level, noiseBits, factor } = this;
    return { context, count, parts, level, noiseBits, factor };
  }

  /** Header, facts, then the seed and the first parts when seeded, else all parts; residues packed to their primes. */
  toBytes(): Uint8Array {
    return writeRlweCiphertexts(this, NOISE_CODEC, false);
  }

  /**
   * At most `maxCount` ciphertexts: the receiver knows how many it expects.
   *
   * @throws {DecodeError} {@link ParamsMismatchError}
   */
  static fromBytes(
    context: BgvContextBase,
    bytes: Uint8Array,
    arena: Arena,
    maxCount: number,
  ): BgvCiphertextBatch {
    const { words, facts } = readRlweCiphertexts(context, bytes, NOISE_CODEC, { single: false, maxCount });
    return arena.adopt(new BgvCiphertextBatch(words, facts));
  }

  /**
   * As {@link BgvCiphertextBatch.fromBytes}, into `words` that are there already and that the batch borrows: exactly as many as it needs.
   *
   * @throws {DecodeError} {@link ParamsMismatchError}; what the words held is gone.
   */
  static readInto(
    context: BgvContextBase,
    bytes: Uint8Array,
    words: Words,
    maxCount: number,
  ): BgvCiphertextBatch {
    const expected = { single: false, maxCount, into: words };
    return new BgvCiphertextBatch(words, readRlweCiphertexts(context, bytes, NOISE_CODEC, expected).facts);
  }

  /**
   * A reply: without the low bits that decryption does not need, as many as {@link droppableExactly} proves. Only for two parts at
   * level 0, where {@link BgvEvaluator.modSwitchLowest} leads as a rule. Nothing more is learnt from it: it is computed from what
   * would have been sent otherwise.
   *
   * @throws {ShapeError}
   */
  toRoundedBytes(): Uint8Array {
    return writeRounded(this, ROUNDED_CODEC, droppableExactly(this.context.modulusBits, this.noiseBits));
  }

  /**
   * As {@link BgvCiphertextBatch.fromBytes}, of what {@link toRoundedBytes} wrote. It decrypts exactly and has no room for more.
   *
   * @throws {DecodeError} {@link ParamsMismatchError}
   */
  static fromRoundedBytes(
    context: BgvContextBase,
    bytes: Uint8Array,
    arena: Arena,
    maxCount: number,
  ): BgvCiphertextBatch {
    const { words, facts } = readRounded(context, bytes, ROUNDED_CODEC, maxCount);
    return arena.adopt(new BgvCiphertextBatch(words, facts));
  }
}

/** One ciphertext: a batch of one. */
export class BgvCiphertext extends BgvCiphertextBatch {
  override toBytes(): Uint8Array {
    return writeRlweCiphertexts(this, NOISE_CODEC, true);
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static override fromBytes(context: BgvContextBase, bytes: Uint8Array, arena: Arena): BgvCiphertext {
    const { words, facts } = readRlweCiphertexts(context, bytes, NOISE_CODEC, { single: true, maxCount: 1 });
    return arena.adopt(new BgvCiphertext(words, facts));
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static override fromRoundedBytes(context: BgvContextBase, bytes: Uint8Array, arena: Arena): BgvCiphertext {
    const { words, facts } = readRounded(context, bytes, ROUNDED_CODEC, 1);
    return arena.adopt(new BgvCiphertext(words, facts));
  }
}
