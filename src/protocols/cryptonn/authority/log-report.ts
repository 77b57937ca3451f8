/** What a verified log says was issued and refused, per data set. */
import type { RefusalReason } from '../../../base/errors.ts';
import type { LogRecord } from './audit-log.ts';
import type { AxisName, DatasetSpec } from '../agreement/dataset-spec.ts';

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
    const known = own.find(({ kind }) => kind === 'created' || kind === 'carried');
    return {
      dataset,
      mode: known?.kind === 'created' || known?.kind === 'carried' ? known.spec.mode : 'unknown',
      isClosed: own.some(
        (record) => record.kind === 'closed' || (record.kind === 'carried' && record.isClosed),
      ),
      axes: issuedByAxis(own),
      refused: refusals(own),
    };
  });
}

function issuedByAxis(records: readonly LogRecord[]): IssuedOnAxis[] {
  const axes = new Map<AxisName, IssuedOnAxis>();
  for (const record of records) {
    if (record.kind === 'carried') {
      // Totals of all parts before: the same as what was counted of them, where they are there.
      for (const { axis, requests, keys, rank } of record.axes)
        if (requests > 0) axes.set(axis, { axis, requests, keys, rank });
    }
    if (record.kind !== 'issued') continue;
    const { axis, keys, rank } = record;
    const before = axes.get(axis) ?? { axis, requests: 0, keys: 0, rank: 0 };
    axes.set(axis, { axis, requests: before.requests + 1, keys: before.keys + keys, rank });
  }
  return [...axes.values()];
}

/** Counts by requester and reason, from the latest total of each axis. */
function refusals(records: readonly LogRecord[]): DatasetReport['refused'][number][] {
  const totals = new Map<string, DatasetReport['refused'][number]>();
  for (const record of records) {
    if (record.kind !== 'refused' && record.kind !== 'carried-refusals') continue;
    const { requester, reason, axis, times } = record;
    const key = JSON.stringify([requester, reason, axis]);
    totals.set(key, { requester, reason, count: times ?? (totals.get(key)?.count ?? 0) + 1 });
  }
  const counts = new Map<string, DatasetReport['refused'][number]>();
  for (const { requester, reason, count } of totals.values()) {
    const key = JSON.stringify([requester, reason]);
    counts.set(key, { requester, reason, count: (counts.get(key)?.count ?? 0) + count });
  }
  return [...counts.values()];
}
