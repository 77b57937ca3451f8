/** `subrosa train keyword`: a head for the shipped digits model that says which word a recording holds, decided at the server. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type DecidingProgram, decisionFactsOf } from '../../../compiler/decision/decision-facts.ts';
import { writeProgram } from '../../../compiler/program-file.ts';
import { openKernel } from '../../../kernel/open.ts';
import { PROGRAM_SUFFIX } from '../../server/program-files.ts';
import { singleDigits } from '../../speech/digits-corpus.ts';
import { testUtterances } from '../../speech/evaluation.ts';
import { CLIENT_FILE, SpeechModel } from '../../speech/speech-model.ts';
import {
  KEYWORD_PLAN,
  type KeywordAccuracy,
  type KeywordData,
  keywordAccuracy,
  trainKeyword,
} from '../../train/keyword-training.ts';
import { requireNoModel, writeModelFiles } from '../../train/model-directory.ts';
import { installation } from '../installation.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { TRAINED } from './train-mnist.ts';

export interface TrainKeywordFlags {
  readonly data: string;
  readonly models: string;
  readonly out: string;
  readonly force?: boolean;
}

/** Of the model on the wire, and of its folder. */
const NAME = 'digits-keyword';

/** @throws {DataError} when data or the acoustic model is missing. @throws {UsageError} when there is a model already. */
async function trainDigitsKeyword(flags: TrainKeywordFlags, terminal: Terminal): Promise<void> {
  const directory = join(flags.out, NAME);
  if (!flags.force) requireNoModel(directory);
  using log = new ProgressBar(terminal);
  using kernel = await openKernel({ onFallback: (reason) => log.note(reason) });
  const acoustic = join(flags.models, 'digits');
  const model = await SpeechModel.load(acoustic, kernel);
  const { words } = model.client.decoder.graph.inventory.lexicon;
  const part = (name: 'train' | 'validation' | 'test'): KeywordData => ({
    words,
    utterances: testUtterances(singleDigits(flags.data, name), model.client.frontEnd),
  });
  const { network, program } = trainKeyword(model.polynomial(), part('train'), {
    plan: KEYWORD_PLAN,
    name: NAME,
    multiply: kernel,
    log,
  });
  const test = keywordAccuracy(network, program, part('test'), kernel);
  writeModelFiles(directory, {
    [`${NAME}${PROGRAM_SUFFIX}`]: writeProgram({ program, card: cardOf(program, test) }),
    [CLIENT_FILE]: readFileSync(join(acoustic, CLIENT_FILE)),
  });
  log[Symbol.dispose]();
  terminal.out(
    `${NAME}  polynomial ${percent(test.polynomial)}, in ${program.decision.levels} levels ${percent(test.levels)} of ${test.recordings} test recordings right\n`,
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function cardOf(program: DecidingProgram, { polynomial, levels, recordings }: KeywordAccuracy): string {
  const { window, lookups, failureBits, margin } = decisionFactsOf(program);
  return `# ${NAME}

Which of ten digits a recording holds, decided by the server: the layers of the digits model (polynomial DNN, 4 bits) with a head of 8 bits on the
mean of their activations, trained on single recordings 14-49 of the Free Spoken Digit Dataset (CC BY-SA 4.0) by \`subrosa train keyword --data DIR\`.

| | |
|---|---|
| right, polynomial network | ${percent(polynomial)} of ${recordings} (recordings 5-9, same six speakers) |
| right, in ${program.decision.levels} levels | ${percent(levels)} |
| scores of the levels | ${window.map((score) => score.toFixed(2)).join(' to ')} |
| nearer to the middle between two levels either is possible | ${margin.toFixed(2)} levels |
| lookups of an answer | ${lookups} |
| log2 of the probability of a failure | ${failureBits.toFixed(1)} |
`;
}

/** Adds `keyword` to `train`. */
export function addTrainKeyword(train: Command, terminal: Terminal): void {
  train
    .command('keyword')
    .description('a head for the digits model that says which word a recording holds, decided by the server')
    .requiredOption('--data <dir>', 'where fsdd/ is')
    .option('--models <dir>', 'where the digits model is', installation.models)
    .option('--out <dir>', `the model goes into <dir>/${NAME}`, TRAINED)
    .option('--force', 'replace a model that is there already')
    .addHelpText('after', '\nWho learns what: nobody; training talks to no one.')
    .action((flags: TrainKeywordFlags) => trainDigitsKeyword(flags, terminal));
}
