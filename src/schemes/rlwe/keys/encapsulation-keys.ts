/**
 * Sparse-secret encapsulation [BTH22]: a ciphertext at level 0 goes to a sparse secret just before its modulus is raised, so that few
 * multiples of q_0 are added to it, and back to the dense one at the highest level. The sparse secret protects one key alone, over q_0
 * and the first special prime: so small a modulus that even few non-zero coefficients are enough.
 */
import type { ParamsId, Seed } from '../../../base/brand.ts';
import { DisposedError, InvalidParamsError } from '../../../base/errors.ts';
import { SEED_BYTES, seedFromBytes } from '../../../base/random.ts';
import type { KeySwitchShape, Words } from '../../../kernel/kernel.ts';
import { copyWords } from '../../../ring/poly.ts';
import { uniformInto } from '../../../ring/samplers.ts';
import type { RlweContext } from '../context.ts';
import type { RlweParams } from '../params.ts';
import { logProduct } from '../security.ts';
import { SwitchingKey } from './switching-key.ts';
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

/** Non-zero coefficients of the sparse secret: 32 are published as enough for a modulus of 121 bits [BTH22]; here it has 100. */
export const SPARSE_WEIGHT = 40;
/** Largest log2 of the modulus of the key under the sparse secret. */
const SPARSE_MODULUS_BITS = 110;

/** The limbs of the key under the sparse secret: q_0 and the first special prime. */
export function sparseKeyLimbs(params: RlweParams): readonly number[] {
  return [0, params.q.length];
}

/** @throws {InvalidParamsError} when the modulus of the key under the sparse secret is too large for it. */
export function assertEncapsulation(params: RlweParams): void {
  const bits = logProduct(sparseKeyLimbs(params).map((limb) => params.moduli[limb]!.q));
  if (bits > SPARSE_MODULUS_BITS)
    throw new InvalidParamsError(
      `a key under a sparse secret has at most ${SPARSE_MODULUS_BITS} bits of modulus, not ${bits.toFixed(1)}`,
      { bits },
    );
}

export class EncapsulationKeys implements Disposable {
  readonly paramsId: ParamsId;
  /** From the sparse secret to the dense one, at every level. */
  readonly fromSparse: SwitchingKey;
  #context: RlweContext;
  #words: Words;
  #seed: Seed;
  #isDisposed = false;

  /** Takes ownership of `words` (b, a over q_0 and p_0; unless it throws), whose b is filled, and of `fromSparse`. */
  constructor(context: RlweContext, words: Words, seed: Seed, fromSparse: SwitchingKey) {
    this.paramsId = context.params.id;
    this.fromSparse = fromSparse;
    this.#context = context;
    this.#words = words;
    this.#seed = seed;
    const limbs = sparseKeyLimbs(context.params);
    const poly = limbs.length * context.params.n;
    using mask = context.kernel.allocate(poly);
    uniformInto(context.ring, mask, seed, limbs);
    copyWords(words.sub(poly, poly), mask);
  }

  /** The key from the dense secret to the sparse one, borrowed: for ciphertexts at level 0. @throws {DisposedError} */
  get toSparse(): { readonly words: Words; readonly shape: KeySwitchShape } {
    if (this.#isDisposed) throw new DisposedError('encapsulation keys');
    const limbs = sparseKeyLimbs(this.#context.params);
    return { words: this.#words, shape: { q: [0], p: limbs.slice(1), alpha: 1, keyLimbs: limbs } };
  }

  /** Bytes on the wire. */
  static byteLength(params: RlweParams): number {
    return (
      HEADER_BYTES +
      SEED_BYTES +
      packedBytes(params, sparseKeyLimbs(params)) +
      SwitchingKey.byteLength(params, params.maxLevel)
    );
  }

  /** Seeds and b halves. @throws {DisposedError} */
  toBytes(): Uint8Array {
    const { params } = this.#context;
    const limbs = sparseKeyLimbs(params);
    const { words } = this.toSparse;
    const length = EncapsulationKeys.byteLength(params) - HEADER_BYTES;
    const writer = writeHeader(WireKind.encapsulationKeys, this.paramsId, length);
    writer.bytes(this.#seed);
    writePoly(writer, this.#context, words.sub(0, limbs.length * params.n), limbs);
    this.fromSparse.write(writer);
    return writer.finish();
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static fromBytes(context: RlweContext, bytes: Uint8Array): EncapsulationKeys {
    const { params } = context;
    const reader = readHeader('encapsulation keys', bytes, WireKind.encapsulationKeys, params.id);
    if (bytes.length !== EncapsulationKeys.byteLength(params)) throw reader.error('of another length');
    const seed = seedFromBytes(reader.bytes(SEED_BYTES));
    const limbs = sparseKeyLimbs(params);
    const poly = limbs.length * params.n;
    return readWords(reader, context, 2 * poly, (words) => {
      readPoly(reader, context, words.sub(0, poly), limbs);
      const fromSparse = SwitchingKey.read(reader, context, params.maxLevel);
      reader.end();
      return new EncapsulationKeys(context, words, seed, fromSparse);
    });
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#words[Symbol.dispose]();
    this.fromSparse[Symbol.dispose]();
  }
}
