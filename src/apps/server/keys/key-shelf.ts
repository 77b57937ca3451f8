/**
 * Where enrolments are kept as they came. Keys in a form that evaluation can use are a multiple of their message and live in a thread
 * that may be replaced; messages on a shelf are what they are made from again.
 */
import type { KeyId, ModelName, TenantId } from '../../../protocols/inference/names.ts';

/** One set of keys that is held, and whom it counts against. */
export interface HeldKeys {
  readonly principal: string;
  readonly tenant: TenantId;
  readonly model: ModelName;
  readonly keyId: KeyId;
  /** Of the message. */
  readonly bytes: number;
}

export interface KeyShelf extends Disposable {
  /** What an earlier process has left, the longest unused first. */
  readonly held: readonly HeldKeys[];
  /** Resolves when the message is where the shelf keeps it. @throws {FileWriteError} and then it is not held */
  put(keys: HeldKeys, message: Uint8Array): Promise<void>;
  /** The message; null when it is not there, or not what was put there. Counts as a use. */
  read(tenant: TenantId, model: ModelName, keyId: KeyId): Promise<Uint8Array | null>;
  remove(tenant: TenantId, model: ModelName, keyId: KeyId): void;
}

/** One name for the three that keys have; none of them holds a space. */
export function shelfName(tenant: TenantId, model: ModelName, keyId: KeyId): string {
  return `${tenant} ${model} ${keyId}`;
}

/** In memory: outlives a thread, not the process. */
export class MemoryShelf implements KeyShelf {
  readonly held: readonly HeldKeys[] = [];
  readonly #messages = new Map<string, Uint8Array>();

  async put({ tenant, model, keyId }: HeldKeys, message: Uint8Array): Promise<void> {
    this.#messages.set(shelfName(tenant, model, keyId), message);
  }

  async read(tenant: TenantId, model: ModelName, keyId: KeyId): Promise<Uint8Array | null> {
    return this.#messages.get(shelfName(tenant, model, keyId)) ?? null;
  }

  remove(tenant: TenantId, model: ModelName, keyId: KeyId): void {
    this.#messages.delete(shelfName(tenant, model, keyId));
  }

  [Symbol.dispose](): void {
    this.#messages.clear();
  }
}
