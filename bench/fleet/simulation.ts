/**
 * A fleet as a discrete-event simulation: queues by tenant, workers that prefer some of them and help with the others, keys that are
 * loaded when they are not prepared, and a gateway that refuses. What takes time is drawn from measurements.
 */
import { DEFAULT_QUEUE_RULES } from '../../src/apps/fleet/broker/broker-settings.ts';
import { PARTITIONS } from '../../src/apps/fleet/fleet-names.ts';
import { DEFAULT_MAX_WAIT_MS } from '../../src/apps/fleet/gateway/gateway.ts';
import { preferredWorker } from '../../src/apps/fleet/worker/preference.ts';
import { SeededGenerator } from '../../src/nn/index.ts';

/** Of one utterance of four seconds. Times are processor time. */
export type Constants = {
  readonly samples: number;
  readonly evaluationMs: number;
  readonly workerMs: number;
  readonly gatewayMs: number;
  readonly brokerMs: number;
  /** Of processes that have nothing to do, milliseconds a second. */
  readonly idleWorkerMsPerSecond: number;
  readonly idleGatewayMsPerSecond: number;
  readonly idleBrokerMsPerSecond: number;
  readonly keyLoadMs: number;
  readonly queryBytes: number;
  readonly replyBytes: number;
  readonly keyBytes: number;
  readonly keyMemoryBytes: number;
};

export interface SimulatedFleet {
  /** Their names decide which queues they prefer. */
  readonly workers: readonly string[];
  /** Evaluations; one is drawn for each job. Milliseconds. */
  readonly evaluationMs: readonly number[];
  /** What a worker does for a job besides. */
  readonly busyMs: number;
  /** What a client waits for besides: the way there and back. */
  readonly wayMs: number;
  readonly keyLoadMs: number;
  /** Sets of prepared keys of one worker. */
  readonly keySets: number;
  readonly helpAfterMs: number;
}

export type SimulatedLoad =
  /**
   * So many tenants, each with one query on its way, or pausing; `partitions` say where theirs go. They stop when all of them together
   * have asked `queries`; then nothing warms up, and the rate is that of the whole run.
   */
  | {
      readonly kind: 'closed';
      readonly partitions: readonly number[];
      readonly pauseMs: number;
      readonly queries?: number;
    }
  /** Clients that come at `perSecond` (queries, on average), ask `queries` times with pauses, and go. */
  | {
      readonly kind: 'open';
      readonly perSecond: number;
      readonly queries: number;
      readonly pauseMs: number;
    };

export interface SimulatedResult {
  readonly answers: number;
  readonly perSecond: number;
  readonly refused: number;
  readonly meanMs: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  /** Keys loaded, over answers. */
  readonly keyLoads: number;
  /** Time that workers were busy, over all of it. */
  readonly busy: number;
}

interface SimulatedJob {
  readonly tenant: number;
  readonly partition: number;
  readonly askedAt: number;
  readonly left: number;
}

interface SimulatedWorker {
  readonly own: ReadonlySet<number>;
  /** Tenants whose keys are prepared, the longest unused first. */
  readonly keys: Set<number>;
  isBusy: boolean;
}

/** Events in the order of their times. */
class Calendar {
  readonly #heap: { readonly at: number; readonly run: () => void }[] = [];

  add(at: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ at, run });
    for (let i = heap.length - 1; i > 0; ) {
      const up = (i - 1) >> 1;
      if (heap[up]!.at <= heap[i]!.at) return;
      [heap[up], heap[i]] = [heap[i]!, heap[up]!];
      i = up;
    }
  }

  next(): { readonly at: number; readonly run: () => void } | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < heap.length && heap[child]!.at < heap[least]!.at) least = child;
      if (least === i) return first;
      [heap[least], heap[i]] = [heap[i]!, heap[least]!];
      i = least;
    }
  }
}

/** Runs until `answers` were given; the first tenth of them warms it up and does not count. */
export function simulate(
  fleet: SimulatedFleet,
  load: SimulatedLoad,
  answers: number,
  seed: number,
): SimulatedResult {
  const random = new SeededGenerator(seed);
  const calendar = new Calendar();
  const workers: SimulatedWorker[] = fleet.workers.map((name) => ({
    own: new Set(
      Array.from({ length: PARTITIONS }, (_, i) => i).filter(
        (i) => preferredWorker(fleet.workers, i) === name,
      ),
    ),
    ...{ keys: new Set<number>(), isBusy: false },
  }));
  const waiting: SimulatedJob[] = [];
  const meanMs =
    fleet.busyMs + fleet.evaluationMs.reduce((sum, ms) => sum + ms, 0) / fleet.evaluationMs.length;
  let [now, given, refused, keyLoads, busyMs, tenants, running] = [0, 0, 0, 0, 0, 0, 0];
  let [begunAt, doneAt] = [0, 0];
  const spent: number[] = [];
  const most = load.kind === 'closed' ? (load.queries ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  const warm = most < Number.POSITIVE_INFINITY ? 0 : Math.floor(answers / 10);
  let asked = 0;

  const evaluate = (worker: SimulatedWorker, job: SimulatedJob) => {
    worker.isBusy = true;
    running++;
    const isReady = worker.keys.delete(job.tenant);
    worker.keys.add(job.tenant);
    if (worker.keys.size > fleet.keySets) worker.keys.delete(worker.keys.values().next().value as number);
    const drawn = fleet.evaluationMs[Math.floor(random.uniform() * fleet.evaluationMs.length)]!;
    const ms = fleet.busyMs + drawn + (isReady ? 0 : fleet.keyLoadMs);
    calendar.add(now + ms, () => {
      worker.isBusy = false;
      running--;
      answered(job, ms, isReady);
      look(worker);
    });
  };
  /** Its own queues first; of others, what has waited for long enough. */
  const look = (worker: SimulatedWorker) => {
    const own = waiting.findIndex(({ partition }) => worker.own.has(partition));
    const at = own >= 0 ? own : waiting.findIndex(({ askedAt }) => askedAt + fleet.helpAfterMs <= now);
    if (at >= 0) evaluate(worker, waiting.splice(at, 1)[0]!);
  };
  const answered = (job: SimulatedJob, ms: number, isReady: boolean) => {
    given++;
    doneAt = now;
    if (given === warm) begunAt = now;
    if (given > warm) {
      spent.push(now - job.askedAt + fleet.wayMs);
      busyMs += ms;
      if (!isReady) keyLoads++;
    }
    if (load.kind === 'closed') {
      const pause = -load.pauseMs * Math.log(1 - random.uniform());
      calendar.add(now + fleet.wayMs + pause, () => ask(job.tenant, job.partition, 0));
    } else if (job.left > 0)
      calendar.add(now + load.pauseMs * (0.5 + random.uniform()), () =>
        ask(job.tenant, job.partition, job.left - 1),
      );
  };
  const ask = (tenant: number, partition: number, left: number) => {
    if (asked >= most) return;
    asked++;
    const queued = waiting.length + running;
    const isTooMuch = (queued * meanMs) / workers.length > DEFAULT_MAX_WAIT_MS;
    if (isTooMuch || queued >= DEFAULT_QUEUE_RULES.maxJobs) {
      refused++;
      return;
    }
    const job = { tenant, partition, askedAt: now, left };
    waiting.push(job);
    const owner = workers.find((worker) => worker.own.has(partition));
    if (owner !== undefined && !owner.isBusy) look(owner);
    else
      calendar.add(now + fleet.helpAfterMs, () => {
        const idle = workers.find((worker) => !worker.isBusy);
        if (idle !== undefined && waiting.includes(job)) look(idle);
      });
  };

  if (load.kind === 'closed') load.partitions.forEach((partition, tenant) => ask(tenant, partition, 0));
  else {
    const sessionsPerMs = load.perSecond / 1000 / load.queries;
    const come = () => {
      ask(tenants++, Math.floor(random.uniform() * PARTITIONS), load.queries - 1);
      calendar.add(now - Math.log(1 - random.uniform()) / sessionsPerMs, come);
    };
    come();
  }
  const isOver = () => given >= answers || refused >= 20 * answers;
  for (let event = calendar.next(); event !== undefined && !isOver(); event = calendar.next()) {
    now = event.at;
    event.run();
  }
  const ms = Math.max(1e-9, (most === given ? doneAt + fleet.wayMs : now) - begunAt);
  const sorted = spent.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    ...{ answers: given, refused, perSecond: (1000 * spent.length) / ms },
    meanMs: spent.reduce((sum, each) => sum + each, 0) / spent.length,
    ...{ medianMs: at(0.5), p95Ms: at(0.95), keyLoads: keyLoads / spent.length },
    busy: busyMs / (ms * workers.length),
  };
}
