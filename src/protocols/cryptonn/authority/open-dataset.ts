/** One data set in the hands of its authority: its rules, and what was issued of it, as the log has it. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { DecodeError } from '../../../base/errors.ts';
import type { LogRecord } from './audit-log.ts';
import { type AxisName, type DatasetSpec, datasetDigest } from '../agreement/dataset-spec.ts';
import { type AxisPolicy, axisPolicies, type PolicyKernel } from './key-policy.ts';

type Carried = Extract<LogRecord, { kind: 'carried' }>;

interface IssuedAxis {
  readonly policy: AxisPolicy;
  requests: number;
  keys: number;
  /** The vectors that raised the rank, packed. */
  raised: string;
  /** Of them, those that are in no record of the log yet: the log failed after they had been counted. */
  unrecorded: string;
}

export class OpenDataset {
  readonly spec: DatasetSpec;
  readonly digest: string;
  isClosed: boolean;
  readonly #axes: ReadonlyMap<AxisName, IssuedAxis>;

  constructor(spec: DatasetSpec, kernel: PolicyKernel, isClosed = false) {
    this.spec = spec;
    this.digest = datasetDigest(spec);
    this.isClosed = isClosed;
    this.#axes = new Map(
      [...axisPolicies(spec, kernel)].map(([axis, policy]) => [
        axis,
        { policy, requests: 0, keys: 0, raised: '', unrecorded: '' },
      ]),
    );
  }

  get axes(): AxisName[] {
    return [...this.#axes.keys()];
  }

  policy(axis: AxisName): AxisPolicy | undefined {
    return this.#axes.get(axis)?.policy;
  }

  /** Notes vectors that raised the rank; returns, packed, all that the next record has to hold. */
  raise(axis: AxisName, rows: readonly Int32Array[]): string {
    const issued = this.#axes.get(axis);
    if (issued === undefined) return '';
    issued.unrecorded += packVectors(rows);
    return issued.unrecorded;
  }

  /** The record with `raised` is durable. */
  recorded(axis: AxisName, keys: number): void {
    const issued = this.#axes.get(axis);
    if (issued === undefined) return;
    issued.requests++;
    issued.keys += keys;
    issued.raised += issued.unrecorded;
    issued.unrecorded = '';
  }

  /** @throws {DecodeError} when the ranks do not follow from the vectors. */
  replay({ axis, keys, rank, raised }: Extract<LogRecord, { kind: 'issued' }>): void {
    const issued = this.#axes.get(axis);
    if (issued === undefined) return;
    this.#replayVectors(issued, raised, rank);
    issued.requests++;
    issued.keys += keys;
  }

  /** @throws {DecodeError} */
  replayCarried({ axes }: Carried): void {
    for (const { axis, requests, keys, rank, raised } of axes) {
      const issued = this.#axes.get(axis);
      if (issued === undefined) continue;
      const isFull = rank === issued.policy.length;
      if (isFull) issued.policy.replay(identity(rank));
      this.#replayVectors(issued, raised, rank);
      issued.requests = requests;
      issued.keys = keys;
    }
  }

  #replayVectors(issued: IssuedAxis, raised: string, rank: number): void {
    issued.policy.replay(unpackVectors(raised));
    if (issued.policy.issued.rank !== rank)
      throw new DecodeError('the log', 'the ranks do not follow from the vectors');
    issued.raised += raised;
  }

  /** What a new part of the log begins with. Vectors without a record wait for theirs. */
  carried(): Carried {
    const axes = [...this.#axes].map(([axis, { policy, requests, keys, raised, unrecorded }]) => {
      const rank = policy.issued.rank - unrecorded.length / (4 * policy.length);
      return { axis, requests, keys, rank, raised: rank === policy.length ? '' : raised };
    });
    const { spec, isClosed } = this;
    return { kind: 'carried', requester: 'authority', dataset: spec.id, spec, isClosed, axes };
  }
}

/** Entries are policy-bounded far below 2^15. */
function packVectors(rows: readonly Int32Array[]): string {
  let hex = '';
  for (const row of rows) hex += bytesToHex(new Uint8Array(Int16Array.from(row).buffer));
  return hex;
}

function unpackVectors(text: string): Int32Array {
  return Int32Array.from(new Int16Array(hexToBytes(text).slice().buffer));
}

function identity(size: number): Int32Array {
  const out = new Int32Array(size * size);
  for (let i = 0; i < size; i++) out[i * size + i] = 1;
  return out;
}
