/** What a worker says of itself every second, and who has been heard of lately. Nobody's correctness depends on it. */
import { z } from 'zod';
import { DecodeError } from '../../../base/errors.ts';
import type { FleetBroker } from '../broker/broker.ts';
import { subjects } from '../fleet-names.ts';

export const BEAT_MS = 1000;
/** A worker that was not heard of for so long is taken for gone. */
const SILENCE_MS = 10_000;
const MOST_BYTES = 65_536;

const count = z.number().int().min(0).max(1e15);
const milliseconds = z.number().min(0).max(1e9);

/** Fields of later releases are passed over. */
const beatSchema = z.object({
  v: z.literal(1),
  worker: z.string().regex(/^[0-9a-f]{16}$/),
  /** `draining`: takes nothing more; `gone`: the last beat of all. */
  state: z.enum(['idle', 'working', 'draining', 'gone']),
  release: z.string().max(64),
  kernel: z.string().max(64),
  threads: z.number().int().min(1).max(4096),
  jobVersions: z.array(z.number().int().min(1).max(1000)).min(1).max(32),
  programs: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(256),
  /** Sets of prepared keys, and their memory. */
  keys: count,
  keyBytes: count,
  /** Since the start. */
  jobs: count,
  failures: count,
  keyLoads: count,
  keyHits: count,
  divergent: count,
  /** What an evaluation took lately, by program. */
  times: z
    .array(z.strictObject({ programId: z.string().regex(/^[0-9a-f]{64}$/), ms: milliseconds }))
    .max(256),
});
export type WorkerBeat = z.infer<typeof beatSchema>;

/** @throws {DecodeError} */
export function readWorkerBeat(bytes: Uint8Array): WorkerBeat {
  if (bytes.length > MOST_BYTES) throw new DecodeError('a beat', 'it is too long');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new DecodeError('a beat', 'it is no JSON');
  }
  const result = beatSchema.safeParse(value);
  if (!result.success) throw new DecodeError('a beat', 'a field is wrong');
  return result.data;
}

export function writeWorkerBeat(beat: WorkerBeat): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(beat));
}

/** Mean time of a job, as workers measured it lately; null while none was timed. */
export function meanJobMs(beats: readonly WorkerBeat[]): number | null {
  const times = beats.flatMap((beat) => beat.times.map(({ ms }) => ms));
  return times.length === 0 ? null : times.reduce((sum, ms) => sum + ms, 0) / times.length;
}

/** The workers that were heard of lately. */
export class LiveWorkers implements Disposable {
  readonly #heard = new Map<string, { readonly beat: WorkerBeat; readonly at: number }>();
  readonly #stop: () => void;

  constructor(broker: FleetBroker) {
    this.#stop = broker.listen(subjects.beats, (message) => {
      try {
        const beat = readWorkerBeat(message);
        if (beat.state === 'gone') this.#heard.delete(beat.worker);
        else this.#heard.set(beat.worker, { beat, at: performance.now() });
      } catch {
        // Of a release that says it in another way.
      }
    });
  }

  /** In the order of their names; those who take no more jobs are among them. */
  all(): WorkerBeat[] {
    const since = performance.now() - SILENCE_MS;
    for (const [worker, { at }] of this.#heard) if (at < since) this.#heard.delete(worker);
    return [...this.#heard.values()].map(({ beat }) => beat).sort((a, b) => (a.worker < b.worker ? -1 : 1));
  }

  /** Those who take jobs. */
  working(): WorkerBeat[] {
    return this.all().filter(({ state }) => state !== 'draining');
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
