import { afterAll, beforeAll, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { AllocationMeter, fuzzAll, fuzzParser, type FuzzTarget } from './harness.ts';
import { type FuzzBench, openFuzzTargets } from './targets.ts';

const CASES = 300;
let kernel: Kernel;
let meter: AllocationMeter;
let bench: FuzzBench;

beforeAll(async () => {
  kernel = await openKernel({ onFallback: () => undefined });
  meter = new AllocationMeter(kernel);
  bench = await openFuzzTargets(meter.kernel);
});

afterAll(() => {
  bench[Symbol.dispose]();
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

test('every parser refuses mutants with typed errors, in bounded memory and time', async () => {
  for await (const { name, figures } of fuzzAll(bench.targets, CASES, 2026, meter)) {
    expect({ name, late: figures.late }).toEqual({ name, late: 0 });
    expect({ name, isRefusing: figures.refused > CASES / 20 }).toEqual({ name, isRefusing: true });
  }
});

test('the harness sees untyped errors, excess memory and leaks', async () => {
  const corpus = [new Uint8Array(64).fill(1)];
  const refuse = () => {
    throw new DecodeError('x', 'y');
  };
  const untyped: FuzzTarget = { name: 'x', corpus, parse: () => new Uint8Array(-1) };
  await expect(fuzzParser(untyped, 5, 1)).rejects.toThrow('untyped');
  const greedy: FuzzTarget = {
    name: 'x',
    corpus,
    parse() {
      using words = meter.kernel.allocate(2 ** 18);
      return words.length > 0 && refuse();
    },
  };
  await expect(fuzzParser(greedy, 5, 1, meter)).rejects.toThrow('bytes allocated');
  const kept: { dispose: () => void }[] = [];
  const leaky: FuzzTarget = {
    name: 'x',
    corpus,
    parse() {
      const words = meter.kernel.allocate(8);
      kept.push({ dispose: () => words[Symbol.dispose]() });
    },
  };
  await expect(fuzzParser(leaky, 5, 1, meter)).rejects.toThrow('left behind');
  for (const { dispose } of kept) dispose();
});
