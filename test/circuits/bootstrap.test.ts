/** Bootstrapping at a small ring: the circuit of the full size, whose primes, degrees and scales are the same. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  InsecureParamsError,
  InvalidParamsError,
  LevelExhaustedError,
  OutOfRangeError,
  ParamsMismatchError,
  ScaleMismatchError,
} from '../../src/base/errors.ts';
import { watchStreamKeys } from '../../src/base/random.ts';
import { Bootstrapper, type BootstrapKeys } from '../../src/circuits/bootstrap/bootstrapper.ts';
import { BootstrapPlan } from '../../src/circuits/bootstrap/plan.ts';
import {
  circleValue,
  identityFunction,
  rangeGuard,
  smoothFunction,
  tableFunction,
} from '../../src/circuits/circle/circle-function.ts';
import { costsFrom } from '../../src/circuits/cost.ts';
import { ExactOperations } from '../../src/circuits/exact-operations.ts';
import type { Arena } from '../../src/ring/arena.ts';
import { sparseTernaryInto } from '../../src/ring/samplers.ts';
import { CkksCiphertext } from '../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { SPARSE_WEIGHT } from '../../src/schemes/rlwe/keys/encapsulation-keys.ts';
import type { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { openTestContext, testValues } from '../schemes/ckks/insecure-params.ts';

const params = CkksParams.bootstrapping({ logN: 9, security: 'insecure-for-tests' });

class World implements Disposable {
  readonly context: CkksContext;
  readonly arena: Arena;
  readonly secret: SecretKey;
  readonly keys: BootstrapKeys;
  readonly plan: BootstrapPlan;
  readonly bootstrapper: Bootstrapper;
  /** The stream key of the sparse secret, which nobody else sees. */
  readonly sparseKey: Uint8Array;

  constructor(context: CkksContext, options: { slots?: number; range?: number }) {
    this.context = context;
    this.plan = new BootstrapPlan(params, options);
    this.arena = context.arena();
    using generator = context.keyGenerator();
    this.secret = generator.secretKey();
    const evaluation = generator.evaluationKeys(this.secret, this.plan.keyPlan());
    const streamKeys: Uint8Array[] = [];
    watchStreamKeys((key) => streamKeys.push(key.slice()));
    this.keys = { evaluation, encapsulation: generator.encapsulationKeys(this.secret) };
    watchStreamKeys(null);
    this.sparseKey = streamKeys[0]!;
    this.bootstrapper = new Bootstrapper(context, this.keys, this.plan);
  }

  encrypt(values: ArrayLike<number>, options: { level?: number; scale?: number } = {}): CkksCiphertext {
    const { slots, inputLevel } = this.plan;
    using encryptor = this.context.encryptor(this.secret, this.arena);
    const encoder = this.context.encoder(this.arena);
    return encryptor.encrypt(encoder.encode(values, { slots, level: inputLevel, ...options }));
  }

  decrypt(ciphertext: CkksCiphertext): { re: Float64Array; im: Float64Array } {
    const plaintext = this.context.decryptor(this.secret, this.arena).decrypt(ciphertext);
    return this.context.encoder(this.arena).decodeComplex(plaintext, { slots: this.plan.slots });
  }

  /** Largest distance of a result from what it should be. */
  error(result: CkksCiphertext, want: ArrayLike<number>): number {
    expect(result.scale).toBe(params.defaultScale);
    const { re, im } = this.decrypt(result);
    return re.reduce((max, value, j) => Math.max(max, Math.hypot(value - want[j]!, im[j]!)), 0);
  }

  [Symbol.dispose](): void {
    this.bootstrapper[Symbol.dispose]();
    this.keys.evaluation[Symbol.dispose]();
    this.keys.encapsulation[Symbol.dispose]();
    this.secret[Symbol.dispose]();
    this.arena[Symbol.dispose]();
  }
}

describe.each([
  ['all slots', params.slots],
  ['sparse slots', 32],
])('%s', (_, slots) => {
  let context: CkksContext;
  let world: World;

  beforeAll(async () => {
    context = await CkksContext.open(params);
    world = new World(context, { slots });
  });
  afterAll(() => {
    world[Symbol.dispose]();
    context[Symbol.dispose]();
  });

  test('reals, at the level that was promised', () => {
    const f = identityFunction(1);
    for (const values of [
      testValues(slots, 1),
      new Float64Array(slots).fill(1),
      new Float64Array(slots).fill(-1),
    ]) {
      const result = world.bootstrapper.refresh(world.encrypt(values), world.arena);
      expect(result.level).toBe(world.plan.outputLevel(f));
      expect(world.plan.levelsLeft(f)).toBeGreaterThanOrEqual(10);
      expect(world.error(result, values)).toBeLessThan(2 ** -22);
    }
  });

  test('reals up to 8 from a higher level and another scale', () => {
    const values = testValues(slots, 2).map((v) => 8 * v);
    const input = world.encrypt(values, { level: world.plan.inputLevel + 1, scale: 2 ** 49 });
    expect(world.error(world.bootstrapper.refresh(input, world.arena, { bound: 8 }), values)).toBeLessThan(
      2 ** -19,
    );
  });

  test('bits are cleaned, and cost no level after E', () => {
    const bits = testValues(slots, 3).map((v) => (v > 0 ? 1 : 0));
    const noisy = bits.map((bit, j) => bit + 2 ** -11 * Math.sin(j));
    const result = world.bootstrapper.refreshBits(world.encrypt(noisy), world.arena);
    expect(result.level).toBe(world.plan.exponentialLevel);
    expect(world.error(result, bits)).toBeLessThan(2 ** -20);
  });

  test('every entry of tables, several of one exponential, and a sigmoid', () => {
    const [first, second] = [testValues(64, 4), testValues(64, 5)];
    const inputs = Float64Array.from({ length: slots }, (_, j) => (j * 7) % 64);
    const results = world.bootstrapper.applyMany(
      world.encrypt(inputs),
      [tableFunction('first', first), tableFunction('second', second)],
      world.arena,
    );
    [first, second].forEach((table, i) => {
      expect(
        world.error(
          results[i]!,
          inputs.map((at) => table[at]!),
        ),
      ).toBeLessThan(2 ** -20);
    });
    const sigmoid = smoothFunction('sigmoid', (v) => 1 / (1 + Math.exp(-v)), { bound: 8, degree: 15 });
    const values = testValues(slots, 6).map((v) => 8 * v);
    const result = world.bootstrapper.apply(world.encrypt(values), sigmoid, world.arena);
    expect(result.level).toBe(world.plan.outputLevel(sigmoid));
    expect(
      world.error(
        result,
        values.map((v) => circleValue(sigmoid, v)),
      ),
    ).toBeLessThan(2 ** -24);
  });

  test('a guard of the same exponential sees one value of many leave the range of an activation', () => {
    const sigmoid = smoothFunction('sigmoid', (v) => 1 / (1 + Math.exp(-v)), { bound: 8, degree: 15 });
    const guard = rangeGuard(sigmoid);
    expect(guard.error).toBeLessThan(8e-4);
    const total = (largest: number): number => {
      const values = testValues(slots, 8).map((v, j) => (j === 5 ? largest : 7.9 * v));
      const input = world.encrypt(values.map((v) => v / 2));
      const twice = new ExactOperations(world.context, world.keys.evaluation, world.arena);
      const doubled = twice.lowered(input, input.level);
      twice.double(doubled);
      const wide = twice.restate(doubled, { maxAbs: 8 });
      const [, seen] = world.bootstrapper.applyMany(wide, [sigmoid, guard], world.arena);
      return world.decrypt(seen!).re.reduce((sum, value) => sum + value ** 2, 0);
    };
    expect(total(7.9)).toBeLessThan(1 / 4);
    expect(total(9.8)).toBeGreaterThan(1 / 2);
    expect(total(-10.5)).toBeGreaterThan(1 / 2);
    // More than half a turn, which is 11.4 here, has come back: no guard behind the circle can see it.
    expect(total(22)).toBeLessThan(1 / 4);
  });

  test('what does not fit is refused', () => {
    const { bootstrapper, arena, plan } = world;
    const low = world.encrypt(new Float64Array(slots), { level: plan.inputLevel - 1 });
    expect(() => bootstrapper.refresh(low, arena)).toThrow(LevelExhaustedError);
    const drifted = world.encrypt(new Float64Array(slots), { scale: params.defaultScale * (1 + 2 ** -22) });
    expect(() => bootstrapper.refresh(drifted, arena)).toThrow(ScaleMismatchError);
    const large = world.encrypt(new Float64Array(slots).fill(3));
    expect(() => bootstrapper.refresh(large, arena)).toThrow(OutOfRangeError);
    const mixed = [tableFunction('a', [0, 1]), tableFunction('b', [0, 1, 2, 3])];
    expect(() => bootstrapper.applyMany(low, mixed, arena)).toThrow(OutOfRangeError);
    expect(() => bootstrapper.applyMany(low, [], arena)).toThrow(OutOfRangeError);
  });
});

/**
 * A ciphertext at level 0 whose phase under the sparse secret is as large as a phase can be, at many coefficients: c_1 follows the signs
 * of the secret at one of them, c_0 adds its half.
 */
function largestPhase(world: World, sign: 1 | -1): { ciphertext: CkksCiphertext; phases: Float64Array } {
  const { context } = world;
  const { kernel, ring } = context;
  const { n } = params;
  const q0 = params.q[0]!.q;
  using words = kernel.allocate(n);
  sparseTernaryInto(ring, words, SPARSE_WEIGHT, world.sparseKey, [0]);
  kernel.nttInverse(ring.tables, words, [0]);
  const secret = new Float64Array(n);
  kernel.toDoubles(ring.tables, secret, words, [0]);
  expect(secret.filter((value) => value !== 0)).toHaveLength(SPARSE_WEIGHT);
  const half = (q0 - 1) / 2;
  const [c0, c1] = [new Float64Array(n).fill(sign * half), new Float64Array(n)];
  // Coefficient 0 of c_1 s is c_1[0] s[0] - sum c_1[j] s[n - j].
  for (let j = 0; j < n; j++) c1[j] = sign * half * (j === 0 ? secret[0]! : -secret[n - j]!);
  const phases = Float64Array.from({ length: n }, (_, at) => {
    let sum = c0[at]!;
    for (let j = 0; j < n; j++) sum += c1[j]! * (j <= at ? secret[at - j]! : -secret[n + at - j]!);
    return sum / q0;
  });
  const facts = { context, count: 1, parts: 2, level: 0, scale: q0 };
  const ciphertext = world.arena.make(2 * n, (out) => {
    kernel.transformDoubles(ring.tables, out.sub(0, n), c0, [0]);
    kernel.transformDoubles(ring.tables, out.sub(n, n), c1, [0]);
    return new CkksCiphertext(out, facts);
  });
  return { ciphertext, phases };
}

test.each([
  [21, true],
  [14, false],
])('with range %i the largest phase of all is bootstrapped: %s', async (range, isRight) => {
  using context = await CkksContext.open(params);
  using world = new World(context, { range });
  for (const sign of [1, -1] as const) {
    const { ciphertext, phases } = largestPhase(world, sign);
    expect(Math.max(...phases.map(Math.abs))).toBeCloseTo(20.5, 6);
    using work = context.arena();
    const operations = new ExactOperations(context, world.keys.evaluation, work);
    const result = work.adopt(world.bootstrapper.exponentialOf(operations, ciphertext));
    const { re, im } = world.decrypt(result);
    // Coefficients leave in reversed order, as they came.
    const bits = Math.log2(params.slots);
    const reversed = (k: number) =>
      Array.from({ length: bits }, (_, i) => ((k >> i) & 1) << (bits - 1 - i)).reduce((a, b) => a | b, 0);
    const errors = re.map((value, j) => {
      const angle = 2 * Math.PI * phases[reversed(j)]!;
      return Math.hypot(value - Math.cos(angle), im[j]! - Math.sin(angle));
    });
    if (isRight) expect(Math.max(...errors)).toBeLessThan(2 ** -18);
    else expect(errors[0]).toBeGreaterThan(0.5);
  }
});

describe('plans and parameters', () => {
  test('the secure set is at the ceiling, every key below it, and the sparse one far below', () => {
    const secure = CkksParams.bootstrapping();
    expect(secure.isInsecure).toBe(false);
    expect(secure.n).toBe(2 ** 16);
    expect(secure.logQP).toBeGreaterThan(1746);
    expect(secure.logQP).toBeLessThanOrEqual(1747);
    expect(() => CkksParams.bootstrapping({ levels: 27 })).toThrow(InsecureParamsError);
    expect(() => CkksParams.bootstrapping({ logN: 15 })).toThrow(InsecureParamsError);
    const sparse = [secure.q[0]!.q, secure.p[0]!.q].reduce((sum, q) => sum + Math.log2(q), 0);
    expect(sparse).toBeLessThan(100);
    expect(() => new BootstrapPlan(secure, { range: 14 })).toThrow(InvalidParamsError);
  });

  test('a plan tells levels, keys and bytes before there is a key', () => {
    const full = new BootstrapPlan(CkksParams.bootstrapping());
    const reals = identityFunction();
    expect([full.inputLevel, full.argumentLevel, full.exponentialLevel]).toEqual([3, 23, 15]);
    expect(full.levelsLeft(reals)).toBe(10);
    expect(full.levelsLeft(tableFunction('t', testValues(256, 1)))).toBe(4);
    expect(full.logWrapProbability).toBe(-Infinity);
    const sizes = full.bytes();
    expect(sizes.keys / 1e9).toBeCloseTo(5.9, 0);
    expect(sizes.wire).toBeLessThan(0.4 * sizes.keys);
    const sparse = new BootstrapPlan(CkksParams.bootstrapping(), { slots: 512 });
    // Memory that does not fit is refused with the bundle that would.
    expect(() => full.assertFits(4e9)).toThrow(/the bundle for \d+ slots fits/);
    expect(() => full.assertFits(1e9)).toThrow(/no bundle fits/);
    full.assertFits(12e9);
    const costs = costsFrom(
      [
        [4, 10],
        [12, 24],
        [27, 76],
      ],
      0.1,
      8,
    );
    expect(full.seconds(reals, costs)).toBeGreaterThan(3);
    expect(sparse.seconds(reals, costs)).toBeLessThan(full.seconds(reals, costs));
    expect(full.seconds(reals)).toBeGreaterThan(2);
    expect(sparse.levelsLeft(reals)).toBe(12);
    expect(sparse.bytes().keys).toBeLessThan(0.75 * sizes.keys);
    expect(sparse.bytes().factors).toBeLessThan(0.51 * sizes.factors);
  });

  test('too few levels and impossible slots are refused', () => {
    const short = CkksParams.bootstrapping({ logN: 9, levels: 9, security: 'insecure-for-tests' });
    expect(() => new BootstrapPlan(short)).toThrow(InvalidParamsError);
    for (const slots of [0, 3, 1, 512])
      expect(() => new BootstrapPlan(params, { slots })).toThrow(InvalidParamsError);
    const deep = CkksParams.bootstrapping({ logN: 9, levels: 13, security: 'insecure-for-tests' });
    const plan = new BootstrapPlan(deep);
    expect(() => plan.outputLevel(tableFunction('t', testValues(256, 1)))).toThrow(LevelExhaustedError);
  });

  test('keys of other parameters are refused', async () => {
    using context = await CkksContext.open(params);
    using world = new World(context, { slots: 32 });
    using other = await openTestContext(
      { logN: 9, logQ: [49.9, 49], logP: [49.9], logScale: 49, security: 'insecure-for-tests' },
      'other',
    );
    expect(() => new Bootstrapper(other, world.keys, world.plan)).toThrow(ParamsMismatchError);
  });
});
