/**
 * Inner-product functional encryption from DDH over ristretto255, for results small enough for a discrete logarithm.
 *
 * 'ddh' [ALS16], adaptively secure: h_i = g^(s_i) h^(t_i); (g^r, h^r, h_i^r g^(x_i)); key (<s, y>, <t, y>).
 * 'ddh-selective' [ABDP15], the original's, secure for messages chosen beforehand: the same without h and t.
 * About 126 bits against classical computers, none against quantum ones.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { InvalidParamsError, ShapeError } from '../../base/errors.ts';
import { Drbg, type RandomSource } from '../../base/random.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import {
  type FunctionKeys,
  guardInnerProductScheme,
  type InnerProductCiphertext,
  type InnerProductScheme,
  type InnerProductSpec,
  type MasterKeys,
  type MasterPublicKey,
  type MasterSecretKey,
} from '../inner-product-scheme.ts';
import {
  checkBound,
  checkInnerProductSpec,
  FeKind,
  ownObject,
  readFeHeader,
  resultArray,
  resultOutOfRange,
  rowsOf,
  schemeIdOf,
} from '../object-header.ts';
import { type DdhEvaluator, evaluatorFor } from './evaluator.ts';
import {
  decodeElement,
  decodeScalar,
  ELEMENT_BYTES,
  GENERATOR,
  type GroupElement,
  IDENTITY,
  randomScalar,
  reduceScalar,
  SCALAR_BYTES,
  SECOND_GENERATOR,
} from './group.ts';
import { DdhCiphertext, DdhFunctionKeys, DdhPublicKey, DdhSecretKey } from './objects.ts';

/** Above this a logarithm outside the interval would take minutes to refuse. */
const MAX_RESULT = 2 ** 32;
const MAX_KEYS = 2 ** 16;

/**
 * Tables of the public key's elements: one costs about as much as three powers without it, and each power then takes a sixth. They
 * are made at the second vector under a key, for no more elements than fit into some 150 MB.
 */
const [TABLES_FROM, TABLE_WINDOW, MAX_TABLES] = [2, 4, 1024] as const;

export class DdhInnerProduct implements InnerProductScheme {
  readonly name: 'ddh' | 'ddh-selective';
  readonly id: string;
  readonly length: number;
  readonly packing = 1;
  readonly inputBound: number;
  readonly weightBound: number;
  readonly resultBound: number;
  readonly #bases: readonly GroupElement[];
  readonly #evaluator: DdhEvaluator;
  /** Vectors that were encrypted under a key. */
  readonly #encrypted = new WeakMap<DdhPublicKey, number>();

  /**
   * A native `kernel` decrypts with its own curve loops, about thirty times as fast as the library does.
   * @throws {InvalidParamsError}
   */
  constructor(
    spec: InnerProductSpec,
    form: 'adaptive' | 'selective' = 'adaptive',
    kernel?: Pick<Kernel, 'edwards'>,
  ) {
    arg.checkArguments('new DdhInnerProduct', [spec, form, kernel], {
      spec: arg.options,
      form: arg.optional(arg.oneOf('adaptive', 'selective')),
      kernel: arg.optional(arg.options),
    });
    checkInnerProductSpec(spec);
    this.name = form === 'adaptive' ? 'ddh' : 'ddh-selective';
    this.length = spec.length;
    this.inputBound = spec.inputBound;
    this.weightBound = spec.weightBound;
    this.resultBound = spec.length * spec.inputBound * spec.weightBound;
    if (this.resultBound > MAX_RESULT) {
      throw new InvalidParamsError(`results up to ${this.resultBound} are too large for a logarithm`, {});
    }
    this.#bases = form === 'adaptive' ? [GENERATOR, SECOND_GENERATOR] : [GENERATOR];
    this.#evaluator = evaluatorFor(this.resultBound, kernel);
    this.id = schemeIdOf(this.name, this.length, this.inputBound, this.weightBound);
  }

  setup(random: RandomSource): MasterKeys {
    using drbg = new Drbg(random.seed());
    const scalars = this.#bases.map(() => Array.from({ length: this.length }, () => randomScalar(drbg, 's')));
    const elements = Array.from({ length: this.length }, (_, i) =>
      this.#bases.reduce(
        (sum, base, b) => sum.add(base.multiply(scalars[b]?.[i] as bigint)),
        IDENTITY as GroupElement,
      ),
    );
    return { publicKey: new DdhPublicKey(this.id, elements), secretKey: new DdhSecretKey(this.id, scalars) };
  }

  encrypt(publicKey: MasterPublicKey, columns: Int32Array, random: RandomSource): DdhCiphertext {
    const key = ownObject(publicKey, DdhPublicKey, this.id, 'a master public key');
    if (columns.length !== this.length) throw new ShapeError('a vector', this.length, columns.length);
    checkBound('an input', columns, this.inputBound);
    this.#makeTables(key);
    using drbg = new Drbg(random.seed());
    const r = randomScalar(drbg, 'u');
    // The shift keeps every exponent positive, so that no value of x takes another path.
    const shift = BigInt(this.inputBound + 1);
    const back = GENERATOR.multiply(shift).negate();
    const elements = key.elements.map((element, i) =>
      element
        .multiply(r)
        .add(GENERATOR.multiply(BigInt(columns[i] as number) + shift))
        .add(back),
    );
    return new DdhCiphertext(
      this.id,
      this.#bases.map((base) => base.multiply(r)),
      elements,
    );
  }

  /** The library keeps them with the elements, and looks them up without branches on the scalar. */
  #makeTables(key: DdhPublicKey): void {
    const count = (this.#encrypted.get(key) ?? 0) + 1;
    this.#encrypted.set(key, count);
    if (count !== TABLES_FROM || key.elements.length > MAX_TABLES) return;
    for (const element of key.elements) element.precompute(TABLE_WINDOW, false);
  }

  deriveKeys(secretKey: MasterSecretKey, weights: Int32Array): DdhFunctionKeys {
    const { scalars } = ownObject(secretKey, DdhSecretKey, this.id, 'a master secret key');
    const rows = this.#rows(weights);
    return new DdhFunctionKeys(
      this.id,
      rows.map((row) =>
        scalars.map((list) =>
          reduceScalar(list.reduce((sum, scalar, i) => sum + scalar * BigInt(row[i] as number), 0n)),
        ),
      ),
    );
  }

  decrypt(
    ciphertext: InnerProductCiphertext,
    keys: FunctionKeys,
    weights: Int32Array,
    out?: Float64Array,
  ): Float64Array {
    const own = ownObject(ciphertext, DdhCiphertext, this.id, 'a ciphertext');
    const { scalars } = ownObject(keys, DdhFunctionKeys, this.id, 'a set of function keys');
    const { length: rows } = this.#rows(weights);
    if (rows !== scalars.length) {
      throw new ShapeError('the weights', `${scalars.length} rows`, `${rows} rows`);
    }
    const results = resultArray(out, rows);
    this.#evaluator.logarithmsVarTime(own, scalars, weights).forEach((result, row) => {
      if (result === undefined) throw resultOutOfRange(this.resultBound);
      // Adding zero makes -0 an ordinary 0.
      results[row] = result + 0;
    });
    return results;
  }

  publicKeyFromBytes(bytes: Uint8Array): DdhPublicKey {
    const what = 'a master public key';
    return new DdhPublicKey(this.id, this.#readElements(what, bytes, FeKind.masterPublicKey, this.length));
  }

  secretKeyFromBytes(bytes: Uint8Array): DdhSecretKey {
    const what = 'a master secret key';
    const [row] = this.#readScalars(what, bytes, FeKind.masterSecretKey, 1, this.#bases.length * this.length);
    const scalars = row as readonly bigint[];
    return new DdhSecretKey(
      this.id,
      this.#bases.map((_, b) => scalars.slice(b * this.length, (b + 1) * this.length)),
    );
  }

  ciphertextFromBytes(bytes: Uint8Array): DdhCiphertext {
    const heads = this.#bases.length;
    const elements = this.#readElements('a ciphertext', bytes, FeKind.ciphertext, heads + this.length);
    return new DdhCiphertext(this.id, elements.slice(0, heads), elements.slice(heads));
  }

  functionKeysFromBytes(bytes: Uint8Array): DdhFunctionKeys {
    const what = 'a set of function keys';
    const scalars = this.#readScalars(what, bytes, FeKind.functionKeys, MAX_KEYS, this.#bases.length);
    return new DdhFunctionKeys(this.id, scalars);
  }

  [Symbol.dispose](): void {}

  #readElements(what: string, bytes: Uint8Array, kind: FeKind, elements: number): GroupElement[] {
    const { reader } = readFeHeader(what, bytes, kind, this.id, 1, () => elements * ELEMENT_BYTES);
    return Array.from({ length: elements }, () => decodeElement(what, reader.bytes(ELEMENT_BYTES)));
  }

  #readScalars(
    what: string,
    bytes: Uint8Array,
    kind: FeKind,
    maxCount: number,
    perCount: number,
  ): bigint[][] {
    const size = perCount * SCALAR_BYTES;
    const { reader, count } = readFeHeader(what, bytes, kind, this.id, maxCount, (n) => n * size);
    return Array.from({ length: count }, () =>
      Array.from({ length: perCount }, () => decodeScalar(what, reader.bytes(SCALAR_BYTES))),
    );
  }

  #rows(weights: Int32Array): Int32Array[] {
    const count = rowsOf('the weights', weights, this.length);
    if (count > MAX_KEYS) throw new ShapeError('the weights', `at most ${MAX_KEYS} rows`, count);
    checkBound('a weight', weights, this.weightBound);
    return Array.from({ length: count }, (_, i) => weights.subarray(i * this.length, (i + 1) * this.length));
  }
}

printOnOneLine(DdhInnerProduct);
guardInnerProductScheme('DdhInnerProduct', DdhInnerProduct.prototype);
