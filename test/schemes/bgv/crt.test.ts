/** Integers beyond one plaintext modulus: exact against BigInt, under one set of keys. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  DecodeError,
  InvalidParamsError,
  NoiseBudgetError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import { centred, residue } from '../../../src/kernel/tables/modular.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import { BgvCrtCiphertext } from '../../../src/schemes/bgv/crt/crt-ciphertext.ts';
import { BgvCrtContext } from '../../../src/schemes/bgv/crt/crt-context.ts';
import type { BgvCrtEncoder } from '../../../src/schemes/bgv/crt/crt-encoder.ts';
import type { BgvCrtEncryptor, BgvCrtDecryptor } from '../../../src/schemes/bgv/crt/crt-encryptor.ts';
import type { BgvCrtEvaluator } from '../../../src/schemes/bgv/crt/crt-evaluator.ts';
import { BgvCrtParams, type BgvCrtSpec } from '../../../src/schemes/bgv/crt/crt-params.ts';
import { BgvParams } from '../../../src/schemes/bgv/params.ts';
import { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { overrideMethods } from '../../kernel/cases/override-methods.ts';

/** 7681, 10753 and 11777 are 1 mod 128. */
const INSECURE_THREE: BgvCrtSpec = {
  logN: 6,
  logQ: [44, 40, 40, 40],
  logP: [48],
  plaintextModuli: [7681, 10753, 11777],
  security: 'insecure-for-tests',
};

let context: BgvCrtContext;
let arena: Arena;
let secret: SecretKey;
let keys: EvaluationKeys;
let encoder: BgvCrtEncoder;
let encryptor: BgvCrtEncryptor;
let decryptor: BgvCrtDecryptor;
let evaluator: BgvCrtEvaluator;
let modulus: bigint;

beforeAll(async () => {
  context = await BgvCrtContext.open(BgvCrtParams.create(INSECURE_THREE), { random: seededRandom('crt') });
  modulus = context.params.modulus;
  arena = context.arena();
  using generator = context.keyGenerator();
  secret = generator.secretKey();
  keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1], conjugate: true });
  encoder = context.encoder(arena);
  encryptor = context.encryptor(secret, arena);
  decryptor = context.decryptor(secret, arena);
  evaluator = context.evaluator(keys, arena);
});

afterAll(() => {
  const { kernel } = context.components[0]!;
  for (const owned of [arena, encryptor, secret, keys]) owned[Symbol.dispose]();
  expect(arena.live).toBe(0);
  for (const component of context.components) component[Symbol.dispose]();
  expect(kernel.liveWords).toBe(0);
  context[Symbol.dispose]();
});

const values = () =>
  fc.array(fc.bigInt({ min: -(modulus - 1n) / 2n, max: (modulus - 1n) / 2n }), {
    minLength: 64,
    maxLength: 64,
  });
const encrypt = (x: readonly bigint[]): BgvCrtCiphertext => encryptor.encrypt(encoder.encode(x));
const decrypt = (ct: BgvCrtCiphertext): bigint[] => encoder.decode(decryptor.decrypt(ct));
const reduced = (x: bigint): bigint => centred(residue(x, modulus), modulus);
const rotatedRows = (x: readonly bigint[]): bigint[] => x.map((_, i) => x[(i & 32) + ((i + 1) % 32)]!);

test('the modulus is the product, beyond 2^39; all components have one identifier', () => {
  expect(modulus).toBe(7681n * 10753n * 11777n);
  expect(new Set(context.components.map(({ params }) => params.id)).size).toBe(1);
  const alone = BgvParams.create({
    ...context.params.components[0]!,
    logQ: [44, 40, 40, 40],
    logP: [48],
    plaintextModulus: 7681,
    security: 'insecure-for-tests',
  });
  expect(alone.id).not.toBe(context.params.id);
});

test('operations agree with BigInt modulo the product', () => {
  fc.assert(
    fc.property(values(), values(), fc.bigInt({ min: -(2n ** 38n), max: 2n ** 38n }), (x, y, weight) => {
      const [a, b] = [encrypt(x), encrypt(y)];
      expect(decrypt(evaluator.add(a, b))).toEqual(x.map((v, i) => reduced(v + y[i]!)));
      expect(decrypt(evaluator.sub(a, encoder.encode(y)))).toEqual(x.map((v, i) => reduced(v - y[i]!)));
      expect(decrypt(evaluator.mul(a, b))).toEqual(x.map((v, i) => reduced(v * y[i]!)));
      expect(decrypt(evaluator.mul(a, encoder.encode(y)))).toEqual(x.map((v, i) => reduced(v * y[i]!)));
      expect(decrypt(evaluator.mulConstant(a, weight))).toEqual(x.map((v) => reduced(v * weight)));
      expect(decrypt(evaluator.negate(a))).toEqual(x.map((v) => reduced(-v)));
      expect(decrypt(evaluator.rotate(a, 1))).toEqual(rotatedRows(x));
      expect(decrypt(evaluator.swapRows(a))).toEqual([...x.slice(32), ...x.slice(0, 32)]);
      const square = evaluator.modSwitchAuto(evaluator.mul(a, a));
      const fourth = evaluator.modSwitchLowest(evaluator.mul(square, square));
      expect(decrypt(fourth)).toEqual(x.map((v) => reduced(v ** 4n)));
    }),
    { numRuns: 5, seed: 3 },
  );
});

test('numbers come back as numbers, refused beyond 2^53', () => {
  const plaintext = encoder.encode([1, -2, 300_000_000_000, 0]);
  expect([...encoder.decodeNumbers(plaintext).slice(0, 4)]).toEqual([1, -2, 300_000_000_000, 0]);
  expect(() => encoder.encode([2 ** 53])).toThrow(OutOfRangeError);
  expect(() => encoder.encode([0.5])).toThrow(OutOfRangeError);
  expect(() => encoder.encode([modulus])).toThrow(OutOfRangeError);
  expect(() => encoder.encode(new Array<number>(65).fill(0))).toThrow(ShapeError);
});

test('ciphertexts, keys and parameters survive the wire; forged ones do not', () => {
  const x = Array.from({ length: 64 }, (_, i) => reduced(BigInt(i) ** 9n));
  const a = encrypt(x);
  const bytes = a.toBytes();
  const back = BgvCrtCiphertext.fromBytes(context, bytes, arena);
  expect(decrypt(back)).toEqual(x);
  expect(back.toBytes()).toEqual(bytes);
  const plan = { relinearize: true, rotations: [1], conjugate: true };
  using again = EvaluationKeys.fromBytes(context.components[1]!, keys.toBytes(context.components[0]!), plan);
  expect(decrypt(context.evaluator(again, arena).mul(a, a))).toEqual(x.map((v) => reduced(v * v)));
  for (const length of [0, 47, 48, 51, 60, bytes.length - 1]) {
    expect(() => BgvCrtCiphertext.fromBytes(context, bytes.subarray(0, length), arena)).toThrow(DecodeError);
  }
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  expect(() => BgvCrtCiphertext.fromBytes(context, longer, arena)).toThrow(DecodeError);
  const params = context.params.toBytes();
  const read = BgvCrtParams.fromBytes(params, { allowInsecure: true });
  expect([read.id, read.modulus]).toEqual([context.params.id, modulus]);
  expect(() => BgvParams.fromBytes(params, { allowInsecure: true })).toThrow(/wrong length/);
});

test('components are not mixed, and moduli are checked', () => {
  const a = encrypt([1n]);
  const [first, second] = context.components;
  expect(() => second!.decryptor(secret, arena).decrypt(a.components[0]!)).toThrow(ParamsMismatchError);
  expect(first!.decryptor(secret, arena).decrypt(a.components[0]!).coefficients.length).toBe(64);
  for (const plaintextModuli of [
    [],
    [7681, 7681],
    [7682],
    [7681, 10753, 12],
    new Array<number>(17).fill(7681),
  ]) {
    expect(() => BgvCrtParams.create({ ...INSECURE_THREE, plaintextModuli })).toThrow(InvalidParamsError);
  }
});

test('a circuit that is too deep is refused, and nothing of it stays', () => {
  const live = arena.live;
  const a = encrypt([3n]);
  let ct = a;
  const chain: BgvCrtCiphertext[] = [a];
  const deepen = () => {
    for (;;) chain.push((ct = evaluator.mul(ct, ct)));
  };
  expect(deepen).toThrow(NoiseBudgetError);
  for (const made of chain) made[Symbol.dispose]();
  // The plaintext of `a` is still there.
  expect(arena.live).toBe(live + 1);
});

test('parameters for integers of 100 bits: the product of two of them, exactly, at 128 bits of security', async () => {
  const maxAbs = 2n ** 100n;
  const params = BgvCrtParams.forIntent({ depth: 1, maxAbs });
  expect(params.modulus > 2n * maxAbs).toBe(true);
  using real = await BgvCrtContext.open(params, { random: seededRandom('crt intent') });
  using scratch = real.arena();
  using generator = real.keyGenerator();
  using key = generator.secretKey();
  using relinearization = generator.evaluationKeys(key, { relinearize: true });
  using seal = real.encryptor(key, scratch);
  const code = real.encoder(scratch);
  const at = real.evaluator(relinearization, scratch);
  const [x, y] = [123_456_789_012_345n, -987_654_321_098_765n];
  const product = at.modSwitchLowest(at.mul(seal.encrypt(code.encode([x])), seal.encrypt(code.encode([y]))));
  expect(code.decode(real.decryptor(key, scratch).decrypt(product))[0]).toBe(x * y);
  expect(() => BgvCrtParams.forIntent({ depth: 1, maxAbs: 2n ** 2000n })).toThrow(InvalidParamsError);
});

test('the contexts of several moduli share the tables of their primes', async () => {
  using kernel = await openKernel();
  const opened: number[] = [];
  const counting = overrideMethods(kernel, {
    openRing: (n, moduli) => {
      opened.push(moduli.length);
      return kernel.openRing(n, moduli);
    },
  });
  using crt = await BgvCrtContext.open(BgvCrtParams.create(INSECURE_THREE), { kernel: counting });
  expect(opened).toEqual([5, 1, 1, 1]);
  expect(crt.components[1]!.ring).toBe(crt.components[0]!.ring);
});
