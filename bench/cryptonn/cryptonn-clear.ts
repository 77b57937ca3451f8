/** The trainer of faithful mode on clear integers alone. Encrypted training takes the same steps, so this is its accuracy. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { FixedPointTrainer } from '../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { digitRange, type MnistDigits } from './cryptonn-data.ts';
import { type FaithfulRun, stepsPerEpoch, testBlocks } from './cryptonn-faithful.ts';
import { openCryptonnWorld } from './cryptonn-world.ts';
import type { BenchRow } from '../report.ts';

export type ClearRun = Pick<FaithfulRun, 'task' | 'samples' | 'epochs' | 'clock'>;

export async function runClear(
  run: ClearRun,
  kernel: Kernel,
  digits: MnistDigits,
  note: (line: string) => void,
): Promise<BenchRow> {
  const { task, epochs, clock } = run;
  using world = await openCryptonnWorld(task.spec, kernel, clock);
  const { batch } = task.spec;
  const steps = stepsPerEpoch(run);
  const trainer = new FixedPointTrainer(task.options(kernel));
  let seconds = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    let loss = 0;
    for (let step = 0; step < steps; step++) {
      const { pixels, labels } = digitRange(digits.train, step * batch, batch);
      const clear = world.clear(pixels, labels);
      const started = clock();
      loss += (await trainer.step(clear)).loss / steps;
      seconds += (clock() - started) / 1000;
    }
    note(
      `${task.network}, clear: epoch ${epoch}/${epochs}; loss ${loss.toFixed(3)}; ${seconds.toFixed(1)} s`,
    );
  }
  return {
    ...{ mode: 'clear fixed-point', scheme: 'none', network: task.network, epochs, samples: steps * batch },
    ...{ accuracy: await trainer.accuracy(testBlocks(world, digits)), seconds, clearSeconds: seconds },
    ...{ keysIssued: 0, rankIssued: 0, unknownsSolvable: 0 },
  };
}
