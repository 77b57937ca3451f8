import { afterAll, beforeAll, expect, test } from 'vitest';
import { InvalidParamsError, LevelExhaustedError } from '../../src/base/errors.ts';
import { ExactOperations } from '../../src/circuits/exact-operations.ts';
import { evaluateSeries, PolynomialBasis } from '../../src/circuits/polynomial/evaluate.ts';
import {
  chebyshevSeries,
  depthOf,
  dividedByBasis,
  type PolynomialBasisKind,
  seriesOf,
  valueOf,
} from '../../src/circuits/polynomial/series.ts';
import type { Arena } from '../../src/ring/arena.ts';
import type { CkksContext } from '../../src/schemes/ckks/context.ts';
import type { EvaluationKeys } from '../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { openTestContext, testValues } from '../schemes/ckks/insecure-params.ts';

const TOP = 8;
let context: CkksContext;
let secret: SecretKey;
let keys: EvaluationKeys;
let arena: Arena;

beforeAll(async () => {
  const bits = (count: number) => new Array<number>(count).fill(49.9);
  const spec = { logN: 7, logQ: bits(TOP + 1), logP: bits(3), logScale: 49.9 };
  context = await openTestContext({ ...spec, security: 'insecure-for-tests' }, 'polynomials');
  using generator = context.keyGenerator();
  secret = generator.secretKey();
  keys = generator.evaluationKeys(secret, { relinearize: true });
  arena = context.arena();
});
afterAll(() => {
  for (const owned of [arena, keys, secret, context]) owned[Symbol.dispose]();
});

function decoded(ciphertext: Parameters<ReturnType<CkksContext['decryptor']>['decrypt']>[0]) {
  return context.encoder(arena).decodeComplex(context.decryptor(secret, arena).decrypt(ciphertext));
}

function encrypted(values: ArrayLike<number>) {
  using encryptor = context.encryptor(secret, arena);
  return encryptor.encrypt(context.encoder(arena).encode(values));
}

const kinds: PolynomialBasisKind[] = ['power', 'chebyshev'];
const degrees = [1, 2, 3, 4, 5, 7, 8, 15, 16, 21, 31, 40, 63, 64, 100];

test.each(kinds.flatMap((kind) => degrees.map((degree) => [kind, degree] as const)))(
  'a complex polynomial in the %s basis of degree %i takes the least depth and meets its scale',
  (kind, degree) => {
    const x = testValues(context.params.slots, degree);
    const size = 1 / (degree + 1);
    const series = seriesOf(
      kind,
      testValues(degree + 1, 3).map((v) => v * size),
      testValues(degree + 1, 5).map((v) => v * size),
    );
    using work = context.arena();
    const operations = new ExactOperations(context, keys, work);
    using basis = new PolynomialBasis(operations, kind, encrypted(x));
    const level = TOP - depthOf(degree);
    const scale = context.params.defaultScale * 1.37;
    const result = evaluateSeries(basis, series, { level, scale, maxAbs: 2 });
    expect([result.level, result.scale]).toEqual([level, scale]);
    const got = decoded(result);
    for (let j = 0; j < x.length; j++) {
      const want = valueOf(series, x[j]!);
      expect(Math.hypot(got.re[j]! - want.re, got.im[j]! - want.im)).toBeLessThan(2 ** -30);
    }
    expect(() => evaluateSeries(basis, series, { level: level + 1, scale, maxAbs: 2 })).toThrow(
      LevelExhaustedError,
    );
  },
);

test('scales that are assumed equal would be seen: the tracked one is what the result decrypts at', () => {
  // x^64 by six squarings: the scale drifts with the primes, by far more than the noise.
  using work = context.arena();
  const operations = new ExactOperations(context, keys, work);
  const x = testValues(context.params.slots, 2).map((v) => 0.9 + 0.1 * Math.abs(v));
  using basis = new PolynomialBasis(operations, 'power', encrypted(x));
  const power = basis.at(64);
  const drift = Math.abs(power.scale / context.params.defaultScale - 1);
  expect(drift).toBeGreaterThan(2 ** -30);
  const { re } = decoded(power);
  re.forEach((value, j) => {
    expect(Math.abs(value - x[j]! ** 64)).toBeLessThan(drift / 4);
  });
});

test('Chebyshev division and interpolation', () => {
  const f = (x: number) => ({ re: Math.exp(x), im: Math.sin(3 * x) });
  const series = chebyshevSeries(f, 24);
  for (const x of [-1, -0.3, 0, 0.77, 1]) {
    const { re, im } = valueOf(series, x);
    expect(Math.hypot(re - f(x).re, im - f(x).im)).toBeLessThan(2 ** -48);
    const { quotient, rest } = dividedByBasis(series, 16);
    const [q, r] = [valueOf(quotient, x), valueOf(rest, x)];
    const t16 = Math.cos(16 * Math.acos(x));
    expect(Math.hypot(q.re * t16 + r.re - re, q.im * t16 + r.im - im)).toBeLessThan(2 ** -45);
  }
});

test('coefficients are finite and as many real as imaginary', () => {
  expect(() => seriesOf('power', [])).toThrow(InvalidParamsError);
  expect(() => seriesOf('power', [1, 2], [1])).toThrow(InvalidParamsError);
  expect(() => seriesOf('power', [1, Number.NaN])).toThrow(InvalidParamsError);
});
