import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GaloisElement } from '../../../src/base/brand.ts';
import {
  DisposedError,
  LevelExhaustedError,
  MissingKeyError,
  OutOfRangeError,
  ParamsMismatchError,
  ScaleMismatchError,
  ShapeError,
} from '../../../src/base/errors.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import type { CiphertextBatch, CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import type { CkksDecryptor } from '../../../src/schemes/ckks/decryptor.ts';
import type { CkksEncoder } from '../../../src/schemes/ckks/encoder.ts';
import type { CkksEncryptor } from '../../../src/schemes/ckks/encryptor.ts';
import type { CkksEvaluator } from '../../../src/schemes/ckks/evaluator.ts';
import { expansionElements } from '../../../src/schemes/ckks/expand-interleaved.ts';
import type { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { PublicKey } from '../../../src/schemes/rlwe/keys/public-key.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import {
  INSECURE_TINY,
  INSECURE_WIDE,
  maxDifference,
  openTestContext,
  testValues,
} from './insecure-params.ts';

/** What survives a few operations at these parameters: about 2^-34 times a noise of a few thousand. */
const TOLERANCE = 2 ** -18;

describe.each([
  ['one prime per digit', INSECURE_TINY],
  ['two primes per digit', INSECURE_WIDE],
])('CKKS, %s', (name, spec) => {
  let context: CkksContext;
  let arena: Arena;
  let secret: SecretKey;
  let publicKey: PublicKey;
  let keys: EvaluationKeys;
  let encoder: CkksEncoder;
  let encryptor: CkksEncryptor;
  let decryptor: CkksDecryptor;
  let evaluator: CkksEvaluator;
  let x: Float64Array;
  let y: Float64Array;

  beforeAll(async () => {
    context = await openTestContext(spec, name);
    arena = context.arena();
    using generator = context.keyGenerator();
    secret = generator.secretKey();
    publicKey = generator.publicKey(secret);
    keys = generator.evaluationKeys(secret, {
      relinearize: true,
      rotations: [1, 3, { step: -2, maxLevel: 0 }],
      galois: expansionElements(context.params.n, 4),
      conjugate: true,
    });
    encoder = context.encoder(arena);
    encryptor = context.encryptor(secret, arena);
    decryptor = context.decryptor(secret, arena);
    evaluator = context.evaluator(keys, arena);
    x = testValues(context.params.slots, 5);
    y = testValues(context.params.slots, 6);
  });

  afterAll(() => {
    arena[Symbol.dispose]();
    for (const owned of [secret, publicKey, keys, context]) owned[Symbol.dispose]();
    expect(arena.live).toBe(0);
    expect(context.kernel.liveWords).toBe(0);
  });

  const encrypt = (values: ArrayLike<number>): CkksCiphertext => encryptor.encrypt(encoder.encode(values));
  const decrypt = (ct: CkksCiphertext): Float64Array => encoder.decode(decryptor.decrypt(ct));
  const expectSlots = (ct: CkksCiphertext, f: (i: number) => number, tolerance = TOLERANCE): void => {
    const wanted = Float64Array.from({ length: context.params.slots }, (_, i) => f(i));
    expect(maxDifference(decrypt(ct), wanted)).toBeLessThan(tolerance);
  };

  test('decrypts what was encrypted, under the secret and the public key, at every level', () => {
    expectSlots(encrypt(x), (i) => x[i]!);
    using pub = context.encryptor(publicKey, arena);
    for (let level = 0; level <= context.params.maxLevel; level++) {
      expectSlots(encryptor.encrypt(encoder.encode(x, { level })), (i) => x[i]!);
      expectSlots(pub.encrypt(encoder.encode(x, { level })), (i) => x[i]!);
    }
  });

  test('two encryptions of one plaintext differ', () => {
    const [a, b] = [encrypt(x), encrypt(x)];
    expect(Buffer.compare(a.toBytes(), b.toBytes())).not.toBe(0);
    expect(a.seed).not.toEqual(b.seed);
  });

  test('another key decrypts to noise (positive control)', () => {
    using generator = context.keyGenerator();
    using other = generator.secretKey();
    const wrong = encoder.decode(context.decryptor(other, arena).decrypt(encrypt(x)));
    expect(maxDifference(wrong, x)).toBeGreaterThan(1);
  });

  test('adds and subtracts ciphertexts, plaintexts and numbers', () => {
    const [a, b] = [encrypt(x), encrypt(y)];
    expectSlots(evaluator.add(a, b), (i) => x[i]! + y[i]!);
    expectSlots(evaluator.sub(a, b), (i) => x[i]! - y[i]!);
    expectSlots(evaluator.add(a, encoder.encode(y)), (i) => x[i]! + y[i]!);
    expectSlots(evaluator.sub(a, encoder.encode(y)), (i) => x[i]! - y[i]!);
    expectSlots(evaluator.add(a, 2.5), (i) => x[i]! + 2.5);
    expectSlots(evaluator.sub(a, 2.5), (i) => x[i]! - 2.5);
    expectSlots(evaluator.negate(a), (i) => -x[i]!);
  });

  test('multiplies by ciphertexts, plaintexts and constants', () => {
    const [a, b] = [encrypt(x), encrypt(y)];
    expectSlots(evaluator.mul(a, b), (i) => x[i]! * y[i]!);
    expectSlots(evaluator.rescale(evaluator.mul(a, b)), (i) => x[i]! * y[i]!);
    expectSlots(evaluator.mul(a, encoder.encode(y)), (i) => x[i]! * y[i]!);
    expectSlots(evaluator.mulConstant(a, -3), (i) => -3 * x[i]!);
    expectSlots(evaluator.mulConstant(a, 0.7, 2 ** 20), (i) => 0.7 * x[i]!);
    const lazy = evaluator.mulLazy(a, b);
    expect(lazy.parts).toBe(3);
    expectSlots(lazy, (i) => x[i]! * y[i]!);
    expectSlots(evaluator.relinearize(lazy), (i) => x[i]! * y[i]!);
  });

  test('the fused square equals the three operations, bit for bit', () => {
    const batch = encryptor.encryptBatch([encoder.encode(x), encoder.encode(y)]);
    const fused = evaluator.squareRelinearizeRescale(batch);
    const plain = evaluator.rescale(evaluator.mul(batch, batch));
    expect(fused.scale).toBe(plain.scale);
    expect(fused.words.bytes()).toEqual(plain.words.bytes());
    expectSlots(fused.at(1), (i) => y[i]! ** 2);
  });

  test('the fused product equals the three operations, bit for bit, at the lower level', () => {
    const batch = encryptor.encryptBatch([encoder.encode(x), encoder.encode(y)]);
    const other = encryptor.encryptBatch([encoder.encode(y)]);
    const pair = encryptor.encryptBatch([encoder.encode(y, { level: 1 }), encoder.encode(x, { level: 1 })]);
    const fused = evaluator.multiplyRelinearizeRescale(batch, pair);
    const plain = evaluator.rescale(evaluator.mul(batch, pair));
    expect(fused.level).toBe(0);
    expect(fused.scale).toBe(plain.scale);
    expect(fused.words.bytes()).toEqual(plain.words.bytes());
    expectSlots(fused.at(1), (i) => y[i]! * x[i]!);
    expect(() => evaluator.multiplyRelinearizeRescale(batch, other)).toThrow(ShapeError);
  });

  test('(a b) c to the last level, then no further', () => {
    let product = encrypt(x);
    let wanted = x;
    while (product.level > 0) {
      product = evaluator.rescale(evaluator.mul(product, encrypt(y)));
      wanted = wanted.map((value, i) => value * y[i]!);
    }
    expect(maxDifference(decrypt(product), wanted)).toBeLessThan(TOLERANCE);
    expect(() => evaluator.rescale(product)).toThrow(LevelExhaustedError);
    expect(() => evaluator.squareRelinearizeRescale(product)).toThrow(LevelExhaustedError);
  });

  test('laws hold for random small vectors', () => {
    const vector = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(vector, vector, (u, v) => {
        const [a, b] = [encrypt(u), encrypt(v)];
        const left = decrypt(evaluator.mul(evaluator.add(a, b), b));
        const right = decrypt(evaluator.add(evaluator.mul(a, b), evaluator.mul(b, b)));
        expect(maxDifference(left, right)).toBeLessThan(TOLERANCE);
      }),
      { numRuns: 8 },
    );
  });

  test('rotates, hoisted and not, at lower levels too', () => {
    const { slots } = context.params;
    const a = encrypt(x);
    for (const step of [1, 3]) {
      expectSlots(evaluator.rotate(a, step), (i) => x[(i + step) % slots]!);
      const low = evaluator.dropTo(a, 0);
      expectSlots(evaluator.rotate(low, step), (i) => x[(i + step) % slots]!);
    }
    expectSlots(evaluator.rotate(evaluator.dropTo(a, 0), -2), (i) => x[(i + slots - 2) % slots]!);
    const many = evaluator.rotateMany(a, [1, 0, 3]);
    expect(many.map((ct) => ct.words.u64())).toEqual(
      [1, 0, 3].map((step) => evaluator.rotate(a, step).words.u64()),
    );
    expectSlots(evaluator.rotate(a, slots), (i) => x[i]!);
  });

  test('a key limited to level 0 is smaller and refuses level 1', () => {
    expect(() => evaluator.rotate(encrypt(x), -2)).toThrow(MissingKeyError);
    const limited = keys.galoisKey(rotationOf(-2), 0);
    const full = keys.galoisKey(rotationOf(1), 0);
    expect(limited.words(0).length).toBeLessThan(full.words(0).length);
  });

  test('conjugates', () => {
    const plaintext = encoder.encode(x, { imaginary: y });
    const conjugate = evaluator.conjugate(encryptor.encrypt(plaintext));
    const { re, im } = encoder.decodeComplex(decryptor.decrypt(conjugate));
    expect(maxDifference(re, x)).toBeLessThan(TOLERANCE);
    expect(
      maxDifference(
        im,
        y.map((value) => -value),
      ),
    ).toBeLessThan(TOLERANCE);
  });

  test('multiplies by a monomial', () => {
    const { n } = context.params;
    const coefficients = testValues(n, 9);
    const ct = encryptor.encrypt(encoder.encodeCoefficients(coefficients));
    const shifted = encoder.decodeCoefficients(decryptor.decrypt(evaluator.mulMonomial(ct, -2)));
    const wanted = Float64Array.from({ length: n }, (_, i) =>
      i < n - 2 ? coefficients[i + 2]! : -coefficients[i + 2 - n]!,
    );
    expect(maxDifference(shifted, wanted)).toBeLessThan(TOLERANCE);
  });

  test('expands interleaved vectors of a batch into subring ciphertexts', () => {
    const k = 4;
    const { n, slots } = context.params;
    const inputs = [0, 1].map((b) =>
      Array.from({ length: k }, (_, i) => testValues(n / (2 * k), 20 + 4 * b + i)),
    );
    const batch = encryptor.encryptBatch(inputs.map((vectors) => encoder.encodeInterleaved(vectors)));
    const expanded = evaluator.expandInterleaved(batch, k);
    expect(expanded.count).toBe(2 * k);
    expect(expanded.level).toBe(batch.level);
    for (let i = 0; i < k; i++) {
      for (const b of [0, 1]) {
        const vector = inputs[b]![i]!;
        const wanted = Float64Array.from({ length: slots }, (_, j) => vector[j % vector.length]!);
        expect(maxDifference(decrypt(expanded.at(2 * i + b)), wanted)).toBeLessThan(TOLERANCE);
      }
    }
  });

  test('a matrix of small integers times a batch', () => {
    const weights = Int32Array.from([3, -2, 0, 7, 1, -8]);
    using prepared = context.kernel.prepareGemm(weights, 3, 2);
    const batch = encryptor.encryptBatch([encoder.encode(x), encoder.encode(y)]);
    const out = evaluator.gemm(prepared, batch, { weightScale: 8 });
    for (let row = 0; row < 3; row++) {
      expectSlots(out.at(row), (i) => (weights[2 * row]! * x[i]! + weights[2 * row + 1]! * y[i]!) / 8);
    }
    const swapped = evaluator.gemm(prepared, batch, { rowIndex: Uint32Array.from([1, 0]) });
    expectSlots(swapped.at(0), (i) => 3 * y[i]! - 2 * x[i]!);
  });

  test('encryptions of zero re-randomise, with flooding if asked', () => {
    using pub = context.encryptor(publicKey, arena);
    const batch = encryptor.encryptBatch([encoder.encode(x)]);
    const zeros = pub.encryptZero(1, { level: batch.level, scale: batch.scale, floodBits: 12 });
    expectSlots(evaluator.add(batch, zeros as CiphertextBatch).at(0), (i) => x[i]!, 2 ** -12);
    expect(() => encryptor.encryptZero(1, batch)).toThrow();
  });

  test('operands at different levels meet at the lower one', () => {
    const [a, b] = [encrypt(x), evaluator.dropTo(encrypt(y), 1)];
    const sum = evaluator.add(a, b);
    expect(sum.level).toBe(1);
    expectSlots(sum, (i) => x[i]! + y[i]!);
    expectSlots(evaluator.add(b, encoder.encode(x)), (i) => x[i]! + y[i]!);
    expectSlots(evaluator.mul(a, b), (i) => x[i]! * y[i]!);
  });

  test('refuses misuse with typed errors', async () => {
    const a = encrypt(x);
    const other = encryptor.encrypt(encoder.encode(y, { scale: a.scale * 1.0001 }));
    expect(() => evaluator.add(a, other)).toThrow(ScaleMismatchError);
    expect(() => evaluator.rotate(a, 5)).toThrow(MissingKeyError);
    expect(() => evaluator.applyGalois(a, 9 as GaloisElement)).toThrow(MissingKeyError);
    expect(() => evaluator.mulLazy(evaluator.mulLazy(a, a), a)).toThrow(ShapeError);
    expect(() => evaluator.rotate(evaluator.mulLazy(a, a), 1)).toThrow(ShapeError);
    expect(() => evaluator.mulConstant(a, 0.5)).toThrow(OutOfRangeError);
    expect(() => evaluator.dropTo(evaluator.dropTo(a, 0), 1)).toThrow(LevelExhaustedError);
    expect(() => evaluator.dropTo(a, 99)).toThrow(OutOfRangeError);
    expect(() => evaluator.expandInterleaved(a, 3)).toThrow(OutOfRangeError);
    expect(() => a.at(1)).toThrow(OutOfRangeError);
    using foreign = await openTestContext({ ...spec, logScale: 30 }, 'foreign');
    expect(() => foreign.encryptor(secret, arena)).toThrow(ParamsMismatchError);
    expect(() => foreign.evaluator(keys, arena)).toThrow(ParamsMismatchError);
    const gone = encrypt(x);
    gone[Symbol.dispose]();
    gone[Symbol.dispose]();
    expect(() => evaluator.negate(gone)).toThrow(DisposedError);
  });

  function rotationOf(step: number): GaloisElement {
    const { n, slots } = context.params;
    let element = 1;
    for (let i = 0; i < (step + slots) % slots; i++) element = (element * 5) % (2 * n);
    return element as GaloisElement;
  }
});
