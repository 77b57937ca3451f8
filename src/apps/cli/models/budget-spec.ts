/** `--budget "keys=20MB,latency=1s,up=200KB,drop=0.5%"`. */
import { UsageError } from '../../../base/errors.ts';
import { type Budget, BUDGET_TERMS, type BudgetTerm } from '../../../compiler/costs/budget.ts';
import { formatBytes, formatMs } from '../terminal/table.ts';

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
};
const TIMES: Readonly<Record<string, number>> = { MS: 1, S: 1000, MIN: 60_000 };
const SHARES: Readonly<Record<string, number>> = { '%': 0.01, '': 1 };
const UNITS: Readonly<Record<BudgetTerm, Readonly<Record<string, number>>>> = {
  latency: TIMES,
  up: BYTES,
  down: BYTES,
  keys: BYTES,
  memory: BYTES,
  drop: SHARES,
};

/** @throws {UsageError} for a term that is unknown, named twice or without a number and a unit. */
export function parseBudget(text: string): Budget {
  const budget: Partial<Record<BudgetTerm, number>> = {};
  for (const part of text.split(',')) {
    const [, name = '', number = '', unit = ''] =
      /^\s*([a-z]+)\s*=\s*(\d+(?:\.\d+)?)\s*([a-z%]*)\s*$/i.exec(part) ?? [];
    const term = BUDGET_TERMS.find((known) => known === name);
    if (term === undefined)
      throw new UsageError(
        `--budget takes terms of ${BUDGET_TERMS.join(', ')} as latency=1s, not "${part.trim()}"`,
      );
    const factor = UNITS[term][unit.toUpperCase()];
    if (factor === undefined)
      throw new UsageError(
        `--budget: ${term} is in ${Object.keys(UNITS[term]).filter(Boolean).join(', ').toLowerCase()}, not "${part.trim()}"`,
      );
    if (budget[term] !== undefined) throw new UsageError(`--budget names ${term} twice`);
    budget[term] = Number(number) * factor;
  }
  return budget;
}

/** A cost as people write it. */
export function formatCost(term: BudgetTerm, value: number): string {
  if (term === 'drop') return `${(100 * value).toFixed(2)} %`;
  if (term !== 'latency') return formatBytes(value);
  return value >= 1000 ? `${(value / 1000).toPrecision(3)} s` : `${formatMs(value)} ms`;
}
