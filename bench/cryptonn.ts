/**
 * Training on encrypted MNIST. `--part dense` and `--part lenet`: faithful mode beside clear training; `--part clear`: the latter
 * alone, all 60,000 samples; `--part projected`: keys for a public projection, all samples. Accuracy is on the 10,000 test images, in the clear. Without `--samples` the faithful
 * parts run on a subset; `--checkpoint DIR` makes them resumable. Seconds are of the clock that `--processor-time` chooses.
 */
import { openKernel } from '../src/kernel/open.ts';
import { runClear } from './cryptonn-clear.ts';
import { readDigits } from './cryptonn-data.ts';
import { runFaithful } from './cryptonn-faithful.ts';
import { runProjected } from './cryptonn-projected.ts';
import { denseTask, lenetTask } from './cryptonn-tasks.ts';
import { processorClock, wallClock } from './in-turn.ts';
import { type Bench, type BenchRow, reportFor } from './report.ts';

const EPOCHS = 2;
const RANKS = [64, 128, 256] as const;
/** More than the two epochs of the original, in rows of their own. */
const LONG_EPOCHS = 10;

export const cryptonn: Bench = async (options, note) => {
  using kernel = await openKernel();
  const digits = readDigits(options.data);
  const epochs = options.epochs ?? EPOCHS;
  const clock = options.processorTime ? processorClock : wallClock;
  const rows: BenchRow[] = [];
  const isChosen = (part: string) => options.part === undefined || options.part === part;
  for (const [part, task] of [
    ['dense', denseTask],
    ['lenet', lenetTask],
  ] as const) {
    if (isChosen('clear')) {
      const all = options.samples ?? digits.train.labels.length;
      rows.push(await runClear({ task, samples: all, epochs, clock }, kernel, digits, note));
    }
    if (!isChosen(part)) continue;
    const samples = options.samples ?? task.samples;
    const run = { task, samples, epochs, checkpoint: options.checkpoint, schemeName: 'lattice', clock };
    rows.push(...(await runFaithful(run, kernel, digits, note)).rows);
  }
  if (isChosen('projected')) {
    const samples = options.samples ?? digits.train.labels.length;
    for (const rank of options.quick ? [128] : RANKS)
      rows.push(
        ...(await runProjected(
          { rank, samples, epochs: [epochs, LONG_EPOCHS], clock },
          kernel,
          digits,
          note,
        )),
      );
  }
  return reportFor('cryptonn', kernel, rows);
};
