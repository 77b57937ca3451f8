/** How jobs ended that have no reply, in a table of the broker that forgets after ten minutes. */
import { DecodeError } from '../../../base/errors.ts';
import type { FleetBroker, TableName } from './broker.ts';
import type { QueueName } from './broker-settings.ts';
import type { JobId } from '../fleet-names.ts';

/**
 * Faults of a query have the code of the error that found them. The others: `failed`, evaluations of it ended workers or broke off
 * without a reason, as often as a job is tried; `divergent`, two workers computed different replies, so that neither is given out.
 */
export type JobFailure = string;
export const FAILED = 'failed';
export const DIVERGENT = 'divergent';

/** Codes of errors that another evaluation of the same query would throw again. */
export const QUERY_FAULTS: ReadonlySet<string> = new Set([
  'decode',
  'params-mismatch',
  'protocol',
  'shape',
  'range',
  'level-exhausted',
  'scale-mismatch',
  'missing-key',
  'limit',
]);

const TABLE: Readonly<Record<QueueName, TableName>> = { jobs: 'outcomes', blocks: 'blockOutcomes' };
const CODE = /^[a-z-]{1,32}$/;

/** @throws {BrokerError} {@link DecodeError} */
export async function outcomeOf(
  broker: FleetBroker,
  id: JobId,
  queue: QueueName = 'jobs',
): Promise<JobFailure | null> {
  const entry = await broker.entry(TABLE[queue], id);
  if (entry === null) return null;
  if (!CODE.test(entry.value)) throw new DecodeError('the outcome of a job', 'it is no code');
  return entry.value;
}

/** `divergent` is never replaced by another outcome. @throws {BrokerError} */
export async function setOutcome(
  broker: FleetBroker,
  id: JobId,
  failure: JobFailure,
  queue: QueueName = 'jobs',
): Promise<void> {
  await broker.replaceEntry(TABLE[queue], id, (before) => (before === DIVERGENT ? null : failure));
}

const returnsKey = (id: JobId) => `returned.${id}`;

/** Notes that a job was given back for no fault of its own, which is no try of it. @throws {BrokerError} */
export async function countReturn(broker: FleetBroker, id: JobId): Promise<void> {
  await broker.replaceEntry('outcomes', returnsKey(id), (before) =>
    String(Math.min(Number(before ?? 0) + 1, 1e6)),
  );
}

/** @throws {BrokerError} */
export async function returnsOf(broker: FleetBroker, id: JobId): Promise<number> {
  const count = Number((await broker.entry('outcomes', returnsKey(id)))?.value ?? 0);
  return Number.isInteger(count) && count >= 0 ? count : 0;
}
