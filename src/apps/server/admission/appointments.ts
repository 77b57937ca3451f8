/**
 * Clients that were told to come back, in the order in which they were refused first. Room is kept for those who came earlier: without
 * that, whoever has just been answered asks again at once and takes the place of somebody who waits for the time that he was told.
 *
 * An appointment that nobody keeps ends a moment after its time, so that clients that do not come back hold others up no longer than that.
 */
import type { TenantId } from '../../../protocols/inference/names.ts';

/** Beyond the time that a client was told: a retry takes its way, too. */
const GRACE_MS = 10_000;
/** The longest waiting keep theirs. */
const MAX_APPOINTMENTS = 4096;

interface Appointment {
  readonly ms: number;
  until: number;
}

export class Appointments {
  /** By the first refusal, the earliest first. */
  readonly #expected = new Map<TenantId, Appointment>();
  readonly #now: () => number;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** `tenant`, whose work should take `ms`, was told to come back after so long. Who has waited before keeps its place. */
  make(tenant: TenantId, ms: number, afterMs: number): void {
    this.#expire();
    const until = this.#now() + afterMs + GRACE_MS;
    const known = this.#expected.get(tenant);
    if (known !== undefined) known.until = until;
    else if (this.#expected.size < MAX_APPOINTMENTS) this.#expected.set(tenant, { ms, until });
  }

  /** It came in. */
  keep(tenant: TenantId): void {
    this.#expected.delete(tenant);
  }

  /** How many are expected before `tenant`, and how long their work should take. */
  before(tenant: TenantId): { readonly count: number; readonly ms: number } {
    this.#expire();
    let [count, ms] = [0, 0];
    for (const [other, appointment] of this.#expected) {
      if (other === tenant) break;
      count++;
      ms += appointment.ms;
    }
    return { count, ms };
  }

  #expire(): void {
    const now = this.#now();
    for (const [tenant, { until }] of this.#expected) if (until < now) this.#expected.delete(tenant);
  }
}
