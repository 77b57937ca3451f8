/** Progress of what takes minutes, on standard error. */
import type { TrainingLog } from '../../train/training-log.ts';
import { paintFor, type Terminal } from './terminal.ts';

const BAR_WIDTH = 30;
const REDRAW_MS = 100;
const CLEAR_LINE = '\r\u001b[2K';

/** A bar on a terminal, redrawn ten times a second; notes above it, or alone when nobody watches. */
export class ProgressBar implements TrainingLog, Disposable {
  readonly #terminal: Terminal;
  readonly #started = performance.now();
  #drawn = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  progress(what: string, done: number): void {
    const now = performance.now();
    if (!this.#terminal.errIsTerminal || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    const paint = paintFor(true, this.#terminal.env);
    const full = Math.round(BAR_WIDTH * Math.min(1, Math.max(0, done)));
    const bar = paint.cyan('█'.repeat(full)) + paint.dim('░'.repeat(BAR_WIDTH - full));
    this.#terminal.err(`${CLEAR_LINE}${bar} ${(100 * done).toFixed(0).padStart(3)} % ${what}`);
  }

  note(line: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(0);
    this.#terminal.err(
      `${this.#terminal.errIsTerminal ? CLEAR_LINE : ''}${seconds.padStart(6)} s  ${line}\n`,
    );
  }

  [Symbol.dispose](): void {
    if (this.#terminal.errIsTerminal) this.#terminal.err(CLEAR_LINE);
  }
}

/** For a client's `onRetry`: what is waited for is said, also where nobody watches. */
export function retryNote(log: ProgressBar): (reason: string, waitMs: number) => void {
  return (reason, waitMs) => log.note(`${reason}; trying again in ${(waitMs / 1000).toFixed(1)} s`);
}
