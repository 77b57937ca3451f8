/**
 * Keys of a collective secret from shares of the parties [MTBH21]: one for each key in turn, bytes in and keys out. All shares of a key are
 * added up by every party itself. Symbols: a common uniform polynomials, s = sum of s_i, g_d the gadget of digit d, P the special primes.
 *
 *   public key        p_i = -a s_i + e
 *   rotation by phi   -a_d s_i + P g_d phi(s_i) + e
 *   relinearization   first -u_i a_d + P g_d s_i + e and s_i a_d + e', u_i ternary; with their sums h_0, h_1, then
 *                     s_i h_0 + (u_i - s_i) h_1 + e'' + e''': the key is (the sum of these, h_1)
 *
 * A party that saw the others' shares could choose its own so that the sum is a key it knows the secret of: shares are committed to
 * before any is shown (commitment.ts beside).
 */
import type { GaloisElement, Seed } from '../../../base/brand.ts';
import { ByteReader } from '../../../base/bytes.ts';
import { OutOfRangeError, ProtocolError } from '../../../base/errors.ts';
import type { Drbg } from '../../../base/random.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { handOver } from '../../../ring/arena.ts';
import { copyWords, gatherLimbs } from '../../../ring/poly.ts';
import { errorInto, ternaryInto } from '../../../ring/samplers.ts';
import { Scratch } from '../../../ring/scratch.ts';
import type { RlweContext } from '../context.ts';
import { EvaluationKeys } from '../keys/evaluation-keys.ts';
import { addGadget, maskedErrorsInto } from '../keys/gadget.ts';
import { type KeyPlan, resolveKeyPlan } from '../keys/key-plan.ts';
import { PublicKey } from '../keys/public-key.ts';
import { SwitchingKey } from '../keys/switching-key.ts';
import type { RlweParams } from '../params.ts';
import { packPolys } from '../wire/ciphertext-wire.ts';
import { packedBytes, readPoly } from '../wire/wire.ts';
import { assertParties, commonSeed } from './session-random.ts';
import { type SecretShare, shareStream, shareWords } from './secret-share.ts';

/** One share of each party: in the order of {@link keyItems}. */
export type KeyItem =
  | { readonly kind: 'public' }
  | { readonly kind: 'relinearize-first' | 'relinearize-second'; readonly level: number }
  | { readonly kind: 'galois'; readonly element: GaloisElement; readonly level: number };

/** What is shared, in turn. The second round of the relinearization key comes last, when the first is long summed up. */
export function keyItems(params: RlweParams, plan: KeyPlan): KeyItem[] {
  const { relinearizeLevel, galois } = resolveKeyPlan(params, plan);
  const round = (kind: 'relinearize-first' | 'relinearize-second'): KeyItem[] =>
    relinearizeLevel === null ? [] : [{ kind, level: relinearizeLevel }];
  return [
    { kind: 'public' },
    ...round('relinearize-first'),
    ...galois.map(({ element, maxLevel }) => ({ kind: 'galois' as const, element, level: maxLevel })),
    ...round('relinearize-second'),
  ];
}

/** Limbs and number of the polynomials of a share. */
function shapeOf(params: RlweParams, item: KeyItem): { limbs: readonly number[]; count: number } {
  if (item.kind === 'public') return { limbs: params.qMods(params.maxLevel), count: 1 };
  const digits = params.digits(item.level);
  return {
    limbs: params.keyLimbs(item.level),
    count: item.kind === 'relinearize-first' ? 2 * digits : digits,
  };
}

/** Bytes of a share of this key. */
export function keyShareBytes(params: RlweParams, item: KeyItem): number {
  const { limbs, count } = shapeOf(params, item);
  return count * packedBytes(params, limbs);
}

function labelOf(item: KeyItem): string {
  switch (item.kind) {
    case 'public':
      return 'public key';
    case 'galois':
      return `galois key ${item.element}`;
    default:
      return 'relinearization key';
  }
}

export class CollectiveKeys implements Disposable {
  readonly items: readonly KeyItem[];
  readonly parties: number;
  #context: RlweContext;
  #session: Uint8Array;
  #sums: Words[] = [];
  #added: number[] = [];

  /** @throws {OutOfRangeError} for fewer than 2 or more than 16 parties. As {@link resolveKeyPlan}. */
  constructor(context: RlweContext, session: Uint8Array, parties: number, plan: KeyPlan) {
    assertParties(parties);
    this.#context = context;
    this.#session = session.slice();
    this.parties = parties;
    this.items = keyItems(context.params, plan);
  }

  #item(index: number): KeyItem {
    const item = this.items[index];
    if (item === undefined)
      throw new OutOfRangeError('a key share', `from 0 to ${this.items.length - 1}`, index);
    return item;
  }

  /**
   * A party's share of key `index`, the same bytes at every call.
   *
   * @throws {ProtocolError} for the second round of the relinearization key before its first is complete. {@link ParamsMismatchError}
   */
  share(secret: SecretShare, index: number): Uint8Array {
    const context = this.#context;
    const { params, kernel } = context;
    context.assertOwn('a secret share', secret);
    const item = this.#item(index);
    const { limbs, count } = shapeOf(params, item);
    const poly = limbs.length * params.n;
    using scratch = new Scratch(kernel);
    const out = scratch.allocate(count * poly);
    const s = scratch.allocate(poly);
    gatherLimbs(params.n, s, shareWords(secret), limbs);
    using drbg = shareStream(secret, `${item.kind} ${index}`);
    const masked = (to: Words, secretOf: Words, sign: 'plus' | 'minus' = 'minus'): void => {
      const seed = commonSeed(this.#session, labelOf(item));
      maskedErrorsInto(context, to, { seed, s: secretOf, drbg, mods: limbs }, sign);
    };
    switch (item.kind) {
      case 'public':
        masked(out, s);
        break;
      case 'galois': {
        masked(out, s);
        const moved = scratch.allocate(poly);
        kernel.automorphism(context.ring.tables, moved, s, item.element, limbs);
        addGadget(context, out, moved, item.level);
        break;
      }
      case 'relinearize-first': {
        const half = (count / 2) * poly;
        const u = scratch.allocate(poly);
        this.#ephemeral(secret, u, limbs);
        const first = out.sub(0, half);
        masked(first, u);
        addGadget(context, first, s, item.level);
        masked(out.sub(half, half), s, 'plus');
        break;
      }
      case 'relinearize-second':
        this.#secondRound(secret, out, s, limbs, drbg);
    }
    const bytes = new Uint8Array(keyShareBytes(params, item));
    packPolys(bytes, context, out, limbs);
    return bytes;
  }

  /** u_i of the relinearization key: the same in both rounds. */
  #ephemeral(secret: SecretShare, out: Words, limbs: readonly number[]): void {
    using drbg = shareStream(secret, 'relinearize ephemeral');
    const key = drbg.nextKey('u');
    try {
      ternaryInto(this.#context.ring, out, key, limbs);
    } finally {
      key.fill(0);
    }
  }

  #secondRound(secret: SecretShare, out: Words, s: Words, limbs: readonly number[], drbg: Drbg): void {
    const { kernel, ring } = this.#context;
    const firstIndex = this.items.findIndex(({ kind }) => kind === 'relinearize-first');
    if (this.#added[firstIndex] !== this.parties)
      throw new ProtocolError('the first round of the relinearization key is not complete');
    const sum = this.#sums[firstIndex]!;
    const [h0, h1] = [sum.sub(0, out.length), sum.sub(out.length, out.length)];
    using scratch = new Scratch(kernel);
    const u = scratch.allocate(s.length);
    this.#ephemeral(secret, u, limbs);
    kernel.sub(ring.tables, u, u, s, limbs);
    errorInto(ring, out, drbg.nextKey('e'), limbs);
    const second = scratch.allocate(out.length);
    errorInto(ring, second, drbg.nextKey('e'), limbs);
    kernel.add(ring.tables, out, out, second, limbs);
    kernel.mulAdd(ring.tables, out, h0, s, limbs);
    kernel.mulAdd(ring.tables, out, h1, u, limbs);
  }

  /**
   * Adds one party's share of key `index`.
   *
   * @throws {DecodeError} when the bytes are no share of this key: nothing was added. {@link ProtocolError} for more shares than parties.
   */
  add(index: number, bytes: Uint8Array): void {
    const context = this.#context;
    const { params, kernel, ring } = context;
    const item = this.#item(index);
    const { limbs, count } = shapeOf(params, item);
    const poly = limbs.length * params.n;
    const reader = new ByteReader('a key share', bytes);
    if (bytes.length !== keyShareBytes(params, item)) throw reader.error('of another length');
    if ((this.#added[index] ?? 0) >= this.parties)
      throw new ProtocolError('a key has one share of each party');
    using scratch = new Scratch(kernel);
    const share = scratch.allocate(count * poly);
    for (let i = 0; i < count; i++) readPoly(reader, context, share.sub(i * poly, poly), limbs);
    reader.end();
    this.#sums[index] ??= kernel.allocate(count * poly);
    const sum = this.#sums[index];
    kernel.add(ring.tables, sum, sum, share, limbs);
    this.#added[index] = (this.#added[index] ?? 0) + 1;
  }

  /** The collective public key, the caller's. @throws {ProtocolError} before all shares are there. */
  publicKey(): PublicKey {
    const sum = this.#complete(this.items.findIndex(({ kind }) => kind === 'public'));
    const { kernel } = this.#context;
    return handOver(kernel.allocate(2 * sum.length), (words) => {
      copyWords(words.sub(0, sum.length), sum);
      return new PublicKey(this.#context, words, commonSeed(this.#session, labelOf({ kind: 'public' })));
    });
  }

  /** The collective evaluation keys, the caller's; the sums they are made of are freed. @throws {ProtocolError} before all shares are there. */
  evaluationKeys(): EvaluationKeys {
    let relinearize: SwitchingKey | null = null;
    const galois: [GaloisElement, SwitchingKey][] = [];
    try {
      this.items.forEach((item, index) => {
        if (item.kind === 'galois') {
          const seed = commonSeed(this.#session, labelOf(item));
          galois.push([item.element, this.#switchingKey(index, item.level, seed)]);
        } else if (item.kind === 'relinearize-second') {
          const first = this.items.findIndex(({ kind }) => kind === 'relinearize-first');
          const sum = this.#complete(first);
          const h1 = sum.sub(sum.length / 2, sum.length / 2);
          relinearize = this.#switchingKey(index, item.level, null, h1);
          this.#release(first);
        }
      });
    } catch (error) {
      for (const [, key] of galois) key[Symbol.dispose]();
      throw error;
    }
    return new EvaluationKeys(this.#context, relinearize, galois);
  }

  #switchingKey(index: number, level: number, seed: Seed | null, a?: Words): SwitchingKey {
    const { kernel, params } = this.#context;
    const sum = this.#complete(index);
    const poly = params.keyLimbs(level).length * params.n;
    const key = handOver(kernel.allocate(2 * sum.length), (words) => {
      for (let at = 0; at < sum.length; at += poly) {
        copyWords(words.sub(2 * at, poly), sum.sub(at, poly));
        if (a !== undefined) copyWords(words.sub(2 * at + poly, poly), a.sub(at, poly));
      }
      return new SwitchingKey(this.#context, level, words, seed);
    });
    this.#release(index);
    return key;
  }

  #complete(index: number): Words {
    const sum = this.#sums[index];
    if (sum === undefined || this.#added[index] !== this.parties)
      throw new ProtocolError('not every party has sent its share of a key');
    return sum;
  }

  #release(index: number): void {
    this.#sums[index]?.[Symbol.dispose]();
    delete this.#sums[index];
  }

  [Symbol.dispose](): void {
    for (let index = 0; index < this.items.length; index++) this.#release(index);
  }
}

printOnOneLine(CollectiveKeys);
