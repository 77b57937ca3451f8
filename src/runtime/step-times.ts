/** One line of the latency table: what ran, and how long. Public: shapes and times, no values. */
export interface StepTime {
  readonly name: string;
  readonly ms: number;
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
