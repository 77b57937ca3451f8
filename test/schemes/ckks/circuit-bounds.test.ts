/** The bounds of declared circuits against what the same circuits do to ciphertexts, for every operation and under many keys. */
import { describe, expect, test } from 'vitest';
import {
  LevelExhaustedError,
  MessageOverflowError,
  ScaleMismatchError,
  ShapeError,
} from '../../../src/base/errors.ts';
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import type { CkksCircuit, CkksOperations } from '../../../src/schemes/ckks/circuit.ts';
import { CkksBounds } from '../../../src/schemes/ckks/circuit-bounds.ts';
import type { CkksEncoder } from '../../../src/schemes/ckks/encoder.ts';
import type { LinearTransform } from '../../../src/schemes/ckks/linear-transform.ts';
import { CkksPlaintext } from '../../../src/schemes/ckks/plaintext.ts';
import { openTestContext, testValues } from './insecure-params.ts';

/** P smaller than the digits, so that key switching shows. */
const INSECURE_NOISY = {
  logN: 6,
  logQ: [44, 36, 36, 36],
  logP: [34],
  logScale: 32,
  security: 'insecure-for-tests',
} as const;
const KEYS = 6;

interface Slots {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

type Diagonals = ReadonlyMap<number, Float64Array>;

/** The operations on clear complex slots. Plaintexts and transforms count as what was encoded, rounding included. */
class ClearOperations implements CkksOperations<Slots> {
  readonly #encoder: CkksEncoder;
  readonly #n: number;
  readonly transforms = new Map<LinearTransform, Diagonals>();

  constructor(encoder: CkksEncoder, n: number) {
    this.#encoder = encoder;
    this.#n = n;
  }

  #zip(
    a: Slots,
    b: Slots | CkksPlaintext | number,
    op: (x: [number, number], y: [number, number]) => number[],
  ) {
    const other =
      typeof b === 'number'
        ? { re: a.re.map(() => b), im: a.im.map(() => 0) }
        : b instanceof CkksPlaintext
          ? this.#encoder.decodeComplex(b)
          : b;
    const [re, im] = [new Float64Array(a.re.length), new Float64Array(a.re.length)];
    for (let j = 0; j < re.length; j++) {
      [re[j], im[j]] = op([a.re[j]!, a.im[j]!], [other.re[j]!, other.im[j]!]) as [number, number];
    }
    return { re, im };
  }

  add(a: Slots, b: Slots | CkksPlaintext | number): Slots {
    return this.#zip(a, b, (x, y) => [x[0] + y[0], x[1] + y[1]]);
  }

  sub(a: Slots, b: Slots | CkksPlaintext | number): Slots {
    return this.#zip(a, b, (x, y) => [x[0] - y[0], x[1] - y[1]]);
  }

  negate(a: Slots): Slots {
    return this.mulConstant(a, -1);
  }

  mul(a: Slots, b: Slots | CkksPlaintext): Slots {
    return this.#zip(a, b, (x, y) => [x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]]);
  }

  mulLazy(a: Slots, b: Slots): Slots {
    return this.mul(a, b);
  }

  relinearize(a: Slots): Slots {
    return a;
  }

  mulConstant(a: Slots, weight: number): Slots {
    return { re: a.re.map((v) => v * weight), im: a.im.map((v) => v * weight) };
  }

  mulMonomial(a: Slots, exponent: number): Slots {
    const angle = (power: number) => (Math.PI * power * exponent) / this.#n;
    let power = 1;
    const powers = Array.from({ length: a.re.length }, () => {
      const at = power;
      power = (power * 5) % (2 * this.#n);
      return at;
    });
    const re = Float64Array.from(powers, (at) => Math.cos(angle(at)));
    return this.mul(a, { re, im: Float64Array.from(powers, (at) => Math.sin(angle(at))) });
  }

  rescale(a: Slots): Slots {
    return a;
  }

  multiplyRelinearizeRescale(a: Slots, b: Slots): Slots {
    return this.mul(a, b);
  }

  squareRelinearizeRescale(a: Slots): Slots {
    return this.mul(a, a);
  }

  align(a: Slots, b: Slots): [Slots, Slots] {
    return [a, b];
  }

  declareMaxAbs(a: Slots): Slots {
    return a;
  }

  dropTo(a: Slots): Slots {
    return a;
  }

  rotate(a: Slots, by: number): Slots {
    const turned = (values: Float64Array) =>
      values.map((_, j) => values[(((j + by) % values.length) + values.length) % values.length]!);
    return { re: turned(a.re), im: turned(a.im) };
  }

  conjugate(a: Slots): Slots {
    return { re: a.re, im: a.im.map((v) => -v) };
  }

  linearTransform(a: Slots, transform: LinearTransform): Slots {
    let sum = this.mulConstant(a, 0);
    for (const [step, re] of this.transforms.get(transform)!) {
      sum = this.add(sum, this.mul(this.rotate(a, step), { re, im: re.map(() => 0) }));
    }
    return sum;
  }
}

/** A circuit and whether its constants are encoded exactly, so that the noise bound alone must hold. */
type Case = readonly [name: string, isExact: boolean, run: CkksCircuit['run']];

/** Plaintexts and maps that circuits use. */
interface Constants {
  readonly plaintext: CkksPlaintext;
  readonly transform: LinearTransform;
  readonly giantSteps: LinearTransform;
}

function casesFor({ plaintext, transform, giantSteps }: Constants): readonly Case[] {
  return [
    ['nothing', true, (_, [x]) => x!],
    ['sums', true, (on, [x, y]) => on.sub(on.add(on.add(x!, y!), plaintext), on.negate(x!))],
    ['the same ciphertext, many times', true, (on, [x]) => on.add(on.add(x!, x!), on.mulConstant(x!, 61))],
    ['a number', false, (on, [x]) => on.sub(on.add(x!, 0.3), 0.7)],
    ['a product', true, (on, [x, y]) => on.mul(x!, y!)],
    ['a lazy product', true, (on, [x, y]) => on.mulLazy(x!, y!)],
    ['a lazy product, rescaled', true, (on, [x, y]) => on.rescale(on.mulLazy(x!, y!))],
    [
      'a relinearised sum',
      true,
      (on, [x, y]) => on.relinearize(on.add(on.mulLazy(x!, x!), on.mulLazy(x!, y!))),
    ],
    ['a product, rescaled', true, (on, [x, y]) => on.multiplyRelinearizeRescale(x!, y!)],
    ['a power', true, (on, [x]) => on.squareRelinearizeRescale(on.squareRelinearizeRescale(x!))],
    ['a plaintext product', true, (on, [x]) => on.rescale(on.mul(x!, plaintext))],
    ['a constant', false, (on, [x]) => on.rescale(on.mulConstant(x!, 0.3, 2 ** 30))],
    ['zero', false, (on, [x]) => on.mulConstant(x!, 0)],
    ['a gain', true, (on, [x]) => on.mulConstant(x!, 2 ** 20)],
    ['rotations', true, (on, [x]) => on.conjugate(on.rotate(on.rotate(x!, 1), 2))],
    ['a monomial', true, (on, [x]) => on.mulMonomial(x!, 5)],
    ['a lower level', true, (on, [x, y]) => on.mul(on.dropTo(x!, 1), y!)],
    ['scales brought together', false, (on, [x, y]) => on.add(...on.align(on.rescale(on.mul(x!, y!)), x!))],
    ['scales far apart', false, (on, [x, y]) => on.sub(...on.align(y!, on.mul(x!, x!)))],
    ['a promise', true, (on, [x, y]) => on.mul(on.declareMaxAbs(on.add(x!, x!), 40), y!)],
    ['a map', false, (on, [x]) => on.linearTransform(x!, transform)],
    ['a map with giant steps', false, (on, [x]) => on.rescale(on.linearTransform(x!, giantSteps))],
  ];
}

test('no noise is above its bound, for any operation, and no bound is so wide that it says nothing', async () => {
  using context = await openTestContext(INSECURE_NOISY, 'circuit bounds');
  using generator = context.keyGenerator();
  const { n, slots, defaultScale, maxLevel } = context.params;
  const bounds = new CkksBounds(context);
  const worst = new Map<string, number>();
  for (let k = 0; k < KEYS; k++) {
    using arena = context.arena();
    using secret = generator.secretKey();
    using publicKey = generator.publicKey(secret);
    using keys = generator.evaluationKeys(secret, {
      relinearize: true,
      conjugate: true,
      rotations: [1, 2, 3],
    });
    const encoder = context.encoder(arena);
    const clear = new ClearOperations(encoder, n);
    const diagonals: Diagonals = new Map([0, 1, 2, 3].map((step) => [step, testValues(slots, step + 7 * k)]));
    const options = { scale: 2 ** 30 };
    const transform = encoder.encodeLinearTransform(diagonals, options);
    const giantSteps = encoder.encodeLinearTransform(diagonals, { ...options, babySteps: 2 });
    for (const each of [transform, giantSteps]) clear.transforms.set(each, diagonals);
    const plaintext = encoder.encode(testValues(slots, 991 * (k + 1)));
    const messages = [1, 2].map((i) => encoder.encodeCoefficients(testValues(n, 77 * k + i)));
    const decoded = messages.map((message) => encoder.decodeComplex(message));
    const maxAbs = decoded.map(({ re, im }) => Math.max(...re.map((v, j) => Math.hypot(v, im[j]!))));
    for (const key of ['secret', 'public'] as const) {
      using encryptor = context.encryptor(key === 'secret' ? secret : publicKey, arena);
      const inputs = messages.map((message) => encryptor.encrypt(message));
      const evaluator = context.evaluator(keys, arena);
      for (const [name, isExact, run] of casesFor({ plaintext, transform, giantSteps })) {
        const declared = maxAbs.map((most) => ({ maxAbs: most, key }));
        const bound = bounds.outputOf({ inputs: declared, run });
        const result = run<CkksCiphertext>(evaluator, inputs);
        expect([result.level, result.scale, result.parts]).toEqual([bound.level, bound.scale, bound.parts]);
        const got = encoder.decodeComplex(context.decryptor(secret, arena).decrypt(result));
        const wanted = run<Slots>(clear, decoded);
        // What doubles cannot tell apart is no noise: a few units of the value's last place.
        const slack = 2 ** (bound.valueBits - 44);
        const allowed = 2 ** bound.noiseBits + (isExact ? 0 : 2 ** bound.encodingBits);
        for (let j = 0; j < slots; j++) {
          const error = Math.hypot(got.re[j]! - wanted.re[j]!, got.im[j]! - wanted.im[j]!);
          const ratio = ((error - slack) * bound.scale) / (allowed + 2 ** -20);
          worst.set(name, Math.max(worst.get(name) ?? 0, ratio));
          expect({ name, ratio }).toSatisfy((told: { ratio: number }) => told.ratio <= 1);
          expect(Math.hypot(wanted.re[j]!, wanted.im[j]!)).toBeLessThanOrEqual(2 ** bound.valueBits * 1.001);
        }
      }
    }
  }
  expect([defaultScale, maxLevel]).toEqual([2 ** 32, 3]);
  for (const [name, ratio] of worst) if (name !== 'zero') expect({ name, ratio }).toSatisfy(isTelling);
});

function isTelling({ ratio }: { ratio: number }): boolean {
  return ratio > 2 ** -14;
}

describe('refuses', () => {
  const inputs = [{ maxAbs: 1 }];

  test.each<[string, CkksCircuit['run'], new (...args: never[]) => Error]>([
    [
      'values beyond the modulus',
      (on, [x]) => on.mul(on.mul(x!, x!), on.mul(x!, on.mul(x!, x!))),
      MessageOverflowError,
    ],
    ['a level that is too low', (on, [x]) => on.mulConstant(on.dropTo(x!, 0), 2 ** 14), MessageOverflowError],
    ['a rescaling too many', (on, [x]) => on.rescale(on.dropTo(x!, 0)), LevelExhaustedError],
    ['going up', (on, [x]) => on.dropTo(on.dropTo(x!, 0), 1), LevelExhaustedError],
    ['scales that differ', (on, [x]) => on.add(x!, on.mul(x!, x!)), ScaleMismatchError],
    ['parts that differ', (on, [x]) => on.add(on.mulLazy(x!, x!), on.mul(x!, x!)), ShapeError],
    ['three parts to multiply', (on, [x]) => on.mul(on.mulLazy(x!, x!), x!), ShapeError],
    ['three parts to rotate', (on, [x]) => on.rotate(on.mulLazy(x!, x!), 1), ShapeError],
  ])('%s', async (_, run, expected) => {
    using context = await openTestContext(INSECURE_NOISY, 'refusals');
    expect(() => new CkksBounds(context).outputOf({ inputs, run })).toThrow(expected);
  });

  test('an input that does not fit', async () => {
    using context = await openTestContext(INSECURE_NOISY, 'refusals');
    const run: CkksCircuit['run'] = (_, [x]) => x!;
    const bounds = new CkksBounds(context);
    expect(() => bounds.outputOf({ inputs: [{ maxAbs: 2 ** 12, level: 0 }], run })).toThrow(
      MessageOverflowError,
    );
  });
});
