/**
 * A worker takes jobs out of the broker's queues, one at a time, evaluates them and writes each reply once. It holds nothing that
 * another worker could not fetch: when it ends in the middle of a job, the broker gives the job to another one.
 *
 * Which queue it looks at first is preference: it keeps to some, so that it has their clients' keys prepared, and helps with the others
 * when it has nothing else to do.
 */
import { randomBytes } from 'node:crypto';
import { SubrosaError } from '../../../base/errors.ts';
import { type BlobStore, BlobStoreError, MOST_MESSAGE_BYTES, withBlobRetries } from '../blobs/blob-store.ts';
import { BrokerError, type FleetBroker } from '../broker/broker.ts';
import { BLOCKS_CONSUMER, jobsConsumer, type QueueName } from '../broker/broker-settings.ts';
import type { FleetCatalogue } from '../catalogue.ts';
import type { Delivery } from '../broker/delivery.ts';
import type { ServerMetrics } from '../../server/index.ts';
import { during, NO_SPAN, startSpan, type TraceSpan } from '../../server/tracing/tracing.ts';
import { blobs, type JobId, jobIdOf, PARTITIONS, subjects } from '../fleet-names.ts';
import {
  type Done,
  INLINE_BYTES,
  JOB_VERSIONS,
  type Job,
  readJob,
  readJobVersion,
  writeDone,
} from '../job-message.ts';
import {
  countReturn,
  DIVERGENT,
  FAILED,
  outcomeOf,
  QUERY_FAULTS,
  returnsOf,
  setOutcome,
} from '../broker/outcomes.ts';
import type { Answer, ProgramRunners } from './program-runners.ts';
import { HELP_AFTER_MS, preferredWorker } from './preference.ts';
import { BEAT_MS, LiveWorkers, type WorkerBeat, writeWorkerBeat } from './worker-beat.ts';

export interface WorkerOptions {
  readonly broker: FleetBroker;
  readonly store: BlobStore;
  readonly catalogue: FleetCatalogue;
  readonly runners: ProgramRunners;
  /** For people who look at the fleet. */
  readonly facts: Pick<WorkerBeat, 'release' | 'kernel' | 'threads'>;
  /** Evaluations of one job that may break off without a reason. */
  readonly maxTries?: number;
  /** Replies of two evaluations of one query must be equal. */
  readonly isDeterministic?: boolean;
  /** How long a job of another worker's queue waits before this one helps. */
  readonly helpAfterMs?: number;
  readonly jobVersions?: readonly number[];
  /** Told of what an operator wants to read; holds no tenant, no key, no content. */
  readonly note?: (event: string, reason: string) => void;
  readonly metrics?: ServerMetrics;
}

const SWEEP_MS = 1000;
const UNLOAD_AFTER_MS = 60_000;
/** After so long a job of another release is offered again; its queue is left alone for twice as long. */
const LEAVE_MS = 300;

type Place = number | 'blocks';

interface DueQueue {
  /** Not before then is the queue looked at. */
  readonly since: number;
  /** A signal that comes while the queue is looked at must not be taken for one before. */
  signals: number;
}

export class FleetWorker implements AsyncDisposable {
  readonly id = randomBytes(8).toString('hex');
  readonly #options: WorkerOptions;
  readonly #broker: FleetBroker;
  readonly #store: BlobStore;
  readonly #workers: LiveWorkers;
  /** Queues that may have something. */
  readonly #due = new Map<Place, DueQueue>();
  readonly #stops: (() => void)[] = [];
  readonly #times = new Map<string, number>();
  readonly #loop: Promise<void>;
  #wake: () => void = () => undefined;
  #team = '';
  #own: ReadonlySet<number> = new Set();
  #isDraining = false;
  #isWorking = false;
  #sweptAt = 0;
  jobs = 0;
  failures = 0;
  divergent = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#broker = options.broker;
    this.#store = options.store;
    this.#workers = new LiveWorkers(options.broker);
    this.#stops.push(
      options.broker.listen(subjects.wakes, (_message, subject) => {
        const place = placeNamed(subject.slice('wake.'.length));
        if (place !== 'blocks' && !(Number.isInteger(place) && place >= 0 && place < PARTITIONS)) return;
        this.#isDue(place);
        this.#wake();
      }),
    );
    const beat = setInterval(() => this.#beat(), BEAT_MS);
    const keepUp = setInterval(() => void this.keepUp(), BEAT_MS);
    this.#stops.push(
      () => clearInterval(beat),
      () => clearInterval(keepUp),
    );
    this.#beat();
    this.#loop = this.#run();
  }

  /** The broker answers, and every program that is offered is open. */
  get isReady(): boolean {
    const open = new Set(this.#options.runners.programIds);
    const offered = [...this.#options.catalogue.models.values()];
    const isOpen = offered.every(({ current }) => open.has(current.offer.programId));
    return this.#broker.isConnected && !this.#isDraining && isOpen;
  }

  /** Opens the programs that are offered, and closes those that nobody asks for any longer. */
  async keepUp(): Promise<void> {
    const { catalogue, runners } = this.#options;
    try {
      await catalogue.refresh();
      const models = [...catalogue.models.values()];
      if (this.#isDraining) return;
      await Promise.all(models.map(({ current }) => runners.open(current.offer.programId)));
      const wanted = new Set(models.flatMap(({ accepted }) => [...accepted.keys()]));
      await runners.closeOthers(wanted, UNLOAD_AFTER_MS);
    } catch (error) {
      this.#note('programs not loaded', error);
    }
  }

  async #run(): Promise<void> {
    while (!this.#isDraining) {
      try {
        const delivery = await this.#next();
        if (delivery === null) await this.#idle();
        else await this.#work(delivery);
      } catch (error) {
        this.#note('queue not read', error);
        await pause(250);
      }
    }
  }

  /** A job, from a queue that is this worker's own if there is one. */
  async #next(): Promise<Delivery | null> {
    const now = performance.now();
    if (now - this.#sweptAt > SWEEP_MS) await this.#sweep();
    const helpFrom = now - (this.#options.helpAfterMs ?? HELP_AFTER_MS);
    const own = this.#ownPartitions();
    const places = [...this.#due];
    const turns = [
      ...places.filter(([place, { since }]) => place !== 'blocks' && own.has(place) && since <= now),
      ...places.filter(([place, { since }]) => place !== 'blocks' && !own.has(place) && since <= helpFrom),
      ...places.filter(([place, { since }]) => place === 'blocks' && since <= now),
    ];
    for (const [place, due] of turns) {
      const isBlocks = place === 'blocks';
      const consumer = isBlocks ? BLOCKS_CONSUMER : jobsConsumer(place);
      const { signals } = due;
      const delivery = await this.#broker.next(isBlocks ? 'blocks' : 'jobs', consumer);
      if (delivery === null && due.signals !== signals) continue;
      this.#due.delete(place);
      if (delivery === null) continue;
      // Behind the other queues, which wait as well.
      this.#due.set(place, due);
      return delivery;
    }
    return null;
  }

  #isDue(place: Place): void {
    const due = this.#due.get(place);
    if (due === undefined) this.#due.set(place, { since: performance.now(), signals: 1 });
    else due.signals++;
  }

  /** Looks which queues have something: signals get lost, and jobs of workers that ended come back without one. */
  async #sweep(): Promise<void> {
    this.#sweptAt = performance.now();
    for (const queue of ['jobs', 'blocks'] as const) {
      const { bySubject } = await this.#broker.queueState(queue);
      for (const subject of Object.keys(bySubject)) this.#isDue(placeOf(subject));
    }
  }

  /** Until there is a signal, or somebody else's job has waited for long enough. */
  async #idle(): Promise<void> {
    const waits = this.#due.size > 0 ? (this.#options.helpAfterMs ?? HELP_AFTER_MS) : SWEEP_MS;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waits);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#isDraining) this.#wake();
    });
    this.#wake = () => undefined;
  }

  /** By rendezvous: every worker computes the same shares from who is alive, and a newcomer takes from each a little. */
  #ownPartitions(): ReadonlySet<number> {
    const others = this.#workers.working().map(({ worker }) => worker);
    const all = others.includes(this.id) ? others : [...others, this.id];
    const team = all.join(' ');
    if (team !== this.#team) {
      this.#team = team;
      this.#own = new Set(
        Array.from({ length: PARTITIONS }, (_, partition) => partition).filter(
          (partition) => preferredWorker(all, partition) === this.id,
        ),
      );
    }
    return this.#own;
  }

  async #work(delivery: Delivery): Promise<void> {
    const { maxTries = 3, jobVersions = JOB_VERSIONS } = this.#options;
    let job: Job | null = null;
    const startedAt = performance.now();
    this.#isWorking = true;
    let span = NO_SPAN;
    let fault: unknown;
    const alive = setInterval(() => delivery.working(), this.#broker.rules.ackWaitMs / 3);
    try {
      // A release that does not know the job leaves it to one that does.
      const version = readJobVersion(delivery.bytes);
      if (!jobVersions.includes(version.v)) return await this.#leave(delivery, version.id);
      const message = readJob(delivery.bytes);
      job = message.job;
      span = this.#took(job, delivery);
      // Another worker may have finished it; and blocks may be queued twice, by clients that come back after days.
      const isSuspect = delivery.count > 1 || delivery.queue === 'blocks';
      if (isSuspect && (await this.#isConcluded(job, delivery.queue))) return void (await delivery.done());
      if (delivery.count > maxTries && delivery.count - (await returnsOf(this.#broker, job.id)) > maxTries) {
        this.#note('job given up', `${maxTries} evaluations broke off`);
        span.set({ 'subrosa.code': FAILED });
        return await this.#fail(job, delivery, FAILED, startedAt);
      }
      const query = message.query ?? (await this.#queryOf(job, delivery.queue));
      if (query === null || jobIdOf(job.tenant, job.keyId, job.programId, query) !== job.id) {
        span.set({ 'subrosa.code': 'protocol' });
        return await this.#fail(job, delivery, 'protocol', startedAt);
      }
      const answer = await this.#options.runners.answer(job, query, span);
      await this.#conclude(job, delivery, answer, startedAt, span);
    } catch (error) {
      fault = error;
      await this.#giveBack(delivery, job, error, startedAt);
    } finally {
      span.end(fault);
      clearInterval(alive);
      this.#isWorking = false;
    }
  }

  /** The span of a job, and how long it waited. */
  #took({ model, bytes, sentAt, trace }: Job, { count }: Delivery): TraceSpan {
    // By the clocks of two machines.
    const waitedMs = Math.max(0, Date.now() - sentAt);
    if (count === 1) this.#options.metrics?.observe('subrosa_queue_seconds', { model }, waitedMs / 1000);
    const facts = { 'subrosa.model': model, 'subrosa.bytes_in': bytes, 'subrosa.wait_ms': waitedMs };
    return startSpan('subrosa.job', { ...facts, 'subrosa.tries': count }, trace);
  }

  async #queryOf({ id, tenant, bytes }: Job, queue: QueueName): Promise<Uint8Array | null> {
    const name = queue === 'blocks' ? blobs.blockQuery(tenant, id) : blobs.query(id);
    return withBlobRetries(() => this.#store.get(name, Math.min(bytes, MOST_MESSAGE_BYTES)));
  }

  /** Whether another worker has finished the job already; whoever waits is told again. */
  async #isConcluded(job: Job, queue: QueueName): Promise<boolean> {
    const failure = await outcomeOf(this.#broker, job.id, queue);
    const name = replyName(job, queue);
    if (failure === null && !(await withBlobRetries(() => this.#store.has(name)))) return false;
    const done = this.#doneOf(failure, { steps: [], peakBytes: 0 }, performance.now(), false);
    this.#broker.signal(subjects.done(job.id), writeDone({ done, reply: null }));
    return true;
  }

  /** Writes a reply, once: when there is one, that one stands. Null where that one should be the same and is not. */
  async #keep(name: string, reply: Uint8Array): Promise<Uint8Array | null> {
    if (await withBlobRetries(() => this.#store.putOnce(name, reply))) return reply;
    const theirs = await withBlobRetries(() => this.#store.get(name, MOST_MESSAGE_BYTES));
    const isEqual = theirs !== null && Buffer.compare(theirs, reply) === 0;
    return !isEqual && this.#options.isDeterministic === true ? null : (theirs ?? reply);
  }

  async #conclude(
    job: Job,
    delivery: Delivery,
    answer: Answer,
    startedAt: number,
    span: TraceSpan,
  ): Promise<void> {
    const storing = span.child('subrosa.reply', { 'subrosa.bytes_out': answer.bytes.length });
    const name = replyName(job, delivery.queue);
    const reply = await during(storing, () => this.#keep(name, answer.bytes));
    if (reply === null) {
      span.set({ 'subrosa.code': 'divergent-reply' });
      return await this.#diverge(job, delivery, startedAt);
    }
    this.jobs++;
    const isInline = reply.length <= INLINE_BYTES;
    const done = this.#doneOf(null, answer, startedAt, isInline);
    this.#broker.signal(subjects.done(job.id), writeDone({ done, reply: isInline ? reply : null }));
    // A block's query is the larger part of what it takes in the store, and its owner has it.
    if (delivery.queue === 'blocks')
      await withBlobRetries(() => this.#store.remove(blobs.blockQuery(job.tenant, job.id)));
    const ms = answer.steps.reduce((sum, step) => sum + step.ms, 0);
    const before = this.#times.get(job.programId);
    this.#times.set(job.programId, before === undefined ? ms : before + (ms - before) / 8);
    await delivery.done();
  }

  /** Neither of two replies that differ is given out. */
  async #diverge(job: Job, delivery: Delivery, startedAt: number): Promise<void> {
    this.divergent++;
    this.#note(
      'divergent-reply',
      'two evaluations of one query gave different replies: neither is given out',
    );
    await this.#fail(job, delivery, DIVERGENT, startedAt);
    await withBlobRetries(() => this.#store.remove(replyName(job, delivery.queue)));
  }

  async #fail(job: Job, delivery: Delivery, failure: string, startedAt: number): Promise<void> {
    this.failures++;
    await setOutcome(this.#broker, job.id, failure, delivery.queue);
    const done = this.#doneOf(failure, { steps: [], peakBytes: 0 }, startedAt, false);
    this.#broker.signal(subjects.done(job.id), writeDone({ done, reply: null }));
    await delivery.drop();
  }

  /** Left to whoever knows its release: the same worker would take it again before another one looks. */
  async #leave(delivery: Delivery, id: JobId): Promise<void> {
    await countReturn(this.#broker, id);
    const since = performance.now() + 2 * LEAVE_MS;
    this.#due.set(placeOf(delivery.subject), { since, signals: 0 });
    this.#later(delivery, LEAVE_MS);
  }

  /**
   * A fault of the query is its outcome; one of the store or the broker is no try of the job; anything else is one. What is no job (`job`
   * is null) is dropped.
   */
  async #giveBack(delivery: Delivery, job: Job | null, error: unknown, startedAt: number): Promise<void> {
    const code = error instanceof SubrosaError ? error.code : 'internal';
    const isOfStore = error instanceof BlobStoreError || error instanceof BrokerError;
    this.#note(isOfStore ? 'job given back' : 'evaluation failed', error);
    this.#options.metrics?.count('subrosa_worker_faults_total', { code });
    try {
      if (isOfStore) {
        await countReturn(this.#broker, readJobVersion(delivery.bytes).id);
        return this.#later(delivery, 500);
      }
      if (job === null) return void (await delivery.drop());
      // What it computed before of the same ciphertexts was something else.
      if (code === 'divergent-reply') return await this.#diverge(job, delivery, startedAt);
      if (QUERY_FAULTS.has(code)) return await this.#fail(job, delivery, code, startedAt);
      this.#later(delivery, 100);
    } catch (broken) {
      // Silence gives it back, too.
      this.#note('broker not told', broken);
    }
  }

  /** The broker tells nobody when the time is over. */
  #later(delivery: Delivery, afterMs: number): void {
    delivery.again(afterMs);
    const wake = subjects.wake(placeOf(delivery.subject));
    setTimeout(() => this.#broker.signal(wake), afterMs + 10).unref();
  }

  #doneOf(
    failure: string | null,
    { steps, peakBytes }: Pick<Answer, 'steps' | 'peakBytes'>,
    startedAt: number,
    isInline: boolean,
  ): Done {
    const workMs = Math.min(performance.now() - startedAt, 1e9);
    const named = steps.slice(0, 200).map(({ name, ms }) => ({ name: name.slice(0, 64), ms }));
    return { v: 1, failure, worker: this.id, steps: named, peakBytes, workMs, isInline };
  }

  beat(): WorkerBeat {
    const { runners, facts, jobVersions = JOB_VERSIONS } = this.#options;
    return {
      ...{ v: 1, worker: this.id, ...facts, jobVersions: [...jobVersions] },
      state: this.#isDraining ? 'draining' : this.#isWorking ? 'working' : 'idle',
      programs: runners.programIds.slice(0, 256),
      ...{
        keys: runners.keys,
        keyBytes: runners.keyBytes,
        keyLoads: runners.keyLoads,
        keyHits: runners.keyHits,
      },
      ...{ jobs: this.jobs, failures: this.failures, divergent: this.divergent },
      times: [...this.#times].slice(-256).map(([programId, ms]) => ({ programId, ms })),
    };
  }

  #beat(): void {
    this.#broker.signal(subjects.beat(this.id), writeWorkerBeat(this.beat()));
  }

  #note(event: string, reason: unknown): void {
    this.#options.note?.(event, reason instanceof SubrosaError ? reason.message : String(reason));
  }

  /** Takes nothing more, finishes what it has, and says that it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.#beat();
      this.#wake();
    }
    // Without its broker it may wait for an answer that never comes.
    await Promise.race([this.#loop, this.#broker.closed()]);
    for (const stop of this.#stops.splice(0)) stop();
    this.#workers[Symbol.dispose]();
    this.#broker.signal(subjects.beat(this.id), writeWorkerBeat({ ...this.beat(), state: 'gone' }));
  }
}

function replyName({ id, tenant }: Job, queue: QueueName): string {
  return queue === 'blocks' ? blobs.blockReply(tenant, id) : blobs.reply(id);
}

function placeNamed(name: string): Place {
  return name === 'blocks' ? name : Number(name);
}

/** Of a message in a queue: `jobs.PARTITION.TENANT` or `blocks.PARTITION.TENANT`. */
function placeOf(subject: string): Place {
  const [queue = '', partition = ''] = subject.split('.');
  return placeNamed(queue === 'blocks' ? queue : partition);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
