/** The bench of faithful training, cut between two checkpoints and continued: the same learning curve as without the cut. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { axisSizes } from '../../../src/protocols/cryptonn/agreement/axis-sizes.ts';
import type { SchemeFor } from '../../../src/protocols/cryptonn/agreement/dataset-schemes.ts';
import { InsecureScheme } from '../../protocols/cryptonn/insecure-scheme.ts';
import { MNIST_CLASSES, MNIST_PIXELS, type MnistDigits } from '../../../bench/cryptonn/cryptonn-data.ts';
import { runFaithful } from '../../../bench/cryptonn/cryptonn-faithful.ts';
import { denseTask, type FaithfulTask } from '../../../bench/cryptonn/cryptonn-tasks.ts';
import { processorClock } from '../../../bench/in-turn.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/index.ts';

const BATCH = 4;
const STEPS = 60;
const task: FaithfulTask = {
  ...denseTask,
  spec: { ...denseTask.spec, id: 'small', batch: BATCH },
  options: (kernel) => ({ ...denseTask.options(kernel), batch: BATCH, units: 2 }),
};

/** What is tested does not depend on the scheme. */
const schemeFor: SchemeFor = (spec, axis) => new InsecureScheme(axisSizes(spec, axis), 64);

function drawn(count: number) {
  const generator = new SeededGenerator(count);
  return {
    pixels: Float32Array.from({ length: count * MNIST_PIXELS }, () => generator.uniform()),
    labels: Int32Array.from({ length: count }, () => generator.below(MNIST_CLASSES)),
  };
}

test('cut and continued, it draws the same curve', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'subrosa-bench-'));
  using kernel = await openKernel();
  const digits: MnistDigits = { train: drawn(BATCH * STEPS), test: drawn(1000) };
  const clock = processorClock;
  const run = { task, samples: BATCH * STEPS, epochs: 1, schemeName: 'none', schemeFor, clock } as const;
  const { curve } = await runFaithful({ ...run, checkpoint: undefined }, kernel, digits, () => undefined);
  expect(curve).toHaveLength(20);

  // Points are every third step, the checkpoint is at the 50th.
  const cut = (line: string) => {
    if (line.includes(`step 57/`)) throw new Error('cut');
  };
  const resumable = { ...run, checkpoint: directory };
  await expect(runFaithful(resumable, kernel, digits, cut)).rejects.toThrow('cut');
  const file = readdirSync(directory).find((name) => name.endsWith('.json'))!;
  const progress = JSON.parse(readFileSync(join(directory, file), 'utf8'));
  expect(progress).toMatchObject({ step: 50, since: { steps: 2 } });
  const continued = await runFaithful(resumable, kernel, digits, () => undefined);
  expect(continued.curve).toEqual(curve);

  // Control: without the steps since the last point, as in files of earlier versions, the next point differs.
  writeFileSync(join(directory, file), JSON.stringify({ ...progress, since: undefined }));
  const without = await runFaithful(resumable, kernel, digits, () => undefined);
  expect(without.curve.slice(0, 16)).toEqual(curve.slice(0, 16));
  expect(without.curve[16]).not.toEqual(curve[16]);
  expect(without.curve.slice(17)).toEqual(curve.slice(17));
  rmSync(directory, { recursive: true });
});
