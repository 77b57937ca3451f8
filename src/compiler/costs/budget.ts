/**
 * Choosing among programs by what a request may cost. Costs are bytes, milliseconds of one thread of the reference processor, and the
 * share of decisions lost; all the less the better. Pure: who makes the candidates is the caller's business.
 */

export const BUDGET_TERMS = ['latency', 'up', 'down', 'keys', 'memory', 'drop'] as const;
export type BudgetTerm = (typeof BUDGET_TERMS)[number];

export type BudgetCosts = Readonly<Record<BudgetTerm, number>>;

/** The most that each term may be; what is absent is free. */
export type Budget = Readonly<Partial<Record<BudgetTerm, number>>>;

export interface BudgetCandidate {
  readonly costs: BudgetCosts;
  /** Answered by one request: the more the better. */
  readonly samples: number;
}

/** A term that nothing keeps together with the others. */
export interface Shortfall<C extends BudgetCandidate> {
  readonly term: BudgetTerm;
  readonly limit: number;
  /** The least that was reached with all other terms kept; where nothing keeps them, the least of all, or that of the nearest. */
  readonly reached: number;
  readonly by: C;
  /** Terms that the candidate breaks besides. */
  readonly alsoOver: readonly BudgetTerm[];
  /** One that keeps this term and breaks the fewest others, where there is one. */
  readonly instead: C | undefined;
}

/** Candidates that no other one beats: none is as good in everything and better in something. In the order given; of equals the first. */
export function paretoSet<C extends BudgetCandidate>(candidates: readonly C[]): C[] {
  return candidates.filter(
    (one, i) => !candidates.some((other, j) => beats(other, one) || (j < i && isEqual(other, one))),
  );
}

function isAsGood(a: BudgetCandidate, b: BudgetCandidate): boolean {
  return a.samples >= b.samples && BUDGET_TERMS.every((term) => a.costs[term] <= b.costs[term]);
}

function isEqual(a: BudgetCandidate, b: BudgetCandidate): boolean {
  return isAsGood(a, b) && isAsGood(b, a);
}

function beats(a: BudgetCandidate, b: BudgetCandidate): boolean {
  return isAsGood(a, b) && !isAsGood(b, a);
}

export function brokenTerms({ costs }: BudgetCandidate, budget: Budget): BudgetTerm[] {
  return BUDGET_TERMS.filter((term) => costs[term] > (budget[term] ?? Number.POSITIVE_INFINITY));
}

/** The candidate within the budget with the least time for a sample; of equals the one with fewer bytes up, then the first. */
export function cheapestWithin<C extends BudgetCandidate>(
  candidates: readonly C[],
  budget: Budget,
): C | undefined {
  let best: C | undefined;
  for (const one of candidates) {
    if (brokenTerms(one, budget).length > 0) continue;
    if (best === undefined || comparedByTime(one, best) < 0) best = one;
  }
  return best;
}

function comparedByTime(a: BudgetCandidate, b: BudgetCandidate): number {
  return a.costs.latency - b.costs.latency || a.costs.up - b.costs.up || b.samples - a.samples;
}

/**
 * For a budget that nothing fits: which terms stand in the way, and by how much. Where each term alone is kept by somebody, the terms
 * that the nearest candidate breaks: no term by itself is too tight, but all together are.
 */
export function shortfalls<C extends BudgetCandidate>(
  candidates: readonly C[],
  budget: Budget,
): Shortfall<C>[] {
  const shortfall = (term: BudgetTerm, by: C): Shortfall<C> => ({
    term,
    limit: budget[term]!,
    reached: by.costs[term],
    by,
    alsoOver: brokenTerms(by, budget).filter((other) => other !== term),
    instead: nearest(
      candidates.filter(({ costs }) => costs[term] <= budget[term]!),
      budget,
    ),
  });
  const asked = BUDGET_TERMS.filter((term) => budget[term] !== undefined);
  const tooTight = asked.flatMap((term) => {
    const others = { ...budget, [term]: Number.POSITIVE_INFINITY };
    const keeping = candidates.filter((one) => brokenTerms(one, others).length === 0);
    const least = leastOf(keeping, term) ?? leastOf(candidates, term);
    return least === undefined || least.costs[term] <= budget[term]! ? [] : [shortfall(term, least)];
  });
  if (tooTight.length > 0) return tooTight;
  const closest = nearest(candidates, budget);
  return closest === undefined ? [] : brokenTerms(closest, budget).map((term) => shortfall(term, closest));
}

/** The one that breaks the fewest terms. */
function nearest<C extends BudgetCandidate>(candidates: readonly C[], budget: Budget): C | undefined {
  return leastBy(candidates, (one) => brokenTerms(one, budget).length);
}

function leastOf<C extends BudgetCandidate>(candidates: readonly C[], term: BudgetTerm): C | undefined {
  return leastBy(candidates, ({ costs }) => costs[term]);
}

/** Of equals the first. */
function leastBy<C>(candidates: readonly C[], costOf: (one: C) => number): C | undefined {
  return candidates.reduce<C | undefined>(
    (best, one) => (best === undefined || costOf(one) < costOf(best) ? one : best),
    undefined,
  );
}

/** At most `most` rows for a person: those within the budget first, then the best of each term, then the fastest. */
export function shownRows<C extends BudgetCandidate>(
  pareto: readonly C[],
  budget: Budget,
  most: number,
): C[] {
  const byTime = [...pareto].sort(comparedByTime);
  const within = byTime.filter((one) => brokenTerms(one, budget).length === 0);
  const extremes = BUDGET_TERMS.flatMap((term) => leastOf(byTime, term) ?? []);
  return [...new Set([...within, ...extremes, ...byTime])].slice(0, most).sort(comparedByTime);
}
