/**
 * Which evaluation keys the server holds, for whom, and which go first when memory runs out (least recently used).
 * The keys themselves are in the inference service; this is the bookkeeping.
 */
import { sameTenant } from './tenant.ts';

interface LedgerEntry {
  readonly tenant: string;
  readonly model: string;
  readonly keyId: string;
  readonly bytes: number;
  /** Requests that use the keys now; such keys are never dropped. */
  users: number;
}

export class KeyLedger {
  readonly #capacityBytes: number;
  readonly #maxPerTenant: number;
  readonly #drop: (tenant: string, keyId: string) => void;
  /** Oldest use first. */
  readonly #entries: LedgerEntry[] = [];

  /** `drop` is told which keys to forget. */
  constructor(capacityBytes: number, maxPerTenant: number, drop: (tenant: string, keyId: string) => void) {
    this.#capacityBytes = capacityBytes;
    this.#maxPerTenant = maxPerTenant;
    this.#drop = drop;
  }

  get bytes(): number {
    return this.#entries.reduce((sum, entry) => sum + entry.bytes, 0);
  }

  /**
   * Makes room for `bytes` more by dropping idle keys, the tenant's own first when it has its full number.
   * False when that is not enough; then nothing was dropped.
   */
  makeRoom(tenant: string, bytes: number): boolean {
    const own = this.#entries.filter((entry) => sameTenant(entry.tenant, tenant));
    const victims: LedgerEntry[] = [];
    if (own.length >= this.#maxPerTenant) {
      const oldest = own.find((entry) => entry.users === 0);
      if (oldest === undefined) return false;
      victims.push(oldest);
    }
    let free = this.#capacityBytes - this.bytes + victims.reduce((sum, entry) => sum + entry.bytes, 0);
    for (const entry of this.#entries) {
      if (free >= bytes) break;
      if (entry.users > 0 || victims.includes(entry)) continue;
      victims.push(entry);
      free += entry.bytes;
    }
    if (free < bytes) return false;
    for (const victim of victims) this.#remove(victim);
    return true;
  }

  /** Notes enrolled keys as the most recently used. Enrolling the same keys twice changes nothing else. */
  add(tenant: string, model: string, keyId: string, bytes: number): void {
    const known = this.#find(tenant, model, keyId);
    if (known === undefined) this.#entries.push({ tenant, model, keyId, bytes, users: 0 });
    else this.#touch(known);
  }

  has(tenant: string, model: string, keyId: string): boolean {
    return this.#find(tenant, model, keyId) !== undefined;
  }

  /** Keeps the keys while `use` runs. Undefined when the tenant has no such keys. */
  async using<T>(
    tenant: string,
    model: string,
    keyId: string,
    use: () => Promise<T>,
  ): Promise<T | undefined> {
    const entry = this.#find(tenant, model, keyId);
    if (entry === undefined) return undefined;
    this.#touch(entry);
    entry.users++;
    try {
      return await use();
    } finally {
      entry.users--;
    }
  }

  /** Drops the keys at the owner's wish. False when the tenant has no such keys. */
  remove(tenant: string, model: string, keyId: string): boolean {
    const entry = this.#find(tenant, model, keyId);
    if (entry !== undefined) this.#remove(entry);
    return entry !== undefined;
  }

  /** Looks at every entry whatever it finds, so that "no such key" and "not yours" take the same time. */
  #find(tenant: string, model: string, keyId: string): LedgerEntry | undefined {
    let found: LedgerEntry | undefined;
    for (const entry of this.#entries) {
      const mine = sameTenant(entry.tenant, tenant);
      if (mine && entry.model === model && entry.keyId === keyId) found = entry;
    }
    return found;
  }

  #touch(entry: LedgerEntry): void {
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    this.#entries.push(entry);
  }

  #remove(entry: LedgerEntry): void {
    const index = this.#entries.indexOf(entry);
    if (index < 0) return;
    this.#entries.splice(index, 1);
    this.#drop(entry.tenant, entry.keyId);
  }
}
