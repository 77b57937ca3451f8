/** Measured noise variance over formula, in [0.90, 1.05], over at least 10^4 coefficients and many keys. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import type { CkksEncryptor } from '../../../src/schemes/ckks/encryptor.ts';
import type { CkksEvaluator } from '../../../src/schemes/ckks/evaluator.ts';
import { expansionElements } from '../../../src/schemes/ckks/expand-interleaved.ts';
import type { CkksPlaintext } from '../../../src/schemes/ckks/plaintext.ts';
import { conjugationElement } from '../../../src/schemes/rlwe/key-plan.ts';
import * as noise from '../../../src/schemes/rlwe/noise.ts';
import { openTestContext, testValues } from '../ckks/insecure-params.ts';

/** The key-switching noise must not drown in rounding, so P is smaller than the digits here. */
const INSECURE_NOISY = {
  logN: 7,
  logQ: [42, 36, 36],
  logP: [33],
  logScale: 30,
  security: 'insecure-for-tests',
} as const;

const KEYS = 80;

interface Session {
  readonly context: CkksContext;
  readonly secretly: CkksEncryptor;
  readonly publicly: CkksEncryptor;
  readonly evaluator: CkksEvaluator;
  /** Random coefficients with an integer image at the scale. */
  encode(salt: number): CkksPlaintext;
  /** Mean square of (ct - wanted) in units of one. */
  error(ct: CkksCiphertext, wanted: Float64Array): number;
  coefficients(plaintext: CkksPlaintext): Float64Array;
}

const measured = new Map<string, { sum: number; formula: number }>();
let context: CkksContext;

function record(name: string, meanSquare: number, formula: number): void {
  const entry = measured.get(name) ?? { sum: 0, formula };
  entry.sum += meanSquare / KEYS;
  measured.set(name, entry);
}

function negacyclic(a: Float64Array, b: Float64Array): Float64Array {
  const n = a.length;
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) out[(i + j) % n]! += (i + j < n ? 1 : -1) * a[i]! * b[j]!;
  }
  return out;
}

function meanSquare(values: Float64Array): number {
  return values.reduce((sum, v) => sum + v * v, 0) / values.length;
}

function measure(session: Session, salt: number): void {
  const { secretly, publicly, evaluator } = session;
  const { params } = session.context;
  const n = params.n;
  const top = params.maxLevel;
  const m = session.encode(salt);
  const clear = session.coefficients(m);
  const ct = secretly.encrypt(m);
  record('fresh', session.error(ct, clear), noise.freshNoise());
  record('public', session.error(publicly.encrypt(m), clear), noise.publicKeyNoise(n));

  const conjugated = evaluator.applyGalois(ct, conjugationElement(n));
  const mirrored = clear.map((_, i) => (i === 0 ? clear[0]! : -clear[n - i]!));
  const switched = noise.keySwitchNoise(params, top);
  record('rotate', session.error(conjugated, mirrored), noise.freshNoise() + switched);

  const rescaled = evaluator.rescale(evaluator.mulConstant(ct, 1, 2 ** 30));
  const q = params.q[top]!.q;
  const formula = noise.rescaleNoise(n, noise.weightedNoise(noise.freshNoise(), 2 ** 60), q);
  record('rescale', session.error(rescaled, clear), formula);

  const scaled = meanSquare(clear) * m.scale ** 2;
  const operand = { variance: noise.freshNoise(), meanSquare: scaled };
  const other = session.encode(salt + 7777);
  const product = evaluator.mulLazy(ct, secretly.encrypt(other));
  const clearProduct = negacyclic(clear, session.coefficients(other));
  record(
    'product',
    session.error(product, clearProduct) / scaled,
    noise.productNoise(n, operand, operand) / scaled,
  );
  const square = evaluator.mulLazy(ct, ct);
  record(
    'square',
    session.error(square, negacyclic(clear, clear)) / scaled,
    noise.squareNoise(n, operand) / scaled,
  );

  const k = 4;
  const expanded = evaluator.expandInterleaved(ct, k);
  for (let i = 0; i < k; i++) {
    const wanted = clear.map((_, j) => (j % k === 0 ? clear[i + j]! : 0));
    const expected = noise.expansionNoise(k, noise.freshNoise(), switched);
    record('expand', session.error(expanded.at(i), wanted) / k, expected);
  }
}

beforeAll(async () => {
  context = await openTestContext(INSECURE_NOISY, 'noise');
  using generator = context.keyGenerator();
  for (let i = 0; i < KEYS; i++) {
    using arena = context.arena();
    using secret = generator.secretKey();
    using publicKey = generator.publicKey(secret);
    const galois = [...expansionElements(context.params.n, 4), conjugationElement(context.params.n)];
    using keys = generator.evaluationKeys(secret, { galois });
    const encoder = context.encoder(arena);
    const decryptor = context.decryptor(secret, arena);
    measure(
      {
        context,
        secretly: context.encryptor(secret, arena),
        publicly: context.encryptor(publicKey, arena),
        evaluator: context.evaluator(keys, arena),
        encode: (salt) => encoder.encodeCoefficients(testValues(context.params.n, salt)),
        coefficients: (plaintext) => encoder.decodeCoefficients(plaintext),
        error: (ct, wanted) => {
          const got = encoder.decodeCoefficients(decryptor.decrypt(ct));
          return meanSquare(got.map((value, j) => (value - wanted[j]!) * ct.scale));
        },
      },
      i + 1,
    );
  }
}, 120_000);

afterAll(() => context[Symbol.dispose]());

test.each(['fresh', 'public', 'rotate', 'rescale', 'product', 'square', 'expand'])('%s', (name) => {
  const { sum, formula } = measured.get(name)!;
  expect(sum / formula).toBeGreaterThan(0.9);
  expect(sum / formula).toBeLessThan(1.05);
});

test('the interval catches a formula that is off by a tenth (positive control)', () => {
  const { sum, formula } = measured.get('fresh')!;
  expect(sum / (formula * 0.9)).toBeGreaterThan(1.05);
});
