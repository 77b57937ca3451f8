/**
 * Which evaluation keys the server holds, for whom, and which go first when memory runs out (least recently used).
 * The keys themselves are in the inference service; this is the only record of which there are.
 *
 * Nobody loses keys to an announcement: room is made for keys that are there. And nobody fills the memory alone: above its share of
 * it, a principal replaces its own keys, below it the oldest of all, and never keys that are in use or were a moment ago.
 */
import type { KeyId, ModelName, TenantId } from '../../../protocols/inference/names.ts';
import { sameTenant } from '../tenant.ts';
import type { HeldKeys } from './key-shelf.ts';

interface LedgerEntry {
  readonly principal: string;
  readonly tenant: TenantId;
  readonly model: ModelName;
  readonly keyId: KeyId;
  readonly bytes: number;
  /** Requests that use the keys now; such keys are never dropped. */
  users: number;
  /** When they were sent, or the last of these ended. */
  idleSince: number;
}

/** Keys that a client has sent, or may send. */
export interface KeyOwner {
  readonly principal: string;
  readonly tenant: TenantId;
}

export interface KeyLedgerRules {
  readonly capacityBytes: number;
  readonly maxPerTenant: number;
  /** Of the capacity, for one principal. */
  readonly principalShare: number;
  /** Keys are kept for others this long after their last use. */
  readonly idleMs: number;
  /** Is told which keys to forget. */
  readonly drop: (tenant: TenantId, model: ModelName, keyId: KeyId) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

export class KeyLedger {
  readonly #rules: KeyLedgerRules;
  /** Oldest use first. */
  readonly #entries: LedgerEntry[] = [];

  constructor(rules: KeyLedgerRules) {
    this.#rules = rules;
  }

  get bytes(): number {
    return sumOf(this.#entries);
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Whether keys of `bytes` would be taken now. Changes nothing. */
  hasRoom(owner: KeyOwner, bytes: number): boolean {
    return this.#victims(owner, bytes) !== null;
  }

  /**
   * Notes keys that the service has, as the most recently used, and drops what has to go for them. Enrolling the same keys twice
   * changes nothing else. False, and nothing changed, when there is no room: the caller drops the new keys.
   */
  add(owner: KeyOwner, model: ModelName, keyId: KeyId, bytes: number): boolean {
    const known = this.#find(owner.tenant, model, keyId);
    if (known !== undefined) {
      this.#touch(known);
      return true;
    }
    const victims = this.#victims(owner, bytes);
    if (victims === null) return false;
    for (const victim of victims) this.#remove(victim);
    this.#entries.push({ ...owner, model, keyId, bytes, users: 0, idleSince: this.#rules.now() });
    return true;
  }

  /** What has to go for `bytes` more; null when that is not enough. */
  #victims({ principal, tenant }: KeyOwner, bytes: number): readonly LedgerEntry[] | null {
    const { capacityBytes, maxPerTenant, principalShare, idleMs } = this.#rules;
    const before = this.#rules.now() - idleMs;
    const victims = new Set<LedgerEntry>();
    /** Takes entries that nobody uses, oldest use first, until `isEnough`. */
    const take = (
      from: readonly LedgerEntry[],
      isFree: (entry: LedgerEntry) => boolean,
      isEnough: () => boolean,
    ) => {
      for (const entry of from) {
        if (isEnough()) break;
        if (entry.users === 0 && isFree(entry)) victims.add(entry);
      }
      return isEnough();
    };
    const left = (entries: readonly LedgerEntry[]) => entries.filter((entry) => !victims.has(entry));
    const isIdle = ({ idleSince }: LedgerEntry) => idleSince <= before;
    const own = this.#entries.filter((entry) => sameTenant(entry.tenant, tenant));
    const kin = this.#entries.filter((entry) => entry.principal === principal);
    /** One set of keys is within every share. */
    const share = Math.max(bytes, principalShare * capacityBytes);
    const isRoom =
      take(
        own,
        () => true,
        () => left(own).length < maxPerTenant,
      ) &&
      take(kin, isIdle, () => sumOf(left(kin)) + bytes <= share) &&
      take(this.#entries, isIdle, () => sumOf(left(this.#entries)) + bytes <= capacityBytes);
    return isRoom ? [...victims] : null;
  }

  has(tenant: TenantId, model: ModelName, keyId: KeyId): boolean {
    return this.#find(tenant, model, keyId) !== undefined;
  }

  /** Keeps the keys while `use` runs. Undefined when the tenant has no such keys. */
  async using<T>(
    tenant: TenantId,
    model: ModelName,
    keyId: KeyId,
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
      entry.idleSince = this.#rules.now();
    }
  }

  /** Drops the keys at the owner's wish. False when the tenant has no such keys. */
  remove(tenant: TenantId, model: ModelName, keyId: KeyId): boolean {
    const entry = this.#find(tenant, model, keyId);
    if (entry !== undefined) this.#remove(entry);
    return entry !== undefined;
  }

  /**
   * Takes up what an earlier process has left, the longest unused first. What does not fit any more is dropped, the longest unused first;
   * the rest may go from the start when others need room.
   */
  restore(held: readonly HeldKeys[]): void {
    let free = this.#rules.capacityBytes - this.bytes;
    for (const { principal, tenant, model, keyId, bytes } of held.toReversed()) {
      free -= bytes;
      if (free < 0) this.#rules.drop(tenant, model, keyId);
      else {
        const idleSince = Number.NEGATIVE_INFINITY;
        this.#entries.unshift({ principal, tenant, model, keyId, bytes, users: 0, idleSince });
      }
    }
  }

  /** For keys that the service has lost; it is not told. */
  discard(tenant: TenantId, model: ModelName, keyId: KeyId): void {
    const entry = this.#find(tenant, model, keyId);
    if (entry !== undefined) this.#entries.splice(this.#entries.indexOf(entry), 1);
  }

  /** For a service that has lost all keys: nothing is held, and nobody is told to drop any. */
  clear(): void {
    this.#entries.length = 0;
  }

  /** Looks at every entry whatever it finds, so that "no such key" and "not yours" take the same time. */
  #find(tenant: TenantId, model: ModelName, keyId: KeyId): LedgerEntry | undefined {
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
    this.#rules.drop(entry.tenant, entry.model, entry.keyId);
  }
}

function sumOf(entries: readonly LedgerEntry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}
