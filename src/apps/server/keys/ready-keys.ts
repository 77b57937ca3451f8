/**
 * Which keys evaluation threads have ready, and which of them go first when their memory runs out (least recently used). Keys that went
 * are made ready again from their message.
 */
import { type ErrorCode, SubrosaError } from '../../../base/errors.ts';
import type { KeyId, ModelName, TenantId } from '../../../protocols/inference/names.ts';
import { shelfName } from './key-shelf.ts';

const UNFIT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'decode',
  'params-mismatch',
  'limit',
  'protocol',
  'shape',
  'range',
]);

/** The thread that has them: what makes keys ready and drops them. */
export interface KeyPreparer {
  enrol(tenant: TenantId, model: ModelName, message: Uint8Array): Promise<KeyId>;
  forget(tenant: TenantId, model: ModelName, keyId: KeyId): void;
}

interface Prepared {
  readonly preparer: KeyPreparer;
  readonly tenant: TenantId;
  readonly model: ModelName;
  readonly keyId: KeyId;
  readonly bytes: number;
  users: number;
}

export class ReadyKeys {
  readonly #capacityBytes: number;
  /** Memory over the length of a message. */
  readonly #factor: number;
  /** Oldest use first. */
  #entries: Prepared[] = [];
  /** Under way, so that two queries that need the same keys make them ready once. */
  readonly #loading = new Map<KeyPreparer, Map<string, Promise<boolean>>>();
  /** How often keys were ready when they were needed, and how often not. */
  hits = 0;
  misses = 0;

  constructor(capacityBytes: number, factor: number) {
    this.#capacityBytes = capacityBytes;
    this.#factor = factor;
  }

  get bytes(): number {
    return this.#entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Notes keys that `preparer` has just made ready; what has to go for them goes. */
  add(preparer: KeyPreparer, tenant: TenantId, model: ModelName, keyId: KeyId, messageBytes: number): void {
    const known = this.#find(preparer, tenant, model, keyId);
    if (known !== undefined) return this.#touch(known);
    const bytes = this.#factor * messageBytes;
    this.#entries.push({ preparer, tenant, model, keyId, bytes, users: 0 });
    this.#shrink();
  }

  /**
   * Runs `use` with keys that are ready, made so from what `read` gives where needed. Undefined, and `use` not called, when `read` gives
   * nothing or something else than these keys.
   */
  async using<T>(
    preparer: KeyPreparer,
    names: readonly [tenant: TenantId, model: ModelName, keyId: KeyId],
    read: () => Promise<Uint8Array | null>,
    use: () => Promise<T>,
  ): Promise<T | undefined> {
    if (this.#find(preparer, ...names) === undefined) {
      this.misses++;
      if (!(await this.#load(preparer, names, read))) return undefined;
    } else this.hits++;
    const entry = this.#find(preparer, ...names);
    if (entry === undefined) return undefined;
    this.#touch(entry);
    entry.users++;
    try {
      return await use();
    } finally {
      entry.users--;
      this.#shrink();
    }
  }

  #load(
    preparer: KeyPreparer,
    names: readonly [TenantId, ModelName, KeyId],
    read: () => Promise<Uint8Array | null>,
  ): Promise<boolean> {
    const loading = this.#loading.get(preparer) ?? new Map<string, Promise<boolean>>();
    this.#loading.set(preparer, loading);
    const name = shelfName(...names);
    const known = loading.get(name);
    if (known !== undefined) return known;
    const made = this.#prepare(preparer, names, read).finally(() => loading.delete(name));
    loading.set(name, made);
    return made;
  }

  async #prepare(
    preparer: KeyPreparer,
    [tenant, model, keyId]: readonly [TenantId, ModelName, KeyId],
    read: () => Promise<Uint8Array | null>,
  ): Promise<boolean> {
    const message = await read();
    if (message === null) return false;
    let found: KeyId;
    try {
      found = await preparer.enrol(tenant, model, message);
    } catch (error) {
      // Damaged, or of a model of this name with other parameters.
      if (error instanceof SubrosaError && UNFIT.has(error.code)) return false;
      throw error;
    }
    if (found !== keyId) {
      preparer.forget(tenant, model, found);
      return false;
    }
    this.add(preparer, tenant, model, keyId, message.length);
    return true;
  }

  /** The owner's wish, or the ledger's: gone from every thread. */
  remove(tenant: TenantId, model: ModelName, keyId: KeyId): void {
    const name = shelfName(tenant, model, keyId);
    this.#drop((each) => shelfName(each.tenant, each.model, each.keyId) === name);
  }

  /** A thread that has ended has none ready; it is not told. */
  clear(preparer: KeyPreparer): void {
    this.#entries = this.#entries.filter((each) => each.preparer !== preparer);
    this.#loading.delete(preparer);
  }

  /** Keys in use stay, and those that were used last, also above the capacity. */
  #shrink(): void {
    let excess = this.bytes - this.#capacityBytes;
    const newest = this.#entries.at(-1);
    this.#drop((entry) => {
      const { users, bytes } = entry;
      const goes = excess > 0 && users === 0 && entry !== newest;
      if (goes) excess -= bytes;
      return goes;
    });
  }

  #drop(goes: (entry: Prepared) => boolean): void {
    const kept: Prepared[] = [];
    for (const entry of this.#entries) {
      if (!goes(entry)) kept.push(entry);
      else entry.preparer.forget(entry.tenant, entry.model, entry.keyId);
    }
    this.#entries = kept;
  }

  #touch(entry: Prepared): void {
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    this.#entries.push(entry);
  }

  #find(preparer: KeyPreparer, tenant: TenantId, model: ModelName, keyId: KeyId): Prepared | undefined {
    const name = shelfName(tenant, model, keyId);
    return this.#entries.find(
      (each) => each.preparer === preparer && shelfName(each.tenant, each.model, each.keyId) === name,
    );
  }
}
