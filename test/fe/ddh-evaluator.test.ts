/** The native curve loops against the library: the same products and logarithms, the same refusals. */
import { normalizeZ } from '@noble/curves/abstract/curve.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js';
import { expect, test } from 'vitest';
import { ShapeError, SubrosaError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import { GENERATOR, GROUP_ORDER, type GroupElement, IDENTITY } from '../../src/fe/ddh/group.ts';
import { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';
import type { EdwardsLoops } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { seededGenerator } from '../kernel/bench.ts';

const kernel = await openKernel();
const power = (of: GroupElement, e: bigint) =>
  e < 0n ? of.multiply(-e).negate() : e > 0n ? of.multiply(e) : IDENTITY;

function bytesOf(points: GroupElement[]): Uint8Array {
  const affine = normalizeZ(ed25519.Point, points);
  return new Uint8Array(affine.flatMap(({ x, y }) => [...numberToBytesLE(x, 32), ...numberToBytesLE(y, 32)]));
}

function pointsOf(bytes: Uint8Array): GroupElement[] {
  return Array.from({ length: bytes.length / 64 }, (_, i) =>
    ed25519.Point.fromAffine({
      x: bytesToNumberLE(bytes.subarray(64 * i, 64 * i + 32)),
      y: bytesToNumberLE(bytes.subarray(64 * i + 32, 64 * i + 64)),
    }),
  );
}

test.runIf(kernel.name === 'native')('a native kernel has the loops', () => {
  expect(kernel.edwards).toBeDefined();
});

/** Without a native kernel there is nothing to compare. */
const loops = kernel.edwards as EdwardsLoops;
const onNative = test.skipIf(kernel.edwards === undefined);

onNative('products of powers equal the library, scalars and exponents at their limits', () => {
  const heads = [GENERATOR.multiply(3n ** 50n), GENERATOR.multiply(5n ** 60n)];
  const smalls = [GENERATOR, GENERATOR.multiply(7n ** 70n), IDENTITY];
  const scalars = [
    0n,
    1n,
    15n,
    16n,
    17n,
    31n,
    GROUP_ORDER - 1n,
    GROUP_ORDER / 3n,
    2n ** 254n - 1n,
    32n ** 9n,
  ];
  const exponents = [0, 1, -1, 15, -16, 255, -256, 2 ** 31 - 1, -(2 ** 31), 12345].flatMap((e) => [
    e,
    -1 - e,
    7,
  ]);
  const rows = scalars.length;
  const listed = scalars.flatMap((scalar, i) => [scalar, scalars[rows - 1 - i] as bigint]);
  const bytes = new Uint8Array(listed.flatMap((scalar) => [...numberToBytesLE(scalar, 32)]));
  const results = pointsOf(
    loops.products(bytesOf(heads), bytesOf(smalls), bytes, Int32Array.from(exponents), rows),
  );
  results.forEach((result, row) => {
    let expected = IDENTITY;
    heads.forEach((head, h) => {
      expected = expected.subtract(power(head, (listed[2 * row + h] as bigint) % GROUP_ORDER));
    });
    smalls.forEach((small, j) => {
      if (!small.is0()) expected = expected.add(power(small, BigInt(exponents[3 * row + j] as number)));
    });
    expect(result.equals(expected)).toBe(true);
  });
});

onNative.each([
  [5000, 7],
  [5000, 64],
  [10, 64],
  [2 ** 22, 3000],
])('logarithms up to %i with %i steps: found within the bound, none beyond', (bound, steps) => {
  const next = seededGenerator(bound + steps);
  const values = [
    0,
    1,
    -1,
    steps,
    steps + 1,
    -2 * steps - 1,
    2 * steps,
    bound,
    -bound,
    bound + 1,
    -bound - 1,
  ];
  for (let i = 0; i < 60; i++) values.push((next() % (2 * bound + 1)) - bound);
  // Adding a point of order two must change nothing.
  const torsion = ed25519.Point.fromAffine({ x: 0n, y: ed25519.Point.Fp.ORDER - 1n });
  const elements = values.map((value, i) =>
    i % 2 === 0 ? power(GENERATOR, BigInt(value)) : power(GENERATOR, BigInt(value)).add(torsion),
  );
  const found = loops.logarithms(bound, steps)(bytesOf(elements));
  expect([...found].map((value) => value + 0)).toEqual(
    values.map((value) => (Math.abs(value) <= bound ? value : Number.NaN)),
  );
});

onNative.each(['adaptive', 'selective'] as const)('%s: decrypted alike by both evaluators', (form) => {
  const spec = { length: 6, inputBound: 50, weightBound: 90 };
  const [library, native] = [new DdhInnerProduct(spec, form), new DdhInnerProduct(spec, form, kernel)];
  const random = seededRandom(form);
  const { publicKey, secretKey } = library.setup(random);
  const next = seededGenerator(3);
  const weights = Int32Array.from({ length: 6 * 40 }, () => (next() % 181) - 90);
  const keys = library.deriveKeys(secretKey, weights);
  const ciphertext = library.encrypt(publicKey, Int32Array.of(50, -50, 1, 0, 7, 33), random);
  const expected = library.decrypt(ciphertext, keys, weights);
  expect(native.decrypt(ciphertext, keys, weights)).toEqual(expected);
  const foreign = library.deriveKeys(library.setup(random).secretKey, weights.subarray(0, 6));
  expect(() => native.decrypt(ciphertext, foreign, weights.subarray(0, 6))).toThrow(/at most 27000/);
});

onNative('arguments that would leave memory are refused', () => {
  const point = bytesOf([GENERATOR]);
  expect(() => loops.products(point, point, new Uint8Array(31), Int32Array.of(1), 1)).toThrow(ShapeError);
  expect(() => loops.products(point, point, new Uint8Array(32), new Int32Array(2), 1)).toThrow(ShapeError);
  expect(() => loops.products(point, point.subarray(1), new Uint8Array(32), Int32Array.of(1), 1)).toThrow(
    SubrosaError,
  );
  expect(() => loops.logarithms(0, 4)).not.toThrow();
  expect(() => loops.logarithms(0, 4)(point)).toThrow(SubrosaError);
});
