/** What every bench prints: with --json one object and nothing else, otherwise a table. */
import { cpus } from 'node:os';
import type { Kernel } from '../src/kernel/kernel.ts';

export type BenchRow = Readonly<Record<string, string | number | boolean>>;

export interface BenchReport {
  readonly bench: string;
  readonly machine: string;
  readonly kernel: string;
  readonly threads: number;
  readonly rows: readonly BenchRow[];
  /** The table of the documentation that these rows make, where there is one. Not part of the JSON output. */
  readonly markdown?: string;
  /** The picture of the documentation, where there is one. Not part of the JSON output. */
  readonly svg?: string;
}

export interface BenchOptions {
  /** Where the data sets are; benches that need them say so when they are missing. */
  readonly data: string | undefined;
  /** Leaves out what takes more than a few minutes. */
  readonly quick: boolean;
  readonly task: string | undefined;
  /** Some benches have parts that can run alone. */
  readonly part: string | undefined;
  /** Of the data set, for benches that train; each has its own default. */
  readonly samples: number | undefined;
  readonly epochs: number | undefined;
  /** Directory where a training run leaves what it needs to continue. */
  readonly checkpoint: string | undefined;
  /** Measures one-thread work in processor time, for a machine that is not idle. */
  readonly processorTime: boolean;
}

export type Bench = (options: BenchOptions, note: (line: string) => void) => Promise<BenchReport>;

export function reportFor(
  bench: string,
  kernel: Pick<Kernel, 'name' | 'isa' | 'threads'>,
  rows: BenchRow[],
): BenchReport {
  const cpu = cpus();
  return {
    bench,
    machine: `${cpu[0]?.model.trim() ?? 'unknown'} (${cpu.length} cores), Node ${process.versions.node}`,
    kernel: `${kernel.name}/${kernel.isa}`,
    threads: kernel.threads,
    rows,
  };
}

export interface Spread {
  readonly median: number;
  /** (largest - smallest) / median. */
  readonly spread: number;
}

/** Median of `runs` timed calls after one untimed; milliseconds. */
export function timeMedian(runs: number, work: () => void): Spread {
  work();
  const times = Array.from({ length: runs }, () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  }).sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)]!;
  return { median, spread: (times[times.length - 1]! - times[0]!) / median };
}

/** Three significant digits for milliseconds and ratios, all digits for counts. */
function cell(value: string | number | boolean | undefined): string {
  if (value === undefined) return '';
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Rows with the same columns stand in one table. */
export function formatReport(report: BenchReport): string {
  const lines = [`${report.bench}: ${report.machine}, ${report.kernel}, ${report.threads} thread(s)`];
  const tables = new Map<string, BenchRow[]>();
  for (const row of report.rows) {
    const columns = Object.keys(row).join(' ');
    tables.set(columns, [...(tables.get(columns) ?? []), row]);
  }
  for (const rows of tables.values()) {
    const columns = Object.keys(rows[0]!);
    const widths = columns.map((column) =>
      Math.max(column.length, ...rows.map((row) => cell(row[column]).length)),
    );
    const isNumber = columns.map((column) => typeof rows[0]![column] === 'number');
    const line = (values: string[]) =>
      values
        .map((text, i) => (isNumber[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd();
    lines.push('', line(columns), line(widths.map((width) => '-'.repeat(width))));
    for (const row of rows) lines.push(line(columns.map((column) => cell(row[column]))));
  }
  return lines.join('\n');
}
