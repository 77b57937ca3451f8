/** Coefficients of CKKS plaintexts that leave as TFHE messages, and the key that they leave by. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DecodeError,
  InsecureParamsError,
  InvalidParamsError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Kernel, Words } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { CkksContext, CkksParams } from '../../../src/schemes/ckks/index.ts';
import { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { ZeroEncryption } from '../../../src/schemes/rlwe/zero-encryption.ts';
import {
  exitModulus,
  quantisationMargin,
  quantisedLevel,
  type TfheCiphertext,
  TfheExit,
  TfheExitKey,
  TfheParams,
} from '../../../src/schemes/tfhe/index.ts';
import { exitVariance } from '../../../src/schemes/tfhe/noise.ts';
import { openToy, type Toy, TOY_SIXTEEN } from './toy.ts';

const FROM = { logN: 12, logQ: [42], logP: [44], logScale: 32, security: 'insecure-for-tests' } as const;

let kernel: Kernel;
let toy: Toy;
let from: CkksContext;
let secret: SecretKey;
const allocated: Words[] = [];
let key: TfheExitKey;
let exit: TfheExit;

beforeAll(async () => {
  kernel = await openKernel();
  toy = await openToy(TOY_SIXTEEN, kernel, 'exit');
  from = await CkksContext.open(CkksParams.create(FROM), { kernel, random: seededRandom('exit from') });
  using generator = from.keyGenerator();
  secret = generator.secretKey();
  key = TfheExitKey.generate(toy.context, toy.secret, from, secret);
  exit = new TfheExit(toy.context, key);
});
afterAll(() => {
  for (const part of [...allocated, key, secret, from, toy, kernel]) part[Symbol.dispose]();
});

/** An encryption whose plaintext has these coefficients, in units of messages: value v stands for v q_0 / 32. */
function encrypted(values: readonly number[]) {
  const q0 = from.params.q[0]!.q;
  const coefficients = new Float64Array(from.params.n);
  values.forEach((value, i) => {
    coefficients[i] = Math.round((value * q0) / 32);
  });
  const words = kernel.allocate(2 * from.params.n);
  allocated.push(words);
  using zeros = new ZeroEncryption(from, secret);
  zeros.fill(words, [0]);
  using plain = kernel.allocate(from.params.n);
  kernel.transformDoubles(from.ring.tables, plain, coefficients, [0]);
  const first = words.sub(0, from.params.n);
  kernel.add(from.ring.tables, first, first, plain, [0]);
  return words;
}

const fresh = (): number => 10.5 / from.params.q[0]!.q ** 2;
/** The real message of a ciphertext, in levels. */
function realOf(each: TfheCiphertext): number {
  const value = toy.decryptor.noise(each, 0) * 32;
  return value < -16 ? value + 32 : value;
}

test('thousands of values leave, each within what the noise formula allows; its variance is the predicted one', () => {
  let squares = 0;
  const variance = exitVariance(toy.context.params, from.params, key.modulus);
  const values = Array.from({ length: 4096 }, (_, i) => ((i * 2654435761) % 31000) / 1000 - 15.5);
  const places = values.map((_, i) => i);
  for (const [i, each] of exit.leave(encrypted(values), { places, variance: fresh() }).entries()) {
    const error = (realOf(each) - values[i]!) / 32;
    expect(Math.abs(error)).toBeLessThan(7 * Math.sqrt(variance));
    squares += error ** 2;
  }
  const ratio = squares / values.length / (variance + fresh());
  // Secrets of average weight: the share of the rounding error varies with that of s by some per cent.
  expect(ratio).toBeGreaterThan(0.85);
  expect(ratio).toBeLessThan(1.15);
});

test('a factor multiplies first: an integer, or a polynomial, whose coefficient 0 is a sum over the others', () => {
  const words = encrypted([0.5, -1.25, 2]);
  const tripled = exit.leave(words, { places: [0, 1, 2], factor: 3, variance: fresh() }).map(realOf);
  [1.5, -3.75, 6].forEach((value, i) => expect(tripled[i]).toBeCloseTo(value, 3));
  // X^(N - 1) m(X) has the coefficient -m_1 at 0, as X^N = -1.
  const factor = new Float64Array(from.params.n);
  factor[0] = 2;
  factor[from.params.n - 1] = 4;
  const [sum] = exit.leave(words, { places: [0], factor, variance: fresh() }).map(realOf);
  expect(sum).toBeCloseTo(2 * 0.5 + 4 * 1.25, 3);
});

describe('quantised', () => {
  test('the level is that of the clear quantiser outside of the margin, and never off by more than one', () => {
    const variance = exitVariance(toy.context.params, from.params, key.modulus) + fresh();
    const margin = quantisationMargin(toy.context.params, variance, -64);
    expect(margin).toBeLessThan(0.5);
    const values = Array.from({ length: 210 }, (_, i) => -8.02 + i * 0.153);
    const messages = exit.leave(encrypted(values), { places: values.map((_, i) => i), variance: fresh() });
    const levels = toy.decrypt(toy.evaluator.quantise(messages));
    let certain = 0;
    levels.forEach((level, i) => {
      const value = values[i]!;
      const distance = Math.abs(value - Math.floor(value) - 0.5);
      expect(Math.abs(level - quantisedLevel(value, 16))).toBeLessThanOrEqual(1);
      if (distance < margin) return;
      certain++;
      expect(level).toBe(quantisedLevel(value, 16));
    });
    expect(certain).toBeGreaterThan(40);
    expect(toy.evaluator.failureBits).toBeLessThan(-100);
  });

  test('the clear quantiser rounds and reflects', () => {
    const levels = [-8, -3.2, -1, -0.6, -0.4, 0, 0.49, 0.5, 7.2, 15.4, 15.6, 16, 18, 23].map((value) =>
      quantisedLevel(value, 16),
    );
    expect(levels).toEqual([7, 2, 0, 0, 0, 0, 0, 1, 7, 15, 15, 15, 13, 8]);
  });

  test('the margin grows with the noise, and with what is asked of it', () => {
    const { params } = toy.context;
    expect(quantisationMargin(params, 1e-6, -40)).toBeLessThan(quantisationMargin(params, 1e-5, -40));
    expect(quantisationMargin(params, 1e-6, -40)).toBeLessThan(quantisationMargin(params, 1e-6, -80));
  });

  test('control: what is not quantised is refused by lookups', () => {
    const [real] = exit.leave(encrypted([3]), { places: [0], variance: fresh() });
    expect(() => toy.evaluator.lookup(real!, new Array<number>(16).fill(1))).toThrow(OutOfRangeError);
  });
});

describe('the key', () => {
  test('travels: the same bytes, the same results', () => {
    const bytes = key.toBytes();
    expect(bytes.length).toBe(TfheExitKey.byteLength(from.params));
    using again = TfheExitKey.fromBytes(toy.context, from, bytes);
    expect(again.toBytes()).toEqual(bytes);
    const words = encrypted([4, 5]);
    const reading = { places: [0, 1], variance: fresh() };
    const left = new TfheExit(toy.context, again).leave(words, reading);
    expect(left.map((each) => each.words)).toEqual(exit.leave(words, reading).map((each) => each.words));
  });

  test('of another length, of other parameters, with a residue out of range, is refused', async () => {
    const bytes = key.toBytes();
    expect(() => TfheExitKey.fromBytes(toy.context, from, bytes.subarray(0, -1))).toThrow(DecodeError);
    const foreign = bytes.slice();
    foreign[60]! ^= 1;
    expect(() => TfheExitKey.fromBytes(toy.context, from, foreign)).toThrow(ParamsMismatchError);
    const large = bytes.slice().fill(255, bytes.length - 7);
    expect(() => TfheExitKey.fromBytes(toy.context, from, large)).toThrow(DecodeError);
    using other = await CkksContext.open(CkksParams.create({ ...FROM, logQ: [41] }), { kernel });
    expect(() => TfheExitKey.fromBytes(toy.context, other, bytes)).toThrow(ParamsMismatchError);
  });

  test('disposed, or asked for coefficients that are none, says so', () => {
    const gone = TfheExitKey.generate(toy.context, toy.secret, from, secret);
    gone[Symbol.dispose]();
    const words = encrypted([1]);
    expect(() => new TfheExit(toy.context, gone).leave(words, { places: [0], variance: 0 })).toThrow(
      /disposed/,
    );
    expect(() => exit.leave(words, { places: [4096], variance: 0 })).toThrow(OutOfRangeError);
    expect(() => exit.leave(words.sub(0, 4096), { places: [0], variance: 0 })).toThrow(ShapeError);
    expect(() => exit.leave(words, { places: [0], factor: 0.5, variance: 0 })).toThrow(OutOfRangeError);
    expect(() => exit.leave(words, { places: [0], factor: new Float64Array(4), variance: 0 })).toThrow(
      ShapeError,
    );
  });
});

describe('security of the key', () => {
  /**
   * Bits of the primal attack on ring-LWE of degree n modulo 2^logQ, errors of variance 10.5, by the formula of Alkim, Ducas, Pöppelmann and
   * Schwabe: the smallest block size b for which the projected error is below what reduction reaches, the secret weighed to the error's
   * size; sieving in 2^(0.292 b + 16.4). Some bits below the estimator's gate counts, so it is compared with itself.
   */
  function primalBits(n: number, logQ: number, secretDeviation: number): number {
    const error = Math.sqrt(10.5);
    let best = 2000;
    for (let m = n / 2; m <= 2 * n; m += 32) {
      const d = n + m + 1;
      const logVolume = m * logQ + n * Math.log2(error / secretDeviation);
      for (let b = 60; b < best; b++) {
        const delta = (((Math.PI * b) ** (1 / b) * b) / (2 * Math.PI * Math.E)) ** (1 / (2 * (b - 1)));
        const reached = (2 * b - d - 1) * Math.log2(delta) + logVolume / d;
        if (Math.log2(error * Math.sqrt(b)) <= reached) best = b;
      }
    }
    return 0.292 * best + 16.4;
  }
  const [BINARY, TERNARY] = [1 / 2, Math.sqrt(2 / 3)];

  test('the modulus has 50 bits, below the ceiling of a binary secret of degree 2048, for every ring that ciphertexts come from', () => {
    const tfhe = TfheParams.forMessages(16);
    for (const logN of [12, 13, 14, 15, 16]) {
      const q = exitModulus(tfhe, { n: 2 ** logN });
      expect(q % 2 ** (logN + 1)).toBe(1);
      expect(Math.log2(q)).toBeGreaterThan(49.99);
      expect(Math.log2(q)).toBeLessThan(50);
    }
  });

  test('by a count of the primal attack it is as hard as the standard table is at 128 bits; with a special prime of its size it is not', () => {
    // [Bos+24], Table 4.2: degree 2048, 53 bits, ternary.
    const standard = primalBits(2048, 53, TERNARY);
    expect(standard).toBeGreaterThan(115);
    expect(primalBits(2048, 50, BINARY)).toBeGreaterThanOrEqual(standard);
    expect(primalBits(2048, 51, BINARY)).toBeGreaterThan(standard - 3);
    // What a key of 50 bits would be with 25 more, and twice as many.
    expect(primalBits(2048, 75, BINARY)).toBeLessThan(standard - 30);
    expect(primalBits(2048, 100, BINARY)).toBeLessThan(75);
  });

  test('a modulus over the ceiling is refused, whatever the degree of the other ring', () => {
    // No such TFHE parameters can be made; a ring half as large has no ceiling that 50 bits are below.
    const small = { n: 1024, logN: 10, isInsecure: false };
    for (const logN of [12, 16])
      expect(() => exitModulus(small, { n: 2 ** logN })).toThrow(InsecureParamsError);
    expect(() => exitModulus(TfheParams.forMessages(16), { n: 1024 })).toThrow(InvalidParamsError);
  });
});
