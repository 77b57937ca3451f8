/** Progress on standard error: a line that is redrawn, only on a terminal; otherwise silence. */
import { paintFor, type Terminal } from './terminal.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;
const CLEAR_LINE = '\r\u001b[2K';

export class Spinner implements Disposable {
  readonly #terminal: Terminal;
  readonly #started = performance.now();
  #text: string;
  #timer: NodeJS.Timeout | undefined;
  #frame = 0;

  constructor(terminal: Terminal, text: string) {
    this.#terminal = terminal;
    this.#text = text;
    if (!terminal.errIsTerminal) return;
    this.#timer = setInterval(() => this.#draw(), FRAME_MS).unref();
    this.#draw();
  }

  /** What is being done now. */
  say(text: string): void {
    this.#text = text;
    if (this.#timer !== undefined) this.#draw();
  }

  /** Leaves the line to somebody else while `work` runs, for example to a prompt. */
  async hiddenFor<T>(work: () => Promise<T>): Promise<T> {
    const shown = this.#timer !== undefined;
    this[Symbol.dispose]();
    try {
      return await work();
    } finally {
      if (shown) this.#timer = setInterval(() => this.#draw(), FRAME_MS).unref();
    }
  }

  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#terminal.err(CLEAR_LINE);
  }

  #draw(): void {
    const paint = paintFor(true, this.#terminal.env);
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    const frame = FRAMES[this.#frame++ % FRAMES.length] as string;
    this.#terminal.err(`${CLEAR_LINE}${paint.cyan(frame)} ${this.#text} ${paint.dim(`${seconds} s`)}`);
  }
}

/** Runs `work` under a spinner that says `text`. */
export async function withSpinner<T>(
  terminal: Terminal,
  text: string,
  work: (spinner: Spinner) => Promise<T>,
): Promise<T> {
  using spinner = new Spinner(terminal, text);
  return await work(spinner);
}
