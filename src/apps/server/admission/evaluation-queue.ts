/**
 * A bounded first-come queue: one evaluation at a time (it uses every core) or, where others evaluate, many; what waits is limited in
 * number, in all and per tenant, and in the time that it should take. A waiting one leaves when its client does. Who was refused comes
 * before those who were not yet there.
 */
import type { TenantId } from '../../../protocols/inference/names.ts';
import { Appointments } from './appointments.ts';

interface Waiting {
  readonly start: () => void;
}

const MAX_RETRY_MS = 30_000;

/** What a finished run tells besides its result. */
export interface QueuedRun<T> {
  readonly result: T;
  readonly waitedMs: number;
}

export interface QueueLimits {
  readonly maxPending: number;
  readonly maxPendingPerTenant: number;
  /** Milliseconds of predicted work for each that runs at once; a single evaluation may take longer. */
  readonly maxPendingMs: number;
  /** Evaluations at once; 1 by default. */
  readonly maxRunning?: number;
}

export class EvaluationQueue {
  readonly #limits: QueueLimits;
  readonly #waiting: Waiting[] = [];
  readonly #perTenant = new Map<TenantId, number>();
  readonly #appointments = new Appointments(() => performance.now());
  #running = 0;
  #pending = 0;
  #pendingMs = 0;
  /** When the client that was refused last was told to come back. */
  #lastReturn = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get pending(): number {
    return this.#pending;
  }

  /** What all that waits or runs should take. */
  get pendingMs(): number {
    return this.#pendingMs;
  }

  /** Whether an evaluation that should take `ms` may come in. */
  admits(tenant: TenantId, ms: number): boolean {
    const { maxPending, maxPendingPerTenant, maxPendingMs, maxRunning = 1 } = this.#limits;
    const before = this.#appointments.before(tenant);
    const [count, work] = [this.#pending + before.count, this.#pendingMs + before.ms];
    const fits = count === 0 || work + ms <= maxPendingMs * maxRunning;
    return fits && count < maxPending && this.#ofTenant(tenant) < maxPendingPerTenant;
  }

  #ofTenant(tenant: TenantId): number {
    return this.#perTenant.get(tenant) ?? 0;
  }

  /** Seconds after which `tenant`, which was refused, should come back; room is kept for it then, unless it has work here already. */
  appointment(tenant: TenantId, ms: number): number {
    const seconds = this.retryAfterSeconds(ms);
    if (this.#ofTenant(tenant) === 0) this.#appointments.make(tenant, ms, 1000 * seconds);
    return seconds;
  }

  /**
   * Seconds after which a client whose evaluation should take `ms` should find room, at most 30. Room comes as work is done, so that each
   * refused client is told a later time than the one before: those who came at once do not come back at once.
   */
  retryAfterSeconds(ms = 1000): number {
    const now = performance.now();
    const next = Math.max(now, this.#lastReturn) + ms;
    this.#lastReturn = Math.min(next, now + MAX_RETRY_MS);
    return Math.max(1, Math.ceil(Math.round(this.#lastReturn - now) / 1000));
  }

  /** Runs `task`, which should take `predictedMs`, in turn. Undefined when the queue is full. Rejects with the signal's reason when aborted while waiting. */
  async run<T>(
    tenant: TenantId,
    predictedMs: number,
    signal: AbortSignal,
    task: () => Promise<T>,
  ): Promise<QueuedRun<T> | undefined> {
    if (!this.admits(tenant, predictedMs)) return undefined;
    this.#appointments.keep(tenant);
    const arrived = performance.now();
    this.#pending++;
    this.#pendingMs += predictedMs;
    this.#perTenant.set(tenant, this.#ofTenant(tenant) + 1);
    try {
      await this.#turn(signal);
      const started = performance.now();
      try {
        const result = await task();
        return { result, waitedMs: started - arrived };
      } finally {
        this.#running--;
        this.#waiting.shift()?.start();
      }
    } finally {
      this.#pending--;
      this.#pendingMs = this.#pending === 0 ? 0 : this.#pendingMs - predictedMs;
      const left = (this.#perTenant.get(tenant) ?? 1) - 1;
      if (left === 0) this.#perTenant.delete(tenant);
      else this.#perTenant.set(tenant, left);
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < (this.#limits.maxRunning ?? 1)) {
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
