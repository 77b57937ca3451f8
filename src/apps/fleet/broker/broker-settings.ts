/**
 * What the broker's queues must be set to. Several settings that look right lose jobs without a word, so that they are compared when a
 * process starts: with `discard: new` alone, a tenant above its limit pushes its own oldest job out; with a memory store a restart of the
 * broker forgets all; without acknowledgements nothing is ever done again.
 */
import type { ConsumerConfig, StreamConfig } from '@nats-io/jetstream';
import { PARTITIONS, subjects } from '../fleet-names.ts';
import { INLINE_BYTES } from '../job-message.ts';

const SECOND = 1_000_000_000;

/** Jobs of clients who wait, and blocks of batches, for which nobody waits. */
export type QueueName = 'jobs' | 'blocks';

export interface QueueRules {
  /** Jobs that wait or run, over all tenants. */
  readonly maxJobs: number;
  /** And for one tenant. */
  readonly maxJobsPerTenant: number;
  /** Blocks of batches that wait or run. */
  readonly maxBlocks: number;
  readonly maxBlocksPerTenant: number;
  /** A job whose worker has said nothing for so long is given to another one. */
  readonly ackWaitMs: number;
}

export const DEFAULT_QUEUE_RULES: QueueRules = Object.freeze({
  maxJobs: 1024,
  maxJobsPerTenant: 4,
  maxBlocks: 100_000,
  maxBlocksPerTenant: 100_000,
  ackWaitMs: 10_000,
});

export const STREAMS: Readonly<Record<QueueName, string>> = {
  jobs: 'SUBROSA_JOBS',
  blocks: 'SUBROSA_BLOCKS',
};

export function streamSettings(
  queue: QueueName,
  rules: QueueRules,
): Partial<StreamConfig> & { name: string } {
  const isJobs = queue === 'jobs';
  const most = isJobs ? rules.maxJobs : rules.maxBlocks;
  return {
    name: STREAMS[queue],
    subjects: [`${queue}.*.*`],
    retention: 'workqueue',
    storage: 'file',
    discard: 'new',
    discard_new_per_subject: true,
    max_msgs: most,
    max_msgs_per_subject: isJobs ? rules.maxJobsPerTenant : rules.maxBlocksPerTenant,
    // Blocks are always blobs: their messages are heads alone.
    max_bytes: most * (isJobs ? INLINE_BYTES + 8192 : 8192),
    max_age: (isJobs ? 600 : 14 * 86_400) * SECOND,
    duplicate_window: 120 * SECOND,
  };
}

export interface ConsumerPlace {
  readonly queue: QueueName;
  readonly settings: Partial<ConsumerConfig> & { durable_name: string };
}

/** One queue of jobs per partition, one of blocks. Workers count tries themselves: a message that ran out of them would stay for ever. */
export function consumerSettings(rules: QueueRules): ConsumerPlace[] {
  const common = {
    ack_policy: 'explicit',
    ack_wait: rules.ackWaitMs * 1_000_000,
    max_deliver: -1,
    max_ack_pending: 1024,
  } as const;
  return [
    ...Array.from({ length: PARTITIONS }, (_, partition) => ({
      queue: 'jobs' as const,
      settings: {
        ...common,
        durable_name: jobsConsumer(partition),
        filter_subject: subjects.jobsOf(partition),
      },
    })),
    { queue: 'blocks' as const, settings: { ...common, durable_name: BLOCKS_CONSUMER } },
  ];
}

export const BLOCKS_CONSUMER = 'blocks';

export function jobsConsumer(partition: number): string {
  return `p${String(partition).padStart(2, '0')}`;
}

/** What differs, one sentence each; nothing when all that matters is as it must be. */
export function settingFaults(actual: object, needed: object): string[] {
  const there = actual as Readonly<Record<string, unknown>>;
  return Object.entries(needed).flatMap(([name, value]) => {
    const text = (of: unknown) => (of === undefined ? 'not set' : JSON.stringify(of));
    return text(there[name]) === text(value)
      ? []
      : [`${name} is ${text(there[name])}, must be ${text(value)}`];
  });
}
