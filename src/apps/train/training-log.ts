/** Where training says what it does. The command line draws a bar; tests listen or ignore it. */
export interface TrainingLog {
  /** `done` in [0, 1] of a named piece of work. */
  progress(what: string, done: number): void;
  /** A line to keep. */
  note(line: string): void;
}

export const SILENT_LOG: TrainingLog = { progress() {}, note() {} };
