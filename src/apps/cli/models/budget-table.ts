/** The result of `compile --budget` for people and for programs. */
import { brokenTerms, type Budget, BUDGET_TERMS, type Shortfall } from '../../../compiler/costs/budget.ts';
import { formatTable } from '../terminal/table.ts';
import type { Paint } from '../terminal/terminal.ts';
import type { BudgetResult, BudgetRow, CompileChoice } from './budget-search.ts';
import { formatCost } from './budget-spec.ts';

export function choiceText({ layout, maxDegree, weightBits, logN }: CompileChoice): string {
  return `${layout}, degree ${maxDegree}, ${weightBits}-bit weights, ring 2^${logN}`;
}

export function formatBudgetRows<M>({ rows, chosen }: BudgetResult<M>, budget: Budget, paint: Paint): string {
  const head = ['', 'layout', 'degree', 'bits', 'ring', 'samples', ...BUDGET_TERMS].map((text) =>
    paint.dim(text),
  );
  const lines = rows.map((row) => {
    const broken = brokenTerms(row, budget);
    const costs = BUDGET_TERMS.map((term) => {
      const text = formatCost(term, row.costs[term]);
      return broken.includes(term) ? paint.yellow(`${text} !`) : text;
    });
    const { layout, maxDegree, weightBits, logN } = row.choice;
    const mark = row === chosen ? paint.green('>') : '';
    return [mark, layout, String(maxDegree), String(weightBits), `2^${logN}`, String(row.samples), ...costs];
  });
  const right = { align: 'right' } as const;
  return formatTable(
    [head, ...lines],
    [{}, {}, ...new Array<typeof right>(4 + BUDGET_TERMS.length).fill(right)],
  );
}

/** One line for each term that nothing keeps. */
export function formatShortfall<M>({
  term,
  limit,
  reached,
  by,
  alsoOver,
  instead,
}: Shortfall<BudgetRow<M>>): string {
  // What breaks other terms too although this one can be kept is the nearest candidate: no term alone is too tight.
  const which = alsoOver.length > 0 && instead !== undefined ? 'with the nearest' : 'at the least';
  const over = `${term} ${formatCost(term, reached)} ${which}, ${formatCost(term, reached - limit)} over: ${choiceText(by.choice)}`;
  const besides = alsoOver.length > 0 ? `, which breaks ${alsoOver.join(' and ')} as well` : '';
  if (instead === undefined || instead === by) return over + besides;
  const price = Object.entries(instead.costs)
    .filter(([name]) => name !== term && name !== 'memory')
    .map(([name, value]) => `${name} ${formatCost(name as typeof term, value)}`);
  return `${over}${besides}; within it ${choiceText(instead.choice)} for ${instead.samples} samples, at ${price.join(', ')}`;
}

export function budgetJson<M>({ rows, chosen, shortfalls }: BudgetResult<M>): unknown {
  const plain = (row: BudgetRow<M>) => ({ ...row.choice, samples: row.samples, ...row.costs });
  return {
    pareto: rows.map(plain),
    chosen: chosen === undefined ? null : plain(chosen),
    shortfalls: shortfalls.map(({ term, limit, reached, by, alsoOver }) => ({
      term,
      limit,
      reached,
      by: plain(by),
      alsoOver,
    })),
  };
}
