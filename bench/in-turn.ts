/** Several systems doing the same work, timed in turn: each round gives every one of them a short batch of calls. */
import type { Spread } from './report.ts';

export interface Contender {
  /** Which kernel or library does the work, with its instruction set. */
  readonly kernel: string;
  readonly threads: number;
  /** Untimed preparation before each batch. */
  readonly before?: () => void;
  readonly run: () => void;
}

/** Milliseconds of the chosen clock. */
export type BenchClock = () => number;

export const wallClock: BenchClock = () => performance.now();

/** Processor time of the whole process: for one-thread work on a machine that others use, too. */
export const processorClock: BenchClock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Long enough for the clock, short enough that a disturbance hits few batches. */
const BATCH_MS = 6;

function batchSize(work: () => void, clock: BenchClock): number {
  work();
  const started = clock();
  work();
  const once = clock() - started;
  return Math.max(1, Math.min(10_000, Math.ceil(BATCH_MS / Math.max(once, 1e-4))));
}

/** Median, spread and shortest over `rounds` batches of the time of one call, in microseconds; one entry per contender, in order. */
export function timeInTurn(
  contenders: readonly Contender[],
  rounds: number,
  clock: BenchClock = wallClock,
): (Spread & { readonly shortest: number })[] {
  const sizes = contenders.map(({ before, run }) => {
    before?.();
    return batchSize(run, clock);
  });
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    contenders.forEach(({ before, run }, i) => {
      before?.();
      const started = clock();
      for (let call = 0; call < sizes[i]!; call++) run();
      times[i]!.push(((clock() - started) * 1000) / sizes[i]!);
    });
  }
  return times.map((values) => {
    values.sort((a, b) => a - b);
    const median = values[Math.floor(values.length / 2)]!;
    return { median, spread: (values[values.length - 1]! - values[0]!) / median, shortest: values[0]! };
  });
}
