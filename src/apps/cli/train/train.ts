/** `subrosa train speech` and, beside it, `train mnist`: makes the shipped models again, or better ones, from data on disk. */
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { openKernel } from '../../../kernel/open.ts';
import { SPEECH_TASKS } from '../../speech/speech-task.ts';
import type { SpeechTask } from '../../speech/speech-task.ts';
import { loadSpeechEmbedding } from '../../speech/embedding-package.ts';
import { SpeechModel } from '../../speech/speech-model.ts';
import { requireNoModel } from '../../train/model-directory.ts';
import { writeModel } from '../../train/model-writer.ts';
import { trainTask } from '../../train/speech-training.ts';
import { planFor } from '../../train/task-plan.ts';
import type { NetworkKind, StageEpochs, TaskPlan } from '../../train/task-plan.ts';
import type { EngineParts } from '../parts.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { addTrainCryptonn } from '../cryptonn/train-cryptonn.ts';
import { addTrainKeyword } from './train-keyword.ts';
import { addTrainMnist, TRAINED } from './train-mnist.ts';

export interface TrainFlags {
  readonly task: SpeechTask;
  readonly data: string;
  readonly work: string;
  readonly out: string;
  readonly network: NetworkKind | 'both';
  readonly epochs?: number;
  readonly tables?: boolean;
  readonly quick?: boolean;
  readonly force?: boolean;
  readonly from?: string;
  readonly embedding?: boolean;
}

/**
 * @throws {DataError} when data is missing or the work directory belongs to another run
 * @throws {UsageError} when there is a model already where this one should go.
 */
async function trainSpeech(flags: TrainFlags, terminal: Terminal): Promise<void> {
  const hasEmbedding = flags.embedding ?? false;
  const directory = join(flags.out, hasEmbedding ? `${flags.task}-embedding` : flags.task);
  if (!flags.force) requireNoModel(directory);
  using log = new ProgressBar(terminal);
  using kernel = await openKernel({ onFallback: (reason) => log.note(reason) });
  const base = planFor(flags.task, flags.quick, hasEmbedding);
  const { epochs } = flags;
  const plan = epochs === undefined ? base : { ...base, epochs: uniformEpochs(epochs) };
  const embedder = hasEmbedding ? await loadSpeechEmbedding(kernel) : undefined;
  const task = await trainTask({
    plan,
    data: flags.data,
    work: flags.work,
    multiply: kernel,
    log,
    ...(embedder === undefined ? {} : { embedder }),
    ...(flags.from === undefined ? {} : { from: await SpeechModel.load(flags.from, kernel) }),
  });
  const kinds: NetworkKind[] = flags.network === 'both' ? ['dnn', 'cnn'] : [flags.network];
  const rows = writeModel(task, {
    directory,
    command: commandOf(flags),
    multiply: kernel,
    log,
    ship: kinds.map((kind) => ({ kind, bits: 4 })),
    tables: flags.tables ?? false,
  });
  log[Symbol.dispose]();
  for (const { network, bits, machine, wer } of rows) {
    terminal.out(
      `${flags.task}  ${network}  ${bits} bits  ${machine}  ${(100 * wer).toFixed(2)} % word errors\n`,
    );
  }
}

function uniformEpochs(epochs: number): TaskPlan['epochs'] {
  const stages: StageEpochs = {
    first: epochs,
    float: epochs,
    polynomial: epochs,
    lightlyQuantised: epochs,
    quantised: epochs,
  };
  return { dnn: stages, cnn: stages };
}

function workName({ task, embedding, quick }: TrainFlags): string {
  return `${task}${embedding ? '-embedding' : ''}${quick ? '-quick' : ''}`;
}

/** The command as a card shows it, without the directories of one machine. */
function commandOf({ task, network, epochs, tables, quick, from, embedding }: TrainFlags): string {
  const options = [
    `--task ${task} --data DIR`,
    ...(embedding ? ['--embedding'] : []),
    ...(from === undefined ? [] : ['--from MODEL']),
    ...(network === 'dnn' ? [] : [`--network ${network}`]),
    ...(epochs === undefined ? [] : [`--epochs ${epochs}`]),
    ...(tables ? ['--tables'] : []),
    ...(quick ? ['--quick'] : []),
  ];
  return `subrosa train speech ${options.join(' ')}`;
}

/** Adds `train speech`, `train keyword`, `train mnist` and `train cryptonn` to the program. */
export function addTrain(program: Command, terminal: Terminal, parts: EngineParts): void {
  const train = program.command('train').description('train models from data on disk (docs/data.md)');
  train
    .command('speech')
    .description('an acoustic network that can be evaluated under encryption, and what its client needs')
    .addOption(new Option('--task <task>', 'which model').choices(SPEECH_TASKS).makeOptionMandatory())
    .requiredOption('--data <dir>', 'where fsdd/ and speechocean762/ are')
    .option('--work <dir>', 'checkpoints; a stopped run continues from them', '.cache/train')
    .option('--out <dir>', 'the model goes into <dir>/<task>', TRAINED)
    .option('--force', 'replace a model that is there already')
    .addOption(
      new Option('--network <kind>', 'what to ship: dnn, the small cnn, or both')
        .choices(['dnn', 'cnn', 'both'])
        .default('dnn'),
    )
    .option(
      '--from <dir>',
      'an earlier model of the task that aligns the data and whose weights training starts from',
    )
    .option('--embedding', 'sentences: the public speech embedding beside the log-mels (an optional package)')
    .addOption(new Option('--epochs <n>', 'of every stage').argParser(wholeNumber(1, 1000)))
    .option('--tables', 'also train and test all bit widths')
    .option('--quick', 'minutes instead of hours, to see that it works; the model is poor')
    .addHelpText('after', '\nWho learns what: nobody; training talks to no one.')
    .action((flags: TrainFlags) =>
      trainSpeech({ ...flags, work: join(flags.work, workName(flags)) }, terminal),
    );
  addTrainKeyword(train, terminal);
  addTrainMnist(train, terminal);
  addTrainCryptonn(train, terminal, parts);
}
