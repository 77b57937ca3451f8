import { expect, test } from 'vitest';
import { InvalidParamsError, LevelExhaustedError, ShapeError } from '../../src/base/errors.ts';
import {
  babyStepsOf,
  coefficientsToSlotsFactors,
  slotsToCoefficientsFactors,
} from '../../src/circuits/bootstrap/dft-factors.ts';
import { ExactOperations } from '../../src/circuits/exact-operations.ts';
import { applyLinearMap, LinearMap } from '../../src/circuits/linear/linear-map.ts';
import { openTestContext, testValues } from '../schemes/ckks/insecure-params.ts';

test('a matrix on encrypted vectors that repeat, by baby and giant steps', async () => {
  const bits = (count: number) => new Array<number>(count).fill(49.9);
  const spec = { logN: 7, logQ: bits(3), logP: bits(2), logScale: 49.9 };
  using context = await openTestContext({ ...spec, security: 'insecure-for-tests' }, 'linear maps');
  const all = context.params.slots;
  for (const slots of [16, all]) {
    const rows = Array.from({ length: slots }, (_, i) => testValues(slots, i + 1));
    const map = LinearMap.ofMatrix(rows);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using keys = generator.evaluationKeys(secret, { rotations: map.rotations(all, 4) });
    // Level 0 holds values below 1/2 at the default scale: the sums are larger.
    const scale = context.params.q[1]!.q / 2 ** 8;
    const encoder = context.encoder(arena);
    const transform = map.encode(encoder, all, { level: 1, scale, babySteps: 4 });
    const x = testValues(slots, 9);
    using encryptor = context.encryptor(secret, arena);
    const operations = new ExactOperations(context, keys, arena);
    const input = encryptor.encrypt(encoder.encode(x, { slots }));
    const result = applyLinearMap(operations, input, transform, { maxAbs: slots });
    expect(result.level).toBe(0);
    const got = encoder.decode(context.decryptor(secret, arena).decrypt(result), { slots });
    rows.forEach((row, i) => {
      const want = row.reduce((sum, weight, j) => sum + weight * x[j]!, 0);
      expect(Math.abs(got[i]! - want)).toBeLessThan(2 ** -30);
    });
    expect(() => applyLinearMap(operations, result, transform, { maxAbs: 1 })).toThrow(LevelExhaustedError);
  }
});

test('shapes are checked', () => {
  expect(() => LinearMap.ofMatrix([[1, 2, 3]])).toThrow(ShapeError);
  expect(() => LinearMap.of(3, [0], () => ({ re: 1, im: 0 }))).toThrow(InvalidParamsError);
  expect(() =>
    LinearMap.ofMatrix([[1]]).after(
      LinearMap.ofMatrix([
        [1, 0],
        [0, 1],
      ]),
    ),
  ).toThrow(ShapeError);
});

/** zeta^(5^j k) for the coefficients k in reversed order: the special Fourier matrix behind the reversal of bits. */
function embeddingOfReversed(re: Float64Array, im: Float64Array): { re: number[]; im: number[] } {
  const slots = re.length;
  const bits = Math.log2(slots);
  const reversed = (k: number) =>
    Array.from({ length: bits }, (_, i) => ((k >> i) & 1) << (bits - 1 - i)).reduce((a, b) => a | b, 0);
  const out = { re: [] as number[], im: [] as number[] };
  for (let j = 0, power = 1; j < slots; j++, power = (power * 5) % (4 * slots)) {
    let [a, b] = [0, 0];
    for (let k = 0; k < slots; k++) {
      const angle = (2 * Math.PI * ((power * k) % (4 * slots))) / (4 * slots);
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      a += re[reversed(k)]! * c - im[reversed(k)]! * s;
      b += re[reversed(k)]! * s + im[reversed(k)]! * c;
    }
    out.re.push(a);
    out.im.push(b);
  }
  return out;
}

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((logSlots) => [1, 2, 3].map((factors) => [logSlots, factors])))(
  'the special Fourier matrix of 2^%i slots as a product of %i factors, and its inverse',
  (logSlots, factors) => {
    if (factors! > logSlots!) return;
    const slots = 2 ** logSlots!;
    const [re, im] = [testValues(slots, 1), testValues(slots, 2)];
    let value = { re, im };
    const forward = slotsToCoefficientsFactors(slots, factors!);
    for (const { map } of forward) value = map.apply(value.re, value.im);
    const want = embeddingOfReversed(re, im);
    const back = coefficientsToSlotsFactors(slots, factors!);
    let returned = value;
    for (const { map } of back) returned = map.apply(returned.re, returned.im);
    for (let j = 0; j < slots; j++) {
      expect(Math.hypot(value.re[j]! - want.re[j]!, value.im[j]! - want.im[j]!)).toBeLessThan(2 ** -42);
      expect(Math.hypot(returned.re[j]! / slots - re[j]!, returned.im[j]! / slots - im[j]!)).toBeLessThan(
        2 ** -45,
      );
    }
    // Both directions use the same rotations: one set of keys.
    const rotations = (list: typeof forward) =>
      new Set(list.flatMap((factor) => factor.map.rotations(slots, babyStepsOf(slots, factor))));
    expect(rotations(back)).toEqual(rotations(forward));
  },
);

test('the full transform has 63, 63 and 32 diagonals and 38 rotations', () => {
  const slots = 2 ** 15;
  const forward = slotsToCoefficientsFactors(slots, 3);
  expect(forward.map(({ map, stride }) => [map.steps.length, stride])).toEqual([
    [63, 1],
    [63, 32],
    [32, 1024],
  ]);
  const rotations = forward.flatMap((factor) => factor.map.rotations(slots, babyStepsOf(slots, factor)));
  expect(new Set(rotations).size).toBe(38);
});
