/** Reduction on what one step of the dense network on MNIST gives its trainer: batches as large as the bench has. Needs the data. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digitRange, MNIST_PIXELS, readDigits } from '../../../bench/cryptonn/cryptonn-data.ts';
import { denseTask } from '../../../bench/cryptonn/cryptonn-tasks.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { ClearBatch } from '../../../src/protocols/cryptonn/trainer/batch-products.ts';
import { FixedPointTrainer } from '../../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { TranscriptRecorder } from '../../../src/protocols/cryptonn/trainer/training-transcript.ts';
import { attackTranscript } from '../../../src/protocols/cryptonn/leakage/transcript-attack.ts';

const data = join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'data');

test.skipIf(!existsSync(join(data, 'mnist'))).each([
  [32, 18, true],
  [64, 33, true],
  [128, 68, true],
  [32, 15, false],
  [64, 30, false],
  [128, 60, false],
] as const)('a batch of %i, %i units: %s', async (batch, units, isRecovered) => {
  using kernel = await openKernel();
  const { pixels, labels } = digitRange(readDigits(data).train, 0, batch);
  const inputs = Int32Array.from(pixels, (value) => Math.round(100 * value));
  const clear = new ClearBatch(inputs, labels, kernel);
  const trainer = new FixedPointTrainer({ ...denseTask.options(kernel), batch, units });
  const recorder = new TranscriptRecorder({ ...denseTask.spec, batch }, 1);
  await trainer.step({
    ...{ samples: batch, labels },
    forward: (weights) => clear.forward(weights),
    async gradient(weights) {
      const products = await clear.gradient(weights);
      recorder.note(0, 'gradient', weights, products);
      return products;
    },
  });
  const started = process.cpuUsage();
  const { batches } = attackTranscript(recorder.transcript);
  const { user } = process.cpuUsage(started);
  process.stdout.write(`${batch} samples, ${units} units: ${(user / 1e6).toFixed(1)} s of processor time\n`);
  const recovered = { batch: 0, axis: 'gradient', by: 'reduction', requests: 1, inputs };
  expect(inputs).toHaveLength(batch * MNIST_PIXELS);
  expect(batches).toEqual(isRecovered ? [recovered] : []);
});
