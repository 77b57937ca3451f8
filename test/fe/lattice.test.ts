import { afterAll, describe, expect, test } from 'vitest';
import {
  DecodeError,
  InsecureParamsError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import { LatticeParams, logQCeiling } from '../../src/fe/lattice/params.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { seededGenerator } from '../kernel/bench.ts';

const kernel = await openKernel();
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
});

function matrix(rows: number, columns: number, bound: number, seed: number): Int32Array {
  const next = seededGenerator(seed);
  return Int32Array.from({ length: rows * columns }, () => (next() % (2 * bound + 1)) - bound);
}

/** [keys, vectors] from [keys, length] and [length, vectors]. */
function product(weights: Int32Array, columns: Int32Array, length: number): number[] {
  const [keys, count] = [weights.length / length, columns.length / length];
  return Array.from({ length: keys * count }, (_, at) => {
    const [key, j] = [Math.floor(at / count), at % count];
    let sum = 0;
    for (let i = 0; i < length; i++) sum += weights[key * length + i]! * columns[i * count + j]!;
    return sum;
  });
}

/** All vectors of `length` entries up to `bound`, row-major. */
function allVectors(length: number, bound: number): number[][] {
  if (length === 0) return [[]];
  const entries = Array.from({ length: 2 * bound + 1 }, (_, i) => i - bound);
  return allVectors(length - 1, bound).flatMap((head) => entries.map((entry) => [...head, entry]));
}

const SIZES = [
  { length: 25, inputBound: 256, weightBound: 256, packing: 4096 },
  { length: 10, inputBound: 100, weightBound: 100, packing: 64 },
  { length: 7, inputBound: 2 ** 12, weightBound: 2 ** 12, packing: 32 },
  { length: 3, inputBound: 1, weightBound: 32767, packing: 1024 },
];

describe.each(SIZES)('length $length, $inputBound x $weightBound, packing $packing', (spec) => {
  const scheme = new LatticeInnerProduct(kernel, spec);
  const { length, packing, inputBound, weightBound } = scheme;

  test('inner products are exact, also at the bounds and through bytes', () => {
    const keys = scheme.setup(seededRandom(`lattice ${packing}`));
    using secretKey = scheme.secretKeyFromBytes(keys.secretKey.toBytes());
    using sameKey = scheme.publicKeyFromBytes(keys.publicKey.toBytes());
    const columns = matrix(length, packing, inputBound, 1);
    for (let i = 0; i < length; i++) columns[i * packing] = inputBound;
    const weights = matrix(5, length, weightBound, 2);
    weights.fill(weightBound, 0, length);
    weights.fill(-weightBound, length, 2 * length);
    weights.fill(0, 2 * length, 3 * length);
    using direct = scheme.encrypt(sameKey, columns, seededRandom('c'));
    using ciphertext = scheme.ciphertextFromBytes(direct.toBytes());
    expect(direct.toBytes()).toHaveLength(direct.byteLength);
    using derived = scheme.deriveKeys(secretKey, weights);
    using functionKeys = scheme.functionKeysFromBytes(derived.toBytes());
    expect([...scheme.decrypt(ciphertext, functionKeys, weights)]).toEqual(product(weights, columns, length));
    expect([
      ...scheme.decrypt(ciphertext, functionKeys.rows(1, 2), weights.subarray(length, 3 * length)),
    ]).toEqual(product(weights.subarray(length, 3 * length), columns, length));
    const results = new Float64Array(5 * packing).fill(NaN);
    expect(scheme.decrypt(ciphertext, functionKeys, weights, results)).toBe(results);
    expect([...results]).toEqual(product(weights, columns, length));
    expect(() => scheme.decrypt(ciphertext, functionKeys, weights, results.subarray(1))).toThrow(ShapeError);
    const others = matrix(5, length, weightBound, 3);
    expect(() => scheme.decrypt(ciphertext, functionKeys, others)).toThrow(OutOfRangeError);
    keys.publicKey[Symbol.dispose]();
    keys.secretKey[Symbol.dispose]();
  });
});

test.each([1, 2])('every pair of vectors of length %i with entries up to 7', (length) => {
  using scheme = new LatticeInnerProduct(kernel, { length, inputBound: 7, weightBound: 7, packing: 256 });
  const { publicKey, secretKey } = scheme.setup(seededRandom('all'));
  const vectors = allVectors(length, 7);
  const weights = Int32Array.from(vectors.flat());
  const columns = Int32Array.from({ length: length * vectors.length }, (_, at) => {
    return vectors[at % vectors.length]![Math.floor(at / vectors.length)]!;
  });
  using ciphertext = scheme.encrypt(publicKey, columns, seededRandom('c'));
  using keys = scheme.deriveKeys(secretKey, weights);
  expect([...scheme.decrypt(ciphertext, keys, weights)]).toEqual(product(weights, columns, length));
  publicKey[Symbol.dispose]();
  secretKey[Symbol.dispose]();
});

describe('what is refused', () => {
  const spec = { length: 4, inputBound: 10, weightBound: 9, packing: 512 };
  const scheme = new LatticeInnerProduct(kernel, spec);
  const random = seededRandom('refusals');

  test('values out of range, with their index; wrong shapes', () => {
    const { publicKey, secretKey } = scheme.setup(random);
    expect(() => scheme.encrypt(publicKey, Int32Array.of(1, 2, -11, 3), random)).toThrow(/index 2/);
    expect(() => scheme.deriveKeys(secretKey, Int32Array.of(1, 2, 3, 10))).toThrow(/index 3.*at most 9/);
    expect(() => scheme.encrypt(publicKey, new Int32Array(5), random)).toThrow(ShapeError);
    expect(() => scheme.encrypt(publicKey, new Int32Array(4 * 513), random)).toThrow(ShapeError);
    expect(() => scheme.deriveKeys(secretKey, new Int32Array(0))).toThrow(ShapeError);
    publicKey[Symbol.dispose]();
    secretKey[Symbol.dispose]();
    expect(() => scheme.deriveKeys(secretKey, new Int32Array(4))).toThrow(/disposed/);
  });

  test('another master key gives an error that names the bound', () => {
    const [mine, foreign] = [scheme.setup(random), scheme.setup(random)];
    const columns = new Int32Array(4 * 16).fill(1);
    const weights = Int32Array.of(1, 2, 3, 4);
    using ciphertext = scheme.encrypt(mine.publicKey, columns, random);
    using keys = scheme.deriveKeys(foreign.secretKey, weights);
    expect(() => scheme.decrypt(ciphertext, keys, weights)).toThrow(/at most 360/);
    using right = scheme.deriveKeys(mine.secretKey, weights);
    expect([...scheme.decrypt(ciphertext, right, weights)]).toEqual(product(weights, columns, 4));
    for (const pair of [mine, foreign]) {
      pair.publicKey[Symbol.dispose]();
      pair.secretKey[Symbol.dispose]();
    }
  });

  test('objects of other parameters', () => {
    using other = new LatticeInnerProduct(kernel, { ...spec, length: 5 });
    const { publicKey, secretKey } = other.setup(random);
    expect(() => scheme.encrypt(publicKey, new Int32Array(4), random)).toThrow(ParamsMismatchError);
    expect(() => scheme.deriveKeys(secretKey, new Int32Array(4))).toThrow(ParamsMismatchError);
    expect(() => scheme.secretKeyFromBytes(secretKey.toBytes())).toThrow(ParamsMismatchError);
    publicKey[Symbol.dispose]();
    secretKey[Symbol.dispose]();
  });

  test('hostile bytes', () => {
    // Of a precision that takes digits behind the words.
    using scheme = new LatticeInnerProduct(kernel, { ...spec, inputBound: 1000, weightBound: 1000 });
    expect(scheme.params.precision.lowDigits).toBe(1);
    const { publicKey, secretKey } = scheme.setup(random);
    using keys = scheme.deriveKeys(secretKey, Int32Array.of(1, 2, 3, 4));
    using ciphertext = scheme.encrypt(publicKey, new Int32Array(8), random);
    // With a byte that makes words at the end too large.
    const good: [Uint8Array, (bytes: Uint8Array) => Disposable, number][] = [
      [publicKey.toBytes(), (bytes) => scheme.publicKeyFromBytes(bytes), 0xff],
      [secretKey.toBytes(), (bytes) => scheme.secretKeyFromBytes(bytes), 0xff],
      [ciphertext.toBytes(), (bytes) => scheme.ciphertextFromBytes(bytes), 0x7f],
      [keys.toBytes(), (bytes) => scheme.functionKeysFromBytes(bytes), 0xff],
    ];
    const next = seededGenerator(5);
    for (const [bytes, parse, large] of good) {
      parse(bytes)[Symbol.dispose]();
      for (const cut of [0, 3, 43, 44, bytes.length - 1])
        expect(() => parse(bytes.subarray(0, cut))).toThrow(DecodeError);
      expect(() => parse(Uint8Array.of(...bytes.subarray(0, 100)))).toThrow(DecodeError);
      const full = bytes.slice();
      full.fill(large, bytes.length - 64);
      expect(() => parse(full)).toThrow(large === 0xff ? /residue/ : /digit/);
      const many = bytes.slice();
      many.fill(255, 8, 12);
      expect(() => parse(many)).toThrow(/count/);
      for (let trial = 0; trial < 60; trial++) {
        const changed = bytes.slice();
        changed[next() % (trial < 30 ? 44 : changed.length)]! ^= 1 << (next() % 8);
        try {
          parse(changed)[Symbol.dispose]();
        } catch (error) {
          expect(error instanceof DecodeError || error instanceof ParamsMismatchError).toBe(true);
        }
      }
    }
    publicKey[Symbol.dispose]();
    secretKey[Symbol.dispose]();
  });
});

describe('parameters', () => {
  // Length, bounds and the modulus bits of the variance form with tail 13.88, computed independently of this code.
  test.each([
    [25, 2 ** 8, 2 ** 8, 4096, 84.3],
    [64, 2 ** 8, 2 ** 8, 4096, 88.3],
    [256, 2 ** 8, 2 ** 8, 4096, 94.3],
    [785, 2 ** 8, 2 ** 8, 4096, 99.2],
    [64, 2 ** 12, 2 ** 12, 8192, 109.8],
    [785, 2 ** 12, 2 ** 12, 8192, 120.7],
  ])('length %i, bounds %i and %i', (length, inputBound, weightBound, dimension, logQ) => {
    const params = new LatticeParams({ length, inputBound, weightBound, packing: 64 });
    expect(params.dimension).toBe(dimension);
    expect(params.rank).toBe(dimension / 64);
    // The bound on key norms costs up to 0.25 bits beyond the table.
    expect(params.logQ).toBeGreaterThan(logQ - 0.1);
    expect(params.logQ).toBeLessThan(logQ + 0.4);
    expect(params.logQ).toBeLessThanOrEqual(logQCeiling(dimension));
    expect(2 * params.results * (params.noiseBound() + params.results / 2)).toBeLessThan(2 ** params.logQ);
  });

  test('a dimension that is too small for its modulus is refused', () => {
    const spec = { length: 785, inputBound: 2 ** 12, weightBound: 2 ** 12, packing: 64, dimension: 4096 };
    expect(() => new LatticeParams(spec)).toThrow(InsecureParamsError);
    expect(() => new LatticeParams({ ...spec, dimension: 2048 })).toThrow(InsecureParamsError);
    expect(() => new LatticeParams({ ...spec, weightBound: 2 ** 15 })).toThrow(/2\^15/);
    expect(() => new LatticeParams({ length: 4, inputBound: 4, weightBound: 4, packing: 48 })).toThrow(
      /power of two/,
    );
  });
});
