/**
 * Functional encryption of the basic operations x + y, x - y, x * y, x / y with x encrypted (Xu, Joshi, Li: CryptoNN, ICDCS 2019),
 * from DDH over ristretto255: public key h = g^s, entry (g^r, h^r g^x) = (commitment, element).
 *
 *   op      key, from the commitment c        opened by
 *   + -     c^s g^(-y), c^s g^y               element / key
 *   *       c^(s y)                           element^y / key
 *   /       c^(s / y)                         element^(1 / y) / key
 *
 * A key opens one entry. Whoever has the result of an operation whose y is known has x itself (but for y = 0 in a product): these
 * operations hide nothing from who holds keys. Quotients are in the exponent: x / y where y divides x, otherwise an error.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import {
  DecodeError,
  InvalidParamsError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../../base/errors.ts';
import { Drbg, type RandomSource } from '../../base/random.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { checkBound, FeKind, readFeHeader, resultOutOfRange, schemeIdOf } from '../object-header.ts';
import {
  BasicCiphertext,
  BasicCommitments,
  BasicKeys,
  BasicPublicKey,
  BasicSecretKey,
  OPERATIONS,
  type BasicOperation,
} from './basic-objects.ts';
import { type DdhEvaluator, evaluatorFor } from './evaluator.ts';
import {
  decodeElement,
  decodeScalar,
  ELEMENT_BYTES,
  GENERATOR,
  GROUP_ORDER,
  type GroupElement,
  IDENTITY,
  inverseScalar,
  randomScalar,
  reduceScalar,
  SCALAR_BYTES,
} from './group.ts';

export interface BasicOperationsSpec {
  /** Largest |x|. */
  readonly inputBound: number;
  /** Largest |y|. */
  readonly operandBound: number;
}

/** Above this a logarithm outside the interval would take minutes to refuse. */
const MAX_RESULT = 2 ** 32;
const MAX_ENTRIES = 2 ** 20;

export class DdhBasicOperations {
  readonly name = 'ddh-basic';
  readonly id: string;
  readonly inputBound: number;
  readonly operandBound: number;
  /** No correct result is larger. */
  readonly resultBound: number;
  readonly #evaluator: DdhEvaluator;

  /** A native `kernel` finds the logarithms faster. @throws {InvalidParamsError} */
  constructor(spec: BasicOperationsSpec, kernel?: Pick<Kernel, 'edwards'>) {
    arg.checkArguments('new DdhBasicOperations', [spec, kernel], {
      spec: arg.options,
      kernel: arg.optional(arg.options),
    });
    const { inputBound, operandBound } = spec;
    for (const bound of [inputBound, operandBound]) {
      if (!Number.isSafeInteger(bound) || bound < 1)
        throw new InvalidParamsError(`bounds must be positive integers but one is ${bound}`, {});
    }
    this.inputBound = inputBound;
    this.operandBound = operandBound;
    this.resultBound = Math.max(inputBound * operandBound, inputBound + operandBound);
    if (this.resultBound > MAX_RESULT)
      throw new InvalidParamsError(`results up to ${this.resultBound} are too large for a logarithm`, {});
    this.#evaluator = evaluatorFor(this.resultBound, kernel);
    this.id = schemeIdOf(this.name, inputBound, operandBound);
  }

  setup(random: RandomSource): { readonly publicKey: BasicPublicKey; readonly secretKey: BasicSecretKey } {
    using drbg = new Drbg(random.seed());
    const scalar = randomScalar(drbg, 's');
    return {
      publicKey: new BasicPublicKey(this.id, GENERATOR.multiply(scalar)),
      secretKey: new BasicSecretKey(this.id, scalar),
    };
  }

  /**
   * One entry per value, each with randomness of its own.
   * @throws {OutOfRangeError} before anything is encrypted, naming the index of the first value over `inputBound`.
   * @throws {ShapeError} {@link ParamsMismatchError}
   */
  encrypt(publicKey: BasicPublicKey, values: Int32Array, random: RandomSource): BasicCiphertext {
    const { element: h } = this.#own(publicKey, 'a master public key');
    if (values.length < 1 || values.length > MAX_ENTRIES)
      throw new ShapeError('the values', `1..${MAX_ENTRIES} numbers`, `${values.length} numbers`);
    checkBound('an input', values, this.inputBound);
    using drbg = new Drbg(random.seed());
    // The shift keeps every exponent positive, so that no value of x takes another path.
    const shift = BigInt(this.inputBound + 1);
    const back = GENERATOR.multiply(shift).negate();
    const commitments: GroupElement[] = [];
    const elements = Array.from(values, (value) => {
      const r = randomScalar(drbg, 'u');
      commitments.push(GENERATOR.multiply(r));
      return h
        .multiply(r)
        .add(GENERATOR.multiply(BigInt(value) + shift))
        .add(back);
    });
    return new BasicCiphertext(this.id, commitments, elements);
  }

  /** What the authority needs of a ciphertext: it cannot be decrypted without the rest. */
  commitmentsOf(ciphertext: BasicCiphertext): BasicCommitments {
    return new BasicCommitments(this.id, this.#own(ciphertext, 'a ciphertext').commitments);
  }

  /**
   * Keys for `operation` between each entry and its operand.
   * @throws {OutOfRangeError} naming the index of the first operand over `operandBound`, or of a division by zero.
   * @throws {ShapeError} {@link ParamsMismatchError}
   */
  deriveKeys(
    secretKey: BasicSecretKey,
    commitments: BasicCommitments,
    operation: BasicOperation,
    operands: Int32Array,
  ): BasicKeys {
    const { scalar } = this.#own(secretKey, 'a master secret key');
    const { elements } = this.#own(commitments, 'a list of commitments');
    this.#checkOperands(operation, operands, elements.length);
    const keys = elements.map((commitment, i) => {
      const y = BigInt(operands[i] as number);
      if (operation === '+') return commitment.multiply(scalar).add(generatorPower(-y));
      if (operation === '-') return commitment.multiply(scalar).add(generatorPower(y));
      const factor = operation === '*' ? reduceScalar(y) : inverseScalar(y);
      const exponent = reduceScalar(scalar * factor);
      return exponent === 0n ? IDENTITY : commitment.multiply(exponent);
    });
    return new BasicKeys(this.id, operation, keys);
  }

  /**
   * The results, exact. Keys of another ciphertext, master key or operand almost always end in an {@link OutOfRangeError} that names
   * `resultBound`, and so does a quotient that is no integer.
   * @throws {OutOfRangeError} {@link ShapeError} {@link ParamsMismatchError}
   */
  decrypt(ciphertext: BasicCiphertext, keys: BasicKeys, operands: Int32Array): Float64Array {
    const { elements } = this.#own(ciphertext, 'a ciphertext');
    const { operation, elements: masks } = this.#own(keys, 'a set of function keys');
    this.#checkOperands(operation, operands, elements.length);
    if (masks.length !== elements.length)
      throw new ShapeError('the function keys', elements.length, masks.length);
    const powers = elements.map((element, i) => {
      const y = BigInt(operands[i] as number);
      const mask = masks[i] as GroupElement;
      if (operation === '+' || operation === '-') return element.subtract(mask);
      const factor = operation === '*' ? reduceScalar(y) : inverseScalar(y);
      return elementPower(element, factor).subtract(mask);
    });
    return Float64Array.from(this.#evaluator.solveVarTime(powers), (result) => {
      if (result === undefined) throw resultOutOfRange(this.resultBound);
      return result + 0;
    });
  }

  /** Parsers: exact lengths, bounded memory, every value checked. @throws {DecodeError} {@link ParamsMismatchError} */
  publicKeyFromBytes(bytes: Uint8Array): BasicPublicKey {
    const { lists } = this.#read('a master public key', bytes, FeKind.basicPublicKey, 1);
    return new BasicPublicKey(this.id, lists[0]?.[0] as GroupElement);
  }

  secretKeyFromBytes(bytes: Uint8Array): BasicSecretKey {
    const what = 'a master secret key';
    const { reader } = readFeHeader(what, bytes, FeKind.basicSecretKey, this.id, 1, () => SCALAR_BYTES);
    return new BasicSecretKey(this.id, decodeScalar(what, reader.bytes(SCALAR_BYTES)));
  }

  ciphertextFromBytes(bytes: Uint8Array): BasicCiphertext {
    const { lists } = this.#read('a ciphertext', bytes, FeKind.basicCiphertext, 2);
    return new BasicCiphertext(this.id, lists[0] as GroupElement[], lists[1] as GroupElement[]);
  }

  commitmentsFromBytes(bytes: Uint8Array): BasicCommitments {
    const { lists } = this.#read('a list of commitments', bytes, FeKind.basicCommitments, 1);
    return new BasicCommitments(this.id, lists[0] as GroupElement[]);
  }

  keysFromBytes(bytes: Uint8Array): BasicKeys {
    const what = 'a set of function keys';
    const { lists, prefix } = this.#read(what, bytes, FeKind.basicKeys, 1, 1);
    const operation = OPERATIONS[prefix[0] as number];
    if (operation === undefined) throw new DecodeError(what, 'an unknown operation');
    return new BasicKeys(this.id, operation, lists[0] as GroupElement[]);
  }

  #read(what: string, bytes: Uint8Array, kind: FeKind, perCount: number, prefixBytes = 0) {
    const size = (count: number) => prefixBytes + perCount * count * ELEMENT_BYTES;
    const { reader, count } = readFeHeader(what, bytes, kind, this.id, MAX_ENTRIES, size);
    const prefix = reader.bytes(prefixBytes);
    const lists = Array.from({ length: perCount }, () =>
      Array.from({ length: count }, () => decodeElement(what, reader.bytes(ELEMENT_BYTES))),
    );
    return { lists, prefix };
  }

  /** @throws {ParamsMismatchError} for an object of another scheme. */
  #own<T extends { readonly schemeId: string }>(object: T, what: string): T {
    if (object.schemeId !== this.id) throw new ParamsMismatchError(what, this.id, object.schemeId);
    return object;
  }

  #checkOperands(operation: BasicOperation, operands: Int32Array, count: number): void {
    if (operands.length !== count) throw new ShapeError('the operands', count, operands.length);
    checkBound('an operand', operands, this.operandBound);
    const zero = operation === '/' ? operands.indexOf(0) : -1;
    if (zero >= 0) throw new OutOfRangeError(`the divisor at index ${zero}`, 'not zero', 0);
  }
}

/** g^exponent for a small signed exponent, which the authority and the evaluator both know. */
function generatorPower(exponent: bigint): GroupElement {
  if (exponent === 0n) return IDENTITY;
  return exponent < 0n ? GENERATOR.multiply(-exponent).negate() : GENERATOR.multiply(exponent);
}

/** A power by a public exponent in [0, order): by the shorter of it and its negative, so that small factors are cheap. */
function elementPower(element: GroupElement, exponent: bigint): GroupElement {
  const isNegative = exponent > GROUP_ORDER / 2n;
  const power = element.multiplyUnsafe(isNegative ? GROUP_ORDER - exponent : exponent);
  return isNegative ? power.negate() : power;
}

printOnOneLine(DdhBasicOperations);
arg.guard('DdhBasicOperations', DdhBasicOperations.prototype, {
  setup: { random: arg.randomSource },
  encrypt: {
    publicKey: arg.like('a BasicPublicKey', 'toBytes', 'element'),
    values: arg.typed('an Int32Array', Int32Array),
    random: arg.randomSource,
  },
  commitmentsOf: { ciphertext: arg.like('a BasicCiphertext', 'toBytes', 'commitments') },
  deriveKeys: {
    secretKey: arg.like('a BasicSecretKey', 'toBytes', 'schemeId'),
    commitments: arg.like('a BasicCommitments', 'toBytes', 'elements'),
    operation: arg.oneOf('+', '-', '*', '/'),
    operands: arg.typed('an Int32Array', Int32Array),
  },
  decrypt: {
    ciphertext: arg.like('a BasicCiphertext', 'toBytes', 'commitments'),
    keys: arg.like('a BasicKeys', 'toBytes', 'operation'),
    operands: arg.typed('an Int32Array', Int32Array),
  },
  publicKeyFromBytes: { bytes: arg.bytes },
  secretKeyFromBytes: { bytes: arg.bytes },
  ciphertextFromBytes: { bytes: arg.bytes },
  commitmentsFromBytes: { bytes: arg.bytes },
  keysFromBytes: { bytes: arg.bytes },
});
