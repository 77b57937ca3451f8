/**
 * The authority's log: one JSON line per decision, each holding the SHA-256 of the line before it and a MAC under a key that only
 * the authority has. Whoever reads it can check the chain; whoever lacks the key cannot write a new one.
 * A crash may leave half a line at the end. Anything else that does not verify is tampering.
 *
 * A log that has grown is put aside in parts. A part after the first begins with `carried` records: all that the authority needs of
 * the parts before, so that a start reads one part. Numbers and hashes go on from part to part.
 */
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import * as z from 'zod';
import { constantTimeEqual } from '../../../base/constant-time.ts';
import { DecodeError, type RefusalReason } from '../../../base/errors.ts';
import { sha256Digest, sha256Mac } from '../../../base/sha256.ts';
import { AXIS_NAMES, datasetSpecSchema } from '../agreement/dataset-spec.ts';
import { EMPTY_LOG, type LogHead } from '../agreement/log-head.ts';

const REFUSALS = [
  'unknown-dataset',
  'closed',
  'wrong-length',
  'out-of-bound',
  'isolates-coordinates',
  'outside-span',
  'over-budget',
] as const satisfies readonly RefusalReason[];

const decision = { requester: z.string(), dataset: z.string() };
const axis = z.enum(AXIS_NAMES);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** Vectors that raised a rank: 16-bit little-endian, hex. */
const vectors = z.string().regex(/^([0-9a-f]{4})*$/);
const total = z.int().min(0);

const recordSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('created'), ...decision, spec: datasetSpecSchema }),
  z.strictObject({
    ...{ kind: z.literal('issued'), ...decision, axis },
    /** Keys in this answer, SHA-256 of their vectors, and the rank of everything issued on this axis afterwards. */
    ...{ keys: z.int().min(1), digest, rank: z.int().min(0) },
    raised: vectors,
  }),
  z.strictObject({
    ...{ kind: z.literal('refused'), ...decision },
    /** As it was asked for, which may be none that exists: a request must not make the log unreadable. */
    axis: z.string(),
    ...{ reason: z.enum(REFUSALS), digest },
    /** Refusals of this kind so far: after the first few, most are counted without a line of their own. */
    times: z.int().min(1).optional(),
  }),
  z.strictObject({ kind: z.literal('closed'), ...decision }),
  z.strictObject({
    ...{ kind: z.literal('carried'), ...decision },
    spec: datasetSpecSchema,
    isClosed: z.boolean(),
    /** A full rank carries no vectors. */
    axes: z.array(z.strictObject({ axis, requests: total, keys: total, rank: total, raised: vectors })),
  }),
  z.strictObject({
    ...{ kind: z.literal('carried-refusals'), ...decision, axis: z.string() },
    ...{ reason: z.enum(REFUSALS), times: z.int().min(1) },
  }),
]);

export type LogRecord = z.infer<typeof recordSchema>;

/** A line holds at most the vectors of one full rank; more is refused before it is parsed. */
const MAX_LINE_BYTES = 16 * 2 ** 20;
const NEWLINE = 10;

const lineSchema = z.strictObject({
  entry: z.int().min(1),
  previous: digest,
  record: recordSchema,
  mac: digest,
});

export interface ReplayedLog {
  readonly records: readonly LogRecord[];
  /** Heads after each record; `heads[0]` is where the part before ended, {@link EMPTY_LOG} for the first part. */
  readonly heads: readonly [LogHead, ...LogHead[]];
  /** Bytes that belong to whole lines; what follows is half a line from a crash. */
  readonly wholeBytes: number;
}

/** Appends to and verifies a log. Keeps the head, not the bytes. */
export class AuditLog {
  readonly #macKey: Uint8Array;
  #head: LogHead;

  constructor(macKey: Uint8Array, head: LogHead = EMPTY_LOG) {
    this.#macKey = macKey;
    this.#head = head;
  }

  get head(): LogHead {
    return this.#head;
  }

  /** The next line. The caller makes it durable, then calls {@link AuditLog.advance}. */
  line(record: LogRecord): Uint8Array {
    const entry = this.#head.entries + 1;
    const { hash: previous } = this.#head;
    const mac = bytesToHex(macOf(this.#macKey, entry, previous, record));
    return utf8ToBytes(`${JSON.stringify({ entry, previous, record, mac })}\n`);
  }

  advance(line: Uint8Array): void {
    this.#head = { entries: this.#head.entries + 1, hash: bytesToHex(sha256Digest(line)) };
  }
}

/**
 * Reads one part of a log. With `macKey` the author is verified, too; without it the chain alone.
 * @throws {DecodeError} naming the first entry that does not verify.
 */
export function replayLog(bytes: Uint8Array, macKey?: Uint8Array): ReplayedLog {
  const records: LogRecord[] = [];
  let head: LogHead | undefined;
  let heads: [LogHead, ...LogHead[]] = [EMPTY_LOG];
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end < 0) break;
    const read = readLine(bytes.subarray(start, end + 1), head, macKey);
    if (head === undefined) heads = [read.before];
    head = read.head;
    records.push(read.record);
    heads.push(head);
    start = end + 1;
  }
  return { records, heads, wholeBytes: start };
}

/** `before` is undefined for the first line of a part, which says itself what it follows if it carries the parts before. */
function readLine(line: Uint8Array, before: LogHead | undefined, macKey: Uint8Array | undefined) {
  let number = (before ?? EMPTY_LOG).entries + 1;
  const bad = (reason: string) => new DecodeError('the log', `entry ${number} ${reason}`);
  if (line.length > MAX_LINE_BYTES) throw bad('is too long');
  let written: { readonly record: unknown };
  let parsed: z.infer<typeof lineSchema>;
  try {
    written = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
    parsed = lineSchema.parse(written);
  } catch {
    throw bad('is not a log entry');
  }
  let { hash: previous } = before ?? EMPTY_LOG;
  if (before === undefined && isCarried(parsed.record)) {
    number = parsed.entry;
    previous = parsed.previous;
  }
  if (parsed.entry !== number) throw bad(`says it is number ${parsed.entry}`);
  if (parsed.previous !== previous) throw bad('does not follow the one before it');
  // Over the record as it was written: the schema returns its fields in an order of its own.
  if (
    macKey !== undefined &&
    !constantTimeEqual(macOf(macKey, number, previous, written.record), hexToBytes(parsed.mac))
  )
    throw bad('was not written by this authority');
  return {
    record: parsed.record,
    before: { entries: number - 1, hash: previous },
    head: { entries: number, hash: bytesToHex(sha256Digest(line)) },
  };
}

/** Whether a record repeats what earlier parts said. */
function isCarried({ kind }: LogRecord): boolean {
  return kind === 'carried' || kind === 'carried-refusals';
}

function macOf(key: Uint8Array, entry: number, previous: string, record: unknown): Uint8Array {
  return sha256Mac(key, utf8ToBytes(JSON.stringify([entry, previous, record])));
}
