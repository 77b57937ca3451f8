/**
 * How many samples a principal may have evaluated per model: what slows the copying of a model by its answers. A query is as many
 * evaluations as its bucket has samples, whether the client fills it or not, since the server cannot see that.
 */
import { QueryBudgetError } from '../../../base/errors.ts';

/** Principals that are remembered; the longest inactive are forgotten first. */
const REMEMBERED = 1_000_000;

export class QueryBudget {
  readonly #limit: number;
  readonly #spent: Map<string, number>;

  /** `limit` may be infinite, which is no budget; `spent` is what {@link entries} gave earlier. */
  constructor(limit: number, spent: Iterable<readonly [string, number]> = []) {
    this.#limit = limit;
    this.#spent = new Map(spent);
  }

  /** @throws {QueryBudgetError} when not even `samples` more are left. */
  check(principal: string, model: string, samples: number): void {
    if (this.#of(principal, model) + samples > this.#limit) throw new QueryBudgetError();
  }

  /** Counts samples. @throws {QueryBudgetError} when they are not left; then none are counted. */
  spend(principal: string, model: string, samples: number): void {
    if (this.#limit === Number.POSITIVE_INFINITY) return;
    this.check(principal, model, samples);
    const name = nameOf(principal, model);
    const spent = this.#of(principal, model) + samples;
    this.#spent.delete(name);
    this.#spent.set(name, spent);
    if (this.#spent.size > REMEMBERED) this.#spent.delete(this.#spent.keys().next().value as string);
  }

  /** All counts, for keeping. */
  entries(): [string, number][] {
    return [...this.#spent];
  }

  #of(principal: string, model: string): number {
    return this.#spent.get(nameOf(principal, model)) ?? 0;
  }
}

function nameOf(principal: string, model: string): string {
  return `${model} ${principal}`;
}
