/**
 * Time limits by progress: a slow link that moves gets the time that it needs, one that stands still is cut. Browser-safe.
 */

/**
 * What left this process may still be in the system's send buffer, where nobody sees it move. So much fits there, the system takes more
 * only when a third of it is free, and so slow a link (bytes per second) must be let empty it.
 */
const SEND_BUFFER_BYTES = 4 * 2 ** 20;
const SLOWEST_LINK = 32 * 1024;
/** A side that sends a byte now and then makes no progress: since the last time there was any, it takes this many bytes per second. */
const SLOWEST_PROGRESS = 1024;

/** How long the slowest link takes for what the system still holds of `bytes` that were sent, in milliseconds. */
export function sendBufferMs(bytes: number): number {
  return slowestMs(Math.min(SEND_BUFFER_BYTES, bytes));
}

/** How long the slowest link takes for `bytes`, in milliseconds: for what arrives without being seen to move. */
export function slowestMs(bytes: number): number {
  return (1000 * bytes) / SLOWEST_LINK;
}

/** Calls `onStall` when for the given time nothing has moved, or so little that it is no progress. */
export class ProgressWatch {
  readonly #limitMs: number;
  readonly #onStall: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #phaseMs = 0;
  /** When there was progress last, and the bytes since. */
  #since = 0;
  #bytes = 0;
  #stopped = false;

  constructor(limitMs: number, onStall: () => void) {
    this.#limitMs = limitMs;
    this.#onStall = onStall;
    this.begin();
  }

  /** A phase begins, in which nothing may be seen to move for `extraMs` longer than otherwise. */
  begin(extraMs = 0): void {
    this.#phaseMs = this.#limitMs + extraMs;
    this.#restart();
  }

  moved(bytes: number): void {
    this.#bytes += bytes;
    const seconds = (performance.now() - this.#since) / 1000;
    if (this.#bytes >= SLOWEST_PROGRESS * seconds) this.#restart();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #restart(): void {
    this.#since = performance.now();
    this.#bytes = 0;
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(this.#onStall, this.#phaseMs);
  }
}
