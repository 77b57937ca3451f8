/** Keys and ciphertexts of the lattice scheme: words of one kernel, and how they are packed into bytes. */
import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DisposedError } from '../../base/errors.ts';
import type { Kernel, RingTables, Words } from '../../kernel/kernel.ts';
import type {
  FunctionKeys,
  InnerProductCiphertext,
  MasterPublicKey,
  MasterSecretKey,
} from '../inner-product-scheme.ts';
import { FE_HEADER_BYTES, FeKind, writeFeHeader } from '../object-header.ts';
import type { LatticeParams } from './params.ts';

/** What the objects of one scheme share. */
export interface LatticeContext {
  readonly params: LatticeParams;
  readonly kernel: Kernel;
  /** Z_q[X]/(X^d + 1) over all primes of q. */
  readonly ring: RingTables;
  /** One prime, n words: integers of function keys. */
  readonly keyRing: RingTables;
  readonly mods: readonly number[];
}

export const SEED_BYTES = 32;

const bitsOf = (prime: number) => Math.floor(Math.log2(prime)) + 1;

/** Bytes of `polynomials` packed polynomials over `ring`. */
export function packedPolynomialBytes(ring: RingTables, polynomials: number): number {
  return polynomials * ring.moduli.reduce((sum, prime) => sum + Math.ceil((ring.n * bitsOf(prime)) / 8), 0);
}

function writePolynomials(writer: ByteWriter, kernel: Kernel, ring: RingTables, words: Words): void {
  for (let at = 0; at < words.length; at += ring.n) {
    const bits = bitsOf(ring.moduli[(at / ring.n) % ring.moduli.length] as number);
    kernel.packBits(writer.reserve(Math.ceil((ring.n * bits) / 8)), words.sub(at, ring.n), bits);
  }
}

/** @throws {DecodeError} when a residue is not below its prime, or the budget of the reader is spent. */
export function readPolynomials(
  reader: ByteReader,
  kernel: Kernel,
  ring: RingTables,
  polynomials: number,
): Words {
  const length = polynomials * ring.moduli.length * ring.n;
  reader.budget.charge(reader.what, 8 * length);
  const words = kernel.allocate(length);
  try {
    for (let at = 0; at < length; at += ring.n) {
      const bits = bitsOf(ring.moduli[(at / ring.n) % ring.moduli.length] as number);
      kernel.unpackBits(words.sub(at, ring.n), reader.bytes(Math.ceil((ring.n * bits) / 8)), bits);
    }
    const mods = ring.moduli.map((_, i) => i);
    if (!kernel.inRange(ring, words, mods)) throw reader.error('a residue is out of range');
    return words;
  } catch (error) {
    words.wipe();
    throw error;
  }
}

abstract class LatticeObject implements Disposable {
  readonly context: LatticeContext;
  #isDisposed = false;

  constructor(context: LatticeContext) {
    this.context = context;
  }

  get schemeId(): string {
    return this.context.params.id;
  }

  protected abstract free(): void;

  /** @throws {DisposedError} */
  assertLive(what: string): void {
    if (this.#isDisposed) throw new DisposedError(what);
  }

  [Symbol.dispose](): void {
    if (!this.#isDisposed) this.free();
    this.#isDisposed = true;
  }
}

/** A seed for the matrix A (k x k) and the vectors b_i = A s_i + e_i, NTT domain. */
export class LatticePublicKey extends LatticeObject implements MasterPublicKey {
  readonly kind = 'master-public-key';
  readonly seed: Uint8Array;
  /** [k, length] polynomials: component j of all b_i is contiguous. */
  readonly vectors: Words;
  #matrix: Words | undefined;

  constructor(context: LatticeContext, seed: Uint8Array, vectors: Words) {
    super(context);
    this.seed = seed;
    this.vectors = vectors;
  }

  /** A, row by row, NTT domain; expanded once. */
  get matrix(): Words {
    this.assertLive('a master public key');
    if (this.#matrix === undefined) {
      const { kernel, ring, mods, params } = this.context;
      this.#matrix = kernel.allocate(params.rank ** 2 * mods.length * ring.n);
      kernel.uniform(ring, this.#matrix, this.seed, mods);
    }
    return this.#matrix;
  }

  get byteLength(): number {
    const { ring, params } = this.context;
    return FE_HEADER_BYTES + SEED_BYTES + packedPolynomialBytes(ring, params.rank * params.length);
  }

  toBytes(): Uint8Array {
    this.assertLive('a master public key');
    const { kernel, ring } = this.context;
    const writer = writeFeHeader(FeKind.masterPublicKey, this.schemeId, 1, this.byteLength - FE_HEADER_BYTES);
    writer.bytes(this.seed);
    writePolynomials(writer, kernel, ring, this.vectors);
    return writer.finish();
  }

  protected free(): void {
    this.vectors[Symbol.dispose]();
    this.#matrix?.[Symbol.dispose]();
  }
}

/** The vectors s_i: row i holds their n coefficients modulo the key prime. */
export class LatticeSecretKey extends LatticeObject implements MasterSecretKey {
  readonly kind = 'master-secret-key';
  readonly rows: Words;

  constructor(context: LatticeContext, rows: Words) {
    super(context);
    this.rows = rows;
  }

  get byteLength(): number {
    return FE_HEADER_BYTES + packedPolynomialBytes(this.context.keyRing, this.context.params.length);
  }

  toBytes(): Uint8Array {
    this.assertLive('a master secret key');
    const { kernel, keyRing } = this.context;
    const writer = writeFeHeader(FeKind.masterSecretKey, this.schemeId, 1, this.byteLength - FE_HEADER_BYTES);
    writePolynomials(writer, kernel, keyRing, this.rows);
    return writer.finish();
  }

  protected free(): void {
    this.rows.wipe();
  }
}

/** c_0 = A^T r + f_0 (k polynomials), then c_i = <b_i, r> + f_i + floor(q/K) x_i, NTT domain. */
export class LatticeCiphertext extends LatticeObject implements InnerProductCiphertext {
  readonly kind = 'ciphertext';
  readonly count: number;
  readonly words: Words;

  constructor(context: LatticeContext, count: number, words: Words) {
    super(context);
    this.count = count;
    this.words = words;
  }

  get byteLength(): number {
    const { ring, params } = this.context;
    return FE_HEADER_BYTES + packedPolynomialBytes(ring, params.rank + params.length);
  }

  toBytes(): Uint8Array {
    this.assertLive('a ciphertext');
    const { kernel, ring } = this.context;
    const body = this.byteLength - FE_HEADER_BYTES;
    const writer = writeFeHeader(FeKind.ciphertext, this.schemeId, this.count, body);
    writePolynomials(writer, kernel, ring, this.words);
    return writer.finish();
  }

  protected free(): void {
    this.words[Symbol.dispose]();
  }
}

/** sum y_i s_i for each y: n coefficients modulo the key prime. */
export class LatticeFunctionKeys extends LatticeObject implements FunctionKeys {
  readonly kind = 'function-keys';
  readonly count: number;
  readonly rows: Words;
  #transformed: Words | undefined;

  constructor(context: LatticeContext, count: number, rows: Words) {
    super(context);
    this.count = count;
    this.rows = rows;
  }

  /** [k, count] polynomials over q, NTT domain; made once, for all ciphertexts. */
  get transformed(): Words {
    this.assertLive('a set of function keys');
    this.#transformed ??= this.#transform();
    return this.#transformed;
  }

  get byteLength(): number {
    return FE_HEADER_BYTES + packedPolynomialBytes(this.context.keyRing, this.count);
  }

  toBytes(): Uint8Array {
    this.assertLive('a set of function keys');
    const { kernel, keyRing } = this.context;
    const body = this.byteLength - FE_HEADER_BYTES;
    const writer = writeFeHeader(FeKind.functionKeys, this.schemeId, this.count, body);
    writePolynomials(writer, kernel, keyRing, this.rows);
    return writer.finish();
  }

  #transform(): Words {
    const { kernel, ring, keyRing, mods, params } = this.context;
    const { packing, rank, dimension } = params;
    const integers = new Float64Array(this.count * dimension);
    kernel.toDoubles(keyRing, integers, this.rows, [0]);
    const byComponent = new Float64Array(integers.length);
    for (let key = 0; key < this.count; key++) {
      for (let j = 0; j < rank; j++) {
        const from = key * dimension + j * packing;
        byComponent.set(integers.subarray(from, from + packing), (j * this.count + key) * packing);
      }
    }
    const words = kernel.allocate(this.count * rank * mods.length * packing);
    kernel.fromDoubles(ring, words, byComponent, mods);
    kernel.nttForward(ring, words, mods);
    integers.fill(0);
    byComponent.fill(0);
    return words;
  }

  protected free(): void {
    this.rows.wipe();
    this.#transformed?.wipe();
  }
}
