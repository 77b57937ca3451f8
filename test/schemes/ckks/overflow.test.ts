/** Nothing wraps around silently: each way to leave the modulus or the scale is refused before a result exists. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  LevelExhaustedError,
  MessageOverflowError,
  PrecisionLostError,
  ScaleMismatchError,
} from '../../../src/base/errors.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import {
  type CkksCiphertext,
  type CkksContext,
  type CkksDecryptor,
  type CkksEncoder,
  type CkksEncryptor,
  CkksEvaluator,
  CkksCiphertext as Ciphertext,
  expansionElements,
  type EvaluationKeys,
  type SecretKey,
} from '../../../src/schemes/ckks/index.ts';
import { INSECURE_TINY, maxDifference, openTestContext, testValues } from './insecure-params.ts';

describe('CKKS beyond the modulus', () => {
  let context: CkksContext;
  let arena: Arena;
  let secret: SecretKey;
  let keys: EvaluationKeys;
  let encoder: CkksEncoder;
  let encryptor: CkksEncryptor;
  let decryptor: CkksDecryptor;
  let evaluator: CkksEvaluator;

  beforeAll(async () => {
    // q_0 leaves 8 bits above the scale, of which one is the sign's.
    context = await openTestContext(INSECURE_TINY, 'overflow');
    arena = context.arena();
    using generator = context.keyGenerator();
    secret = generator.secretKey();
    const { n } = context.params;
    keys = generator.evaluationKeys(secret, {
      relinearize: true,
      rotations: [1, 2],
      galois: expansionElements(n, 4),
    });
    encoder = context.encoder(arena);
    encryptor = context.encryptor(secret, arena);
    decryptor = context.decryptor(secret, arena);
    evaluator = context.evaluator(keys, arena);
  });

  afterAll(() => {
    arena[Symbol.dispose]();
    for (const owned of [secret, keys, context]) owned[Symbol.dispose]();
  });

  const encrypt = (values: ArrayLike<number>, level?: number): CkksCiphertext =>
    encryptor.encrypt(encoder.encode(values, level === undefined ? {} : { level }));
  const decrypt = (ct: CkksCiphertext): Float64Array => encoder.decode(decryptor.decrypt(ct));
  const ones = () => new Float64Array(context.params.slots).fill(1);

  const overflows: Record<string, () => unknown> = {
    'a forgotten rescaling': () => {
      let y = encrypt([0.5]);
      for (let i = 0; i < 3; i++) y = evaluator.mul(y, y);
    },
    'a forgotten rescaling without relinearisation': () => {
      const y = evaluator.mul(encrypt([0.5]), encrypt([0.5]));
      evaluator.mulLazy(y, y);
    },
    'a product at level 0': () => evaluator.mul(encrypt([0.5], 0), encrypt([0.5], 0)),
    'a plaintext product at level 0': () => evaluator.mul(encrypt([0.5], 0), encoder.encode([1])),
    'a plaintext of large values': () =>
      evaluator.mul(encrypt([0.5], 0), encoder.encode([2 ** 20], { scale: 1024 })),
    'a number added': () => evaluator.add(encrypt([0.5], 0), 1e6),
    'a number subtracted': () => evaluator.sub(encrypt([0.5], 0), -1e6),
    'a large plaintext added': () => evaluator.add(encrypt([0.5], 0), encoder.encode(ones().fill(1000))),
    'a constant': () => evaluator.mulConstant(encrypt([0.5], 0), 4096),
    'a constant with a scale': () => evaluator.mulConstant(encrypt([0.5], 0), 0.5, 2 ** 30),
    'repeated doubling': () => {
      let y = encrypt([1], 0);
      for (let i = 0; i < 10; i++) y = evaluator.add(y, y);
    },
    'a fused product': () => {
      const large = evaluator.mulConstant(encrypt(ones()), 2 ** 30);
      evaluator.multiplyRelinearizeRescale(large, large);
    },
    'a fused square': () =>
      evaluator.squareRelinearizeRescale(evaluator.mulConstant(encrypt(ones()), 2 ** 30)),
    'a linear transform': () =>
      evaluator.linearTransform(
        encrypt([1], 0),
        encoder.encodeLinearTransform(
          new Map([
            [1, ones()],
            [2, ones()],
          ]),
          { level: 0 },
        ),
      ),
    'a matrix product': () => {
      using weights = context.kernel.prepareGemm(new Int32Array(4).fill(2 ** 14), 2, 2);
      evaluator.gemm(
        weights,
        encryptor.encryptBatch([encoder.encode([1], { level: 0 }), encoder.encode([1], { level: 0 })]),
      );
    },
    'a drop below the scale': () => evaluator.dropTo(evaluator.mul(encrypt([1]), encrypt([1])), 0),
    'a sum that meets at a low level': () => {
      const product = evaluator.mul(encrypt([1]), encrypt([1]));
      evaluator.add(product, encrypt([1], 0));
    },
    'a promise beyond the modulus': () => evaluator.declareMaxAbs(encrypt([1], 0), 1000),
  };

  test.each(Object.keys(overflows))('%s is refused', (name) => {
    const isMismatch = name === 'a sum that meets at a low level';
    expect(overflows[name]).toThrow(isMismatch ? ScaleMismatchError : MessageOverflowError);
  });

  test('one rescaling too many is refused', () => {
    expect(() => evaluator.rescale(encrypt([0.5]))).toThrow(PrecisionLostError);
    const product = evaluator.rescale(evaluator.mul(encrypt([0.5]), encrypt([0.5])));
    expect(() => evaluator.rescale(product)).toThrow(PrecisionLostError);
  });

  test('the bound holds for every circuit, and a circuit whose bound fits is right', () => {
    const slots = context.params.slots;
    const operation = fc.constantFrom('add', 'mul', 'number', 'constant', 'plaintext', 'rotate', 'negate');
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 8 }), fc.integer(), (operations, seed) => {
        using own = context.arena();
        const here = context.evaluator(keys, own);
        let clear = testValues(slots, seed);
        let ct: CkksCiphertext = encryptor.encrypt(encoder.encode(clear));
        for (const op of operations) {
          try {
            const other = testValues(slots, seed + 1);
            if (op === 'add') ct = here.add(ct, ct);
            if (op === 'mul') ct = here.rescale(here.mul(ct, ct));
            if (op === 'number') ct = here.add(ct, -3.5);
            if (op === 'constant') ct = here.mulConstant(ct, -5);
            if (op === 'plaintext') ct = here.rescale(here.mul(ct, encoder.encode(other)));
            if (op === 'rotate') ct = here.rotate(ct, 1);
            if (op === 'negate') ct = here.negate(ct);
            const before = clear;
            if (op === 'add') clear = before.map((v) => 2 * v);
            if (op === 'mul') clear = before.map((v) => v * v);
            if (op === 'number') clear = before.map((v) => v - 3.5);
            if (op === 'constant') clear = before.map((v) => -5 * v);
            if (op === 'plaintext') clear = before.map((v, i) => v * other[i]!);
            if (op === 'rotate') clear = before.map((_, i) => before[(i + 1) % slots]!);
            if (op === 'negate') clear = before.map((v) => -v);
          } catch (error) {
            if (error instanceof MessageOverflowError || error instanceof LevelExhaustedError) break;
            throw error;
          }
        }
        const size = clear.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
        expect(ct.maxAbs).toBeGreaterThanOrEqual(size);
        expect(maxDifference(decrypt(ct), clear)).toBeLessThan(2 ** -12 * Math.max(1, ct.maxAbs));
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  test('the bound is not on the wire', () => {
    const received = Ciphertext.fromBytes(context, encrypt([40]).toBytes(), arena);
    expect(received.maxAbs).toBe(1);
    expect(evaluator.declareMaxAbs(received, 40).maxAbs).toBe(40);
    expect(() => evaluator.declareMaxAbs(received, Number.NaN)).toThrow(/NaN/);
  });

  test('a value that is not a number is called so', () => {
    expect(() => encoder.encode([1, Number.NaN])).toThrow(/value 1 must be a finite number but is NaN/);
    expect(() => encoder.encode([Infinity])).toThrow(/value 0 must be a finite number but is Infinity/);
    expect(() => evaluator.add(encrypt([1]), Number.NaN)).toThrow(/NaN/);
    expect(() => evaluator.mulConstant(encrypt([1]), Number.NaN)).toThrow(/NaN/);
  });
});

describe('CKKS scales', () => {
  let context: CkksContext;
  let arena: Arena;

  beforeAll(async () => {
    const spec = { ...INSECURE_TINY, logQ: [42, 34, 34, 34] };
    context = await openTestContext(spec, 'align');
    arena = context.arena();
  });
  afterAll(() => {
    arena[Symbol.dispose]();
    context[Symbol.dispose]();
  });

  test('a mismatch shows scales that differ, and the method that mends it', () => {
    const error = new ScaleMismatchError('add', 1099515559949.0625, 1099511627776);
    expect(error.message).toMatch(/2\^40\.00001 and 2\^40\.00000; evaluator\.align\(a, b\)/);
  });

  test('align brings two ciphertexts to one level and scale', () => {
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using keys = generator.evaluationKeys(secret, { relinearize: true });
    const evaluator = context.evaluator(keys, arena);
    const encoder = context.encoder(arena);
    using encryptor = context.encryptor(secret, arena);
    const decryptor = context.decryptor(secret, arena);
    const values = testValues(context.params.slots, 3);
    const x = encryptor.encrypt(encoder.encode(values));
    const square = evaluator.rescale(evaluator.mul(x, x));
    const cube = evaluator.rescale(evaluator.mul(square, evaluator.dropTo(x, square.level)));
    const lazy = evaluator.mul(x, x);
    const odd = encryptor.encrypt(encoder.encode(values, { scale: 3 * 2 ** 33 }));
    expect(() => evaluator.add(odd, x)).toThrow(ScaleMismatchError);
    const powers: [CkksCiphertext, CkksCiphertext, (v: number) => number, number][] = [
      [square, x, (v) => v * v + v, square.level],
      [x, square, (v) => v * v + v, square.level],
      [cube, square, (v) => v ** 3 + v * v, cube.level],
      [cube, x, (v) => v ** 3 + v, cube.level],
      [lazy, x, (v) => v * v + v, x.level],
      [odd, x, (v) => 2 * v, x.level - 1],
      [x, x, (v) => 2 * v, x.level],
    ];
    for (const [a, b, f, level] of powers) {
      const [left, right] = evaluator.align(a, b);
      expect([left.scale, left.level, right.level]).toEqual([right.scale, level, level]);
      const sum = encoder.decode(decryptor.decrypt(evaluator.add(left, right)));
      expect(maxDifference(sum, values.map(f))).toBeLessThan(2 ** -18);
    }
    const low = evaluator.dropTo(odd, 0);
    expect(() => evaluator.align(low, evaluator.dropTo(x, 0))).toThrow(LevelExhaustedError);
  });
});
