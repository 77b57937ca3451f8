/** Lookups, comparisons and the largest, exact against plain integers; the same bytes on every kernel. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  NoiseBudgetError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { TfheCiphertext, TfheEvaluator } from '../../../src/schemes/tfhe/index.ts';
import { lookupVariance, switchVariance } from '../../../src/schemes/tfhe/noise.ts';
import { tfheSecrets } from '../../../src/schemes/tfhe/secret-key.ts';
import { openToy, type Toy, TOY_FOUR, TOY_SIXTEEN } from './toy.ts';

let kernel: Kernel;
let four: Toy;
let sixteen: Toy;

beforeAll(async () => {
  kernel = await openKernel();
  four = await openToy(TOY_FOUR, kernel);
  sixteen = await openToy(TOY_SIXTEEN, kernel);
});
afterAll(() => {
  for (const part of [four, sixteen, kernel]) part[Symbol.dispose]();
});

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('every table of four entries, at every message', () => {
  const inputs = four.encrypt(range(4));
  for (let t = 0; t < 256; t++) {
    const table = range(4).map((i) => (t >> (2 * i)) & 3);
    expect(four.decrypt(four.evaluator.lookupAll(inputs, table))).toEqual(table);
  }
});

test('random tables of sixteen entries, negative ones too, through two lookups', () => {
  const inputs = sixteen.encrypt(range(16));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -15, max: 15 }), { minLength: 16, maxLength: 16 }), (table) => {
      const once = sixteen.evaluator.lookupAll(inputs, table);
      expect(sixteen.decrypt(once)).toEqual(table);
    }),
    { numRuns: 12 },
  );
  const shift = range(16).map((i) => (i + 5) % 16);
  const twice = sixteen.evaluator.lookupAll(sixteen.evaluator.lookupAll(inputs, shift), shift);
  expect(sixteen.decrypt(twice)).toEqual(range(16).map((i) => (i + 10) % 16));
});

test('sums, with weights and a constant, and the range of their messages', () => {
  const [a, b, c] = sixteen.encrypt([3, 1, 2]) as [TfheCiphertext, TfheCiphertext, TfheCiphertext];
  const sum = sixteen.evaluator.sum([a, b, c], [2, -4, 3], 1);
  expect(sixteen.decryptor.decrypt(sum)).toBe(9);
  expect([sum.min, sum.max]).toEqual([-59, 76]);
  expect(sixteen.decrypt([sixteen.evaluator.sub(b, a), sixteen.evaluator.constant(-7)])).toEqual([-2, -7]);
});

test('who wins, ties either way', () => {
  const messages = [0, 1, 7, 8, 14, 15];
  const each = sixteen.encrypt(messages);
  for (const firstWins of [true, false]) {
    const pairs = each.flatMap((a) => each.map((b) => [a, b] as const));
    const expected = messages.flatMap((a) => messages.map((b) => Number(firstWins ? a >= b : a > b)));
    expect(sixteen.decrypt(sixteen.evaluator.wins(pairs, firstWins))).toEqual(expected);
  }
});

test('the place of the largest, the first among equals', () => {
  const score = fc.integer({ min: 0, max: 15 });
  fc.assert(
    fc.property(fc.array(score, { minLength: 2, maxLength: 12 }), (scores) => {
      const place = sixteen.evaluator.argmax(sixteen.encrypt(scores));
      expect(sixteen.decryptor.decrypt(place)).toBe(scores.indexOf(Math.max(...scores)));
    }),
    { numRuns: 8 },
  );
  expect(sixteen.decryptor.decrypt(sixteen.evaluator.argmax(sixteen.encrypt(range(16))))).toBe(15);
  expect(sixteen.decryptor.decrypt(sixteen.evaluator.argmax(sixteen.encrypt([4, 4, 4])))).toBe(0);
});

test('the larger of two whose difference fits', () => {
  const halved = range(16).map((i) => i >> 1);
  const each = sixteen.evaluator.lookupAll(sixteen.encrypt([0, 5, 9, 15]), halved);
  for (const [i, a] of [0, 2, 4, 7].entries())
    for (const [j, b] of [0, 2, 4, 7].entries())
      expect(sixteen.decryptor.decrypt(sixteen.evaluator.max(each[i]!, each[j]!))).toBe(Math.max(a, b));
});

describe('what could come out wrong is refused', () => {
  test('messages outside of a table, weights and tables of other sizes', () => {
    const { evaluator, encrypt } = sixteen;
    const [a, b] = encrypt([15, 15]) as [TfheCiphertext, TfheCiphertext];
    expect(() => evaluator.lookup(evaluator.add(a, b), range(16))).toThrow(OutOfRangeError);
    expect(() => evaluator.lookup(a, range(15))).toThrow(ShapeError);
    expect(() =>
      evaluator.lookup(
        a,
        range(16).map((i) => 2 * i),
      ),
    ).toThrow(OutOfRangeError);
    expect(() => evaluator.sum([a], [9])).toThrow(OutOfRangeError);
    expect(() => evaluator.sum([])).toThrow(ShapeError);
    expect(() => evaluator.max(a, b)).toThrow(OutOfRangeError);
    expect(() => evaluator.argmax([a])).toThrow(ShapeError);
    expect(() => evaluator.wins([[evaluator.add(a, b), a]])).toThrow(OutOfRangeError);
  });

  test('noise that a lookup cannot carry', () => {
    const facts = { min: 0, max: 3, variance: 1e-3 };
    const noisy = new TfheCiphertext(four.context.params.id, new Float64Array(257), facts);
    expect(() => four.evaluator.lookup(noisy, range(4))).toThrow(NoiseBudgetError);
    expect(four.evaluator.failureBits).toBeLessThan(-100);
  });

  test('what belongs to other parameters', () => {
    const [other] = four.encrypt([1]) as [TfheCiphertext];
    expect(() => sixteen.evaluator.add(other, other)).toThrow(ParamsMismatchError);
    expect(() => sixteen.decryptor.decrypt(other)).toThrow(ParamsMismatchError);
  });
});

test('the noise of lookups is what the formula says, whatever went in', () => {
  const { evaluator, encrypt, decryptor } = four;
  let [sum, count] = [0, 0];
  for (let round = 0; round < 16; round++) {
    const inputs = encrypt(Array.from({ length: 250 }, (_, i) => i % 4));
    for (const [i, each] of evaluator.lookupAll(inputs, [3, 1, 0, 2]).entries()) {
      sum += decryptor.noise(each, [3, 1, 0, 2][i % 4]!) ** 2;
      count++;
    }
  }
  const weight = (bits: Int8Array): number => bits.reduce((total, bit) => total + bit, 0);
  const { ring, lwe } = tfheSecrets(four.secret);
  const predicted = lookupVariance(four.context.params, { ring: weight(ring), lwe: weight(lwe) });
  // Four standard deviations of an estimate from 4,000 samples.
  expect(Math.abs(sum / count / predicted - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
});

test('lookups fail as often as predicted when noise is put in', () => {
  const { context, encrypt, decrypt } = four;
  const { params } = context;
  const loose = new TfheEvaluator(context, four.keys, { maxFailureBits: 0 });
  const random = seededRandom('noise');
  // Of the wanted deviations in all, what the switch adds itself is left out.
  const radius = 1 / (4 * params.messages);
  for (const deviations of [1.5, 2, 2.5]) {
    const variance = (radius / deviations) ** 2 - switchVariance(params);
    const inputs = encrypt(new Array<number>(250).fill(1));
    let wrong = 0;
    const rounds = 8;
    for (let round = 0; round < rounds; round++) {
      const noise = gaussians(random.seed(), inputs.length, Math.sqrt(variance));
      const noisy = inputs.map(({ words, paramsId, min, max }, i) => {
        const moved = words.slice();
        moved[params.n]! += Math.round(noise[i]! * params.q);
        return new TfheCiphertext(paramsId, moved, { min, max, variance });
      });
      wrong += decrypt(loose.lookupAll(noisy, [0, 1, 2, 3])).filter((value) => value !== 1).length;
    }
    const total = rounds * inputs.length;
    const expected = erfc(deviations / Math.SQRT2);
    expect(Math.abs(wrong / total - expected)).toBeLessThan(
      4 * Math.sqrt((expected * (1 - expected)) / total),
    );
  }
});

test('every kernel gives the same bytes', async () => {
  const outputs: string[] = [];
  for (const name of ['native', 'wasm', 'reference'] as const) {
    using other = await openKernel({ kernel: name }).catch(() => undefined as unknown as Kernel);
    if (other === undefined) continue;
    using toy = await openToy(TOY_FOUR, other, 'kernels');
    const inputs = toy.encrypt([0, 1, 2, 3]);
    const looked = toy.evaluator.lookupAll(inputs, [2, 0, 3, 1]);
    expect(toy.decrypt(looked)).toEqual([2, 0, 3, 1]);
    const bytes = [...looked.map((each) => TfheCiphertext.toBytes(toy.context, each)), toy.keys.toBytes()];
    outputs.push(Buffer.concat(bytes).toString('base64'));
  }
  expect(outputs.length).toBeGreaterThan(1);
  expect(new Set(outputs).size).toBe(1);
});

describe('what a result tells the holder of the key about how it was computed', () => {
  /** Two servers' programs with one result for this message; the holder computes both and compares. */
  const candidates = [
    [1, 2, 3, 0],
    [1, 3, 2, 2],
  ];

  test('control: without hiding, the words of a result tell which of two tables was used', () => {
    const [input] = four.encrypt([0]) as [TfheCiphertext];
    const [first, second] = candidates.map((table) => four.evaluator.lookup(input, table));
    for (const used of candidates) {
      const got = four.evaluator.lookup(input, used);
      expect(four.decryptor.decrypt(got)).toBe(1);
      const distance = (other: TfheCiphertext): number =>
        got.words.reduce((sum, word, i) => sum + Math.abs(word - other.words[i]!), 0);
      expect(distance(used === candidates[0] ? first! : second!)).toBe(0);
      expect(distance(used === candidates[0] ? second! : first!)).toBeGreaterThan(0);
    }
  });

  test('hidden, nothing but the error of the phase is left to compare, under noise of its own', () => {
    const [input] = four.encrypt([0]) as [TfheCiphertext];
    const again = (table: readonly number[]): TfheCiphertext =>
      four.evaluator.hide(four.evaluator.lookup(input, table));
    const [a, b] = [again(candidates[0]!), again(candidates[0]!)];
    expect(four.decrypt([a, b])).toEqual([1, 1]);
    const equal = a.words.filter((word, i) => word === b.words[i]).length;
    expect(equal).toBe(0);
    // The noise of many is spread over an eighth of the spacing, whichever table was used.
    const spread = candidates.map((table) =>
      Array.from({ length: 40 }, () => four.decryptor.noise(again(table), 1)),
    );
    const spacing = 1 / (2 * four.context.params.messages);
    for (const noises of spread) {
      expect(Math.max(...noises.map(Math.abs))).toBeLessThan(spacing / 15);
      expect(Math.max(...noises) - Math.min(...noises)).toBeGreaterThan(spacing / 10);
    }
  });
});

test('a disposed key cannot be used, and a secret one prints as such', async () => {
  const toy = await openToy(TOY_FOUR, kernel);
  const [input] = toy.encrypt([1]) as [TfheCiphertext];
  expect(`${toy.secret}${JSON.stringify(toy.secret)}`).toBe('[secret]"[secret]"');
  toy.keys[Symbol.dispose]();
  expect(() => toy.evaluator.lookup(input, range(4))).toThrow(/disposed/);
  toy.secret[Symbol.dispose]();
  expect(() => toy.decryptor.decrypt(input)).toThrow(/disposed/);
  toy.context[Symbol.dispose]();
});

test('at full size: all of sixteen messages, 128 bits', async () => {
  using toy = await openToy('secure', kernel, 'secure');
  const table = range(16).map((i) => (7 * i + 3) % 16);
  expect(toy.decrypt(toy.evaluator.lookupAll(toy.encrypt(range(16)), table))).toEqual(table);
});

/** Box and Muller's transform of 32-bit draws. */
function gaussians(seed: Uint8Array, count: number, deviation: number): number[] {
  let state = new DataView(seed.buffer, seed.byteOffset).getUint32(0, true);
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** By its series, for small arguments. */
function erfc(x: number): number {
  let [term, sum] = [x, x];
  for (let k = 1; k < 60; k++) {
    term *= -(x * x) / k;
    sum += term / (2 * k + 1);
  }
  return 1 - (2 / Math.sqrt(Math.PI)) * sum;
}
