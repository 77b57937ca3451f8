/**
 * When to try again, and when to give up. Waits double, are spread at random so that clients that failed together do not come back
 * together, and are as long as a server asks for with Retry-After.
 *
 * The default outlasts an outage of 39 s at least, a restart for example. A server that answers "busy" is there, so it is waited
 * for ten minutes. After two requests in a row that outlasted all of it, the next ones try once: a long list of files does not
 * wait for each of them.
 */
import { TransportError } from '../../base/errors.ts';

export interface PatienceOptions {
  /** Attempts after the first, also at a busy server. Default: 10 while it is absent, and as many as ten minutes allow while it is busy. */
  readonly retries?: number;
  /** Wait before the first retry; doubles each time, at most 10 s, a quarter more or less. Default 200. */
  readonly backoffMs?: number;
  /** Told before each wait. */
  readonly onRetry?: (reason: string, waitMs: number) => void;
}

const RETRIES = 10;
const BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 10_000;
const BUSY_MS = 600_000;
/** Nobody is kept waiting for longer at once, whatever a server asks for. */
const MAX_RETRY_AFTER_MS = 120_000;
/** Requests in a row that outlasted everything. */
const OUTAGES = 2;

export class Patience {
  readonly #options: PatienceOptions;
  #outages = 0;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** For one request. */
  turn(signal?: AbortSignal): PatienceTurn {
    const retries = this.#outages < OUTAGES ? (this.#options.retries ?? RETRIES) : 0;
    return new PatienceTurn(this.#options, retries, signal, (isOutage) => {
      this.#outages = isOutage ? this.#outages + 1 : 0;
    });
  }
}

class PatienceTurn {
  readonly #options: PatienceOptions;
  readonly #retries: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: (isOutage: boolean) => void;
  readonly #started = performance.now();
  #absences = 0;
  #busy = 0;

  constructor(
    options: PatienceOptions,
    retries: number,
    signal: AbortSignal | undefined,
    onEnd: (isOutage: boolean) => void,
  ) {
    this.#options = options;
    this.#retries = retries;
    this.#signal = signal;
    this.#onEnd = onEnd;
  }

  /** That have failed. */
  get attempts(): number {
    return this.#absences + this.#busy;
  }

  /** The request was answered. */
  ends<T>(result: T): T {
    this.#onEnd(false);
    return result;
  }

  /** @throws the error itself when it was the last attempt. */
  async waitAfter(error: TransportError): Promise<void> {
    this.#absences++;
    const limit = this.#options.retries === undefined ? this.#absences : this.attempts;
    if (limit > this.#retries) {
      this.#onEnd(true);
      throw error;
    }
    await this.#wait(error.message, this.#absences, 0);
  }

  /** @throws {TransportError} when it was the last attempt; it is not to be tried again. */
  async waitWhileBusy(retryAfter: number): Promise<void> {
    this.#busy++;
    const { retries } = this.#options;
    const isLast =
      retries === undefined ? performance.now() - this.#started > BUSY_MS : this.attempts > this.#retries;
    if (isLast) {
      this.#onEnd(false);
      throw new TransportError(
        `the server stayed busy over ${this.attempts} attempts: try again later`,
        false,
      );
    }
    await this.#wait('the server is busy', this.#busy, retryAfter);
  }

  async #wait(reason: string, nth: number, leastMs: number): Promise<void> {
    const { backoffMs = BACKOFF_MS, onRetry } = this.#options;
    const doubled = Math.min(MAX_BACKOFF_MS, backoffMs * 2 ** Math.min(nth - 1, 16));
    // Not a secret, and nothing that a server sees of it depends on one.
    const spread = jitter();
    const ms = leastMs > doubled ? leastMs * (1 + spread / 2) : doubled * (0.75 + spread / 2);
    onRetry?.(reason, ms);
    await pause(ms, this.#signal);
  }
}

/** Uniform in [0, 1). */
function jitter(): number {
  return (globalThis.crypto.getRandomValues(new Uint32Array(1))[0] as number) / 2 ** 32;
}

/** What a server asks for, in seconds or as a date; 0 where it says nothing that can be understood. */
export function retryAfterMs(headers: Headers): number {
  const text = headers.get('retry-after');
  if (text === null) return 0;
  const ms = /^\d{1,9}$/.test(text) ? 1000 * Number(text) : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms)) : 0;
}

/** @throws the signal's reason when it is aborted meanwhile. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', leave);
      resolve();
    }, ms);
    signal?.addEventListener('abort', leave, { once: true });
    if (signal?.aborted === true) leave();
  });
}
