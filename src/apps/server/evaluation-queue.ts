/**
 * A bounded first-come queue: one evaluation at a time (it uses every core) or, where others evaluate, many; a limited number waiting, in
 * all and per tenant, and a waiting one leaves when its client does.
 */
import type { TenantId } from '../../protocols/inference/names.ts';
interface Waiting {
  readonly start: () => void;
}

const MAX_RETRY_MS = 30_000;

/** What a finished run tells besides its result. */
export interface QueuedRun<T> {
  readonly result: T;
  readonly waitedMs: number;
}

export class EvaluationQueue {
  readonly #maxPending: number;
  readonly #maxPerTenant: number;
  readonly #maxRunning: number;
  readonly #waiting: Waiting[] = [];
  readonly #perTenant = new Map<TenantId, number>();
  #running = 0;
  #pending = 0;
  /** Exponential mean of the time of one evaluation; only for the advice in Retry-After. */
  #meanMs = 1000;
  /** When the client that was refused last was told to come back. */
  #lastReturn = 0;

  constructor(maxPending: number, maxPerTenant: number, maxRunning = 1) {
    this.#maxPending = maxPending;
    this.#maxPerTenant = maxPerTenant;
    this.#maxRunning = maxRunning;
  }

  get pending(): number {
    return this.#pending;
  }

  admits(tenant: TenantId): boolean {
    return this.#pending < this.#maxPending && (this.#perTenant.get(tenant) ?? 0) < this.#maxPerTenant;
  }

  /**
   * Seconds after which a refused client should find room, at most 30. One place gets free per evaluation, so that each refused
   * client is told a later time than the one before: those who came at once do not come back at once.
   */
  retryAfterSeconds(): number {
    const now = performance.now();
    const next = Math.max(now, this.#lastReturn) + this.#meanMs;
    this.#lastReturn = Math.min(next, now + MAX_RETRY_MS);
    return Math.max(1, Math.ceil((this.#lastReturn - now) / 1000));
  }

  /** Runs `task` in turn. Undefined when the queue is full. Rejects with the signal's reason when aborted while waiting. */
  async run<T>(
    tenant: TenantId,
    signal: AbortSignal,
    task: () => Promise<T>,
  ): Promise<QueuedRun<T> | undefined> {
    if (!this.admits(tenant)) return undefined;
    const arrived = performance.now();
    this.#pending++;
    this.#perTenant.set(tenant, (this.#perTenant.get(tenant) ?? 0) + 1);
    try {
      await this.#turn(signal);
      const started = performance.now();
      try {
        const result = await task();
        this.#meanMs += (performance.now() - started - this.#meanMs) / 4;
        return { result, waitedMs: started - arrived };
      } finally {
        this.#running--;
        this.#waiting.shift()?.start();
      }
    } finally {
      this.#pending--;
      const left = (this.#perTenant.get(tenant) ?? 1) - 1;
      if (left === 0) this.#perTenant.delete(tenant);
      else this.#perTenant.set(tenant, left);
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < this.#maxRunning) {
      this.#running++;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(place), 1);
        reject(signal.reason);
      };
      const place: Waiting = {
        start: () => {
          this.#running++;
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      this.#waiting.push(place);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
