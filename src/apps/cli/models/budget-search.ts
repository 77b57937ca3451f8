/**
 * What `compile --budget` tries: polynomials of degree 2 and of all degrees, weights of fewer bits, rings of more samples. Each program counts
 * once for every size of request that it serves.
 */
import { InvalidParamsError, LimitError, UnsupportedOpError } from '../../../base/errors.ts';
import {
  brokenTerms,
  type Budget,
  type BudgetCandidate,
  cheapestWithin,
  paretoSet,
  shortfalls,
  type Shortfall,
  shownRows,
} from '../../../compiler/costs/budget.ts';
import type { Program } from '../../../compiler/program.ts';
import { reportOf } from '../../../compiler/report.ts';
import { meterProgram } from '../../../runtime/meter-machine.ts';

/** What was chosen for a program. */
export interface CompileChoice {
  readonly layout: 'batch' | 'packed';
  readonly maxDegree: number;
  readonly weightBits: number;
  readonly logN: number;
}

/** One program and one size of request. */
export interface BudgetRow<M> extends BudgetCandidate {
  readonly choice: CompileChoice;
  readonly made: M;
}

export interface BudgetResult<M> {
  readonly rows: readonly BudgetRow<M>[];
  readonly chosen: BudgetRow<M> | undefined;
  readonly shortfalls: readonly Shortfall<BudgetRow<M>>[];
}

export interface BudgetSubject<M> {
  readonly budget: Budget;
  /** From the cheapest on. */
  readonly degrees: readonly number[];
  readonly layouts: readonly {
    readonly layout: 'batch' | 'packed';
    readonly weightBits: readonly number[];
  }[];
  readonly logN: readonly number[];
  /** @throws {InvalidParamsError} {@link UnsupportedOpError} {@link LimitError} when the ring or the layout does not hold the network. */
  readonly make: (choice: CompileChoice) => {
    readonly program: Program;
    readonly made: M;
    readonly drop: number;
  };
  readonly onTry?: (choice: CompileChoice) => void;
}

const MOST_ROWS = 12;

/** @throws what `make` throws, when no choice makes a program at all: the last refusal. */
export function searchBudget<M>(subject: BudgetSubject<M>): BudgetResult<M> {
  const candidates: BudgetRow<M>[] = [];
  let refused: unknown;
  const kinds = subject.layouts.flatMap(({ layout, weightBits }) =>
    weightBits.map((bits) => ({ layout, weightBits: bits })),
  );
  for (const maxDegree of subject.degrees) {
    for (const kind of kinds) {
      for (const logN of subject.logN) {
        const choice = { maxDegree, ...kind, logN };
        subject.onTry?.(choice);
        try {
          const rows = rowsOf(subject.make(choice), choice);
          candidates.push(...rows);
          // A larger ring costs more in every term: it is of use only while its request for the fewest may still fit,
          // and in the layout for one sample not at all.
          const costly = brokenTerms(rows[0]!, { ...subject.budget, drop: 1 });
          if (costly.length > 0 || kind.layout === 'packed') break;
        } catch (error) {
          if (!isRefusal(error)) throw error;
          refused = error;
        }
      }
    }
  }
  if (candidates.length === 0) throw refused;
  const pareto = paretoSet(candidates);
  const chosen = cheapestWithin(pareto, subject.budget);
  const rows = shownRows(pareto, subject.budget, MOST_ROWS);
  const missing = chosen === undefined ? shortfalls(candidates, subject.budget) : [];
  return { rows, chosen, shortfalls: missing };
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof InvalidParamsError || error instanceof UnsupportedOpError || error instanceof LimitError
  );
}

function rowsOf<M>(
  { program, made, drop }: ReturnType<BudgetSubject<M>['make']>,
  choice: CompileChoice,
): BudgetRow<M>[] {
  const report = reportOf(program);
  return report.buckets.map((bucket) => {
    const latency = meterProgram(program, bucket).reduce((sum, { referenceMs }) => sum + referenceMs, 0);
    const { bytesUp: up, bytesDown: down, block: samples } = bucket;
    const costs = { latency, up, down, keys: report.keyBytes, memory: report.peakBytes, drop };
    return { choice, made, samples, costs };
  });
}
