/** Keys and ciphertexts of the lattice scheme: words of one kernel, and how they are packed into bytes. */
import { printOnOneLine } from '../../base/inspect.ts';
import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DisposedError } from '../../base/errors.ts';
import type { Kernel, RingTables, Words } from '../../kernel/kernel.ts';
import { handOver } from '../../ring/arena.ts';
import type { FunctionKeys, MasterPublicKey, MasterSecretKey } from '../inner-product-scheme.ts';
import { FE_HEADER_BYTES, FeKind, writeFeHeader } from '../object-header.ts';
import type { LatticeContext } from './context.ts';
import { LatticeKeyDerivation } from './key-derivation.ts';

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

/** What all objects of one scheme are: a body behind a header. */
export abstract class LatticeObject implements Disposable {
  readonly context: LatticeContext;
  protected abstract readonly wire: FeKind;
  protected abstract readonly what: string;
  #isDisposed = false;

  constructor(context: LatticeContext) {
    this.context = context;
  }

  get schemeId(): string {
    return this.context.params.id;
  }

  get byteLength(): number {
    return FE_HEADER_BYTES + this.bodyBytes;
  }

  toBytes(): Uint8Array {
    this.assertLive();
    const writer = writeFeHeader(this.wire, this.schemeId, this.count, this.bodyBytes);
    this.writeBody(writer);
    return writer.finish();
  }

  /** @throws {DisposedError} */
  assertLive(): void {
    if (this.#isDisposed) throw new DisposedError(this.what);
  }

  [Symbol.dispose](): void {
    if (!this.#isDisposed) this.free();
    this.#isDisposed = true;
  }

  /** The count in the header. */
  get count(): number {
    return 1;
  }

  protected abstract get bodyBytes(): number;

  protected abstract writeBody(writer: ByteWriter): void;

  protected abstract free(): void;
}

/** Those that are kept as words of the kernel: polynomials over `ring`. */
abstract class LatticeWords extends LatticeObject {
  readonly words: Words;
  readonly #ring: RingTables;

  constructor(context: LatticeContext, ring: RingTables, words: Words) {
    super(context);
    this.#ring = ring;
    this.words = words;
  }

  protected get bodyBytes(): number {
    return packedPolynomialBytes(this.#ring, this.words.length / (this.#ring.moduli.length * this.#ring.n));
  }

  protected writeBody(writer: ByteWriter): void {
    writePolynomials(writer, this.context.kernel, this.#ring, this.words);
  }

  /** Secrets are wiped. */
  protected free(): void {
    this.words.wipe();
  }
}

/** A seed for the matrix A (k x k) and the vectors b_i = A s_i + e_i, NTT domain: [k, length], component j of all contiguous. */
export class LatticePublicKey extends LatticeWords implements MasterPublicKey {
  readonly kind = 'master-public-key';
  readonly seed: Uint8Array;
  protected readonly wire = FeKind.masterPublicKey;
  protected readonly what = 'a master public key';
  #matrix: Words | undefined;

  constructor(context: LatticeContext, seed: Uint8Array, words: Words) {
    super(context, context.ring, words);
    this.seed = seed;
  }

  /** A, row by row, NTT domain; expanded once. */
  get matrix(): Words {
    this.assertLive();
    if (this.#matrix === undefined) {
      const { kernel, ring, mods, params } = this.context;
      // Kept only when it was filled: a matrix of zeros would hide nothing.
      this.#matrix = handOver(kernel.allocate(params.rank ** 2 * mods.length * ring.n), (words) => {
        kernel.uniform(ring, words, this.seed, mods);
        return words;
      });
    }
    return this.#matrix;
  }

  protected override get bodyBytes(): number {
    return SEED_BYTES + super.bodyBytes;
  }

  protected override writeBody(writer: ByteWriter): void {
    writer.bytes(this.seed);
    super.writeBody(writer);
  }

  protected override free(): void {
    this.words[Symbol.dispose]();
    this.#matrix?.[Symbol.dispose]();
  }
}

/** The vectors s_i: row i holds their n coefficients modulo the key prime. */
export class LatticeSecretKey extends LatticeWords implements MasterSecretKey {
  readonly kind = 'master-secret-key';
  protected readonly wire = FeKind.masterSecretKey;
  protected readonly what = 'a master secret key';

  readonly #derivation: LatticeKeyDerivation;

  constructor(context: LatticeContext, rows: Words) {
    super(context, context.keyRing, rows);
    this.#derivation = new LatticeKeyDerivation(context, rows);
  }

  /** Keys for [count, length] weights within the bound. */
  derive(weights: Int32Array, count: number): LatticeFunctionKeys {
    this.assertLive();
    const coefficients = this.#derivation.derive(weights, count);
    return new LatticeFunctionKeys(this.context, coefficients, false, this.#derivation.takeBack);
  }

  protected override free(): void {
    super.free();
    this.#derivation.wipe();
  }
}

/** sum y_i s_i for each y: n integer coefficients, k polynomials of degree d. */
export class LatticeFunctionKeys extends LatticeObject implements FunctionKeys {
  readonly kind = 'function-keys';
  readonly coefficients: Int32Array | Float64Array;
  protected readonly wire = FeKind.functionKeys;
  protected readonly what = 'a set of function keys';
  readonly #isBorrowed: boolean;
  readonly #takeBack: ((coefficients: Int32Array | Float64Array) => void) | undefined;

  /** Disposal gives the coefficients to `takeBack`, or wipes them. */
  constructor(
    context: LatticeContext,
    coefficients: Int32Array | Float64Array,
    isBorrowed = false,
    takeBack?: (coefficients: Int32Array | Float64Array) => void,
  ) {
    super(context);
    this.coefficients = coefficients;
    this.#isBorrowed = isBorrowed;
    this.#takeBack = takeBack;
  }

  override get count(): number {
    return this.coefficients.length / this.context.keyRing.n;
  }

  rows(first: number, count: number): LatticeFunctionKeys {
    this.assertLive();
    const { n } = this.context.keyRing;
    const part = this.coefficients.subarray(first * n, (first + count) * n);
    return new LatticeFunctionKeys(this.context, part, true);
  }

  protected get bodyBytes(): number {
    return packedPolynomialBytes(this.context.keyRing, this.count);
  }

  protected writeBody(writer: ByteWriter): void {
    const { kernel, keyRing } = this.context;
    const words = kernel.allocate(this.coefficients.length);
    try {
      kernel.fromDoubles(keyRing, words, Float64Array.from(this.coefficients), [0]);
      writePolynomials(writer, kernel, keyRing, words);
    } finally {
      words.wipe();
    }
  }

  protected free(): void {
    if (this.#isBorrowed) return;
    if (this.#takeBack === undefined) this.coefficients.fill(0);
    else this.#takeBack(this.coefficients);
  }
}

printOnOneLine(LatticeObject);
