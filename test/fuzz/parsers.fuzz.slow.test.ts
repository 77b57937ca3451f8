/** A hundred thousand mutants per parser; prints the figures that docs/evidence.md records. */
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/testing.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { INSECURE_TINY } from '../schemes/ckks/insecure-params.ts';
import { AllocationMeter, fuzzAll } from './harness.ts';
import { fuzzTargets } from './targets.ts';

const CASES = 100_000;

test('every parser against a hundred thousand mutants', async () => {
  using kernel = await openKernel({ onFallback: () => undefined });
  const meter = new AllocationMeter(kernel);
  const params = CkksParams.create(INSECURE_TINY);
  const options = { kernel: meter.kernel, random: seededRandom('fuzz') };
  using context = await CkksContext.open(params, options);
  for (const { name, figures } of fuzzAll(fuzzTargets(context), CASES, 1, meter)) {
    process.stdout.write(`${name} ${JSON.stringify(figures)}\n`);
    expect({ name, isEarly: figures.late <= 0.05 * figures.refused }).toEqual({ name, isEarly: true });
  }
});
