import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DisposedError,
  LevelExhaustedError,
  MissingKeyError,
  OutOfRangeError,
  ShapeError,
} from '../../../src/base/errors.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import type { CkksEncoder } from '../../../src/schemes/ckks/encoder.ts';
import type { CkksEvaluator } from '../../../src/schemes/ckks/evaluator.ts';
import type { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import {
  INSECURE_TINY,
  INSECURE_WIDE,
  maxDifference,
  openTestContext,
  testValues,
} from './insecure-params.ts';

const TOLERANCE = 2 ** -18;
const STEPS = [0, 1, 2, 5, 8, 9, 16, -7];

describe.each([
  ['one prime per digit', INSECURE_TINY],
  ['two primes per digit', INSECURE_WIDE],
])('linear transforms, %s', (name, spec) => {
  let context: CkksContext;
  let arena: Arena;
  let secret: SecretKey;
  let keys: EvaluationKeys;
  let encoder: CkksEncoder;
  let evaluator: CkksEvaluator;
  let x: Float64Array;
  let ct: CkksCiphertext;
  let diagonals: Map<number, Float64Array>;

  beforeAll(async () => {
    context = await openTestContext(spec, name);
    arena = context.arena();
    using generator = context.keyGenerator();
    secret = generator.secretKey();
    keys = generator.evaluationKeys(secret, { rotations: [...STEPS, 4, 24, 56] });
    encoder = context.encoder(arena);
    evaluator = context.evaluator(keys, arena);
    const { slots } = context.params;
    x = testValues(slots, 5);
    using encryptor = context.encryptor(secret, arena);
    ct = encryptor.encrypt(encoder.encode(x));
    diagonals = new Map(STEPS.map((step, i) => [step, testValues(slots, 100 + i)]));
  });

  afterAll(() => {
    arena[Symbol.dispose]();
    for (const owned of [secret, keys, context]) owned[Symbol.dispose]();
    expect(context.kernel.liveWords).toBe(0);
  });

  const decrypt = (a: CkksCiphertext): Float64Array =>
    encoder.decode(context.decryptor(secret, arena).decrypt(a));
  const applied = (map: ReadonlyMap<number, ArrayLike<number>>): Float64Array =>
    x.map((_, j) => {
      const { length } = x;
      return [...map].reduce(
        (sum, [step, values]) => sum + (values[j] ?? 0) * x[(((j + step) % length) + length) % length]!,
        0,
      );
    });

  test.each([undefined, 4, 8, 1])('equals the map in the clear, baby steps %s', (babySteps) => {
    const options = babySteps === undefined ? {} : { babySteps };
    const transform = encoder.encodeLinearTransform(diagonals, options);
    const result = evaluator.linearTransform(ct, transform);
    expect(result.level).toBe(ct.level);
    expect(result.scale).toBe(ct.scale * transform.scale);
    expect(maxDifference(decrypt(result), applied(diagonals))).toBeLessThan(TOLERANCE);
    const wrong = new Map(diagonals).set(1, x);
    expect(maxDifference(decrypt(result), applied(wrong))).toBeGreaterThan(2 ** -4);
  });

  test('is the sum of hoisted rotations times plaintexts, up to the noise of their roundings', () => {
    const steps = [...diagonals.keys()];
    const rotated = evaluator.rotateMany(ct, steps);
    const sum = rotated
      .map((a, i) => evaluator.mul(a, encoder.encode(diagonals.get(steps[i]!)!)))
      .reduce((a, b) => evaluator.add(a, b));
    const result = evaluator.linearTransform(ct, encoder.encodeLinearTransform(diagonals));
    expect(maxDifference(decrypt(result), decrypt(sum))).toBeLessThan(TOLERANCE);
  });

  test('serves ciphertexts above its level, none below, and short diagonals', () => {
    const map = new Map([[1, Float64Array.of(1, 2, 3)]]);
    const transform = encoder.encodeLinearTransform(map, { level: 1 });
    const result = evaluator.linearTransform(ct, transform);
    expect(result.level).toBe(1);
    expect(maxDifference(decrypt(result), applied(map))).toBeLessThan(TOLERANCE);
    const low = evaluator.dropTo(ct, 0);
    expect(() => evaluator.linearTransform(low, transform)).toThrow(LevelExhaustedError);
  });

  test('refuses what it cannot do', () => {
    const map = new Map([[11, Float64Array.of(1)]]);
    expect(() => evaluator.linearTransform(ct, encoder.encodeLinearTransform(map))).toThrow(MissingKeyError);
    expect(() => encoder.encodeLinearTransform(map, { babySteps: 0 })).toThrow(OutOfRangeError);
    const long = new Map([[0, new Float64Array(context.params.slots + 1)]]);
    expect(() => encoder.encodeLinearTransform(long)).toThrow(ShapeError);
    const huge = new Map([[0, Float64Array.of(1e30)]]);
    expect(() => encoder.encodeLinearTransform(huge)).toThrow(OutOfRangeError);
    const transform = encoder.encodeLinearTransform(new Map([[1, x]]));
    expect(() => evaluator.linearTransform(evaluator.mulLazy(ct, ct), transform)).toThrow(ShapeError);
    transform[Symbol.dispose]();
    expect(() => evaluator.linearTransform(ct, transform)).toThrow(DisposedError);
  });
});
