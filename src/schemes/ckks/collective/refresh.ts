/**
 * Levels back, together [MTBH21]: k parties turn a ciphertext (c0, c1) at a low level into one of the same message at the highest. Each draws
 * a mask M_i, far wider than the message, and sends
 *
 *   opened_i = c1 s_i - M_i + e_i     modulo the primes of the low level, the coefficients that the message has
 *   raised_i = -a' s_i + M_i + e'_i   modulo all primes
 *
 * The sum of all opened_i and c0 is the message less the masks, an integer T that everybody sees and that says nothing, as long as one mask is
 * secret; (T + the sum of all raised_i, a') is the fresh ciphertext. a' follows from the session, the step and the hash of the ciphertext:
 * with an a' known beforehand c1 = a' + 1000 would make opened_i + raised_i = 1000 s_i + errors. Nothing of this protects a ciphertext that
 * honest evaluation did not produce: with c1 = 2^140 the shares of the key stand in opened_i above the mask. So a party answers for
 * ciphertexts that it, or an auditor of its own, has computed.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import type { Seed } from '../../../base/brand.ts';
import { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import { InvalidParamsError, ProtocolError, ShapeError } from '../../../base/errors.ts';
import type { Drbg } from '../../../base/random.ts';
import { sha256Digest } from '../../../base/sha256.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { centred, inverseMod, residue } from '../../../kernel/tables/modular.ts';
import type { Arena } from '../../../ring/arena.ts';
import { copyWords } from '../../../ring/poly.ts';
import { errorInto, uniformInto } from '../../../ring/samplers.ts';
import { Scratch } from '../../../ring/scratch.ts';
import { assertParties, commonSeed } from '../../rlwe/collective/session-random.ts';
import { type SecretShare, shareWords } from '../../rlwe/collective/secret-share.ts';
import { packedBytes, readPoly, writePoly } from '../../rlwe/wire/wire.ts';
import { CkksCiphertext } from '../ciphertext.ts';
import type { CkksContextBase } from '../context-base.ts';
import type { CkksParams } from '../params.ts';
import { assertCoefficients, gatherCoefficients, spreadCoefficients } from './sparse-part.ts';

/** Bits by which a mask is wider than the message: how well one honest mask hides it, per coefficient. */
const HIDING_BITS = 64;
/** Masks are drawn in pieces of so many bits. */
const PIECE_BITS = 50;
/** Two pieces below the widest. */
const LEAST_MASK_BITS = 2 * PIECE_BITS;
/** The widest piece of one draw. */
const MOST_MASK_BITS = LEAST_MASK_BITS + 50;

export interface RefreshTerms {
  readonly parties: number;
  /** No coefficient of the message, noise included, reaches 2^messageBits. */
  readonly messageBits: number;
  /** Coefficients that the message has: a power of two, those at multiples of N / coefficients. */
  readonly coefficients: number;
}

/** SHA-256 of a ciphertext's bytes: what parties agree on before they answer. */
export function ciphertextHash(ciphertext: CkksCiphertext): Uint8Array {
  return Uint8Array.from(sha256Digest(ciphertext.toBytes()));
}

export class CollectiveRefresh {
  readonly terms: RefreshTerms;
  /** Where ciphertexts must be: the lowest level with room for the masks. */
  readonly level: number;
  /** Masks are uniform in [-2^maskBits, 2^maskBits). */
  readonly maskBits: number;
  #context: CkksContextBase;

  /** @throws {OutOfRangeError} {@link InvalidParamsError} when no level has room for masks that hide the message. */
  constructor(context: CkksContextBase, terms: RefreshTerms) {
    const { parties, messageBits, coefficients } = terms;
    assertParties(parties);
    assertCoefficients(context, coefficients);
    this.terms = Object.freeze({ ...terms });
    this.#context = context;
    this.level = refreshLevel(context.params, terms);
    const room = context.params.logQAt(this.level) - 2 - Math.ceil(Math.log2(parties));
    this.maskBits = Math.min(MOST_MASK_BITS, Math.floor(room));
    if (this.maskBits < messageBits + HIDING_BITS)
      throw new InvalidParamsError('no room for masks that hide the message', { messageBits });
  }

  get #gap(): number {
    return this.#context.params.n / this.terms.coefficients;
  }

  get #low(): readonly number[] {
    return this.#context.qMods(this.level);
  }

  get #top(): readonly number[] {
    return this.#context.qMods(this.#context.params.maxLevel);
  }

  /** Bytes of one party's answer. */
  get shareBytes(): number {
    return refreshShareBytes(this.#context.params, this.level, this.terms.coefficients);
  }

  /** The ciphertexts that can be refreshed. @throws {ShapeError} {@link ParamsMismatchError} */
  assertFits(ciphertext: CkksCiphertext): void {
    this.#context.assertOwn('a ciphertext to refresh', ciphertext);
    const { level, parts, count } = ciphertext;
    if (level !== this.level || parts !== 2 || count !== 1)
      throw new ShapeError('a ciphertext to refresh', `two parts at level ${this.level}`, 'something else');
  }

  /**
   * A party's answer to `step` for a ciphertext that it has computed itself: the same bytes at every call.
   *
   * - cost: one product at the low level, one at the highest; log2 of bytes: see {@link shareBytes}
   *
   * @throws {ProtocolError} when the step was answered for another ciphertext. {@link ShapeError}
   */
  share(secret: SecretShare, step: number, ciphertext: CkksCiphertext): Uint8Array {
    this.assertFits(ciphertext);
    this.#context.assertOwn('a secret share', secret);
    const hash = ciphertextHash(ciphertext);
    using drbg = secret.answer(step, hash);
    const seed = freshMaskSeed(secret.session, step, hash);
    return refreshShareOf(this.#context, this, shareWords(secret), ciphertext.part(0, 1).words, seed, drbg);
  }

  /**
   * The ciphertext at the highest level, from the answers of all parties; owned by `arena`.
   *
   * - level, scale: the highest, that of the ciphertext. noise: the ciphertext's, and variance 21 per coefficient and party
   *
   * @throws {DecodeError} {@link ProtocolError} when the shares are not as many as the parties, or open no masked message.
   */
  combine(
    session: Uint8Array,
    step: number,
    ciphertext: CkksCiphertext,
    shares: readonly Uint8Array[],
    arena: Arena,
  ): CkksCiphertext {
    this.assertFits(ciphertext);
    const { parties, coefficients } = this.terms;
    if (shares.length !== parties) throw new ProtocolError('a refresh needs one answer of each party');
    const context = this.#context;
    const { kernel, ring, params } = context;
    using scratch = new Scratch(kernel);
    const opened = scratch.allocate(this.#low.length * coefficients);
    gatherCoefficients(context, opened, ciphertext.part(0, 0).words, this.#gap, this.#low);
    const sum = scratch.allocate(this.#top.length * params.n);
    const raised = scratch.allocate(sum.length);
    for (const share of shares) {
      this.#readShare(share, opened, raised);
      kernel.add(ring.tables, sum, sum, raised, this.#top);
    }
    spreadCoefficients(context, raised, this.#lifted(opened), this.#gap, this.#top);
    kernel.add(ring.tables, sum, sum, raised, this.#top);
    const seed = freshMaskSeed(session, step, ciphertextHash(ciphertext));
    const { scale, maxAbs } = ciphertext;
    const facts = { context, count: 1, parts: 2, level: params.maxLevel, scale, maxAbs, seed };
    return arena.make(2 * sum.length, (words) => {
      copyWords(words.sub(0, sum.length), sum);
      uniformInto(ring, words.sub(sum.length, sum.length), seed, this.#top);
      return new CkksCiphertext(words, facts);
    });
  }

  /** Adds what is opened and fills in what is raised. @throws {DecodeError} */
  #readShare(bytes: Uint8Array, opened: Words, raised: Words): void {
    const context = this.#context;
    const reader = new ByteReader('an answer to a refresh', bytes);
    if (bytes.length !== this.shareBytes) throw reader.error('of another length');
    const { coefficients } = this.terms;
    const to = opened.u64();
    this.#low.forEach((limb, i) => {
      const q = BigInt(context.params.q[limb]!.q);
      for (let j = 0; j < coefficients; j++) {
        const word = BigInt(reader.u64());
        if (word >= q) throw reader.error('a residue is out of range');
        to[i * coefficients + j] = (to[i * coefficients + j]! + word) % q;
      }
    });
    readPoly(reader, context, raised, this.#top);
    reader.end();
  }

  /** Residues modulo all primes of the centred integers that are given modulo the low ones. @throws {ProtocolError} */
  #lifted(opened: Words): BigUint64Array {
    const { q } = this.#context.params;
    const { coefficients, parties, messageBits } = this.terms;
    const low = this.#low.map((limb) => BigInt(q[limb]!.q));
    const product = low.reduce((total, prime) => total * prime, 1n);
    const weights = low.map((prime) => {
      const others = product / prime;
      return others * inverseMod(others, prime);
    });
    const largest = BigInt(parties) * 2n ** BigInt(this.maskBits) + 2n ** BigInt(messageBits);
    const from = opened.u64();
    const lifted = new BigUint64Array(this.#top.length * coefficients);
    for (let j = 0; j < coefficients; j++) {
      let value = 0n;
      weights.forEach((weight, i) => {
        value += weight * from[i * coefficients + j]!;
      });
      value = centred(value % product, product);
      if (value > largest || value < -largest)
        throw new ProtocolError('the answers open something else than a masked message: the session is over');
      this.#top.forEach((limb, i) => {
        lifted[i * coefficients + j] = residue(value, BigInt(q[limb]!.q));
      });
    }
    return lifted;
  }
}

/** The lowest level with room for masks of this many parties. @throws {InvalidParamsError} */
export function refreshLevel(
  params: CkksParams,
  { parties, messageBits }: Omit<RefreshTerms, 'coefficients'>,
): number {
  const needed = Math.max(LEAST_MASK_BITS, messageBits + HIDING_BITS) + 2 + Math.ceil(Math.log2(parties));
  for (let level = 0; level <= params.maxLevel; level++) if (params.logQAt(level) >= needed) return level;
  throw new InvalidParamsError(
    `a refresh of ${parties} parties needs ${Math.ceil(needed)} bits of modulus below its masks, and there are ${Math.floor(params.logQAt(params.maxLevel))}`,
    { needed },
  );
}

/** Bytes of one party's answer to a refresh. */
export function refreshShareBytes(params: CkksParams, level: number, coefficients: number): number {
  return (level + 1) * coefficients * 8 + packedBytes(params, params.qMods(params.maxLevel));
}

/** The seed of a': nobody knows it before the ciphertext is fixed. */
function freshMaskSeed(session: Uint8Array, step: number, hash: Uint8Array): Seed {
  return commonSeed(session, `refresh ${step}`, hash);
}

/** The answer itself, for a given a' and given randomness: what {@link CollectiveRefresh.share} guards. Not exported by the package. */
export function refreshShareOf(
  context: CkksContextBase,
  { level, maskBits, terms }: Pick<CollectiveRefresh, 'level' | 'maskBits' | 'terms'>,
  secret: Words,
  c1: Words,
  seed: Seed,
  drbg: Drbg,
): Uint8Array {
  const { kernel, ring, params } = context;
  const [low, top] = [context.qMods(level), context.qMods(params.maxLevel)];
  const gap = params.n / terms.coefficients;
  using scratch = new Scratch(kernel);
  const mask = scratch.allocate(top.length * params.n);
  maskInto(context, mask, { bits: maskBits, gap, mods: top, drbg });
  const opened = scratch.allocate(low.length * params.n);
  const error = scratch.allocate(opened.length);
  kernel.mul(ring.tables, opened, c1, secret.sub(0, opened.length), low);
  kernel.sub(ring.tables, opened, opened, mask.sub(0, opened.length), low);
  errorInto(ring, error, drbg.nextKey('e'), low);
  kernel.add(ring.tables, opened, opened, error, low);
  const sent = scratch.allocate(low.length * terms.coefficients);
  gatherCoefficients(context, sent, opened, gap, low);
  const raised = scratch.allocate(mask.length);
  const masked = scratch.allocate(mask.length);
  uniformInto(ring, masked, seed, top);
  kernel.mul(ring.tables, masked, masked, secret.sub(0, masked.length), top);
  errorInto(ring, raised, drbg.nextKey('e'), top);
  kernel.add(ring.tables, raised, raised, mask, top);
  kernel.sub(ring.tables, raised, raised, masked, top);
  const writer = new ByteWriter(refreshShareBytes(params, level, terms.coefficients));
  for (const word of sent.u64()) writer.u64(Number(word));
  writePoly(writer, context, raised, top);
  return writer.finish();
}

/** M = M_0 + 2^50 M_1 + 2^100 M_2 at multiples of `gap`, each a uniform digit: uniform in an interval of 2^(bits + 1) integers. */
function maskInto(
  { kernel, ring, params }: CkksContextBase,
  out: Words,
  { bits, gap, mods, drbg }: { bits: number; gap: number; mods: readonly number[]; drbg: Drbg },
): void {
  const count = params.n / gap;
  const draw = new Float64Array(count);
  const values = new Float64Array(params.n);
  using scratch = new Scratch(kernel);
  const piece = scratch.allocate(out.length);
  const key = drbg.nextKey('flood');
  try {
    [PIECE_BITS - 1, PIECE_BITS - 1, bits - LEAST_MASK_BITS].forEach((width, place) => {
      kernel.uniformSigned(draw, width, key, place);
      for (let j = 0; j < count; j++) values[j * gap] = draw[j]!;
      kernel.transformDoubles(ring.tables, piece, values, mods);
      const factor = 2n ** BigInt(place * PIECE_BITS);
      const factors = mods.map((limb) => Number(factor % BigInt(params.q[limb]!.q)));
      kernel.mulScalar(ring.tables, piece, piece, factors, mods);
      kernel.add(ring.tables, out, out, piece, mods);
    });
  } finally {
    for (const secret of [draw, values, key]) secret.fill(0);
  }
}

printOnOneLine(CollectiveRefresh);
arg.guard('CollectiveRefresh', CollectiveRefresh.prototype, {
  assertFits: { ciphertext: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  share: {
    secret: arg.like('a SecretShare', 'answer', 'end'),
    step: arg.number,
    ciphertext: arg.like('a CkksCiphertext', 'toBytes', 'at'),
  },
  combine: {
    session: arg.bytes,
    step: arg.number,
    ciphertext: arg.like('a CkksCiphertext', 'toBytes', 'at'),
    shares: arg.list,
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
});
