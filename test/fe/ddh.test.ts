import { hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { DecodeError, OutOfRangeError, ParamsMismatchError, ShapeError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import { DiscreteLog } from '../../src/fe/ddh/discrete-log.ts';
import { decodeElement, encodeElement, GENERATOR, GROUP_ORDER, IDENTITY } from '../../src/fe/ddh/group.ts';
import { FixedBase, SmallPowers } from '../../src/fe/ddh/multiples.ts';
import { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('multiples of the generator and bad encodings of RFC 9496, A.1 and A.2', () => {
  const multiples = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    'e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76',
    '6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919',
  ];
  let point = IDENTITY;
  for (const expected of multiples) {
    expect(hex(encodeElement(point))).toBe(expected);
    expect(hex(encodeElement(decodeElement('x', hexToBytes(expected))))).toBe(expected);
    point = point.add(GENERATOR);
  }
  const bad = [
    '00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '0100000000000000000000000000000000000000000000000000000000000000',
    '26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371',
  ];
  for (const bytes of bad) expect(() => decodeElement('x', hexToBytes(bytes))).toThrow(DecodeError);
});

test('vectors under one key have the same ciphertexts with tables of its elements and without', () => {
  const scheme = new DdhInnerProduct({ length: 3, inputBound: 9, weightBound: 9 });
  const { publicKey } = scheme.setup(seededRandom('tables'));
  const columns = Int32Array.of(-9, 0, 7);
  const fresh = () => scheme.publicKeyFromBytes(publicKey.toBytes());
  const random = seededRandom('vectors');
  const again = seededRandom('vectors');
  for (let vector = 0; vector < 4; vector++) {
    const expected = scheme.encrypt(fresh(), columns, random).toBytes();
    expect(hex(scheme.encrypt(publicKey, columns, again).toBytes())).toBe(hex(expected));
  }
});

test('powers from tables equal the library', () => {
  const base = GENERATOR.multiply(987654321n);
  const table = new FixedBase(base);
  for (const scalar of [1n, 16n, 17n, 31n, GROUP_ORDER - 1n, GROUP_ORDER / 3n]) {
    expect(table.powerVarTime(scalar).equals(base.multiply(scalar))).toBe(true);
  }
  expect(table.powerVarTime(0n).is0()).toBe(true);
  const bases = [GENERATOR, base];
  for (const [a, b] of [
    [0, 0],
    [-1, 15],
    [255, -256],
    [-32767, 16],
  ] as const) {
    const power = (of: typeof base, e: number) =>
      e < 0 ? of.multiply(BigInt(-e)).negate() : e > 0 ? of.multiply(BigInt(e)) : IDENTITY;
    const expected = power(GENERATOR, a).add(power(base, b));
    expect(new SmallPowers(bases).productVarTime(Int32Array.of(a, b)).equals(expected)).toBe(true);
  }
});

test('logarithms within the bound are found, others are not', () => {
  const bound = 5000;
  const log = new DiscreteLog(bound);
  const values = [0, 1, -1, 141, 142, 143, -283, 284, 4999, 5000, -5000, 5001, -5001, 60000];
  const power = (e: number) =>
    e < 0 ? GENERATOR.multiply(BigInt(-e)).negate() : e > 0 ? GENERATOR.multiply(BigInt(e)) : IDENTITY;
  const expected = values.map((value) => (Math.abs(value) <= bound ? value : undefined));
  expect(
    log.solveVarTime(values.map(power)).map((value) => (value === undefined ? value : value + 0)),
  ).toEqual(expected);
});

test.each(['adaptive', 'selective'] as const)('%s: exact results, also through bytes; refusals', (form) => {
  const scheme = new DdhInnerProduct({ length: 3, inputBound: 7, weightBound: 7 }, form);
  const random = seededRandom(form);
  const made = scheme.setup(random);
  const publicKey = scheme.publicKeyFromBytes(made.publicKey.toBytes());
  const secretKey = scheme.secretKeyFromBytes(made.secretKey.toBytes());
  const weights = Int32Array.of(7, 7, 7, -7, 0, 3, 0, 0, 0, 1, -1, 1);
  const keys = scheme.functionKeysFromBytes(scheme.deriveKeys(secretKey, weights).toBytes());
  for (const x of [
    [7, 7, 7],
    [-7, 0, 5],
    [0, 0, 0],
  ]) {
    const ciphertext = scheme.encrypt(publicKey, Int32Array.from(x), random);
    const parsed = scheme.ciphertextFromBytes(ciphertext.toBytes());
    const expected = [0, 1, 2, 3].map((row) => x.reduce((sum, v, i) => sum + v * weights[3 * row + i]!, 0));
    expect([...scheme.decrypt(parsed, keys, weights)]).toEqual(expected);
    const results = new Float64Array(4);
    expect([...scheme.decrypt(parsed, keys, weights, results)]).toEqual(expected);
    expect([...results]).toEqual(expected);
    expect(() => scheme.decrypt(parsed, keys, weights, new Float64Array(3))).toThrow(ShapeError);
    const bytes = ciphertext.toBytes();
    for (const cut of [0, 43, bytes.length - 1])
      expect(() => scheme.ciphertextFromBytes(bytes.subarray(0, cut))).toThrow(DecodeError);
    bytes.fill(255, 44, 76);
    expect(() => scheme.ciphertextFromBytes(bytes)).toThrow(/canonical/);
    const foreign = scheme.deriveKeys(scheme.setup(random).secretKey, weights.subarray(0, 3));
    expect(() => scheme.decrypt(parsed, foreign, weights.subarray(0, 3))).toThrow(/at most 147/);
  }
  expect(() => scheme.encrypt(publicKey, Int32Array.of(0, 8, 0), random)).toThrow(/index 1/);
  expect(() => scheme.encrypt(publicKey, Int32Array.of(0, 8), random)).toThrow(ShapeError);
  expect(() => scheme.deriveKeys(secretKey, Int32Array.of(0, 0, -8))).toThrow(OutOfRangeError);
  const other = new DdhInnerProduct({ length: 3, inputBound: 8, weightBound: 7 }, form);
  expect(() => other.publicKeyFromBytes(publicKey.toBytes())).toThrow(ParamsMismatchError);
  const scalars = made.secretKey.toBytes();
  scalars.fill(255, 44, 76);
  expect(() => scheme.secretKeyFromBytes(scalars)).toThrow(/order/);
});
