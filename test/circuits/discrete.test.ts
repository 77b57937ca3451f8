/** Binary arithmetic under encryption against BigInt. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LevelExhaustedError, OutOfRangeError } from '../../src/base/errors.ts';
import { Bootstrapper } from '../../src/circuits/bootstrap/bootstrapper.ts';
import { BootstrapPlan } from '../../src/circuits/bootstrap/plan.ts';
import {
  addNumbers,
  chooseNumber,
  countThree,
  isGreater,
  largestNumber,
  largestOfSlots,
  multiplyNumbers,
  sumNumbers,
} from '../../src/circuits/discrete/arithmetic.ts';
import { BitGates, type BitGatesOptions, type BitNumber } from '../../src/circuits/discrete/bits.ts';
import { ExactOperations } from '../../src/circuits/exact-operations.ts';
import type { Arena } from '../../src/ring/arena.ts';
import type { CkksCiphertext } from '../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import type { EvaluationKeys } from '../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { KeyPlan } from '../../src/schemes/rlwe/keys/key-plan.ts';
import type { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { testValues } from '../schemes/ckks/insecure-params.ts';

class World implements Disposable {
  readonly context: CkksContext;
  readonly arena: Arena;
  readonly secret: SecretKey;
  readonly keys: EvaluationKeys;
  readonly operations: ExactOperations;

  constructor(context: CkksContext, plan: KeyPlan) {
    this.context = context;
    this.arena = context.arena();
    using generator = context.keyGenerator();
    this.secret = generator.secretKey();
    this.keys = generator.evaluationKeys(this.secret, plan);
    this.operations = new ExactOperations(context, this.keys, this.arena);
  }

  gates(options: Partial<BitGatesOptions> = {}): BitGates {
    return new BitGates(this.operations, { top: this.context.params.maxLevel, ...options });
  }

  encryptBits(
    values: readonly bigint[],
    width: number,
    level: number = this.context.params.maxLevel,
  ): BitNumber {
    using encryptor = this.context.encryptor(this.secret, this.arena);
    const encoder = this.context.encoder(this.arena);
    return Array.from({ length: width }, (_, bit) =>
      encryptor.encrypt(
        encoder.encode(
          values.map((value) => Number((value >> BigInt(bit)) & 1n)),
          { level },
        ),
      ),
    );
  }

  /** The numbers, after checking that every bit is within 1/16 of 0 or 1. */
  decryptBits(number: BitNumber, count: number): bigint[] {
    const values = new Array<bigint>(count).fill(0n);
    number.forEach((bit, i) => {
      this.decryptBit(bit, count).forEach((value, j) => {
        values[j] = values[j]! + (BigInt(value) << BigInt(i));
      });
    });
    return values;
  }

  decryptBit(bit: CkksCiphertext, count: number): number[] {
    const plaintext = this.context.decryptor(this.secret, this.arena).decrypt(bit);
    const slots = this.context.encoder(this.arena).decode(plaintext).subarray(0, count);
    return Array.from(slots, (value) => {
      const rounded = Math.round(value) + 0;
      expect(Math.abs(value - rounded)).toBeLessThan(1 / 16);
      expect([0, 1]).toContain(rounded);
      return rounded;
    });
  }

  [Symbol.dispose](): void {
    for (const owned of [this.arena, this.keys, this.secret]) owned[Symbol.dispose]();
  }
}

function randomNumbers(count: number, width: number, salt: number): bigint[] {
  return Array.from(testValues(2 * count, salt), (v) => BigInt(Math.floor((v + 1) * 2 ** 30))).reduce<
    bigint[]
  >(
    (all, v, i) =>
      i % 2 === 0 ? [...all, v] : [...all.slice(0, -1), ((all.at(-1)! << 31n) | v) % 2n ** BigInt(width)],
    [],
  );
}

describe('levelled', () => {
  const SLOTS = 256;
  let context: CkksContext;
  let world: World;

  beforeAll(async () => {
    const params = CkksParams.bootstrapping({
      logN: 9,
      levels: 16,
      specialPrimes: 6,
      security: 'insecure-for-tests',
    });
    context = await CkksContext.open(params);
    world = new World(context, { relinearize: true, rotations: [1, 2, 4] });
  });
  afterAll(() => {
    world[Symbol.dispose]();
    context[Symbol.dispose]();
  });

  test('all pairs of four bits: sums, products, comparisons, choices', () => {
    const a = Array.from({ length: SLOTS }, (_, i) => BigInt(i >> 4));
    const b = Array.from({ length: SLOTS }, (_, i) => BigInt(i & 15));
    const gates = world.gates();
    const [x, y] = [world.encryptBits(a, 4), world.encryptBits(b, 4)];
    expect(world.decryptBits(addNumbers(gates, x, y), SLOTS)).toEqual(a.map((v, i) => v + b[i]!));
    expect(world.decryptBits(multiplyNumbers(gates, x, y), SLOTS)).toEqual(a.map((v, i) => v * b[i]!));
    const greater = isGreater(gates, x, y);
    expect(world.decryptBit(greater, SLOTS)).toEqual(a.map((v, i) => (v > b[i]! ? 1 : 0)));
    const chosen = chooseNumber(gates, greater, x, y);
    expect(world.decryptBits(chosen, SLOTS)).toEqual(a.map((v, i) => (v > b[i]! ? v : b[i]!)));
  });

  test('32 bits: the adder is 7 products deep, the comparator as well', () => {
    const [a, b] = [randomNumbers(SLOTS, 32, 1), randomNumbers(SLOTS, 32, 2)];
    b[0] = a[0]!;
    a[1] = 2n ** 32n - 1n;
    b[1] = 1n;
    const gates = world.gates();
    const [x, y] = [world.encryptBits(a, 32), world.encryptBits(b, 32)];
    const sum = addNumbers(gates, x, y);
    const top = context.params.maxLevel;
    expect(top - Math.min(...sum.map(({ level }) => level))).toBe(7);
    expect(world.decryptBits(sum, SLOTS)).toEqual(a.map((v, i) => v + b[i]!));
    const greater = isGreater(gates, x, y);
    expect(top - greater.level).toBeLessThanOrEqual(7);
    expect(world.decryptBit(greater, SLOTS)).toEqual(a.map((v, i) => (v > b[i]! ? 1 : 0)));
  });

  test('three numbers to two, seven numbers to one, and the largest of a list', () => {
    const numbers = Array.from({ length: 7 }, (_, i) => randomNumbers(SLOTS, 6, i + 3));
    const encrypted = numbers.map((values) => world.encryptBits(values, 6));
    const gates = world.gates();
    const { sum, carries } = countThree(gates, encrypted[0]!, encrypted[1]!, encrypted[2]!);
    const [low, high] = [world.decryptBits(sum, SLOTS), world.decryptBits(carries, SLOTS)];
    expect(low.map((v, i) => v + high[i]!)).toEqual(
      low.map((_, i) => numbers[0]![i]! + numbers[1]![i]! + numbers[2]![i]!),
    );
    const total = sumNumbers(gates, encrypted, 9);
    expect(world.decryptBits(total, SLOTS)).toEqual(
      low.map((_, i) => numbers.reduce((all, values) => all + values[i]!, 0n)),
    );
    const largest = largestNumber(gates, encrypted.slice(0, 3));
    expect(world.decryptBits(largest, SLOTS)).toEqual(
      low.map((_, i) =>
        numbers.slice(0, 3).reduce((max, values) => (values[i]! > max ? values[i]! : max), 0n),
      ),
    );
  });

  test('the largest of slots by shifting and choosing', () => {
    const values = randomNumbers(SLOTS, 3, 11);
    const gates = world.gates();
    const largest = largestOfSlots(gates, world.encryptBits(values, 3), 8);
    const got = world.decryptBits(largest, SLOTS);
    for (let at = 0; at < SLOTS; at += 8)
      expect(got[at]).toBe(values.slice(at, at + 8).reduce((max, v) => (v > max ? v : max), 0n));
  });

  test('gates by their tables, and what does not fit', () => {
    const [a, b, c] = [0, 1, 2].map(
      (bit) =>
        world.encryptBits(
          [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((v) => v >> BigInt(bit)),
          1,
        )[0]!,
    ) as [CkksCiphertext, CkksCiphertext, CkksCiphertext];
    const gates = world.gates();
    const table = (bit: CkksCiphertext) => world.decryptBit(bit, 8);
    expect(table(gates.not(a))).toEqual([1, 0, 1, 0, 1, 0, 1, 0]);
    expect(table(gates.or(a, b))).toEqual([0, 1, 1, 1, 0, 1, 1, 1]);
    expect(table(gates.xor(a, b))).toEqual([0, 1, 1, 0, 0, 1, 1, 0]);
    expect(table(gates.majority(a, b, c))).toEqual([0, 0, 0, 1, 0, 1, 1, 1]);
    expect(table(gates.choose(c, a, b))).toEqual([0, 0, 1, 1, 0, 1, 0, 1]);
    expect(() => addNumbers(gates, [a], [])).toThrow(OutOfRangeError);
    expect(() => multiplyNumbers(gates, [], [a])).toThrow(OutOfRangeError);
    expect(() => sumNumbers(gates, [], 3)).toThrow(OutOfRangeError);
    expect(() => largestNumber(gates, [])).toThrow(OutOfRangeError);
    expect(() => largestOfSlots(gates, [a], 3)).toThrow(OutOfRangeError);
    const low = world.encryptBits([1n], 1, 0)[0]!;
    expect(() => gates.and(low, low)).toThrow(LevelExhaustedError);
  });
});

test('an adder deeper than the levels, whose bits are bootstrapped on the way', async () => {
  const params = CkksParams.bootstrapping({
    logN: 9,
    levels: 15,
    specialPrimes: 6,
    security: 'insecure-for-tests',
  });
  using context = await CkksContext.open(params);
  const plan = new BootstrapPlan(params);
  using world = new World(context, plan.keyPlan({ relinearize: true }));
  using generator = context.keyGenerator();
  using encapsulation = generator.encapsulationKeys(world.secret);
  using bootstrapper = new Bootstrapper(context, { evaluation: world.keys, encapsulation }, plan);
  const top = plan.exponentialLevel;
  const floor = plan.inputLevel + 1;
  const gates = world.gates({ top, floor, refresh: (bit) => bootstrapper.refreshBits(bit, world.arena) });
  const [a, b] = [randomNumbers(params.slots, 4, 1), randomNumbers(params.slots, 4, 2)];
  const sum = addNumbers(gates, world.encryptBits(a, 4, top), world.encryptBits(b, 4, top));
  expect(gates.refreshes).toBeGreaterThan(0);
  expect(world.decryptBits(sum, params.slots)).toEqual(a.map((v, i) => v + b[i]!));
});
