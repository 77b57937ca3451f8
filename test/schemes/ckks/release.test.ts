/** Publishing results: what wins against raw and rounded decryptions loses against releases; and what a release refuses. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OutOfRangeError, ReleaseRefusedError } from '../../../src/base/errors.ts';
import { Drbg } from '../../../src/base/random.ts';
import { gaussianInto, UNIT_SIGMA, WIDEST_GAUSSIAN_BITS } from '../../../src/ring/samplers.ts';
import { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksCircuit } from '../../../src/schemes/ckks/circuit.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams, type CkksSpec } from '../../../src/schemes/ckks/params.ts';
import { ReleaseBudget } from '../../../src/schemes/rlwe/release/release-budget.ts';
import { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import { refusal } from '../refusal.ts';
import { maxDifference, openTestContext, testValues } from './insecure-params.ts';
import { noiseFrom, type Published, recoveredWords } from './key-recovery.ts';

/** 128 bits; a scale that leaves room for flooding. */
const REAL: CkksSpec = { logN: 13, logQ: [50, 50], logP: [50], logScale: 76 };
/** For statistics over many releases. */
const INSECURE_SMALL: CkksSpec = {
  logN: 8,
  logQ: [50, 50, 50],
  logP: [50],
  logScale: 70,
  security: 'insecure-for-tests',
};
const SECURITY_BITS = 40;

const identity: CkksCircuit = { inputs: [{ maxAbs: 1 }], run: (_, [x]) => x! };
const square: CkksCircuit = { inputs: [{ maxAbs: 3 }], run: (on, [x]) => on.rescale(on.mul(x!, x!)) };

function timesTurned(circuit: CkksCircuit, n: number): CkksCircuit {
  return { ...circuit, run: (on, inputs) => on.mulMonomial(circuit.run(on, inputs), n / 2) };
}

/** What the withdrawn rounding took for safe: a step of eight standard deviations of fresh noise. */
function rounded(values: Float64Array, n: number, scale: number): Float64Array {
  const step = 2 ** Math.floor(-Math.log2((8 * Math.sqrt(10.5 * n)) / scale));
  return values.map((value) => Math.round(value * step) / step);
}

describe('key recovery at 128 bits of security', () => {
  let context: CkksContext;
  beforeAll(async () => {
    context = await CkksContext.open(CkksParams.create(REAL));
  });
  afterAll(() => context[Symbol.dispose]());

  /** Words of the secret key that two published results of a circuit on an encryption of zero give. */
  function attack(circuit: CkksCircuit, gain: number, how: 'raw' | 'rounded' | 'released'): number {
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using keys = generator.evaluationKeys(secret, {});
    using encryptor = context.encryptor(secret, arena);
    const { n, defaultScale } = context.params;
    const encoder = context.encoder(arena);
    const evaluator = context.evaluator(keys, arena);
    const fresh = encryptor.encrypt(encoder.encode([0]));
    const publish = (each: CkksCircuit): Float64Array => {
      if (how === 'released') {
        const terms = { releases: 2, securityBits: SECURITY_BITS, precisionBits: 2 };
        return context.release(secret, each, terms).recompute(evaluator, [fresh]);
      }
      const result = each.run<CkksCiphertext>(evaluator, [fresh]);
      const values = encoder.decode(context.decryptor(secret, arena).decrypt(result));
      return how === 'raw' ? values : rounded(values, n, defaultScale);
    };
    const published: Published = { real: publish(circuit), turned: publish(timesTurned(circuit, n)) };
    return recoveredWords(context, fresh, noiseFrom(context, published, defaultScale, gain), secret);
  }

  test('Li and Micciancio: one raw result gives the key, a release nothing of it', () => {
    expect(attack(identity, 1, 'raw')).toBe(context.params.n);
    expect(attack(identity, 1, 'released')).toBe(0);
  });

  test('a legal gain lifts the noise over any fixed rounding; a release floods by the circuit that was declared', () => {
    const gain = 2 ** 20;
    const amplified: CkksCircuit = {
      inputs: [{ maxAbs: 2 ** -4 }],
      run: (on, [x]) => on.mulConstant(x!, gain),
    };
    // The rounding hides a fresh ciphertext from this attack, and nothing else.
    expect(attack(identity, 1, 'rounded')).toBe(0);
    expect(attack(amplified, gain, 'rounded')).toBe(context.params.n);
    expect(attack(amplified, gain, 'released')).toBe(0);
  });

  test('where nothing would be left nothing is published', () => {
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    const narrow: CkksCircuit = { inputs: [{ maxAbs: 1, scale: 2 ** 40, level: 0 }], run: (_, [x]) => x! };
    const terms = { releases: 1, precisionBits: 1 };
    expect(() => context.release(secret, narrow, terms)).toThrow(ReleaseRefusedError);
  });
});

/** What was published, and the standard deviation of the noise that was added. */
interface Releases {
  readonly all: Float64Array[];
  readonly sigmaBits: number;
}

describe('many releases', () => {
  let context: CkksContext;
  beforeAll(async () => {
    context = await openTestContext(INSECURE_SMALL, 'releases');
  });
  afterAll(() => context[Symbol.dispose]());

  test('values are within the promise, and the noise is as wide as declared and Gaussian', () => {
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using keys = generator.evaluationKeys(secret, { relinearize: true });
    using encryptor = context.encryptor(secret, arena);
    const evaluator = context.evaluator(keys, arena);
    const { n, slots } = context.params;
    const values = testValues(slots, 3).map((value) => 3 * value);
    const x = encryptor.encrypt(context.encoder(arena).encode(values));
    const releases = 64;
    const release = context.release(secret, square, { releases, precisionBits: 12 });
    expect(release.precisionBits).toBeGreaterThanOrEqual(12);
    const noiseBits = Math.log2(2 ** release.output.noiseBits + Math.sqrt(n) / 2);
    const sigma = 2 ** release.budget.floodBits(noiseBits);
    const spread = (sigma * Math.sqrt(n / 2)) / release.output.scale;
    let [squares, fourths] = [0, 0];
    for (let i = 0; i < releases; i++) {
      const got = release.recompute(evaluator, [x]);
      const errors = got.map((value, j) => (value - values[j]! ** 2) / spread);
      expect(
        maxDifference(
          got,
          values.map((value) => value ** 2),
        ),
      ).toBeLessThan(2 ** -release.precisionBits);
      for (const error of errors) [squares, fourths] = [squares + error ** 2, fourths + error ** 4];
    }
    const count = releases * slots;
    expect(Math.abs(squares / count - 1)).toBeLessThan(6 * Math.sqrt(2 / count));
    expect(Math.abs(fourths / count - 3)).toBeLessThan(6 * Math.sqrt(96 / count));
  });

  /**
   * How far the mean of all releases leans towards the true noise, in standard deviations: the best test for a shift by it. The error
   * of the mean is what averaging, or any least squares over these equations, is left with: in coefficients of the noise.
   */
  function lean(publish: (secret: SecretKey, x: CkksCiphertext) => Releases) {
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using encryptor = context.encryptor(secret, arena);
    const encoder = context.encoder(arena);
    const { n, slots, defaultScale } = context.params;
    const x = encryptor.encrypt(encoder.encode([0]));
    const noise = encoder.decode(context.decryptor(secret, arena).decrypt(x));
    const { all, sigmaBits } = publish(secret, x);
    const mean = new Float64Array(slots);
    for (const released of all) for (let j = 0; j < slots; j++) mean[j]! += released[j]! / all.length;
    const norm = Math.hypot(...noise);
    const projection = mean.reduce((sum, value, j) => sum + value * noise[j]!, 0) / norm;
    const spread = (2 ** sigmaBits * Math.sqrt(n / 2)) / defaultScale;
    const left = Math.hypot(...mean.map((value, j) => value - noise[j]!)) / norm;
    return { deviations: (projection / spread) * Math.sqrt(all.length), left };
  }

  test('the declared number of them, averaged, tells nothing of the noise; flooding as wide as the noise does', () => {
    const releases = 400;
    const flooded = lean((secret, x) => {
      using arena = context.arena();
      using keys = context.keyGenerator().evaluationKeys(secret, {});
      const evaluator = context.evaluator(keys, arena);
      const release = context.release(secret, identity, { releases, precisionBits: 4 });
      return {
        all: Array.from({ length: releases }, () => release.recompute(evaluator, [x])),
        sigmaBits: release.budget.floodBits(release.output.noiseBits),
      };
    });
    expect(Math.abs(flooded.deviations)).toBeLessThan(6);
    // The mean is still 2^15 and more times as far from the noise as the noise is large.
    expect(flooded.left).toBeGreaterThan(2 ** 15);

    const sigmaBits = Math.log2(3.24);
    const weak = lean((secret, x) => ({ all: publishWeakly(secret, x, releases, sigmaBits), sigmaBits }));
    expect(weak.deviations).toBeGreaterThan(100);
    expect(weak.left).toBeLessThan(0.2);
  });

  /** Decryptions with too little noise. */
  function publishWeakly(secret: SecretKey, x: CkksCiphertext, times: number, sigmaBits: number) {
    using arena = context.arena();
    using drbg = new Drbg(context.random.seed());
    const { kernel, ring } = context;
    return Array.from({ length: times }, () => {
      using plaintext = context.decryptor(secret, arena).decrypt(x);
      const { words, mods } = plaintext.polynomial;
      using flood = kernel.allocate(words.length);
      gaussianInto(ring, flood, sigmaBits, drbg.nextKey('flood'), mods);
      kernel.add(ring.tables, words, words, flood, mods);
      return context.encoder(arena).decode(plaintext);
    });
  }

  test.each([1, 20, 45.5, 47, 60, WIDEST_GAUSSIAN_BITS])('the sampler is as wide as asked: 2^%s', (bits) => {
    const { kernel, ring } = context;
    const { n } = context.params;
    const mods = context.qMods(2);
    using drbg = new Drbg(context.random.seed());
    using words = kernel.allocate(64 * mods.length * n);
    gaussianInto(ring, words, bits, drbg.nextKey('flood'), mods);
    kernel.nttInverse(ring.tables, words, mods);
    const values = new Float64Array(64 * n);
    kernel.toDoubles(ring.tables, values, words, mods);
    const ratio = values.reduce((sum, value) => sum + (value / 2 ** bits) ** 2, 0) / values.length;
    // The multiplier is rounded up, which shows where the noise is narrow.
    const rounding = (1 + UNIT_SIGMA / 2 ** bits) ** 2;
    expect(ratio).toBeGreaterThan(1 - 6 * Math.sqrt(2 / values.length));
    expect(ratio).toBeLessThan(rounding * (1.06 + 6 * Math.sqrt(2 / values.length)));
  });
});

/** Without the sign of zero. */
function whole(value: number): number {
  return Math.round(value) + 0;
}

/** What an owner of a key and its evaluator have. */
function openWorld(context: CkksContext) {
  const arena = context.arena();
  const generator = context.keyGenerator();
  const secret = generator.secretKey();
  const publicKey = generator.publicKey(secret);
  const keys = generator.evaluationKeys(secret, { relinearize: true });
  const encoder = context.encoder(arena);
  return {
    arena,
    secret,
    encoder,
    evaluator: context.evaluator(keys, arena),
    encryptor: context.encryptor(secret, arena),
    publicly: context.encryptor(publicKey, arena),
    [Symbol.dispose]: () => {
      for (const each of [arena, keys, publicKey, secret, generator]) each[Symbol.dispose]();
    },
  };
}

describe('a release', () => {
  let context: CkksContext;
  beforeAll(async () => {
    context = await openTestContext(INSECURE_SMALL, 'release rules');
  });
  afterAll(() => context[Symbol.dispose]());

  const TERMS = { releases: 8, precisionBits: 8 };
  const STATEMENT = { evaluator: 'follows-the-circuit' } as const;

  test('of a result that an evaluator sent needs the statement, and what the circuit was declared to give', () => {
    using world = openWorld(context);
    const { encoder, encryptor, evaluator, arena } = world;
    const x = encryptor.encrypt(encoder.encode([1.5, -2]));
    const release = context.release(world.secret, square, TERMS);
    const answer = CkksCiphertext.fromBytes(context, square.run(evaluator, [x]).toBytes(), arena);
    expect(maxDifference(release.open(answer, STATEMENT), [2.25, 4])).toBeLessThan(2 ** -8);
    expect(maxDifference(release.recompute(evaluator, [x], { claimed: answer }), [2.25, 4])).toBeLessThan(
      2 ** -8,
    );
    const silent = undefined as unknown as typeof STATEMENT;
    expect(refusal(() => release.open(answer, silent))).toBe('unvouched');
    expect(refusal(() => release.open(x, STATEMENT))).toBe('not-the-circuit');
    expect(refusal(() => release.open(evaluator.rescale(answer), STATEMENT))).toBe('not-the-circuit');
    expect(release.budget.released).toBe(2);
  });

  test('of a rounded reply needs the dropped bits in the declaration, for they are noise that depends on the key', () => {
    using world = openWorld(context);
    const { encoder, encryptor, evaluator, arena } = world;
    const low: CkksCircuit = {
      inputs: [{ maxAbs: 0.25, level: 0, scale: 2 ** 49 }],
      run: (_, [x]) => x!,
    };
    const dropped = { first: 6, second: 0 };
    const x = encryptor.encrypt(encoder.encode([0.125], { level: 0, scale: 2 ** 49 }));
    const [whole, rounded] = [{}, { dropped }].map((more) =>
      context.release(world.secret, { ...low, ...more }, { releases: 8, precisionBits: 1 }),
    );
    expect(rounded!.output.noiseBits).toBeGreaterThan(whole!.output.noiseBits);
    expect(rounded!.precisionBits).toBeLessThan(whole!.precisionBits);
    const reply = CkksCiphertext.fromRoundedBytes(context, x.toRoundedBytes(dropped), arena, 1).at(0);
    expect(rounded!.open(reply, STATEMENT)[0]).toBeCloseTo(0.125, 1);
    expect(refusal(() => whole!.open(reply, STATEMENT))).toBe('not-the-circuit');
    expect(refusal(() => whole!.open(evaluator.negate(reply), STATEMENT))).toBe('not-the-circuit');
    const coarser = CkksCiphertext.fromRoundedBytes(
      context,
      x.toRoundedBytes({ first: 7, second: 0 }),
      arena,
      1,
    );
    expect(refusal(() => rounded!.open(coarser.at(0), STATEMENT))).toBe('not-the-circuit');
    // A traced reply opens to its means and, everywhere else, to what shows the secret key.
    const traced = x.toTracedBytes({ slots: 1, dropped: { first: 0, second: 0 } });
    const means = CkksCiphertext.fromTracedBytes(context, traced, arena, 1).at(0);
    expect(refusal(() => rounded!.open(means, STATEMENT))).toBe('not-the-circuit');
  });

  test('of a forged result is refused by recomputing; the statement, where it is false, gives the key away', () => {
    using world = openWorld(context);
    const { encoder, encryptor, evaluator, publicly } = world;
    const x = encryptor.encrypt(encoder.encode([0.5]));
    const release = context.release(world.secret, identity, TERMS);
    // (0, Delta): decrypts to the key at full precision, whatever is added to it.
    const forged = publicly.encrypt(encoder.encode([0]));
    const poly = forged.polyWords;
    forged.words.u64().fill(0n, 0, poly);
    const scaled = encoder.encodeCoefficients(
      Float64Array.from({ length: context.params.n }, (_, i) => (i === 0 ? 1 : 0)),
    );
    forged.words.u64().set(scaled.polynomial.words.u64(), poly);
    expect(refusal(() => release.recompute(evaluator, [x], { claimed: forged }))).toBe('not-the-circuit');
    expect(release.budget.released).toBe(0);
    const told = [
      release.open(forged, STATEMENT),
      release.open(evaluator.mulMonomial(forged, context.params.n / 2), STATEMENT),
    ];
    const imaginary = told[1]!.map((value) => -value);
    const guess = encoder.decodeCoefficients(encoder.encode(told[0]!, { imaginary })).map(whole);
    const s = encoder
      .decodeCoefficients(context.decryptor(world.secret, world.arena).decrypt(forged))
      .map(whole);
    expect(guess).toEqual(s);
    expect(s.every((value) => Math.abs(value) <= 1) && s.some((value) => value !== 0)).toBe(true);
  });

  test('computes on inputs of its own process, or vouched for, and as they were declared', () => {
    using world = openWorld(context);
    const { encoder, encryptor, evaluator, publicly, arena } = world;
    const release = context.release(world.secret, square, TERMS);
    const x = encryptor.encrypt(encoder.encode([1]));
    const read = CkksCiphertext.fromBytes(context, x.toBytes(), arena);
    expect(refusal(() => release.recompute(evaluator, [read]))).toBe('foreign-input');
    expect(refusal(() => release.recompute(evaluator, [evaluator.negate(x)]))).toBe('foreign-input');
    expect(release.recompute(evaluator, [read], { inputs: 'honestly-encrypted' })[0]).toBeCloseTo(1, 2);
    expect(refusal(() => release.recompute(evaluator, [publicly.encrypt(encoder.encode([1]))]))).toBe(
      'foreign-input',
    );
    using other = context.keyGenerator().secretKey();
    using foreign = context.encryptor(other, arena);
    expect(refusal(() => release.recompute(evaluator, [foreign.encrypt(encoder.encode([1]))]))).toBe(
      'foreign-input',
    );
    expect(refusal(() => release.recompute(evaluator, [x, x]))).toBe('not-the-circuit');
    expect(refusal(() => release.recompute(evaluator, [encryptor.encrypt(encoder.encode([3.5]))]))).toBe(
      'not-the-circuit',
    );
    const lower = encryptor.encrypt(encoder.encode([1], { level: 1 }));
    expect(refusal(() => release.recompute(evaluator, [lower]))).toBe('not-the-circuit');
    const openly: CkksCircuit = { ...square, inputs: [{ maxAbs: 3, key: 'public' }] };
    const wider = context.release(world.secret, openly, TERMS);
    for (const each of [x, publicly.encrypt(encoder.encode([1]))]) {
      expect(wider.recompute(evaluator, [each])[0]).toBeCloseTo(1, 2);
    }
  });

  test('computes with evaluation keys that this process made from the key, unless the owner vouches for others', () => {
    using world = openWorld(context);
    using generator = context.keyGenerator();
    using other = generator.secretKey();
    const plan = { relinearize: true };
    using theirs = generator.evaluationKeys(other, plan);
    using own = generator.evaluationKeys(world.secret, plan);
    using stored = EvaluationKeys.fromBytes(context, own.toBytes(context), plan);
    const x = world.encryptor.encrypt(world.encoder.encode([0.5]));
    const release = context.release(world.secret, square, TERMS);
    for (const keys of [theirs, stored]) {
      const evaluator = context.evaluator(keys, world.arena);
      expect(refusal(() => release.recompute(evaluator, [x]))).toBe('foreign-keys');
    }
    expect(release.budget.released).toBe(0);
    const published = [
      release.recompute(context.evaluator(own, world.arena), [x]),
      release.recompute(context.evaluator(stored, world.arena), [x], { keys: 'made-by-the-owner' }),
    ];
    for (const [value] of published) expect(value).toBeCloseTo(0.25, 2);
    // Where the statement is false, what is published is no result: it depends on the key.
    const bad = context.evaluator(theirs, world.arena);
    expect(Math.abs(release.recompute(bad, [x], { keys: 'made-by-the-owner' })[0]! - 0.25)).toBeGreaterThan(
      1,
    );
  });

  test('is counted for its key, whatever object holds the key, and ends with the budget', () => {
    using world = openWorld(context);
    const x = world.encryptor.encrypt(world.encoder.encode([0.25]));
    const terms = { releases: 3, precisionBits: 8, alreadyReleased: 1 };
    const first = context.release(world.secret, identity, terms);
    const exported = world.secret.exportSecretBytes();
    using again = SecretKey.fromSecretBytes(context, exported);
    const second = context.release(again, identity, terms);
    expect(second.budget).toBe(first.budget);
    for (const each of [first, second]) expect(each.recompute(world.evaluator, [x])[0]).toBeCloseTo(0.25, 2);
    expect(refusal(() => second.recompute(world.evaluator, [x]))).toBe('budget');
    expect(first.budget.released).toBe(3);
    expect(refusal(() => context.release(again, identity, { ...terms, releases: 4 }))).toBe('terms');
    expect(refusal(() => context.release(again, identity, { ...terms, securityBits: 50 }))).toBe('terms');
  });

  test('says what was needed, what is there and what to do', () => {
    using world = openWorld(context);
    const asked = { releases: 1000, precisionBits: 40 };
    const attempt = () => context.release(world.secret, square, asked);
    expect(attempt).toThrow(/leaves \d+ bits of precision, and 40 were asked for: encrypt at a scale/);
    expect(refusal(attempt)).toBe('precision');
    const wide: CkksCircuit = { inputs: [{ maxAbs: 0.4, level: 0, scale: 2 ** 50 }], run: (_, [x]) => x! };
    expect(() => context.release(world.secret, wide, { ...asked, precisionBits: 4 })).not.toThrow();
    const full: CkksCircuit = { inputs: [{ maxAbs: 0.499, level: 0, scale: 2 ** 50 }], run: (_, [x]) => x! };
    expect(refusal(() => context.release(world.secret, full, { ...asked, precisionBits: 4 }))).toBe(
      'modulus',
    );
  });

  test.each([
    { releases: 0 },
    { releases: 1.5 },
    { securityBits: 39 },
    { securityBits: Number.NaN },
    { alreadyReleased: 9 },
  ])('takes no terms like %o', (change) => {
    using world = openWorld(context);
    expect(() => ReleaseBudget.of(world.secret, { releases: 8, ...change })).toThrow(OutOfRangeError);
  });
});
