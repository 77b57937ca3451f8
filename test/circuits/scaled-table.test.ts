/** Tables with precision, scale and sign: every integer that they take. */
import { expect, test, vi } from 'vitest';
import { OutOfRangeError } from '../../src/base/errors.ts';
import { Bootstrapper } from '../../src/circuits/bootstrap/bootstrapper.ts';
import { BootstrapPlan } from '../../src/circuits/bootstrap/plan.ts';
import {
  assertScales,
  lookUpScaled,
  scaledTableValue,
  type TableScales,
} from '../../src/circuits/discrete/scaled-table.ts';
import { PatternOperations } from '../../src/circuits/pattern-operations.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';

// Ten bootstraps take a few seconds; a busy machine takes many times that.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const functions = [
  { name: 'reciprocal', at: (x: number) => 1 / (Math.abs(x) + 1) },
  { name: 'logarithm', at: (x: number) => Math.sign(x + 0.5) * Math.log(Math.abs(x) + 0.5) },
];

test.each<[string, TableScales]>([
  ['unsigned, 8 bits and 3', { bits: 8, drop: 3, isSigned: false }],
  ['signed, 6 bits and 3', { bits: 6, drop: 3, isSigned: true }],
])('%s', async (_, scales) => {
  const params = CkksParams.bootstrapping({ logN: 10, security: 'insecure-for-tests' });
  using context = await CkksContext.open(params);
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  const plan = new BootstrapPlan(params);
  using evaluation = generator.evaluationKeys(secret, plan.keyPlan());
  using encapsulation = generator.encapsulationKeys(secret);
  using bootstrapper = new Bootstrapper(context, { evaluation, encapsulation }, plan);
  const operations = new PatternOperations(context, evaluation, arena);
  const { bits, drop, isSigned } = scales;
  const count = 2 ** (bits + drop);
  const lowest = isSigned ? -count / 2 : 0;
  using encryptor = context.encryptor(secret, arena);
  for (let from = 0; from < count; from += params.slots) {
    const integers = Float64Array.from({ length: params.slots }, (_v, j) => lowest + from + (j % count));
    const input = encryptor.encrypt(context.encoder(arena).encode(integers, { level: plan.inputLevel + 1 }));
    const results = lookUpScaled(operations, bootstrapper, input, functions, scales);
    results.forEach((result, i) => {
      const values = context.encoder(arena).decode(context.decryptor(secret, arena).decrypt(result));
      const worst = integers.reduce(
        (max, x, j) => Math.max(max, Math.abs(values[j]! - scaledTableValue(functions[i]!, scales, x))),
        0,
      );
      expect(worst).toBeLessThan(2 ** -18);
    });
  }
});

test('small integers are exact, large ones stand for their neighbours, and tables that do not exist are refused', () => {
  const f = { name: 'x', at: (x: number) => x };
  const scales: TableScales = { bits: 8, drop: 3, isSigned: false };
  expect([0, 255, 256, 263, 264, 2047].map((x) => scaledTableValue(f, scales, x))).toEqual([
    0, 255, 259.5, 259.5, 267.5, 2043.5,
  ]);
  const signed: TableScales = { bits: 4, drop: 2, isSigned: true };
  expect([-32, -9, -8, 7, 8, 31].map((x) => scaledTableValue(f, signed, x))).toEqual([
    -30.5, -10.5, -8, 7, 9.5, 29.5,
  ]);
  for (const bad of [
    { ...scales, bits: 9 },
    { ...scales, drop: 0 },
    { ...scales, drop: 8 },
  ])
    expect(() => assertScales(bad)).toThrow(OutOfRangeError);
});
