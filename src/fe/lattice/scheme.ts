/**
 * Inner-product functional encryption from module-LWE: the ring scheme of Mera, Karmakar, Marc and Soleimanian [MKMS22], with
 * vectors over the ring in place of single elements. See {@link LatticeParams} for the symbols and the widths.
 *
 *   setup      A uniform, s_i, e_i <- sigma1, b_i = A s_i + e_i
 *   encrypt    r, f_0 <- sigma2, f_i <- sigma3, c_0 = A^T r + f_0, c_i = <b_i, r> + f_i + floor(q/K) x_i(X)
 *   deriveKeys sum y_i s_i
 *   decrypt    round(K/q (sum y_i c_i - <c_0, key>)), centred: the coefficients are the inner products
 *
 * Ciphertexts leave their owner as fractions c_0 / q and c_i / q without the bits that decryption does not need (see
 * {@link LatticePrecision}), so that it works with integers modulo 2^32 and one product of fractions instead of residues.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { inverseMod } from '../../kernel/tables/modular.ts';
import { Drbg, type RandomSource } from '../../base/random.ts';
import { DecodeError, ShapeError } from '../../base/errors.ts';
import type { Kernel, RingTables, Words } from '../../kernel/kernel.ts';
import { handOver } from '../../ring/arena.ts';
import { Scratch } from '../../ring/scratch.ts';
import {
  type FunctionKeys,
  guardInnerProductScheme,
  type InnerProductCiphertext,
  type InnerProductScheme,
  type MasterKeys,
  type MasterPublicKey,
  type MasterSecretKey,
} from '../inner-product-scheme.ts';
import { checkBound, FeKind, ownObject, readFeHeader, rowsOf } from '../object-header.ts';
import { ciphertextBodyBytes, LatticeCiphertext, readCiphertext, roundedBody } from './ciphertext.ts';
import { LatticeDecryption } from './decryption.ts';
import {
  LatticeFunctionKeys,
  LatticePublicKey,
  LatticeSecretKey,
  packedPolynomialBytes,
  readPolynomials,
  SEED_BYTES,
} from './objects.ts';
import type { LatticeContext } from './context.ts';
import { LatticeParams, type LatticeSpec } from './params.ts';
import { checkWeights } from './weights.ts';

/** Keys in one message or call. */
const MAX_KEYS = 2 ** 16;

export class LatticeInnerProduct implements InnerProductScheme {
  readonly name = 'lattice';
  readonly params: LatticeParams;
  readonly #context: LatticeContext;
  /** floor(q / K) modulo each prime. */
  readonly #unit: readonly number[];
  /** (q / q_i)^-1 modulo each prime: residues times these are numerators of the fraction of q. */
  readonly #numerators: readonly number[];
  readonly #decryption: LatticeDecryption;
  #doubles = new Float64Array(0);
  /** Of the last ciphertext, before they are rounded. */
  #entries: Uint32Array | undefined;

  /** @throws {InvalidParamsError} {@link InsecureParamsError} */
  constructor(kernel: Kernel, spec: LatticeSpec) {
    arg.checkArguments('new LatticeInnerProduct', [kernel, spec], {
      kernel: arg.like('a kernel (openKernel)', 'allocate', 'openRing'),
      spec: arg.options,
    });
    this.params = new LatticeParams(spec);
    const { packing, dimension, primes, keyPrime, results } = this.params;
    const ring = kernel.openRing(packing, primes);
    let keyRing: RingTables;
    try {
      keyRing = kernel.openRing(dimension, [keyPrime]);
    } catch (error) {
      ring[Symbol.dispose]();
      throw error;
    }
    this.#context = {
      params: this.params,
      kernel,
      ring,
      keyRing,
      mods: primes.map((_, i) => i),
    };
    const q = this.params.modulus;
    this.#unit = primes.map((prime) => Number((q / BigInt(results)) % BigInt(prime)));
    this.#numerators = primes.map((prime) => {
      const p = BigInt(prime);
      return Number(inverseMod((q / p) % p, p));
    });
    this.#decryption = new LatticeDecryption(this.#context);
  }

  get id(): string {
    return this.params.id;
  }
  get length(): number {
    return this.params.length;
  }
  get packing(): number {
    return this.params.packing;
  }
  get inputBound(): number {
    return this.params.inputBound;
  }
  get weightBound(): number {
    return this.params.weightBound;
  }
  get resultBound(): number {
    return this.params.resultBound;
  }

  setup(random: RandomSource): MasterKeys {
    const { length, dimension, multipliers } = this.params;
    using drbg = new Drbg(random.seed());
    // Component by component, so that one call multiplies a component of all vectors: [k, length].
    const secrets = this.#gaussian(length * dimension, multipliers[0], drbg.nextKey('s'));
    const errors = this.#gaussian(length * dimension, multipliers[0], drbg.nextKey('e'));
    try {
      const publicKey = this.#publicKey(drbg.nextPublicSeed(), secrets, errors);
      try {
        return { publicKey, secretKey: this.#secretKey(secrets) };
      } catch (error) {
        publicKey[Symbol.dispose]();
        throw error;
      }
    } finally {
      secrets.fill(0);
      errors.fill(0);
    }
  }

  #publicKey(seed: Uint8Array, secrets: Float64Array, errors: Float64Array): LatticePublicKey {
    const { kernel, ring, mods, params } = this.#context;
    const { length, rank, packing } = params;
    const [entry, size] = [mods.length * packing, length * mods.length * packing];
    using scratch = new Scratch(kernel);
    const publicKey = new LatticePublicKey(this.#context, seed, this.#transformed(errors));
    try {
      const transformed = scratch.allocate(secrets.length * mods.length);
      this.#transformInto(transformed, secrets);
      for (let j = 0; j < rank; j++) {
        for (let b = 0; b < rank; b++) {
          const out = publicKey.words.sub(j * size, size);
          const a = publicKey.matrix.sub((j * rank + b) * entry, entry);
          kernel.mulAdd(ring, out, transformed.sub(b * size, size), a, mods);
        }
      }
      return publicKey;
    } catch (error) {
      publicKey[Symbol.dispose]();
      throw error;
    }
  }

  #secretKey(secrets: Float64Array): LatticeSecretKey {
    const { kernel, keyRing, params } = this.#context;
    const { length, rank, packing, dimension } = params;
    const byVector = new Float64Array(secrets.length);
    try {
      for (let b = 0; b < rank; b++) {
        for (let i = 0; i < length; i++) {
          const from = (b * length + i) * packing;
          byVector.set(secrets.subarray(from, from + packing), i * dimension + b * packing);
        }
      }
      return handOver(kernel.allocate(byVector.length), (rows) => {
        kernel.fromDoubles(keyRing, rows, byVector, [0]);
        return new LatticeSecretKey(this.#context, rows);
      });
    } finally {
      byVector.fill(0);
    }
  }

  encrypt(publicKey: MasterPublicKey, columns: Int32Array, random: RandomSource): LatticeCiphertext {
    const { kernel, ring, mods, params } = this.#context;
    const { length, rank, packing, multipliers } = params;
    const key = this.#own(publicKey, LatticePublicKey, 'a master public key');
    const count = columns.length / length;
    if (!Number.isInteger(count) || count < 1 || count > packing) {
      throw new ShapeError('a block', `${length} x 1..${packing} numbers`, `${columns.length} numbers`);
    }
    checkBound('an input', columns, params.inputBound);
    using drbg = new Drbg(random.seed());
    const entry = mods.length * packing;
    using scratch = new Scratch(kernel);
    const r = scratch.allocate(rank * entry);
    this.#sampleNoise(r, multipliers[1], drbg.nextKey('u'));
    kernel.nttForward(ring, r, mods);
    const words = scratch.allocate((rank + length) * entry);
    const [head, body] = [words.sub(0, rank * entry), words.sub(rank * entry, length * entry)];
    kernel.sumProducts(ring, head, key.matrix, r, mods);
    kernel.sumProducts(ring, body, key.words, r, mods);
    kernel.nttInverse(ring, words, mods);
    const noise = scratch.allocate(words.length);
    const [headNoise, bodyNoise] = [noise.sub(0, head.length), noise.sub(head.length, body.length)];
    this.#fillInputs(bodyNoise, columns, count);
    kernel.add(ring, body, body, bodyNoise, mods);
    this.#sampleNoise(headNoise, multipliers[1], drbg.nextKey('e'));
    this.#sampleNoise(bodyNoise, multipliers[2], drbg.nextKey('e'));
    kernel.add(ring, words, words, noise, mods);
    kernel.mulScalar(ring, words, words, this.#numerators, mods);
    return this.#rounded(count, head, body);
  }

  /** The ciphertext of numerators. */
  #rounded(count: number, head: Words, body: Words): LatticeCiphertext {
    const { kernel, ring, mods, params } = this.#context;
    const { headWords } = params.precision;
    const fractions = new Uint32Array(params.dimension * headWords);
    kernel.fractionSums(ring, fractions, head, headWords, mods);
    this.#entries ??= new Uint32Array(params.length * params.packing * 2);
    kernel.fractionSums(ring, this.#entries, body, 2, mods);
    return new LatticeCiphertext(this.#context, count, fractions, roundedBody(this.#entries, params));
  }

  /** Weights that differ little from those of the calls before are served from the difference: see {@link LatticeKeyDerivation}. */
  deriveKeys(secretKey: MasterSecretKey, weights: Int32Array): LatticeFunctionKeys {
    const secret = this.#own(secretKey, LatticeSecretKey, 'a master secret key');
    return secret.derive(weights, this.#checkWeights(weights));
  }

  decrypt(
    ciphertext: InnerProductCiphertext,
    keys: FunctionKeys,
    weights: Int32Array,
    out?: Float64Array,
  ): Float64Array {
    const own = this.#own(ciphertext, LatticeCiphertext, 'a ciphertext');
    const functionKeys = this.#own(keys, LatticeFunctionKeys, 'a set of function keys');
    const count = rowsOf('the weights', weights, this.length);
    if (count !== keys.count) throw new ShapeError('the weights', `${keys.count} rows`, `${count} rows`);
    return this.#decryption.open(own, functionKeys, weights, out);
  }

  publicKeyFromBytes(bytes: Uint8Array): LatticePublicKey {
    const { kernel, ring, params } = this.#context;
    const polynomials = params.rank * params.length;
    const { reader } = readFeHeader(
      'a master public key',
      bytes,
      FeKind.masterPublicKey,
      this.id,
      1,
      () => SEED_BYTES + packedPolynomialBytes(ring, polynomials),
    );
    const seed = reader.bytes(SEED_BYTES).slice();
    return new LatticePublicKey(this.#context, seed, readPolynomials(reader, kernel, ring, polynomials));
  }

  secretKeyFromBytes(bytes: Uint8Array): LatticeSecretKey {
    const what = 'a master secret key';
    const rows = this.#readKeyRows(what, bytes, FeKind.masterSecretKey, 1, this.length);
    return new LatticeSecretKey(this.#context, rows);
  }

  ciphertextFromBytes(bytes: Uint8Array): LatticeCiphertext {
    const { params } = this.#context;
    const { reader, count } = readFeHeader(
      'a ciphertext',
      bytes,
      FeKind.ciphertext,
      this.id,
      params.packing,
      () => ciphertextBodyBytes(params),
    );
    return readCiphertext(this.#context, reader, count);
  }

  functionKeysFromBytes(bytes: Uint8Array): LatticeFunctionKeys {
    const what = 'a set of function keys';
    const { kernel, keyRing, params } = this.#context;
    const rows = this.#readKeyRows(what, bytes, FeKind.functionKeys, MAX_KEYS, 1);
    try {
      const coefficients = new Float64Array(rows.length);
      kernel.toDoubles(keyRing, coefficients, rows, [0]);
      if (!params.keysFitInt32) return new LatticeFunctionKeys(this.#context, coefficients);
      const integers = new Int32Array(coefficients);
      if (integers.some((value, i) => value !== coefficients[i]))
        throw new DecodeError(what, 'a coefficient is too large');
      return new LatticeFunctionKeys(this.#context, integers);
    } finally {
      rows.wipe();
    }
  }

  [Symbol.dispose](): void {
    this.#decryption.dispose();
    this.#entries?.fill(0);
    this.#context.ring[Symbol.dispose]();
    this.#context.keyRing[Symbol.dispose]();
  }

  #readKeyRows(what: string, bytes: Uint8Array, kind: FeKind, maxCount: number, rowsPerCount: number): Words {
    const { kernel, keyRing } = this.#context;
    const { reader, count } = readFeHeader(what, bytes, kind, this.id, maxCount, (announced) =>
      packedPolynomialBytes(keyRing, announced * rowsPerCount),
    );
    return readPolynomials(reader, kernel, keyRing, count * rowsPerCount);
  }

  /** @throws {ParamsMismatchError} for an object of another scheme. {@link DisposedError} */
  #own<T extends { readonly context: LatticeContext; assertLive(): void }>(
    object: { readonly schemeId: string },
    type: abstract new (...args: never[]) => T,
    what: string,
  ): T {
    const own = ownObject(object, type, this.id, what);
    own.assertLive();
    return own;
  }

  #checkWeights(weights: Int32Array): number {
    const count = rowsOf('the weights', weights, this.length);
    if (count > MAX_KEYS) throw new ShapeError('the weights', `at most ${MAX_KEYS} rows`, count);
    checkWeights(this.#context.kernel, this.#context.params, weights, new Float64Array(count));
    return count;
  }

  #gaussian(count: number, multiplier: number, key: Uint8Array): Float64Array {
    const values = new Float64Array(count);
    try {
      this.#context.kernel.wideGaussian(values, multiplier, key, 0);
    } finally {
      key.fill(0);
    }
    return values;
  }

  #transformed(values: Float64Array): Words {
    const { kernel, mods } = this.#context;
    return handOver(kernel.allocate(values.length * mods.length), (words) => {
      this.#transformInto(words, values);
      return words;
    });
  }

  #transformInto(out: Words, values: Float64Array): void {
    const { kernel, ring, mods } = this.#context;
    kernel.fromDoubles(ring, out, values, mods);
    kernel.nttForward(ring, out, mods);
  }

  /** Zeros, for whoever leaves zeros. Fresh arrays of megabytes for every block keep the garbage collector busy. */
  #borrowDoubles(count: number): Float64Array {
    if (this.#doubles.length < count) this.#doubles = new Float64Array(count);
    return this.#doubles.subarray(0, count);
  }

  /** Residues of Gaussians, not transformed. */
  #sampleNoise(out: Words, multiplier: number, key: Uint8Array): void {
    const { kernel, ring, mods } = this.#context;
    const values = this.#borrowDoubles(out.length / mods.length);
    try {
      kernel.wideGaussian(values, multiplier, key, 0);
      kernel.fromDoubles(ring, out, values, mods);
    } finally {
      values.fill(0);
      key.fill(0);
    }
  }

  /** floor(q/K) x_i(X), coefficients: vector j of the block stands at X^j. */
  #fillInputs(out: Words, columns: Int32Array, count: number): void {
    const { kernel, ring, mods, params } = this.#context;
    const inputs = this.#borrowDoubles(params.length * params.packing);
    try {
      for (let i = 0; i < params.length; i++) {
        inputs.set(columns.subarray(i * count, (i + 1) * count), i * params.packing);
      }
      kernel.fromDoubles(ring, out, inputs, mods);
    } finally {
      inputs.fill(0);
    }
    kernel.mulScalar(ring, out, out, this.#unit, mods);
  }
}

printOnOneLine(LatticeInnerProduct);
guardInnerProductScheme('LatticeInnerProduct', LatticeInnerProduct.prototype);
