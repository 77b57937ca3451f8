/** `subrosa train mnist`: makes the shipped image networks again. */
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { openKernel } from '../../../kernel/open.ts';
import { writeImageModel } from '../../train/image-model.ts';
import { IMAGE_NETWORKS, imagePlanFor } from '../../train/image-plan.ts';
import type { ImageNetworkKind } from '../../train/image-plan.ts';
import { trainImageNetworks } from '../../train/image-training.ts';
import { requireNoModel } from '../../train/model-directory.ts';
import { readMnist } from '../../train/mnist-corpus.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** Where trained models go by default: never among those of the package. */
export const TRAINED = 'trained';

export interface TrainMnistFlags {
  readonly network: ImageNetworkKind;
  readonly data: string;
  readonly work: string;
  readonly out: string;
  readonly epochs?: number;
  readonly quick?: boolean;
  readonly force?: boolean;
}

/**
 * @throws {DataError} when data is missing or the work directory belongs to another run
 * @throws {UsageError} when there is a model already where this one should go.
 */
export async function trainMnist(flags: TrainMnistFlags, terminal: Terminal): Promise<void> {
  const directory = join(flags.out, 'mnist');
  if (!flags.force) requireNoModel(directory, flags.network);
  using log = new ProgressBar(terminal);
  using kernel = await openKernel({ onFallback: (reason) => log.note(reason) });
  const base = imagePlanFor(flags.network, flags.quick);
  const plan = flags.epochs === undefined ? base : { ...base, epochs: flags.epochs };
  const training = readMnist(flags.data, 'train');
  const work = join(flags.work, `mnist-${flags.network}${flags.quick ? '-quick' : ''}`);
  const phases = trainImageNetworks(plan, training, kernel, work, log);
  const rows = writeImageModel(phases, plan, {
    training,
    test: readMnist(flags.data, 'test'),
    directory,
    command: commandOf(flags),
    kernel,
    log,
  });
  log[Symbol.dispose]();
  for (const { form, condition, images, accuracy } of rows)
    terminal.out(
      `${flags.network}  ${form}  ${condition}  ${(100 * accuracy).toFixed(2)} % of ${images} test images\n`,
    );
}

/** The command as a card shows it, without the directories of one machine. */
function commandOf({ network, epochs, quick }: TrainMnistFlags): string {
  const options = [...(epochs === undefined ? [] : [`--epochs ${epochs}`]), ...(quick ? ['--quick'] : [])];
  return ['subrosa train mnist', `--network ${network} --data DIR`, ...options].join(' ');
}

/** Adds `mnist` to `train`. */
export function addTrainMnist(train: Command, terminal: Terminal): void {
  train
    .command('mnist')
    .description('a network for handwritten digits: float, and with 8-bit integers for the two-edge mode')
    .addOption(new Option('--network <kind>', 'which network').choices(IMAGE_NETWORKS).makeOptionMandatory())
    .requiredOption('--data <dir>', 'where mnist/ is')
    .option('--work <dir>', 'checkpoints; a stopped run continues from them', '.cache/train')
    .option('--out <dir>', 'the model goes into <dir>/mnist', TRAINED)
    .option('--force', 'replace a model that is there already')
    .addOption(new Option('--epochs <n>', 'passes over the images').argParser(wholeNumber(1, 1000)))
    .option('--quick', 'a minute, to see that it works; the model is poor')
    .addHelpText('after', '\nWho learns what: nobody; training talks to no one.')
    .action((flags: TrainMnistFlags) => trainMnist(flags, terminal));
}
