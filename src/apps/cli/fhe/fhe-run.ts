/** `subrosa fhe run`: the trainer's command. */
import { UsageError } from '../../../base/errors.ts';
import { readTrainingFile, writeTrainingFile } from '../../../runtime/training/index.ts';
import { loadLargeFile } from '../../fhe/large-file.ts';
import { expectedCheckpoint, type MethodStep, runProgram } from '../../fhe/methods.ts';
import { fileDigest, loadProgram, loadTrainerKeys } from '../../fhe/owner-folder.ts';
import { RunCheckpoint } from '../../fhe/run-checkpoint.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import type { EngineParts } from '../parts.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { plural } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { assertMemory, MAX_FILE, withContext } from './fhe-parts.ts';

interface RunFlags {
  readonly keys: string;
  readonly rows: string;
  readonly out: string;
  readonly checkpoint?: string;
  readonly stopAfter?: number;
  readonly json?: boolean;
}

/** The run was asked to stop after this step. */
class StoppedAfter extends Error {
  readonly step: MethodStep;

  constructor(step: MethodStep) {
    super('stopped');
    this.step = step;
  }
}

export async function runTraining(flags: RunFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  if (flags.stopAfter !== undefined && flags.checkpoint === undefined)
    throw new UsageError('--stop-after needs --checkpoint DIR, to go on from');
  const program = loadProgram(flags.keys);
  assertMemory(program);
  const started = performance.now();
  using bar = new ProgressBar(terminal);
  bar.progress('reading keys', 0);
  const steps: { name: string; seconds: number; isBootstrapped: boolean }[] = [];
  const seconds = (): number => (performance.now() - started) / 1000;
  const file = loadLargeFile(flags.rows, { atMost: MAX_FILE });
  const expected = expectedCheckpoint(program);
  using checkpoint =
    flags.checkpoint === undefined
      ? undefined
      : await RunCheckpoint.open(flags.checkpoint, expected, fileDigest(file));
  let wentOnFrom = 0;
  const work = withContext(program, parts, async (context) => {
    using arena = context.arena();
    const from = checkpoint?.load(context, arena);
    wentOnFrom = from?.step ?? 0;
    const keys = loadTrainerKeys(flags.keys, program, context);
    try {
      const rows = readTrainingFile('rows', program, context, file, arena);
      const begun = performance.now();
      let last = begun;
      const onStep = (step: MethodStep): void => {
        const now = performance.now();
        steps.push({ name: step.name, seconds: (now - last) / 1000, isBootstrapped: step.isBootstrapped });
        const left = (((now - begun) / 1000) * (step.of - step.done)) / (step.done - wentOnFrom);
        bar.progress(`${step.name} of ${step.of}, about ${left.toFixed(0)} s left`, step.done / step.of);
        last = now;
        if (step.done === flags.stopAfter && step.done < step.of) throw new StoppedAfter(step);
      };
      const keep = checkpoint === undefined ? () => undefined : checkpoint.keep.bind(checkpoint);
      const result = runProgram(program, context, keys, rows, arena, { onStep, from, keep });
      return writeTrainingFile('weights', program, [result]);
    } finally {
      keys.evaluation[Symbol.dispose]();
      keys.encapsulation?.[Symbol.dispose]();
    }
  });
  const ended = await work.catch((error: unknown) => {
    if (error instanceof StoppedAfter) return error.step;
    throw error;
  });
  bar[Symbol.dispose]();
  const told = { id: program.id, seconds: seconds(), wentOnFrom, steps };
  if (!(ended instanceof Uint8Array)) {
    terminal.out(
      flags.json === true
        ? `${JSON.stringify({ ...told, stoppedAfter: ended.done })}\n`
        : `stopped after ${ended.done} of ${plural(ended.of, 'step')}; the same command goes on from there.\n`,
    );
    return;
  }
  await replaceFile(flags.out, ended);
  checkpoint?.clear();
  const resumed = wentOnFrom === 0 ? '' : `, after ${plural(wentOnFrom, 'step')} of an earlier run,`;
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ ...told, bytes: ended.length, file: flags.out })}\n`
      : `trained for ${plural(steps.length, 'step')}${resumed} in ${seconds().toFixed(1)} s: give ${flags.out} to the owner. What is in it, this process cannot tell.\n`,
  );
}
