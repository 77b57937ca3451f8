import { shake256 } from '@noble/hashes/sha3.js';
import { DecodeError, OutOfRangeError, ParamsMismatchError, ShapeError } from '../../../src/base/errors.ts';
import type { RandomSource } from '../../../src/base/random.ts';
import type {
  FunctionKeys,
  InnerProductCiphertext,
  InnerProductScheme,
  InnerProductSpec,
  MasterKeys,
  MasterPublicKey,
  MasterSecretKey,
} from '../../../src/fe/inner-product-scheme.ts';

const P = 2n ** 61n - 1n;
const residue = (x: bigint) => ((x % P) + P) % P;

function words(seed: Uint8Array, count: number): bigint[] {
  const view = new DataView(shake256(seed, { dkLen: 8 * count }).buffer);
  return Array.from({ length: count }, (_, i) => residue(view.getBigUint64(8 * i)));
}

interface Box {
  readonly schemeId: string;
  readonly numbers: bigint[];
  readonly count: number;
}

const object = <K extends string>(kind: K, schemeId: string, numbers: bigint[], count: number) => ({
  kind,
  schemeId,
  numbers,
  count,
  byteLength: 8 * numbers.length,
  toBytes: () => new Uint8Array(new BigUint64Array(numbers).buffer),
  [Symbol.dispose]() {},
});

const keysOf = (schemeId: string, numbers: bigint[]): FunctionKeys => ({
  ...object('function-keys', schemeId, numbers, numbers.length),
  rows: (first, count) => keysOf(schemeId, numbers.slice(first, first + count)),
});

/**
 * INSECURE, for tests alone: the algebra of inner-product encryption over a prime field without the group that hides anything
 * (r is public, s follows from two ciphertexts). Keys and results behave as in the real schemes: linear keys,
 * garbage under another master key.
 */
export class InsecureScheme implements InnerProductScheme {
  readonly name = 'lattice';
  readonly id: string;
  readonly length: number;
  readonly inputBound: number;
  readonly weightBound: number;
  readonly packing: number;
  readonly resultBound: number;

  constructor(spec: InnerProductSpec, packing: number) {
    this.length = spec.length;
    this.inputBound = spec.inputBound;
    this.weightBound = spec.weightBound;
    this.packing = packing;
    this.resultBound = spec.length * spec.inputBound * spec.weightBound;
    this.id = JSON.stringify([spec, packing]);
  }

  setup(random: RandomSource): MasterKeys {
    const s = words(random.seed(), this.length);
    return {
      publicKey: object('master-public-key', this.id, s, 1) as MasterPublicKey,
      secretKey: object('master-secret-key', this.id, s, 1) as MasterSecretKey,
    };
  }

  encrypt(publicKey: MasterPublicKey, columns: Int32Array, random: RandomSource): InnerProductCiphertext {
    this.#bounded(columns, this.inputBound);
    const count = columns.length / this.length;
    if (!Number.isInteger(count)) throw new ShapeError('columns', this.length, columns.length);
    const s = this.#numbers(publicKey);
    const r = words(random.seed(), count);
    const body = Array.from(columns, (x, at) =>
      residue(BigInt(x) + s[Math.floor(at / count)]! * r[at % count]!),
    );
    return object('ciphertext', this.id, [...r, ...body], count) as InnerProductCiphertext;
  }

  deriveKeys(secretKey: MasterSecretKey, weights: Int32Array): FunctionKeys {
    this.#bounded(weights, this.weightBound);
    const s = this.#numbers(secretKey);
    const count = weights.length / this.length;
    const keys = Array.from({ length: count }, (_, k) => {
      let sum = 0n;
      for (let i = 0; i < this.length; i++) sum += BigInt(weights[k * this.length + i]!) * s[i]!;
      return residue(sum);
    });
    return keysOf(this.id, keys);
  }

  decrypt(ciphertext: InnerProductCiphertext, keys: FunctionKeys, weights: Int32Array): Float64Array {
    const [c, k] = [this.#numbers(ciphertext), this.#numbers(keys)];
    const n = ciphertext.count;
    const out = new Float64Array(keys.count * n);
    for (let row = 0; row < keys.count; row++) {
      for (let j = 0; j < n; j++) {
        let sum = -c[j]! * k[row]!;
        for (let i = 0; i < this.length; i++)
          sum += BigInt(weights[row * this.length + i]!) * c[n + i * n + j]!;
        const value = residue(sum);
        const signed = Number(value > P / 2n ? value - P : value);
        if (Math.abs(signed) > this.resultBound) {
          throw new OutOfRangeError('an inner product', `up to ${this.resultBound}`, 'larger');
        }
        out[row * n + j] = signed;
      }
    }
    return out;
  }

  publicKeyFromBytes(bytes: Uint8Array): MasterPublicKey {
    if (bytes.length !== 8 * this.length) throw new DecodeError('a public key', 'wrong length');
    const numbers = [...new BigUint64Array(bytes.slice().buffer)];
    return object('master-public-key', this.id, numbers, 1) as MasterPublicKey;
  }

  secretKeyFromBytes(): MasterSecretKey {
    throw new DecodeError('a secret key', 'not needed here');
  }

  ciphertextFromBytes(bytes: Uint8Array): InnerProductCiphertext {
    const numbers = numbersFrom('a ciphertext', bytes);
    const count = numbers.length / (this.length + 1);
    if (!Number.isInteger(count) || count < 1 || count > this.packing)
      throw new DecodeError('a ciphertext', 'wrong length');
    return object('ciphertext', this.id, numbers, count) as InnerProductCiphertext;
  }

  functionKeysFromBytes(bytes: Uint8Array): FunctionKeys {
    const numbers = numbersFrom('function keys', bytes);
    return keysOf(this.id, numbers);
  }

  [Symbol.dispose](): void {}

  #numbers(box: { readonly schemeId: string }): bigint[] {
    if (box.schemeId !== this.id) throw new ParamsMismatchError('a key', this.id, box.schemeId);
    return (box as Box).numbers;
  }

  #bounded(values: Int32Array, bound: number): void {
    const at = values.findIndex((value) => Math.abs(value) > bound);
    if (at >= 0) throw new OutOfRangeError(`entry ${at}`, `up to ${bound}`, 'larger');
  }
}

function numbersFrom(what: string, bytes: Uint8Array): bigint[] {
  if (bytes.length === 0 || bytes.length % 8 !== 0) throw new DecodeError(what, 'wrong length');
  return [...new BigUint64Array(Uint8Array.from(bytes).buffer)];
}
