/** A hundred thousand mutants per parser; prints the figures that docs/evidence.md records. */
import { expect, test } from 'vitest';
import { openKernel } from '../../src/kernel/open.ts';
import { AllocationMeter, fuzzAll } from './harness.ts';
import { openFuzzTargets } from './targets.ts';

/** `FUZZ_CASES=n` asks for another number. */
const CASES = Number(process.env['FUZZ_CASES'] ?? 100_000);

test('every parser against a hundred thousand mutants', async () => {
  using kernel = await openKernel({ onFallback: () => undefined });
  const meter = new AllocationMeter(kernel);
  using bench = await openFuzzTargets(meter.kernel);
  for await (const { name, figures } of fuzzAll(bench.targets, CASES, 1, meter)) {
    process.stdout.write(`${name} ${JSON.stringify(figures)}\n`);
    expect({ name, isEarly: figures.late <= 0.05 * figures.refused }).toEqual({ name, isEarly: true });
  }
});
