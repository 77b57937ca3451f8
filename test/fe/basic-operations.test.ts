import { describe, expect, test } from 'vitest';
import {
  DecodeError,
  DisposedError,
  InvalidParamsError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import type { BasicOperation } from '../../src/fe/ddh/basic-objects.ts';
import { DdhBasicOperations } from '../../src/fe/ddh/basic-operations.ts';
import { openKernel } from '../../src/kernel/open.ts';

const kernel = await openKernel();
const X = Int32Array.of(0, 12, -12, 100, -100, 6, 7, 1);
const Y = Int32Array.of(5, 3, 4, -50, 50, -6, -1, -1);
const CLEAR: Record<BasicOperation, (x: number, y: number) => number> = {
  '+': (x, y) => x + y,
  '-': (x, y) => x - y,
  '*': (x, y) => x * y,
  '/': (x, y) => x / y,
};
const OPERATIONS = Object.keys(CLEAR) as BasicOperation[];

describe.each(['library', kernel.name])('logarithms by the %s', (by) => {
  const scheme = new DdhBasicOperations(
    { inputBound: 100, operandBound: 50 },
    by === 'library' ? undefined : kernel,
  );
  const random = seededRandom(`basic ${by}`);
  const { publicKey, secretKey } = scheme.setup(random);
  const ciphertext = scheme.encrypt(publicKey, X, random);

  test.each(OPERATIONS)('x %s y is exact', (operation) => {
    const keys = scheme.deriveKeys(secretKey, scheme.commitmentsOf(ciphertext), operation, Y);
    const expected = [...X].map((x, i) => CLEAR[operation](x, Y[i]!) + 0);
    expect([...scheme.decrypt(ciphertext, keys, Y)]).toEqual(expected);
  });

  test('products and sums with zero', () => {
    const zeros = new Int32Array(X.length);
    for (const [operation, expected] of [
      ['*', [...zeros]],
      ['+', [...X]],
      ['-', [...X]],
    ] as const) {
      const keys = scheme.deriveKeys(secretKey, scheme.commitmentsOf(ciphertext), operation, zeros);
      expect([...scheme.decrypt(ciphertext, keys, zeros)]).toEqual(expected);
    }
  });

  test('what is no integer, or opened with the wrong keys, is an error that names the bound', () => {
    const commitments = scheme.commitmentsOf(ciphertext);
    const thirds = new Int32Array(X.length).fill(3);
    const quotients = scheme.deriveKeys(secretKey, commitments, '/', thirds);
    expect(() => scheme.decrypt(ciphertext, quotients, thirds)).toThrow(/at most 5000/);
    const other = scheme.encrypt(publicKey, X, random);
    const keys = scheme.deriveKeys(secretKey, scheme.commitmentsOf(other), '*', Y);
    expect(() => scheme.decrypt(ciphertext, keys, Y)).toThrow(OutOfRangeError);
    const foreign = scheme.deriveKeys(scheme.setup(random).secretKey, commitments, '+', Y);
    expect(() => scheme.decrypt(ciphertext, foreign, Y)).toThrow(OutOfRangeError);
  });
});

describe('refusals and bytes', () => {
  const scheme = new DdhBasicOperations({ inputBound: 9, operandBound: 9 });
  const random = seededRandom('basic bytes');
  const { publicKey, secretKey } = scheme.setup(random);
  const values = Int32Array.of(9, -9, 3);
  const ciphertext = scheme.encrypt(publicKey, values, random);

  test('values and operands out of range, with their index; zero divisors; wrong counts', () => {
    expect(() => scheme.encrypt(publicKey, Int32Array.of(1, 10), random)).toThrow(/index 1/);
    expect(() => scheme.encrypt(publicKey, new Int32Array(0), random)).toThrow(ShapeError);
    const commitments = scheme.commitmentsOf(ciphertext);
    expect(() => scheme.deriveKeys(secretKey, commitments, '*', Int32Array.of(1, 2, -10))).toThrow(/index 2/);
    expect(() => scheme.deriveKeys(secretKey, commitments, '/', Int32Array.of(1, 0, 1))).toThrow(/index 1/);
    expect(() => scheme.deriveKeys(secretKey, commitments, '+', Int32Array.of(1))).toThrow(ShapeError);
    expect(() => new DdhBasicOperations({ inputBound: 0, operandBound: 1 })).toThrow(InvalidParamsError);
    expect(() => new DdhBasicOperations({ inputBound: 2 ** 20, operandBound: 2 ** 20 })).toThrow(
      InvalidParamsError,
    );
    const wiped = scheme.setup(random).secretKey;
    wiped[Symbol.dispose]();
    expect(() => scheme.deriveKeys(wiped, commitments, '+', values)).toThrow(DisposedError);
  });

  test('every object survives bytes; hostile ones are refused', () => {
    const publicAgain = scheme.publicKeyFromBytes(publicKey.toBytes());
    const secretAgain = scheme.secretKeyFromBytes(secretKey.toBytes());
    const again = scheme.ciphertextFromBytes(scheme.encrypt(publicAgain, values, random).toBytes());
    const commitments = scheme.commitmentsFromBytes(scheme.commitmentsOf(again).toBytes());
    const operands = Int32Array.of(3, -9, 1);
    const keys = scheme.keysFromBytes(scheme.deriveKeys(secretAgain, commitments, '/', operands).toBytes());
    expect(keys.operation).toBe('/');
    expect([...scheme.decrypt(again, keys, operands)]).toEqual([3, 1, 3]);
    const bytes = keys.toBytes();
    for (const cut of [0, 43, 44, bytes.length - 1])
      expect(() => scheme.keysFromBytes(bytes.subarray(0, cut))).toThrow(DecodeError);
    const unknown = bytes.slice();
    unknown[44] = 4;
    expect(() => scheme.keysFromBytes(unknown)).toThrow(/unknown operation/);
    const many = bytes.slice();
    many.fill(255, 8, 12);
    expect(() => scheme.keysFromBytes(many)).toThrow(/count/);
    const bad = bytes.slice();
    bad.fill(255, 45, 77);
    expect(() => scheme.keysFromBytes(bad)).toThrow(/canonical/);
    expect(() => scheme.ciphertextFromBytes(bytes)).toThrow(/another kind/);
    const other = new DdhBasicOperations({ inputBound: 8, operandBound: 9 });
    expect(() => other.ciphertextFromBytes(again.toBytes())).toThrow(ParamsMismatchError);
    expect(() => other.encrypt(publicKey, values, random)).toThrow(ParamsMismatchError);
  });

  test('equal values encrypt differently, and commitments do not show them', () => {
    const same = scheme.encrypt(publicKey, Int32Array.of(4, 4), random);
    expect(same.elements[0]!.equals(same.elements[1]!)).toBe(false);
    expect(scheme.commitmentsOf(same).byteLength).toBe(44 + 2 * 32);
  });
});
