/**
 * What gateways and workers say to each other through the broker, as bytes:
 *
 *   job    'SRJ1'  u32 length of the head, head (JSON), the query when it is not in the blob store
 *   done   'SRD1'  u32 length of the head, head (JSON), the reply when it is small
 *
 * Whoever reads them takes the broker for hostile: lengths are bounded, heads are closed schemas, and every name must be one of ours.
 */
import { z } from 'zod';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { TRACE_PARENT } from '../server/tracing/tracing.ts';
import { KEY_ID, type KeyId } from '../../protocols/inference/names.ts';
import type { JobId, KeysId, TenantTag } from './fleet-names.ts';

const JOB = 0x314a5253;
const DONE = 0x31445253;
const PREFIX = 8;
const MOST_HEAD_BYTES = 4096;
const MOST_DONE_HEAD_BYTES = 16_384;
/** What goes into a message; larger queries and replies are blobs. Brokers take 1 MiB unless told otherwise. */
export const INLINE_BYTES = 512 * 1024;

/** Job messages that this release understands. A gateway writes the highest that all workers know. */
export const JOB_VERSIONS: readonly number[] = [1, 2];
/** Since this one a job may say which trace it is part of. */
export const TRACED_JOB_VERSION = 2;

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const bytes = z
  .number()
  .int()
  .min(0)
  .max(2 ** 40);
const milliseconds = z.number().min(0).max(1e9);

const jobSchema = z.strictObject({
  v: z.number().int().min(1).max(1000),
  id: hex(64),
  tenant: hex(32),
  keyId: z.string().regex(KEY_ID),
  keysId: hex(32),
  programId: hex(64),
  model: z.string().regex(/^[a-z0-9_-]{1,64}$/),
  bytes,
  isInline: z.boolean(),
  sentAt: z.number().int().min(0).max(1e15),
  trace: z.string().regex(TRACE_PARENT).optional(),
});

export interface Job {
  readonly v: number;
  readonly id: JobId;
  readonly tenant: TenantTag;
  readonly keyId: KeyId;
  readonly keysId: KeysId;
  readonly programId: string;
  readonly model: string;
  /** Of the query. */
  readonly bytes: number;
  readonly isInline: boolean;
  /** Milliseconds since the epoch by the gateway's clock; for measuring alone. */
  readonly sentAt: number;
  /** Where spans of its evaluation belong, as W3C `traceparent`: random numbers of the gateway's. */
  readonly trace?: string;
}

export interface JobMessage {
  readonly job: Job;
  /** Null when it is in the blob store. */
  readonly query: Uint8Array | null;
}

export function writeJob({ job, query }: JobMessage): Uint8Array {
  return write(JOB, job, query ?? new Uint8Array(0));
}

const versionSchema = z.object({ v: jobSchema.shape.v, id: jobSchema.shape.id });

/** What job messages of all releases say, also those that this one cannot read otherwise. @throws {DecodeError} */
export function readJobVersion(message: Uint8Array): Pick<Job, 'v' | 'id'> {
  const reader = new ByteReader('a job', message);
  return head(reader, JOB, MOST_HEAD_BYTES, versionSchema) as Pick<Job, 'v' | 'id'>;
}

/** @throws {DecodeError} */
export function readJob(message: Uint8Array): JobMessage {
  const reader = new ByteReader('a job', message);
  const job = head(reader, JOB, MOST_HEAD_BYTES, jobSchema) as Job;
  const query = reader.bytes(reader.remaining);
  if (query.length !== (job.isInline ? job.bytes : 0)) throw reader.error('the query has another length');
  if (query.length > INLINE_BYTES) throw reader.error('the query is too long for a message');
  return { job, query: job.isInline ? query : null };
}

const doneSchema = z.strictObject({
  v: z.literal(1),
  /** Null for an answer; else what went wrong, by a code of ours. */
  failure: z
    .string()
    .regex(/^[a-z-]{1,32}$/)
    .nullable(),
  worker: hex(16),
  steps: z.array(z.strictObject({ name: z.string().max(64), ms: milliseconds })).max(1000),
  peakBytes: z.number().min(0).max(1e15),
  /** From taking the job to the stored reply. */
  workMs: milliseconds,
  isInline: z.boolean(),
});

export type Done = z.infer<typeof doneSchema>;

export interface DoneMessage {
  readonly done: Done;
  readonly reply: Uint8Array | null;
}

export function writeDone({ done, reply }: DoneMessage): Uint8Array {
  return write(DONE, done, reply ?? new Uint8Array(0));
}

/** @throws {DecodeError} */
export function readDone(message: Uint8Array): DoneMessage {
  const reader = new ByteReader('the end of a job', message);
  const done = head(reader, DONE, MOST_DONE_HEAD_BYTES, doneSchema);
  const reply = reader.bytes(reader.remaining);
  if (!done.isInline && reply.length > 0) throw reader.error('trailing bytes');
  return { done, reply: done.isInline ? reply : null };
}

function write(magic: number, headOf: object, body: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(headOf));
  const writer = new ByteWriter(PREFIX + text.length + body.length);
  writer.u32(magic);
  writer.u32(text.length);
  writer.bytes(text);
  writer.bytes(body);
  return writer.finish();
}

function head<T>(reader: ByteReader, magic: number, most: number, schema: z.ZodType<T>): T {
  if (reader.u32() !== magic) throw reader.error('bad magic');
  const length = reader.u32();
  if (length > most) throw reader.error(`a head of ${length} bytes is too long`);
  return readHead(reader, reader.bytes(length), schema);
}

function readHead<T>(reader: ByteReader, text: Uint8Array, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch {
    throw reader.error('the head is no JSON');
  }
  const result = schema.safeParse(value);
  if (!result.success)
    throw reader.error(`the head has a wrong field: ${result.error.issues[0]?.path.join('.')}`);
  return result.data;
}
