/**
 * A result for one receiver, together [MTBH21]: each party encrypts c1 s_i and noise that hides it under the receiver's public key, and the
 * sum of these ciphertexts, with c0, is the result under that key. Nobody else opens it, and nobody but the receiver learns it.
 *
 * A decryption is the message and a noise that depends on the key [LM21]. Every party adds a discrete Gaussian of
 * sigma = sqrt(12) 2^(s/2) B to what it sends, B a bound on the Euclidean norm of that noise over the coefficients that are released: one
 * honest party's is enough, whatever the others do (see ../../rlwe/release/release-budget.ts for the proof of the mechanism, with one
 * release). Only the coefficients that the real parts of the slots need are released, so that the noise of all others stays where it is.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { OutOfRangeError, ProtocolError, ReleaseRefusedError, ShapeError } from '../../../base/errors.ts';
import type { Drbg } from '../../../base/random.ts';
import type { Words } from '../../../kernel/kernel.ts';
import type { Arena } from '../../../ring/arena.ts';
import { copyWords } from '../../../ring/poly.ts';
import { gaussianInto, WIDEST_GAUSSIAN_BITS } from '../../../ring/samplers.ts';
import { Scratch } from '../../../ring/scratch.ts';
import { assertParties } from '../../rlwe/collective/session-random.ts';
import { type SecretShare, shareWords } from '../../rlwe/collective/secret-share.ts';
import type { PublicKey } from '../../rlwe/keys/public-key.ts';
import { addBits, publicKeyErrorBits } from '../../rlwe/noise-bound.ts';
import { ciphertextWireBytes } from '../../rlwe/wire/ciphertext-wire.ts';
import { ZeroEncryption } from '../../rlwe/zero-encryption.ts';
import { CkksCiphertext } from '../ciphertext.ts';
import { SCALE_CODEC } from '../ciphertext-wire.ts';
import type { CkksContextBase } from '../context-base.ts';
import { DEFAULT_MAX_ABS } from '../message-bound.ts';
import type { CkksParams } from '../params.ts';
import { ciphertextHash } from './refresh.ts';
import { assertCoefficients, keepRealPart } from './sparse-part.ts';

const LEAST_SECURITY_BITS = 40;
const MOST_SECURITY_BITS = 80;
/** log2 of the standard deviations that no slot of 2^15 is beyond, except with probability near 2^-128. */
const TAIL_BITS = Math.log2(13.9);

export interface CollectiveReleaseTerms {
  readonly parties: number;
  /** log2 of B: no Euclidean norm of the noise, over the released coefficients, is above it. Slots are real. */
  readonly noiseBits: number;
  /** As {@link RefreshTerms.coefficients}. */
  readonly coefficients: number;
  /** Of the ciphertexts that are released. */
  readonly level: number;
  readonly scale: number;
  /** No released value is above it. */
  readonly maxAbs: number;
  /** Every released slot is within 2^-precisionBits of the exact value, except with probability near 2^-128. */
  readonly precisionBits: number;
  /** s, from 40 to 80; default 40. */
  readonly securityBits?: number;
}

export class CollectiveRelease {
  readonly terms: CollectiveReleaseTerms;
  /** log2 of the standard deviation of each party's noise. */
  readonly floodBits: number;
  /** Bits of precision that are left: at least as many as were asked for. */
  readonly precisionBits: number;
  #context: CkksContextBase;

  /** @throws {ReleaseRefusedError} when fewer bits would be left than `precisionBits`, or they do not fit the modulus. {@link OutOfRangeError} */
  constructor(context: CkksContextBase, terms: CollectiveReleaseTerms) {
    const { parties, coefficients, level, securityBits = LEAST_SECURITY_BITS } = terms;
    assertParties(parties);
    assertCoefficients(context, coefficients);
    if (!(securityBits >= LEAST_SECURITY_BITS && securityBits <= MOST_SECURITY_BITS))
      throw new OutOfRangeError(
        'securityBits',
        `from ${LEAST_SECURITY_BITS} to ${MOST_SECURITY_BITS}`,
        securityBits,
      );
    context.assertLevel(level);
    this.terms = Object.freeze({ ...terms });
    this.#context = context;
    this.floodBits = collectiveFloodBits(terms.noiseBits, securityBits);
    this.precisionBits = this.#assertPrecise();
  }

  #assertPrecise(): number {
    const { parties, coefficients, noiseBits, level, scale, maxAbs, precisionBits: needed } = this.terms;
    const { params } = this.#context;
    // A real slot is a sum of coefficients / 2 Gaussians times cosines.
    const floods = this.floodBits + 0.5 * Math.log2((parties * (coefficients + 2)) / 4) + TAIL_BITS;
    // The receiver's own encryptions: their noise is on all coefficients, and read on those that are released.
    const encryptions = publicKeyErrorBits(params.n) + Math.log2(parties);
    const noise = addBits(addBits(noiseBits + 0.5 * Math.log2(coefficients), floods), encryptions);
    const possible = Math.floor(Math.log2(scale) - noise);
    if (!(possible >= needed && possible > 0) || this.floodBits > WIDEST_GAUSSIAN_BITS)
      throw new ReleaseRefusedError(
        'precision',
        `noise that hides the shares of ${parties} parties leaves ${Math.max(0, possible)} bits of precision, and ${needed} were asked for: fewer iterations between refreshes, or a larger scale`,
        needed,
        Math.max(0, possible),
      );
    const missing = addBits(Math.log2(scale * maxAbs), noise) + 1 - params.logQAt(level);
    if (missing > 0)
      throw new ReleaseRefusedError(
        'modulus',
        `the released values do not fit the modulus at level ${level}: release ${Math.ceil(missing)} bits higher`,
        needed,
        possible,
      );
    return possible;
  }

  /** Bytes of one party's answer. */
  get shareBytes(): number {
    return releaseShareBytes(this.#context.params, this.terms.level);
  }

  /** @throws {ShapeError} {@link ParamsMismatchError} */
  assertFits(ciphertext: CkksCiphertext): void {
    this.#context.assertOwn('a ciphertext to release', ciphertext);
    const { level, scale, parts, count } = ciphertext;
    if (level !== this.terms.level || scale !== this.terms.scale || parts !== 2 || count !== 1)
      throw new ShapeError(
        'a ciphertext to release',
        'at the level and scale of the terms',
        'something else',
      );
  }

  /**
   * A party's answer to `step` for a ciphertext that it has computed itself, under the receiver's key: the same bytes at every call. The one
   * party that `addsFirstPart` adds c0.
   *
   * @throws {ProtocolError} when the step was answered for another ciphertext. {@link ShapeError} {@link ParamsMismatchError}
   */
  share(
    secret: SecretShare,
    step: number,
    ciphertext: CkksCiphertext,
    receiver: PublicKey,
    addsFirstPart: boolean,
  ): Uint8Array {
    this.assertFits(ciphertext);
    const context = this.#context;
    context.assertOwn('a secret share', secret);
    context.assertOwn("the receiver's key", receiver);
    using drbg = secret.answer(step, ciphertextHash(ciphertext));
    const { kernel, ring } = context;
    using scratch = new Scratch(kernel);
    const hidden = scratch.allocate(ciphertext.polyWords);
    hiddenShareInto(context, hidden, {
      c1: ciphertext.part(0, 1).words,
      secret: shareWords(secret),
      floodBits: this.floodBits,
      gap: context.params.n / this.terms.coefficients,
      drbg,
    });
    if (addsFirstPart) {
      const first = scratch.allocate(hidden.length);
      copyWords(first, ciphertext.part(0, 0).words);
      keepRealPart(context, first, context.params.n / this.terms.coefficients, ciphertext.mods);
      kernel.add(ring.tables, hidden, hidden, first, ciphertext.mods);
    }
    using arena = context.arena();
    return this.#encrypted(hidden, receiver, drbg, arena).toBytes();
  }

  /** Under the receiver's public key. */
  #encrypted(hidden: Words, receiver: PublicKey, drbg: Drbg, arena: Arena): CkksCiphertext {
    const context = this.#context;
    const { kernel, ring } = context;
    const { level, scale } = this.terms;
    const mods = context.qMods(level);
    const facts = { context, count: 1, parts: 2, level, scale, maxAbs: DEFAULT_MAX_ABS };
    const seed = drbg.nextKey('u');
    try {
      using zero = new ZeroEncryption(context, receiver, seed);
      return arena.make(2 * hidden.length, (words) => {
        zero.fill(words, mods);
        const first = words.sub(0, hidden.length);
        kernel.add(ring.tables, first, first, hidden, mods);
        return new CkksCiphertext(words, facts);
      });
    } finally {
      seed.fill(0);
    }
  }

  /**
   * The result under the receiver's key, from the answers of all parties; owned by `arena`. Decrypted with that key, the receiver may hand
   * its values on.
   *
   * @throws {DecodeError} {@link ProtocolError} when the shares are not as many as the parties.
   */
  combine(shares: readonly Uint8Array[], arena: Arena): CkksCiphertext {
    const { parties } = this.terms;
    if (shares.length !== parties) throw new ProtocolError('a release needs one answer of each party');
    const context = this.#context;
    const { kernel, ring } = context;
    using work = context.arena();
    let sum: CkksCiphertext | undefined;
    for (const share of shares) {
      const next = CkksCiphertext.fromBytes(context, share, work);
      this.assertFits(next);
      if (sum === undefined) sum = next;
      else kernel.add(ring.tables, sum.words, sum.words, next.words, next.mods);
    }
    return arena.adopt(work.keep(sum!));
  }
}

/** log2 of the standard deviation that hides a noise of this norm: see the head of the file. */
export function collectiveFloodBits(noiseBits: number, securityBits: number): number {
  return 0.5 * Math.log2(12) + securityBits / 2 + noiseBits;
}

/** Bytes of one party's answer to a release. */
export function releaseShareBytes(params: CkksParams, level: number): number {
  const shape = { count: 1, parts: 2, level, isSeeded: false };
  return ciphertextWireBytes(params, shape, SCALE_CODEC.bytes);
}

/** c1 s_i and the noise that hides it, on the released coefficients. Not exported by the package. */
export function hiddenShareInto(
  context: CkksContextBase,
  out: Words,
  {
    c1,
    secret,
    floodBits,
    gap,
    drbg,
  }: { c1: Words; secret: Words; floodBits: number; gap: number; drbg: Drbg },
): void {
  const { kernel, ring, params } = context;
  const mods = context.qMods(out.length / params.n - 1);
  using scratch = new Scratch(kernel);
  const flood = scratch.allocate(out.length);
  gaussianInto(ring, flood, floodBits, drbg.nextKey('flood'), mods);
  kernel.mul(ring.tables, out, c1, secret.sub(0, out.length), mods);
  kernel.add(ring.tables, out, out, flood, mods);
  keepRealPart(context, out, gap, mods);
}

printOnOneLine(CollectiveRelease);
arg.guard('CollectiveRelease', CollectiveRelease.prototype, {
  assertFits: { ciphertext: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  share: {
    secret: arg.like('a SecretShare', 'answer', 'end'),
    step: arg.number,
    ciphertext: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    receiver: arg.like('a PublicKey', 'toBytes', 'part'),
    addsFirstPart: arg.flag,
  },
  combine: { shares: arg.list, arena: arg.like('an Arena', 'make', 'adopt') },
});
