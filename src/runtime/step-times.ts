/** What the steps of an evaluation took, for tables and traces. Public: shapes and times, no values. */
import type { FusedSteps } from '../compiler/memory-plan.ts';
import type { ProgramValue, Step } from '../compiler/program.ts';

/** One line of the latency table: what ran, and how long. */
export interface StepTime {
  readonly name: string;
  readonly ms: number;
}

/** One step of a program, or several that run as one, with what it made. */
export interface StepSpan {
  /** Kinds of steps, joined by `+` where several run as one. */
  readonly op: string;
  /** From the start of the evaluation. */
  readonly atMs: number;
  readonly ms: number;
  readonly ciphertexts: number;
  readonly level: number;
  /** log2 of the scale; of approximate values alone. */
  readonly scaleBits?: number;
  /** Of the ciphertexts in memory. */
  readonly bytes: number;
}

/** Adds the time since the last call to the line of that name. */
export function stopwatch(times: StepTime[]): (name: string) => void {
  let since = performance.now();
  return (name) => {
    const now = performance.now();
    const line = times.find((time) => time.name === name) as { name: string; ms: number } | undefined;
    if (line === undefined) times.push({ name, ms: now - since });
    else line.ms += now - since;
    since = now;
  };
}

type MadeValue = Pick<ProgramValue, 'parts' | 'level'> & Partial<Pick<ProgramValue, 'scale'>>;

/** Tells `onSpan` of every group of steps when it has run. `countOf` says how many ciphertexts a value has. */
export function spanRecorder(
  {
    steps,
    values,
    n,
  }: { readonly steps: readonly Step[]; readonly values: readonly MadeValue[]; readonly n: number },
  countOf: (value: number) => number,
  onSpan: ((span: StepSpan) => void) | undefined,
): (group: FusedSteps) => void {
  if (onSpan === undefined) return () => undefined;
  const started = performance.now();
  let since = started;
  return ({ first, last }) => {
    const now = performance.now();
    const { parts, level, scale } = values[last + 1]!;
    const ciphertexts = countOf(last + 1);
    onSpan({
      op: steps
        .slice(first, last + 1)
        .map(({ op }) => op)
        .join('+'),
      ...{ atMs: since - started, ms: now - since, ciphertexts, level },
      ...(scale !== undefined && { scaleBits: Math.log2(scale) }),
      bytes: ciphertexts * parts * (level + 1) * n * 8,
    });
    since = now;
  };
}
