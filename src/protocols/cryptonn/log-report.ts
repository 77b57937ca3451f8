/** What a verified log says was issued and refused, per data set. */
import type { RefusalReason } from '../../base/errors.ts';
import type { LogRecord } from './audit-log.ts';
import type { AxisName, DatasetSpec } from './dataset-spec.ts';

export interface IssuedOnAxis {
  readonly axis: AxisName;
  readonly requests: number;
  readonly keys: number;
  /** Of all vectors issued on the axis. */
  readonly rank: number;
}

export interface DatasetReport {
  readonly dataset: string;
  readonly mode: DatasetSpec['mode'] | 'unknown';
  readonly isClosed: boolean;
  readonly axes: readonly IssuedOnAxis[];
  readonly refused: readonly {
    readonly requester: string;
    readonly reason: RefusalReason;
    readonly count: number;
  }[];
}

/** Data sets in the order of their first entry; requests for data sets that never were are listed, too. */
export function logReport(records: readonly LogRecord[]): DatasetReport[] {
  const names = [...new Set(records.map(({ dataset }) => dataset))];
  return names.map((dataset) => {
    const own = records.filter((record) => record.dataset === dataset);
    const created = own.find((record) => record.kind === 'created');
    return {
      dataset,
      mode: created?.spec.mode ?? 'unknown',
      isClosed: own.some(({ kind }) => kind === 'closed'),
      axes: issuedByAxis(own),
      refused: refusals(own),
    };
  });
}

function issuedByAxis(records: readonly LogRecord[]): IssuedOnAxis[] {
  const axes = new Map<AxisName, IssuedOnAxis>();
  for (const record of records) {
    if (record.kind !== 'issued') continue;
    const { axis, keys, rank } = record;
    const before = axes.get(axis) ?? { axis, requests: 0, keys: 0, rank: 0 };
    axes.set(axis, { axis, requests: before.requests + 1, keys: before.keys + keys, rank });
  }
  return [...axes.values()];
}

function refusals(records: readonly LogRecord[]): DatasetReport['refused'][number][] {
  const counts = new Map<string, DatasetReport['refused'][number]>();
  for (const record of records) {
    if (record.kind !== 'refused') continue;
    const { requester, reason } = record;
    const key = `${requester} ${reason}`;
    counts.set(key, { requester, reason, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()];
}
