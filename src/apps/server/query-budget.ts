/**
 * How many queries one set of keys may ask: what slows the extraction of a model by its answers. There are no accounts, so
 * whoever enrols new keys starts again; a budget sets a price (making and sending keys), not a wall.
 */
import { QueryBudgetError } from '../../base/errors.ts';

/** Sets of keys that are remembered, also after they were dropped; the longest unused are forgotten first. */
const REMEMBERED = 100_000;

export class QueryBudget {
  readonly #limit: number;
  readonly #spent = new Map<string, number>();

  /** `limit` may be infinite, which is no budget. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws {QueryBudgetError} when nothing is left. */
  check(tenant: string, model: string, keyId: string): void {
    if ((this.#spent.get(nameOf(tenant, model, keyId)) ?? 0) >= this.#limit) throw new QueryBudgetError();
  }

  /** Counts one query. @throws {QueryBudgetError} when nothing is left. */
  spend(tenant: string, model: string, keyId: string): void {
    if (this.#limit === Number.POSITIVE_INFINITY) return;
    this.check(tenant, model, keyId);
    const name = nameOf(tenant, model, keyId);
    const spent = this.#spent.get(name) ?? 0;
    this.#spent.delete(name);
    this.#spent.set(name, spent + 1);
    if (this.#spent.size > REMEMBERED) this.#spent.delete(this.#spent.keys().next().value as string);
  }
}

function nameOf(tenant: string, model: string, keyId: string): string {
  return `${tenant}:${model}:${keyId}`;
}
