/**
 * Who may put a job into the queue. The broker bounds jobs and jobs per tenant; before that, a gateway refuses when the predicted time
 * until a new job's turn is too long, and says when to come back.
 */
import type { TenantId } from '../../../protocols/inference/names.ts';
import type { QueuedRun } from '../../server/admission/evaluation-queue.ts';
import type { TurnQueue } from '../../server/index.ts';
import type { FleetBroker, QueueState } from '../broker/broker.ts';
import { QueueFullError, type FleetService } from './fleet-service.ts';
import { subjects } from '../fleet-names.ts';
import { meanJobMs } from '../worker/worker-beat.ts';

/** How old what is known of the queue may be. */
const STATE_MS = 250;
/** Of a job that no worker has timed yet. */
const UNKNOWN_MS = 1000;
const MAX_RETRY_MS = 30_000;

export class FleetTurns implements TurnQueue {
  readonly #broker: FleetBroker;
  readonly #service: FleetService;
  readonly #maxWaitMs: number;
  #state: QueueState = { messages: 0, bySubject: {} };
  #stateAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  /** Jobs of this gateway since the state was asked for. */
  #since = 0;
  #lastReturn = 0;
  pending = 0;

  constructor(broker: FleetBroker, service: FleetService, maxWaitMs: number) {
    this.#broker = broker;
    this.#service = service;
    this.#maxWaitMs = maxWaitMs;
  }

  get jobMs(): number {
    return meanJobMs(this.#service.workers.all()) ?? UNKNOWN_MS;
  }

  /** Jobs that wait or run, as far as is known. */
  get queued(): number {
    return this.#state.messages + this.#since;
  }

  get pendingMs(): number {
    return this.pending * this.jobMs;
  }

  /** Predicted milliseconds of work in the queue, over the workers there are: what to scale by. */
  get waitingMsPerWorker(): number {
    return (this.queued * this.jobMs) / Math.max(1, this.#service.workers.working().length);
  }

  async admits(tenant: TenantId): Promise<boolean> {
    // Told at once, and not when questions to nobody have run out of time.
    if (!this.#broker.isConnected) return false;
    await this.refresh();
    if (this.#service.workers.working().length === 0) return false;
    const own = this.#state.bySubject[subjects.job(this.#service.tagOf(tenant))] ?? 0;
    const { maxJobs, maxJobsPerTenant } = this.#broker.rules;
    return own < maxJobsPerTenant && this.queued < maxJobs && this.waitingMsPerWorker <= this.#maxWaitMs;
  }

  /** Each refused client is told a later time than the one before: those who came at once do not come back at once. */
  retryAfterSeconds(): number {
    const now = performance.now();
    const beyond = Math.max(0, this.waitingMsPerWorker - this.#maxWaitMs / 2);
    const step = this.jobMs / Math.max(1, this.#service.workers.working().length);
    const next = Math.max(now + beyond, this.#lastReturn) + step;
    this.#lastReturn = Math.min(next, now + MAX_RETRY_MS);
    return Math.max(1, Math.ceil((this.#lastReturn - now) / 1000));
  }

  async run<T>(
    _tenant: TenantId,
    _predictedMs: number,
    signal: AbortSignal,
    task: () => Promise<T>,
  ): Promise<QueuedRun<T> | undefined> {
    signal.throwIfAborted();
    this.pending++;
    this.#since++;
    try {
      return { result: await task(), waitedMs: 0 };
    } catch (error) {
      if (error instanceof QueueFullError) return undefined;
      throw error;
    } finally {
      this.pending--;
    }
  }

  /** A broker that is away leaves what was known; it refuses jobs itself. */
  async refresh(): Promise<void> {
    if (!this.#broker.isConnected || performance.now() - this.#stateAt < STATE_MS) return;
    this.#asking ??= this.#ask();
    await this.#asking;
  }

  async #ask(): Promise<void> {
    try {
      this.#state = await this.#broker.queueState('jobs');
      this.#since = 0;
    } catch {
      // Asked again at the next query.
    }
    this.#stateAt = performance.now();
    this.#asking = undefined;
  }
}
