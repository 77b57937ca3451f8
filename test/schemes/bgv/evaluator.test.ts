import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DecodeError,
  InsecureParamsError,
  InvalidParamsError,
  LevelExhaustedError,
  MissingKeyError,
  NoiseBudgetError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import { BgvCiphertext, BgvCiphertextBatch } from '../../../src/schemes/bgv/ciphertext.ts';
import { BgvContext } from '../../../src/schemes/bgv/context.ts';
import { balancedPair } from '../../../src/schemes/bgv/correction-factor.ts';
import type { BgvDecryptor } from '../../../src/schemes/bgv/decryptor.ts';
import type { BgvEncoder } from '../../../src/schemes/bgv/encoder.ts';
import type { BgvEncryptor } from '../../../src/schemes/bgv/encryptor.ts';
import type { BgvEvaluator } from '../../../src/schemes/bgv/evaluator.ts';
import { BgvParams, type BgvSpec } from '../../../src/schemes/bgv/params.ts';
import { innerProductInto } from '../../../src/schemes/rlwe/key-switching.ts';
import { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { KeyPlan } from '../../../src/schemes/rlwe/keys/key-plan.ts';
import type { PublicKey } from '../../../src/schemes/rlwe/keys/public-key.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { HEADER_BYTES } from '../../../src/schemes/rlwe/wire/wire.ts';
import { testValues } from '../ckks/insecure-params.ts';

const INSECURE_TINY: BgvSpec = {
  logN: 6,
  logQ: [44, 40, 40, 40],
  logP: [48],
  plaintextBits: 13,
  security: 'insecure-for-tests',
};
const INSECURE_WIDE: BgvSpec = {
  logN: 7,
  logQ: [46, 44, 44, 44, 44],
  logP: [48, 47],
  plaintextBits: 20,
  security: 'insecure-for-tests',
};
const PLAN: KeyPlan = { relinearize: true, rotations: [1, 3], conjugate: true };

/** 128 bits, the size that programs use. */
const REAL: BgvSpec = { logN: 12, logQ: [36, 34], logP: [36], plaintextBits: 16 };

describe.each([
  ['one prime per digit', INSECURE_TINY],
  ['two primes per digit', INSECURE_WIDE],
])('BGV, %s', (name, spec) => {
  let kernel: Kernel;
  let context: BgvContext;
  let arena: Arena;
  let secret: SecretKey;
  let publicKey: PublicKey;
  let keys: EvaluationKeys;
  let encoder: BgvEncoder;
  let encryptor: BgvEncryptor;
  let decryptor: BgvDecryptor;
  let evaluator: BgvEvaluator;
  let t: number;
  let n: number;
  let x: number[];
  let y: number[];

  beforeAll(async () => {
    kernel = await openKernel({ onFallback: () => undefined });
    context = await BgvContext.open(BgvParams.create(spec), { kernel, random: seededRandom(`bgv ${name}`) });
    ({ t, n } = context.params);
    arena = context.arena();
    using generator = context.keyGenerator();
    secret = generator.secretKey();
    publicKey = generator.publicKey(secret);
    keys = generator.evaluationKeys(secret, PLAN);
    encoder = context.encoder(arena);
    encryptor = context.encryptor(secret, arena);
    decryptor = context.decryptor(secret, arena);
    evaluator = context.evaluator(keys, arena);
    x = integers(5);
    y = integers(6);
  });

  afterAll(() => {
    arena[Symbol.dispose]();
    for (const owned of [secret, publicKey, keys, context]) owned[Symbol.dispose]();
    expect(arena.live).toBe(0);
    expect(kernel.liveWords).toBe(0);
    kernel[Symbol.dispose]();
  });

  const integers = (salt: number): number[] =>
    [...testValues(n, salt)].map((value) => Math.floor((value * t) / 2));
  /** The centred representative, exact. */
  const centred = (value: bigint): number => {
    const modulus = BigInt(t);
    const residue = ((value % modulus) + modulus) % modulus;
    return Number(2n * residue > modulus ? residue - modulus : residue);
  };
  const encrypt = (values: readonly number[]): BgvCiphertext => encryptor.encrypt(encoder.encode(values));
  const decrypt = (ct: BgvCiphertext): number[] => [...encoder.decode(decryptor.decrypt(ct))];
  const expectSlots = (ct: BgvCiphertext, f: (x: bigint, y: bigint, i: number) => bigint): void => {
    expect(decrypt(ct)).toEqual(x.map((xi, i) => centred(f(BigInt(xi), BigInt(y[i]!), i))));
  };

  test('decrypts what was encrypted, under both keys, at every level; slots and coefficients', () => {
    using pub = context.encryptor(publicKey, arena);
    for (let level = 0; level <= context.params.maxLevel; level++) {
      expectSlots(encryptor.encrypt(encoder.encode(x), { level }), (a) => a);
      expectSlots(pub.encrypt(encoder.encode(x), { level }), (a) => a);
    }
    const plaintext = encoder.encodeCoefficients(y);
    expect([...encoder.decodeCoefficients(plaintext)]).toEqual(y.map((v) => centred(BigInt(v))));
  });

  test('another key decrypts to something else (positive control)', () => {
    using generator = context.keyGenerator();
    using other = generator.secretKey();
    const wrong = encoder.decode(context.decryptor(other, arena).decrypt(encrypt(x)));
    expect([...wrong]).not.toEqual(decrypt(encrypt(x)));
  });

  test('adds, subtracts, negates, multiplies: ciphertexts, plaintexts, constants', () => {
    const [a, b, p] = [encrypt(x), encrypt(y), encoder.encode(y)];
    expectSlots(evaluator.add(a, b), (u, v) => u + v);
    expectSlots(evaluator.sub(a, b), (u, v) => u - v);
    expectSlots(evaluator.add(a, p), (u, v) => u + v);
    expectSlots(evaluator.sub(a, p), (u, v) => u - v);
    expectSlots(evaluator.negate(a), (u) => -u);
    expectSlots(evaluator.mul(a, p), (u, v) => u * v);
    expectSlots(evaluator.mulConstant(a, -77), (u) => -77n * u);
    expectSlots(evaluator.mul(a, b), (u, v) => u * v);
    const lazy = evaluator.mulLazy(a, b);
    expect(lazy.parts).toBe(3);
    expectSlots(lazy, (u, v) => u * v);
    expectSlots(evaluator.add(evaluator.relinearize(lazy), a), (u, v) => u * v + u);
  });

  test('a modulus switch keeps the message, lowers the noise and remembers the factor', () => {
    const product = evaluator.mul(encrypt(x), encrypt(y));
    const switched = evaluator.modSwitch(product);
    expect(switched.level).toBe(product.level - 1);
    expect(switched.noiseBits).toBeLessThan(product.noiseBits - 10);
    expect(switched.factor).not.toBe(1);
    expectSlots(switched, (u, v) => u * v);
    // Operands with different factors and levels.
    expectSlots(evaluator.add(switched, encrypt(x)), (u, v) => u * v + u);
    expectSlots(evaluator.sub(evaluator.dropTo(encrypt(y), switched.level), switched), (u, v) => v - u * v);
    expectSlots(evaluator.add(switched, encoder.encode(y)), (u, v) => u * v + v);
    expectSlots(evaluator.mul(switched, encrypt(y)), (u, v) => u * v * v);
    expectSlots(evaluator.modSwitchLowest(product), (u, v) => u * v);
  });

  test('multiplies as deep as the parameters allow, then refuses instead of being wrong', () => {
    let power = encrypt(x);
    let exponent = 1n;
    expect(() => {
      for (;;) {
        power = evaluator.modSwitchAuto(power);
        power = evaluator.mul(power, power);
        exponent *= 2n;
        expectSlots(power, (u) => u ** exponent);
      }
    }).toThrow(NoiseBudgetError);
    expect(exponent).toBeGreaterThanOrEqual(8n);
  });

  test('random circuits decrypt exactly or are refused', () => {
    const steps = fc.array(fc.nat(6), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(steps, (ops) => {
        let ct = encrypt(x);
        let want = x.map(BigInt);
        const z = encrypt(y);
        try {
          for (const op of ops) {
            if (op === 0) [ct, want] = [evaluator.add(ct, z), want.map((v, i) => v + BigInt(y[i]!))];
            else if (op === 1) [ct, want] = [evaluator.sub(z, ct), want.map((v, i) => BigInt(y[i]!) - v)];
            else if (op === 2) [ct, want] = [evaluator.mul(ct, z), want.map((v, i) => v * BigInt(y[i]!))];
            else if (op === 3) [ct, want] = [evaluator.add(ct, ct), want.map((v) => 2n * v)];
            else if (op === 4) [ct, want] = [evaluator.rotate(ct, 1), rotated(want, 1)];
            else if (op === 5 && ct.level > 0) ct = evaluator.modSwitch(ct);
            else ct = evaluator.modSwitchAuto(ct);
          }
        } catch (error) {
          if (!(error instanceof NoiseBudgetError)) throw error;
        }
        if (want.length === n) expect(decrypt(ct)).toEqual(want.map(centred));
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  const rotated = <T>(values: readonly T[], by: number): T[] =>
    values.map((_, i) => {
      const row = i < n / 2 ? 0 : n / 2;
      return values[row + ((i - row + by) % (n / 2))]!;
    });

  test('rotates both rows, swaps them, hoisted and not', () => {
    const a = encrypt(x);
    for (const by of [1, 3]) {
      expect(decrypt(evaluator.rotate(a, by))).toEqual(rotated(decrypt(a), by));
    }
    const values = decrypt(a);
    expect(decrypt(evaluator.swapRows(a))).toEqual([...values.slice(n / 2), ...values.slice(0, n / 2)]);
    const many = evaluator.rotateMany(a, [1, 0, 3]);
    expect(many.map((ct) => ct.words.u64())).toEqual(
      [1, 0, 3].map((step) => evaluator.rotate(a, step).words.u64()),
    );
  });

  test('a batch is as its members', () => {
    const batch = encryptor.encryptBatch([encoder.encode(x), encoder.encode(y)]);
    const square = evaluator.modSwitch(evaluator.mul(batch, batch));
    expectSlots(square.at(0), (u) => u * u);
    expectSlots(square.at(1), (_, v) => v * v);
    expect(decryptor.decryptBatch(evaluator.rotate(batch, 1)).map((p) => [...encoder.decode(p)])).toEqual(
      [x, y].map((values) => rotated(decrypt(encrypt(values)), 1)),
    );
  });

  test('the noise of every operation stays below its bound', () => {
    const [a, b] = [encrypt(x), encrypt(y)];
    const product = evaluator.mul(a, b);
    const results = [a, evaluator.add(a, b), product, evaluator.modSwitch(product), evaluator.rotate(a, 1)];
    using pub = context.encryptor(publicKey, arena);
    for (const ct of [...results, pub.encrypt(encoder.encode(x)), evaluator.mul(a, encoder.encode(y))]) {
      expect(largestNoise(ct)).toBeLessThan(2 ** ct.noiseBits);
      expect(largestNoise(ct)).toBeGreaterThan(2 ** (ct.noiseBits - 24));
    }
  });

  /** The largest coefficient of v / t. */
  function largestNoise(ct: BgvCiphertext): number {
    const { ring, params } = context;
    using words = kernel.allocate(ct.polyWords);
    const values = new Float64Array(n);
    innerProductInto(words, ct, 0, secret);
    kernel.mulScalar(ring.tables, words, words, params.residues(t, ct.level), ct.mods);
    kernel.nttInverse(ring.tables, words, ct.mods);
    kernel.toDoubles(ring.tables, values, words, ct.mods);
    return values.reduce((max, value) => Math.max(max, Math.abs(value)), 0) / t;
  }

  test('ciphertexts and keys come back from bytes; foreign, forged and cut ones do not', () => {
    const [a, p] = [encrypt(x), encoder.encode(y)];
    using sent = EvaluationKeys.fromBytes(context, keys.toBytes(context), PLAN);
    const remote = context.evaluator(sent, arena);
    const received = BgvCiphertext.fromBytes(context, a.toBytes(), arena);
    expect(received.words.bytes()).toEqual(a.words.bytes());
    const result = remote.modSwitchAuto(remote.mul(remote.mul(received, p), received));
    const reply = BgvCiphertext.fromBytes(context, result.toBytes(), arena);
    expectSlots(reply, (u, v) => u * u * v);
    const batch = encryptor.encryptBatch([p, p]);
    const back = BgvCiphertextBatch.fromBytes(context, batch.toBytes(), arena, 2);
    expect(Buffer.compare(back.toBytes(), batch.toBytes())).toBe(0);
    expect(() => BgvCiphertextBatch.fromBytes(context, batch.toBytes(), arena, 1)).toThrow(DecodeError);
    const bytes = result.toBytes();
    for (let length = 0; length < bytes.length; length += 1 + (length >> 2)) {
      expect(() => BgvCiphertext.fromBytes(context, bytes.subarray(0, length), arena)).toThrow(DecodeError);
    }
    const forge = (offset: number, write: (view: DataView, at: number) => void) => () => {
      const forged = bytes.slice();
      write(new DataView(forged.buffer), HEADER_BYTES + offset);
      BgvCiphertext.fromBytes(context, forged, arena);
    };
    for (const bits of [Number.NaN, -1, 0, 1e9, Number.POSITIVE_INFINITY]) {
      expect(forge(8, (view, at) => view.setFloat64(at, bits, true))).toThrow('noise bound');
    }
    for (const factor of [0, t]) {
      expect(forge(16, (view, at) => view.setBigUint64(at, BigInt(factor), true))).toThrow('no unit');
    }
  });

  test('refuses misuse with typed errors', async () => {
    const a = encrypt(x);
    expect(() => encoder.encode([0.5])).toThrow(OutOfRangeError);
    expect(() => encoder.encode([t])).toThrow(OutOfRangeError);
    expect(() => encoder.encode(new Float64Array(n + 1))).toThrow(ShapeError);
    expect(() => evaluator.mulConstant(a, t)).toThrow(OutOfRangeError);
    expect(() => evaluator.rotate(a, 5)).toThrow(MissingKeyError);
    expect(() => evaluator.mulLazy(evaluator.mulLazy(a, a), a)).toThrow(ShapeError);
    expect(() => evaluator.modSwitch(evaluator.dropTo(a, 0))).toThrow(LevelExhaustedError);
    const product = evaluator.mul(a, a);
    expect(() => evaluator.dropTo(product, 0)).toThrow(NoiseBudgetError);
    using foreign = await BgvContext.open(
      BgvParams.create({ ...spec, plaintextBits: spec.plaintextBits! + 1 }),
      {
        kernel,
      },
    );
    expect(() => foreign.encryptor(secret, arena)).toThrow(ParamsMismatchError);
    expect(() => foreign.evaluator(keys, arena)).toThrow(ParamsMismatchError);
  });
});

test('parameters are checked', () => {
  expect(() => BgvParams.create({ ...REAL, logQ: [43, 43, 43] })).toThrow(InsecureParamsError);
  expect(() => BgvParams.create({ ...REAL, plaintextModulus: 65537 })).toThrow(InvalidParamsError);
  const { plaintextBits: _, ...open } = REAL;
  expect(() => BgvParams.create(open)).toThrow('exactly one');
  expect(() => BgvParams.create({ ...open, plaintextModulus: 65539 })).toThrow('a prime 1 mod');
  expect(BgvParams.create({ ...open, plaintextModulus: 65537 }).t).toBe(65537);
  expect(() => BgvParams.create({ ...REAL, plaintextBits: 35 })).toThrow('a quarter of q_0');
});

test('128-bit parameters: a sum of products at N = 4096', async () => {
  using context = await BgvContext.open(BgvParams.create(REAL), { kernel: {}, random: seededRandom('real') });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  const { t, n } = context.params;
  using keys = generator.evaluationKeys(secret, { relinearize: true });
  const encoder = context.encoder(arena);
  using encryptor = context.encryptor(secret, arena);
  const x = Array.from({ length: n }, (_, i) => (i * i) % 90);
  const a = encryptor.encrypt(encoder.encode(x));
  const result = context.evaluator(keys, arena).mul(a, a);
  const got = encoder.decode(context.decryptor(secret, arena).decrypt(result));
  expect(t).toBeGreaterThan(2 * 8100);
  expect([...got]).toEqual(x.map((v) => v * v));
});

test('multipliers for unequal factors are correct and small', () => {
  const t = 65537;
  for (const ratio of [1, 2, 3, 32768, 65536, 12345, 54321]) {
    const [alpha, beta] = balancedPair(ratio, t);
    expect((((alpha - beta * ratio) % t) + t) % t).toBe(0);
    expect(alpha).toBeGreaterThan(0);
    expect(alpha + Math.abs(beta)).toBeLessThan(3 * Math.sqrt(t));
  }
  expect(balancedPair(1, t)).toEqual([1, 1]);
});
