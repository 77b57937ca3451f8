/** `subrosa fhe network run`, `answer`: the trainer; `open`, `read`: what the owner makes of it. */
import { DataError, UsageError } from '../../../base/errors.ts';
import {
  bestOf,
  PerceptronMirror,
  PerceptronOwner,
  type PerceptronState,
  PerceptronTrainer,
  stateDifference,
} from '../../../runtime/training/index.ts';
import type { Arena } from '../../../ring/arena.ts';
import type { CkksContext } from '../../../schemes/ckks/context.ts';
import {
  batchExists,
  hasRunState,
  loadNetworkProgram,
  loadAsked,
  loadNetworkBatch,
  loadScores,
  loadNetworkState,
  keepRunState,
  keepScores,
} from '../../fhe/network-folder.ts';
import { mirrorRun, writeAccuracyCurve } from '../../fhe/network-training.ts';
import { loadTrainerKeys, openOwnerKey } from '../../fhe/owner-folder.ts';
import { DirectoryLock } from '../../keystore/directory-lock.ts';
import type { PerceptronProgram } from '../../../runtime/training/index.ts';
import { passphraseFor } from '../terminal/passphrase.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { plural } from '../terminal/table.ts';
import {
  assertNetworkMemory,
  type NetworkCommands,
  type NetworkOwnerFlags,
  ownersNetwork,
} from './fhe-network-parts.ts';
import { withContext } from './fhe-parts.ts';

/** A weight that differs more from the owner's own run was not trained by these steps. */
const HONEST_DIFFERENCE = 2 ** -8;

/** The trainer with its keys, for the time of `work`. */
async function withTrainer<T>(
  keys: string,
  program: PerceptronProgram,
  context: CkksContext,
  work: (trainer: PerceptronTrainer, arena: Arena) => T | Promise<T>,
): Promise<T> {
  const { evaluation, encapsulation } = loadTrainerKeys(keys, program, context);
  try {
    if (encapsulation === undefined) throw new DataError(`${keys} lacks the keys of bootstrapping`);
    using trainer = new PerceptronTrainer(context, program, { evaluation, encapsulation });
    using arena = context.arena();
    return await work(trainer, arena);
  } finally {
    evaluation[Symbol.dispose]();
    encapsulation?.[Symbol.dispose]();
  }
}

interface RunFlags {
  readonly keys: string;
  readonly batches: string;
  readonly out: string;
  readonly steps?: number;
  readonly json?: boolean;
}

export async function runNetwork(
  flags: RunFlags,
  { terminal, parts, insecure }: NetworkCommands,
): Promise<void> {
  const program = loadNetworkProgram(flags.keys, { insecure });
  assertNetworkMemory(program);
  using _lock = await DirectoryLock.take(flags.out);
  using bar = new ProgressBar(terminal);
  bar.progress('reading keys', 0);
  const seconds: number[] = [];
  const { from, to } = await withContext(program, parts, (context) =>
    withTrainer(flags.keys, program, context, (trainer, arena) => {
      const isResumed = hasRunState(flags.out);
      const start = loadNetworkState(
        isResumed ? flags.out : flags.batches,
        program,
        context,
        arena,
        !isResumed,
      );
      let { states } = start;
      const end = Math.min(program.spec.steps, start.step + (flags.steps ?? program.spec.steps));
      let step = start.step;
      for (; step < end && batchExists(flags.batches, step + 1); step++) {
        using work = context.arena();
        const begun = performance.now();
        const batch = loadNetworkBatch(flags.batches, program, step + 1, context, work);
        const next = trainer.step(states, batch, arena);
        for (const used of states) used[Symbol.dispose]();
        states = next;
        // After every step: whatever stops this process, the next one goes on from here.
        keepRunState(flags.out, program, { step: step + 1, states });
        seconds.push((performance.now() - begun) / 1000);
        const each = seconds.reduce((sum, value) => sum + value, 0) / seconds.length;
        bar.progress(
          `step ${step + 1} of ${end}, about ${(each * (end - step - 1)).toFixed(0)} s left`,
          (step + 1) / end,
        );
      }
      if (step === start.step && step < program.spec.steps)
        throw new DataError(`${flags.batches} has no batch for step ${step + 1}: the owner encrypts it`);
      return { from: start.step, to: step };
    }),
  );
  bar[Symbol.dispose]();
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ id: program.id, from, to, of: program.spec.steps, seconds, folder: flags.out })}\n`
      : `${plural(to - from, 'step')} done, ${to} of ${program.spec.steps} in all: give ${flags.out} to the owner. What is in it, this process cannot tell.\n`,
  );
}

/** A model after some step, beside the same steps in the clear. */
interface OpenedModel {
  readonly step: number;
  readonly state: PerceptronState;
  readonly guard: { readonly places: number; readonly times: number } | undefined;
}

/** The accuracy of models on test pictures, and how far each is from the same steps in the clear. */
export async function openNetwork(
  directories: readonly string[],
  flags: NetworkOwnerFlags & { readonly curve?: string },
  { terminal, parts, insecure }: NetworkCommands,
): Promise<void> {
  const { folder, train, test } = ownersNetwork(flags, { insecure });
  const { program, notes } = folder;
  const { spec } = program;
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const opened = await withContext(program, parts, async (context) => {
    using secret = await openOwnerKey(folder, context, passphrase);
    const owner = new PerceptronOwner(context, program, secret);
    return directories.map((directory): OpenedModel => {
      using arena = context.arena();
      const { step, states } = loadNetworkState(directory, program, context, arena);
      const guard = spec.guard === true ? owner.openGuard(states) : undefined;
      return { step, state: owner.openState(states), guard };
    });
  });
  opened.sort((a, b) => a.step - b.step);
  const mirror = new PerceptronMirror(spec);
  const steps = new Set(opened.map(({ step }) => step));
  const run = mirrorRun(spec, notes.seed, train, test, opened.at(-1)!.step, steps);
  const models = opened.map(({ step, state, guard }) => ({
    ...{ step, guard, accuracy: mirror.accuracy(state.layers, test) },
    mirrorAccuracy: run.points.find((point) => point.step === step)!.accuracy,
    mirrorDifference: stateDifference(state, run.states.get(step)!),
  }));
  if (flags.curve !== undefined) writeAccuracyCurve(flags.curve, run.points, models);
  if (flags.json === true) {
    const layers = opened.at(-1)!.state.layers.map(({ weights, biases }) => ({
      weights: [...weights],
      biases: [...biases],
    }));
    terminal.out(
      `${JSON.stringify({ ...models.at(-1), pictures: test.labels.length, whoLearnsWhat: program.whoLearnsWhat, models, layers })}\n`,
    );
    return;
  }
  for (const { step, guard, accuracy, mirrorAccuracy, mirrorDifference } of models) {
    terminal.out(
      `After ${plural(step, 'step')}: ${(100 * accuracy).toFixed(2)} % of ${test.labels.length} test pictures; the same steps in the clear ${(100 * mirrorAccuracy).toFixed(2)} %.\n`,
    );
    const isHonest = mirrorDifference <= HONEST_DIFFERENCE;
    terminal.out(
      `Largest difference of a weight from the clear mirror: ${mirrorDifference.toExponential(1)}${isHonest ? '' : ': THE TRAINER DID NOT RUN THIS PROGRAM ON THESE BATCHES'}\n`,
    );
    if (guard !== undefined)
      terminal.out(
        guard.places === 0
          ? 'Guard: no sum was seen to leave its range.\n'
          : `Guard: SUMS LEFT THEIR RANGE ${plural(guard.times, 'time')}, in ${plural(guard.places, 'place')}: do not use these weights.\n`,
      );
  }
  terminal.out('These weights are for you alone: exact ones that are handed on can give away your key.\n');
}

interface AnswerFlags {
  readonly keys: string;
  readonly model: string;
  readonly asked: string;
  readonly out: string;
  readonly json?: boolean;
}

export async function answerAsked(
  flags: AnswerFlags,
  { terminal, parts, insecure }: NetworkCommands,
): Promise<void> {
  const program = loadNetworkProgram(flags.keys, { insecure });
  assertNetworkMemory(program);
  if (!hasRunState(flags.model)) throw new UsageError(`${flags.model} holds no encrypted model`);
  const started = performance.now();
  const { bytes, step } = await withContext(program, parts, (context) =>
    withTrainer(flags.keys, program, context, async (trainer, arena) => {
      const { step, states } = loadNetworkState(flags.model, program, context, arena);
      const asked = loadAsked(flags.asked, program, context, arena);
      const scores = trainer.scores(states, asked, arena);
      return { bytes: await keepScores(flags.out, program, scores), step };
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ id: program.id, step, seconds, bytes, file: flags.out })}\n`
      : `answered by the model after ${plural(step, 'step')} in ${seconds.toFixed(1)} s: give ${flags.out} to the owner.\n`,
  );
}

export async function openAnswers(
  file: string,
  flags: NetworkOwnerFlags & { readonly count: number },
  { terminal, parts, insecure }: NetworkCommands,
): Promise<void> {
  const { folder, test } = ownersNetwork(flags, { insecure });
  const { program } = folder;
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const count = Math.min(flags.count, test.labels.length);
  const classes = program.spec.layers.at(-1)!;
  const scores = await withContext(program, parts, async (context) => {
    using secret = await openOwnerKey(folder, context, passphrase);
    using arena = context.arena();
    const owner = new PerceptronOwner(context, program, secret);
    return owner.openScores(loadScores(file, program, context, arena), count);
  });
  const answers = Array.from({ length: count }, (_, row) => {
    const answer = bestOf(scores, row, classes);
    return { answer, score: scores[row * classes + answer]!, label: test.labels[row]! };
  });
  const right = answers.filter(({ answer, label }) => answer === label).length;
  if (flags.json === true) {
    terminal.out(`${JSON.stringify({ right, count, answers, scores: [...scores] })}\n`);
    return;
  }
  for (const { answer, score, label } of answers)
    terminal.out(
      `  ${answer}  score ${score.toFixed(3)}${answer === label ? '' : `  (labelled ${label})`}\n`,
    );
  terminal.out(`${right} of ${count} right.\n`);
}
