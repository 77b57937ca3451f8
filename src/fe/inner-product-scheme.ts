/**
 * Functional encryption of inner products: whoever holds a ciphertext of x and the function key of y learns <x, y> and, of
 * that ciphertext, nothing more. Two schemes stand behind this interface: DDH over ristretto255 and module-LWE.
 *
 * A ciphertext holds up to `packing` vectors that share their function keys. What keys reveal adds up: `length` linearly
 * independent keys open every ciphertext of their master key, and for small inputs far fewer do. Who issues keys must count.
 */
import * as arg from '../base/arguments.ts';
import type { RandomSource } from '../base/random.ts';

/** Something of one scheme and one parameter set; only the scheme that made it looks inside. */
interface InnerProductObject extends Disposable {
  /** {@link InnerProductScheme.id} of the scheme it belongs to. */
  readonly schemeId: string;
  readonly byteLength: number;
  toBytes(): Uint8Array;
}

/** What owners encrypt under. */
export interface MasterPublicKey extends InnerProductObject {
  readonly kind: 'master-public-key';
}

/** What the authority derives function keys from: opens every ciphertext. Disposing wipes it. */
export interface MasterSecretKey extends InnerProductObject {
  readonly kind: 'master-secret-key';
}

/** `count` vectors, 1 <= count <= packing, encrypted together. */
export interface InnerProductCiphertext extends InnerProductObject {
  readonly kind: 'ciphertext';
  readonly count: number;
}

/** Keys for `count` weight vectors, in their order; the vectors themselves are not part of them. */
export interface FunctionKeys extends InnerProductObject {
  readonly kind: 'function-keys';
  readonly count: number;
  /** Keys `first` to `first + count - 1`, borrowed: valid until the whole set is disposed of. */
  rows(first: number, count: number): FunctionKeys;
}

export interface MasterKeys {
  readonly publicKey: MasterPublicKey;
  readonly secretKey: MasterSecretKey;
}

/** The sizes that fix a scheme, together with its kind. */
export interface InnerProductSpec {
  /** Entries of a vector. */
  readonly length: number;
  /** Largest |x_i|. */
  readonly inputBound: number;
  /** Largest |y_i|. */
  readonly weightBound: number;
}

export interface InnerProductScheme extends InnerProductSpec, Disposable {
  /** 'ddh': two exponents, adaptively secure; 'ddh-selective': the original, one exponent. */
  readonly name: 'ddh' | 'ddh-selective' | 'lattice';
  /** SHA-256 of the canonical parameters, in hex. Objects of another id are refused. */
  readonly id: string;
  /** Vectors that one ciphertext holds: the ring degree of the lattice scheme, 1 for DDH. */
  readonly packing: number;
  /** length * inputBound * weightBound: no correct result is larger. */
  readonly resultBound: number;

  setup(random: RandomSource): MasterKeys;

  /**
   * `columns` is row-major [length, count], 1 <= count <= packing: entry (i, j) is coordinate i of vector j.
   * @throws {OutOfRangeError} before anything is encrypted, naming the index of the first entry over `inputBound`.
   * @throws {ShapeError} {@link ParamsMismatchError}
   */
  encrypt(publicKey: MasterPublicKey, columns: Int32Array, random: RandomSource): InnerProductCiphertext;

  /**
   * Keys for the rows of `weights`, row-major [count, length].
   * @throws {OutOfRangeError} naming the index of the first entry over `weightBound`. {@link ParamsMismatchError}
   */
  deriveKeys(secretKey: MasterSecretKey, weights: Int32Array): FunctionKeys;

  /**
   * The inner products [keys, vectors], row-major; exact integers. `weights` are those that the keys were derived for. Keys of
   * another master key or for other weights almost always end in an {@link OutOfRangeError} that names `resultBound`; but nothing
   * is authenticated, and who can change a ciphertext can change the result. `out`, of that size, receives them where it is given.
   * @throws {OutOfRangeError} {@link ParamsMismatchError} {@link ShapeError}
   */
  decrypt(
    ciphertext: InnerProductCiphertext,
    keys: FunctionKeys,
    weights: Int32Array,
    out?: Float64Array,
  ): Float64Array;

  /** Parsers: exact lengths, bounded memory, every value checked. @throws {DecodeError} {@link ParamsMismatchError} */
  publicKeyFromBytes(bytes: Uint8Array): MasterPublicKey;
  secretKeyFromBytes(bytes: Uint8Array): MasterSecretKey;
  ciphertextFromBytes(bytes: Uint8Array): InnerProductCiphertext;
  functionKeysFromBytes(bytes: Uint8Array): FunctionKeys;
}

/** Checks the arguments of a scheme's methods. */
export function guardInnerProductScheme(name: string, prototype: InnerProductScheme): void {
  const int32 = arg.typed('an Int32Array', Int32Array);
  arg.guard(name, prototype, {
    setup: { random: arg.randomSource },
    encrypt: {
      publicKey: arg.like('a MasterPublicKey', 'toBytes', 'kind'),
      columns: int32,
      random: arg.randomSource,
    },
    deriveKeys: { secretKey: arg.like('a MasterSecretKey', 'toBytes', 'kind'), weights: int32 },
    decrypt: {
      ciphertext: arg.like('an InnerProductCiphertext', 'toBytes', 'kind'),
      keys: arg.like('a FunctionKeys', 'rows', 'toBytes'),
      weights: int32,
      out: arg.optional(arg.typed('a Float64Array', Float64Array)),
    },
    publicKeyFromBytes: { bytes: arg.bytes },
    secretKeyFromBytes: { bytes: arg.bytes },
    ciphertextFromBytes: { bytes: arg.bytes },
    functionKeysFromBytes: { bytes: arg.bytes },
  });
}
