/**
 * Which refusals get a line in the log. A trainer can ask for forbidden keys as often as it likes: of each kind the first few are
 * recorded one by one, later ones when their count reaches a power of two, so that n refusals leave about log2(n) lines.
 */
import type { RefusalReason } from '../../../base/errors.ts';

export interface RefusalKind {
  readonly requester: string;
  readonly dataset: string;
  readonly axis: string;
  readonly reason: RefusalReason;
}

/** Recorded one by one. */
const FIRST_REFUSALS = 16;
/** Names of axes and data sets that do not exist are the requester's; so much of them is kept. */
const MAX_NAME = 64;

export class RefusalCounts {
  readonly #counts = new Map<string, { readonly kind: RefusalKind; times: number }>();

  /** Counts one more; what to record of it, or undefined when the count alone is kept. `isKnown`: the data set exists. */
  add(kind: RefusalKind, isKnown: boolean): (RefusalKind & { readonly times: number }) | undefined {
    const cut = { ...kind, dataset: kind.dataset.slice(0, MAX_NAME), axis: kind.axis.slice(0, MAX_NAME) };
    const entry = this.#entry(cut, isKnown);
    entry.times++;
    const { times } = entry;
    const isPower = (times & (times - 1)) === 0;
    return times <= FIRST_REFUSALS || isPower ? { ...cut, times } : undefined;
  }

  /** Takes over what a log says; without `times`, as earlier versions wrote it, one more. */
  replay(kind: RefusalKind, times: number | undefined, isKnown: boolean): void {
    const entry = this.#entry(kind, isKnown);
    entry.times = times ?? entry.times + 1;
  }

  /** Everything counted so far. */
  totals(): (RefusalKind & { readonly times: number })[] {
    return [...this.#counts.values()].map(({ kind, times }) => ({ ...kind, times }));
  }

  /** Requests for data sets that are not there are one kind, whatever their names: names are the requester's to invent. */
  #entry(kind: RefusalKind, isKnown: boolean) {
    const { requester, dataset, axis, reason } = kind;
    const key = JSON.stringify(isKnown ? [requester, reason, dataset, axis] : [requester, reason]);
    const entry = this.#counts.get(key) ?? { kind, times: 0 };
    this.#counts.set(key, entry);
    return entry;
  }
}
