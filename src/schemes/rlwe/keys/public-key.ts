/** The public key: an encryption of zero (b, a) with b = -a s + e over q_0 .. q_L, NTT domain; a comes from a seed. */
import type { ParamsId, Seed } from '../../../base/brand.ts';
import { DisposedError } from '../../../base/errors.ts';
import { SEED_BYTES, seedFromBytes } from '../../../base/random.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { uniformInto } from '../../../ring/samplers.ts';
import type { RlweContext } from '../context.ts';
import type { RlweParams } from '../params.ts';
import {
  HEADER_BYTES,
  packedBytes,
  readHeader,
  readPoly,
  readWords,
  WireKind,
  writeHeader,
  writePoly,
} from '../wire/wire.ts';

export class PublicKey implements Disposable {
  readonly paramsId: ParamsId;
  #context: RlweContext;
  #words: Words;
  #seed: Seed;
  #isDisposed = false;

  /** Takes ownership of `words` unless it throws (b over q_0 .. q_L, then room for a), and expands a. Made by the key generator. */
  constructor(context: RlweContext, words: Words, seed: Seed) {
    this.paramsId = context.params.id;
    this.#context = context;
    this.#words = words;
    this.#seed = seed;
    const half = words.length / 2;
    uniformInto(context.ring, words.sub(half, half), seed, context.qMods(context.params.maxLevel));
  }

  /** part 0 = b, 1 = a; borrowed. @throws {DisposedError} */
  part(index: 0 | 1): Words {
    if (this.#isDisposed) throw new DisposedError('a public key');
    const half = this.#words.length / 2;
    return this.#words.sub(index * half, half);
  }

  /** Bytes on the wire. */
  static byteLength(params: RlweParams): number {
    return HEADER_BYTES + bodyBytes(params);
  }

  /** Header, seed of a, b. */
  toBytes(): Uint8Array {
    const { params } = this.#context;
    const mods = params.qMods(params.maxLevel);
    const writer = writeHeader(WireKind.publicKey, this.paramsId, bodyBytes(params));
    writer.bytes(this.#seed);
    writePoly(writer, this.#context, this.part(0), mods);
    return writer.finish();
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static fromBytes(context: RlweContext, bytes: Uint8Array): PublicKey {
    const reader = readHeader('a public key', bytes, WireKind.publicKey, context.params.id);
    const mods = context.qMods(context.params.maxLevel);
    if (reader.remaining !== bodyBytes(context.params)) throw reader.error('wrong length');
    const seed = seedFromBytes(reader.bytes(SEED_BYTES));
    const half = mods.length * context.params.n;
    return readWords(reader, context, 2 * half, (words) => {
      readPoly(reader, context, words.sub(0, half), mods);
      reader.end();
      return new PublicKey(context, words, seed);
    });
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#words[Symbol.dispose]();
  }
}

function bodyBytes(params: RlweParams): number {
  return SEED_BYTES + packedBytes(params, params.qMods(params.maxLevel));
}
