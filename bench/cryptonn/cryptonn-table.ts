/** The results of training on encrypted data as the table of the documentation. */
import type { BenchRow } from '../report.ts';

type Format = (value: number) => string;

const count: Format = (value) => value.toLocaleString('en-US');
const seconds: Format = (value) => (value < 1 ? value.toPrecision(2) : value.toFixed(1));
const percent: Format = (value) => `${(100 * value).toFixed(2)} %`;
const epsilon: Format = (value) => (value < 100 ? value.toFixed(1) : value.toFixed(0));

const COLUMNS: readonly (readonly [key: string, title: string, format?: Format])[] = [
  ['mode', 'mode'],
  ['scheme', 'scheme'],
  ['network', 'network'],
  ['samples', 'samples', count],
  ['epochs', 'epochs', count],
  ['accuracy', 'accuracy', percent],
  ['seconds', 'training, s', seconds],
  ['clearSeconds', 'in the clear, s', seconds],
  ['keySeconds', 'of it keys, s', seconds],
  ['encryptSeconds', 'encryption by owners, s', seconds],
  ['keysIssued', 'keys', count],
  ['rankIssued', 'rank', count],
  ['unknownsSolvable', 'values solvable', count],
  ['epsilonOfValue', 'epsilon of a value', epsilon],
  ['epsilonOfSample', 'epsilon of a sample', epsilon],
  ['equalWeights', 'equal weights'],
];

/** Columns that no row has are left out; rows of operations have a table of their own in `bench -- fe --markdown`. */
export function trainingTable(all: readonly BenchRow[]): string {
  const rows = all.filter((row) => 'mode' in row);
  const columns = COLUMNS.filter(([key]) => rows.some((row) => key in row));
  const cell = (value: BenchRow[string] | undefined, format: Format | undefined) => {
    if (value === undefined) return '';
    if (typeof value === 'boolean') return value ? 'yes' : 'no';
    return typeof value === 'number' && format !== undefined ? format(value) : String(value);
  };
  return [
    `| ${columns.map(([, title]) => title).join(' | ')} |`,
    `|${columns.map(() => '---|').join('')}`,
    ...rows.map((row) => `| ${columns.map(([key, , format]) => cell(row[key], format)).join(' | ')} |`),
  ].join('\n');
}
