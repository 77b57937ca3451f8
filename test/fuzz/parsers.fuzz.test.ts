import { afterAll, beforeAll, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { INSECURE_TINY } from '../schemes/ckks/insecure-params.ts';
import { AllocationMeter, fuzzAll, fuzzParser, type FuzzTarget } from './harness.ts';
import { fuzzTargets } from './targets.ts';

const CASES = 300;
let kernel: Kernel;
let meter: AllocationMeter;
let context: CkksContext;
let targets: FuzzTarget[];

beforeAll(async () => {
  kernel = await openKernel({ onFallback: () => undefined });
  meter = new AllocationMeter(kernel);
  const params = CkksParams.create(INSECURE_TINY);
  context = await CkksContext.open(params, { kernel: meter.kernel, random: seededRandom('fuzz') });
  targets = fuzzTargets(context);
});

afterAll(() => {
  context[Symbol.dispose]();
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

test('every parser refuses mutants with typed errors, in bounded memory and time', () => {
  for (const { name, figures } of fuzzAll(targets, CASES, 2026, meter)) {
    expect({ name, late: figures.late }).toEqual({ name, late: 0 });
    expect({ name, isRefusing: figures.refused > CASES / 20 }).toEqual({ name, isRefusing: true });
  }
});

test('the harness sees untyped errors, excess memory and leaks', () => {
  const corpus = [new Uint8Array(64).fill(1)];
  const refuse = () => {
    throw new DecodeError('x', 'y');
  };
  const untyped: FuzzTarget = { name: 'x', corpus, parse: () => new Uint8Array(-1) };
  expect(() => fuzzParser(untyped, 5, 1)).toThrow('untyped');
  const greedy: FuzzTarget = {
    name: 'x',
    corpus,
    parse() {
      using words = meter.kernel.allocate(2 ** 18);
      return words.length > 0 && refuse();
    },
  };
  expect(() => fuzzParser(greedy, 5, 1, meter)).toThrow('bytes allocated');
  const kept: { dispose: () => void }[] = [];
  const leaky: FuzzTarget = {
    name: 'x',
    corpus,
    parse() {
      const words = meter.kernel.allocate(8);
      kept.push({ dispose: () => words[Symbol.dispose]() });
    },
  };
  expect(() => fuzzParser(leaky, 5, 1, meter)).toThrow('left behind');
  for (const { dispose } of kept) dispose();
});
