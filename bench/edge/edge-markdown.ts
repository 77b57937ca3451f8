/** The tables of docs/edge.md from the rows of the bench. */
import type { BenchRow } from '../report.ts';

const number = (value: BenchRow[string] | undefined, digits = 0): string =>
  typeof value === 'number'
    ? value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
    : '';

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function wayOf(row: BenchRow): string {
  const relay = row.relay === true ? ', relay' : '';
  return `${row.construction}${relay}, check ${row.check}, ${row.link}`;
}

/** What the checks notice. */
function detectionMarkdown(rows: readonly BenchRow[]): string[] {
  const rates = rows.filter((row) => row.sigmas !== undefined);
  if (rates.length === 0) return [];
  const noticed = table(
    ['check', 'wrong', 'noticed', 'formula', 'off by'],
    rates.map((row) => [
      row.check === 'sampling' ? `${row.samples} samples of ${number(row.outputs)}` : 'two projections',
      row.wrong === 'one' ? 'one element' : `${100 * Number(row.wrong)} %`,
      `${number(row.caught)} of ${number(row.runs)}`,
      number(row.expected, 4),
      `${number(row.sigmas, 1)} sigma`,
    ]),
  );
  const others = rows.flatMap((row) => {
    if (row.falseAlarms !== undefined)
      return [
        [`${row.check}: false alarms in ${number(row.honestLayers)} honest layers`, number(row.falseAlarms)],
      ];
    return row.checkMs === undefined
      ? []
      : [[`${row.check}: ms for all layers of AlexNet`, number(row.checkMs, 1)]];
  });
  return [noticed, table(['', ''], others)];
}

export function edgeMarkdown(rows: readonly BenchRow[]): string {
  return [...costMarkdown(rows), ...detectionMarkdown(rows)].join('\n\n');
}

function costMarkdown(rows: readonly BenchRow[]): string[] {
  const ways = rows.filter((row) => row.construction !== undefined);
  const layers = rows.filter((row) => row.layer !== undefined);
  if (ways.length === 0) return [];
  const costs = table(
    [
      'way',
      'end to end ms',
      'two at once, ms each',
      'device ms',
      'edge ms',
      'clear ms',
      'MB up',
      'MB down',
      'stored on the device',
    ],
    ways.map((row) => [
      `${row.network}: ${wayOf(row)}`,
      number(row.ms),
      number(row.pipelinedMs),
      number(row.deviceMs),
      number(row.edgeMs),
      number(row.clearMs),
      number(Number(row.bytesUp) / 1e6, 2),
      number(Number(row.bytesDown) / 1e6, 2),
      `${number(Number(row.deviceKeyBytes) / 1e6, 2)} MB`,
    ]),
  );
  const perLayer = table(
    ['layer', 'multiply-adds, M', 'device operations, M', 'device ms', 'kB up', 'kB down'],
    layers.map((row) => [
      `${row.network}: ${row.layer}`,
      number(Number(row.outsourced) / 1e6, 1),
      number(Number(row.deviceOperations) / 1e6, 2),
      number(row.deviceLayerMs, 1),
      number(Number(row.layerBytesUp) / 1e3),
      number(Number(row.layerBytesDown) / 1e3),
    ]),
  );
  return [costs, perLayer];
}
