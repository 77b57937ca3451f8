/** Every noisy operation of CKKS, on random coefficients under many keys. */
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import type { CkksEncoder } from '../../../src/schemes/ckks/encoder.ts';
import type { CkksEncryptor } from '../../../src/schemes/ckks/encryptor.ts';
import type { CkksEvaluator } from '../../../src/schemes/ckks/evaluator.ts';
import { expansionElements } from '../../../src/schemes/ckks/expand-interleaved.ts';
import type { CkksPlaintext } from '../../../src/schemes/ckks/plaintext.ts';
import { conjugationElement, rotationElement } from '../../../src/schemes/rlwe/keys/key-plan.ts';
import * as noise from '../../../src/schemes/rlwe/noise.ts';
import * as bound from '../../../src/schemes/rlwe/noise-bound.ts';
import { NoiseRecord } from '../noise-record.ts';
import { openTestContext, testValues } from './insecure-params.ts';

/** Small, so that products of scaled integers are exact doubles. */
const TRANSFORM_SCALE = 2 ** 12;

/** The key-switching noise must not drown in rounding, so P is smaller than the digits here. */
const INSECURE_NOISY = {
  logN: 7,
  logQ: [42, 36, 36],
  logP: [33],
  logScale: 30,
  security: 'insecure-for-tests',
} as const;

interface Session {
  readonly context: CkksContext;
  readonly secretly: CkksEncryptor;
  readonly publicly: CkksEncryptor;
  readonly evaluator: CkksEvaluator;
  readonly encoder: CkksEncoder;
  /** Random coefficients with an integer image at the scale. */
  encode(salt: number): CkksPlaintext;
  /** ct - wanted in units of one. */
  errors(ct: CkksCiphertext, wanted: Float64Array): Float64Array;
  coefficients(plaintext: CkksPlaintext): Float64Array;
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

/** log2 of a bound on the canonical norm: the sum of the absolute coefficients. */
function normBits(values: Float64Array): number {
  return Math.log2(values.reduce((sum, v) => sum + Math.abs(v), 0));
}

function measureUnary(record: NoiseRecord, session: Session, m: CkksPlaintext): void {
  const { secretly, publicly, evaluator } = session;
  const { params } = session.context;
  const { n, maxLevel: top } = params;
  const clear = session.coefficients(m);
  const ct = secretly.encrypt(m);
  const fresh = bound.errorBits(n);
  record.add('fresh', session.errors(ct, clear), noise.freshNoise(), fresh);
  const open = publicly.encrypt(m);
  record.add('public', session.errors(open, clear), noise.publicKeyNoise(n), bound.publicKeyErrorBits(n));

  const conjugated = evaluator.applyGalois(ct, conjugationElement(n));
  const mirrored = clear.map((_, i) => (i === 0 ? clear[0]! : -clear[n - i]!));
  const switched = noise.keySwitchNoise(params, top);
  const switchedBits = bound.keySwitchBits(bound.modulusBits(params), top);
  const rotated = bound.addBits(fresh, switchedBits);
  record.add('rotate', session.errors(conjugated, mirrored), noise.freshNoise() + switched, rotated);

  const rescaled = evaluator.rescale(evaluator.mulConstant(ct, 1, 2 ** 30));
  const q = params.q[top]!.q;
  const formula = noise.rescaleNoise(n, noise.weightedNoise(noise.freshNoise(), 2 ** 60), q);
  const divided = bound.dividedBits(n, fresh + 30, Math.log2(q));
  record.add('rescale', session.errors(rescaled, clear), formula, divided);

  const k = 4;
  const expanded = evaluator.expandInterleaved(ct, k);
  const mapped = bound.addBits(fresh + 1, switchedBits);
  for (let i = 0; i < k; i++) {
    const wanted = clear.map((_, j) => (j % k === 0 ? clear[i + j]! : 0));
    const expected = noise.expansionNoise(k, noise.freshNoise(), switched);
    const errors = session.errors(expanded.at(i), wanted);
    record.add('expand', errors, expected, bound.addBits(mapped + 1, switchedBits));
  }
}

/** X -> X^element. */
function mapped(values: Float64Array, element: number): Float64Array {
  const n = values.length;
  const out = new Float64Array(n);
  values.forEach((value, i) => {
    const at = (i * element) % (2 * n);
    out[at % n] = at < n ? value : -value;
  });
  return out;
}

/** Four diagonals, without giant steps and with one. */
function measureTransforms(record: NoiseRecord, session: Session, m: CkksPlaintext, salt: number): void {
  const { context, evaluator, encoder } = session;
  const { n, maxLevel: top, slots } = context.params;
  const ct = session.secretly.encrypt(m);
  const diagonals = [0, 1, 2, 3].map((step) => testValues(slots, salt + step));
  const switched = bound.addBits(
    bound.errorBits(n),
    bound.keySwitchBits(bound.modulusBits(context.params), top),
  );
  for (const [name, babySteps] of [
    ['transform', slots],
    ['giant steps', 2],
  ] as const) {
    const options = { babySteps, scale: TRANSFORM_SCALE };
    const result = evaluator.linearTransform(
      ct,
      encoder.encodeLinearTransform(new Map(diagonals.entries()), options),
    );
    const wanted = new Float64Array(n);
    const giants = [0, 2].map((step) => ({ step: babySteps === 2 ? step : 0, rotated: 0, unrotated: 0 }));
    let bits = switched;
    diagonals.forEach((diagonal, step) => {
      const w = encoder.decodeCoefficients(encoder.encode(diagonal, { scale: TRANSFORM_SCALE }));
      const squares = w.reduce((sum, v) => sum + (v * TRANSFORM_SCALE) ** 2, 0);
      const rotated = mapped(session.coefficients(m), rotationElement(n, step));
      negacyclic(w, rotated).forEach((v, i) => (wanted[i]! += v));
      giants[step < 2 ? 0 : 1]![step % babySteps === 0 ? 'unrotated' : 'rotated'] += squares;
      bits = bound.addBits(bits, switched + 1 + normBits(w) + Math.log2(TRANSFORM_SCALE));
    });
    const formula = noise.linearTransformNoise(context.params, top, noise.freshNoise(), giants);
    record.add(name, session.errors(result, wanted), formula, bits);
  }
}

function measureProducts(
  record: NoiseRecord,
  session: Session,
  m: CkksPlaintext,
  other: CkksPlaintext,
): void {
  const { secretly, evaluator } = session;
  const n = session.context.params.n;
  const fresh = bound.errorBits(n);
  const [clear, second] = [session.coefficients(m), session.coefficients(other)];
  const ct = secretly.encrypt(m);
  const scaled = meanSquare(clear) * m.scale ** 2;
  const operand = { variance: noise.freshNoise(), meanSquare: scaled };
  const [left, right] = [clear, second].map((values) => normBits(values) + Math.log2(m.scale));
  const crossBits = bound.addBits(bound.addBits(left! + fresh, right! + fresh), 2 * fresh);
  const product = evaluator.mulLazy(ct, secretly.encrypt(other));
  const productErrors = session.errors(product, negacyclic(clear, second));
  record.add('product', productErrors, noise.productNoise(n, operand, operand), crossBits);
  const square = evaluator.mulLazy(ct, ct);
  const squareBits = bound.addBits(left! + fresh + 1, 2 * fresh);
  const squareErrors = session.errors(square, negacyclic(clear, clear));
  record.add('square', squareErrors, noise.squareNoise(n, operand), squareBits);
}

/** `keys` keys of 128 coefficients each, four times as many for `expand`. */
export async function measureCkksNoise(keyCount: number): Promise<NoiseRecord> {
  const record = new NoiseRecord();
  using context = await openTestContext(INSECURE_NOISY, 'noise');
  const { n } = context.params;
  using generator = context.keyGenerator();
  for (let i = 0; i < keyCount; i++) {
    using arena = context.arena();
    using secret = generator.secretKey();
    using publicKey = generator.publicKey(secret);
    using keys = generator.evaluationKeys(secret, {
      galois: [...expansionElements(n, 4), conjugationElement(n)],
      rotations: [1, 2, 3],
    });
    const encoder = context.encoder(arena);
    const decryptor = context.decryptor(secret, arena);
    using secretly = context.encryptor(secret, arena);
    using publicly = context.encryptor(publicKey, arena);
    const session: Session = {
      context,
      encoder,
      secretly,
      publicly,
      evaluator: context.evaluator(keys, arena),
      encode: (salt) => encoder.encodeCoefficients(testValues(n, salt)),
      coefficients: (plaintext) => encoder.decodeCoefficients(plaintext),
      errors: (ct, wanted) => {
        const got = encoder.decodeCoefficients(decryptor.decrypt(ct));
        return got.map((value, j) => (value - wanted[j]!) * ct.scale);
      },
    };
    const m = session.encode(i + 1);
    measureUnary(record, session, m);
    measureTransforms(record, session, m, 4 * i + 99_991);
    measureProducts(record, session, m, session.encode(i + 7778));
  }
  return record;
}
