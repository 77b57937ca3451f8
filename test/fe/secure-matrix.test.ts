import { afterAll, describe, expect, test } from 'vitest';
import { OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';
import type { InnerProductScheme } from '../../src/fe/inner-product-scheme.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { scalarColumns, scalarWeights } from '../../src/fe/scalar-operations.ts';
import { decryptProduct, deriveMatrixKeys, encryptMatrix } from '../../src/fe/secure-matrix.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { seededGenerator } from '../kernel/bench.ts';

const kernel = await openKernel();
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
});

const sizes = { length: 7, inputBound: 100, weightBound: 100 };
const schemes: [string, () => InnerProductScheme, number][] = [
  // 20 rows fill two ciphertexts and a part of a third.
  ['lattice', () => new LatticeInnerProduct(kernel, { ...sizes, packing: 8 }), 20],
  ['ddh', () => new DdhInnerProduct(sizes, 'adaptive', kernel), 3],
];

function matrix(rows: number, columns: number, seed: number) {
  const next = seededGenerator(seed);
  return {
    rows,
    columns,
    values: Int32Array.from({ length: rows * columns }, () => (next() % 201) - 100),
  };
}

describe.each(schemes)('%s', (_, open, rows) => {
  const random = seededRandom('matrix');

  test('the product of an encrypted and a clear matrix is exact', () => {
    using scheme = open();
    const { publicKey, secretKey } = scheme.setup(random);
    const [left, right] = [matrix(rows, 7, 1), matrix(7, 5, 2)];
    using encrypted = encryptMatrix(scheme, publicKey, left, random);
    expect(encrypted.byteLength).toBe(encrypted.ciphertexts.reduce((sum, c) => sum + c.toBytes().length, 0));
    using keys = deriveMatrixKeys(scheme, secretKey, right);
    const expected = Array.from({ length: rows * 5 }, (_, at) => {
      let sum = 0;
      for (let i = 0; i < 7; i++)
        sum += left.values[Math.floor(at / 5) * 7 + i]! * right.values[i * 5 + (at % 5)]!;
      return sum;
    });
    expect([...decryptProduct(scheme, encrypted, keys, right)]).toEqual(expected);
    const other = { ...right, values: right.values.map((v) => -v) };
    expect(() => decryptProduct(scheme, encrypted, keys, other)).toThrow(OutOfRangeError);
    publicKey[Symbol.dispose]();
    secretKey[Symbol.dispose]();
  });

  test('shapes and entries that do not fit are refused', () => {
    using scheme = open();
    const { publicKey, secretKey } = scheme.setup(random);
    expect(() => encryptMatrix(scheme, publicKey, matrix(2, 6, 1), random)).toThrow(ShapeError);
    const short = { rows: 2, columns: 7, values: new Int32Array(13) };
    expect(() => encryptMatrix(scheme, publicKey, short, random)).toThrow(ShapeError);
    const large = matrix(2, 7, 1);
    large.values[9] = 101;
    expect(() => encryptMatrix(scheme, publicKey, large, random)).toThrow(/index 9/);
    expect(() => deriveMatrixKeys(scheme, secretKey, matrix(6, 5, 1))).toThrow(ShapeError);
    publicKey[Symbol.dispose]();
    secretKey[Symbol.dispose]();
  });
});

test.each(['+', '-', '*'] as const)('x %s y on a whole lattice ciphertext with one key', (operation) => {
  using scheme = new LatticeInnerProduct(kernel, {
    length: 2,
    inputBound: 500,
    weightBound: 300,
    packing: 64,
  });
  const random = seededRandom('scalars');
  const { publicKey, secretKey } = scheme.setup(random);
  const [values, operands] = [Int32Array.of(0, 500, -500, 17), Int32Array.of(0, 300, -7)];
  using ciphertext = scheme.encrypt(publicKey, scalarColumns(scheme, values), random);
  const weights = scalarWeights(scheme, operation, operands);
  using keys = scheme.deriveKeys(secretKey, weights);
  const clear = {
    '+': (x: number, y: number) => x + y,
    '-': (x: number, y: number) => x - y,
    '*': (x: number, y: number) => x * y,
  };
  expect([...scheme.decrypt(ciphertext, keys, weights)]).toEqual(
    [...operands].flatMap((y) => [...values].map((x) => clear[operation](x, y) + 0)),
  );
  publicKey[Symbol.dispose]();
  secretKey[Symbol.dispose]();
});

test('scalars need a scheme for pairs', () => {
  using scheme = new DdhInnerProduct({ length: 3, inputBound: 5, weightBound: 5 });
  expect(() => scalarColumns(scheme, Int32Array.of(1))).toThrow(ShapeError);
  expect(() => scalarWeights(scheme, '+', Int32Array.of(1))).toThrow(ShapeError);
});
