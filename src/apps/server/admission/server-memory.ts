/**
 * What a server remembers between requests. One server keeps it in its own memory; those of a fleet keep it where all of them see it, so
 * that a request may go to any.
 */
import type { KeyId, ModelName, TenantId } from '../../../protocols/inference/names.ts';
import type { QueuedRun } from './evaluation-queue.ts';
import type { KeyOwner } from '../keys/key-ledger.ts';

type Awaitable<T> = T | Promise<T>;

/** Which keys there are, and whose. */
export interface KeyRecord {
  /** Sets of keys, and their memory, as far as this process knows: for metrics. */
  readonly size: number;
  readonly bytes: number;
  /** Whether keys of `bytes` would be taken now. Changes nothing. */
  hasRoom(owner: KeyOwner, bytes: number): Awaitable<boolean>;
  /** Notes keys that the service has. False, and nothing changed, when there is no room. */
  add(owner: KeyOwner, model: ModelName, keyId: KeyId, bytes: number): Awaitable<boolean>;
  has(tenant: TenantId, model: ModelName, keyId: KeyId): Awaitable<boolean>;
  /** Keeps the keys while `use` runs. Undefined when the tenant has no such keys. */
  using<T>(tenant: TenantId, model: ModelName, keyId: KeyId, use: () => Promise<T>): Promise<T | undefined>;
  /** False when the tenant has no such keys. */
  remove(tenant: TenantId, model: ModelName, keyId: KeyId): Awaitable<boolean>;
  /** Whoever evaluates says that it has no such keys. */
  doubt?(tenant: TenantId, model: ModelName, keyId: KeyId): void;
  /** The service has lost all keys. */
  clear(): void;
}

/** Who may have something evaluated now. */
export interface TurnQueue {
  /** Evaluations that wait or run, and what they should take, as far as this process knows. */
  readonly pending: number;
  readonly pendingMs: number;
  /** Whether an evaluation that should take `ms` may come in. */
  admits(tenant: TenantId, ms: number): Awaitable<boolean>;
  retryAfterSeconds(ms?: number): number;
  /** The same for a tenant that was refused, where places are kept for those who come back. */
  appointment?(tenant: TenantId, ms: number): number;
  /** Undefined when there is no place. Rejects with the signal's reason when aborted while waiting. */
  run<T>(
    tenant: TenantId,
    predictedMs: number,
    signal: AbortSignal,
    task: () => Promise<T>,
  ): Promise<QueuedRun<T> | undefined>;
}

/** How many samples principals have had evaluated. */
export interface SampleBudget {
  /** Throws or rejects with a `QueryBudgetError` when not even `samples` more are left. */
  check(principal: string, model: string, samples: number): Awaitable<void>;
  /** Counts samples for good, or throws the same and counts none. */
  spend(principal: string, model: string, samples: number): Awaitable<void>;
}

/** Keys that arrive in parts. */
export interface UploadRecord {
  readonly bytes: number;
  /** The numbers of the parts that are here. */
  held(tenant: TenantId, model: ModelName, hash: string): Awaitable<number[]>;
  /** Keeps a part of a message of `total` bytes. False when there is no room. */
  add(
    owner: KeyOwner,
    model: ModelName,
    hash: string,
    total: number,
    index: number,
    bytes: Uint8Array,
  ): Awaitable<boolean>;
  /** The whole message; null while parts are missing. */
  take(tenant: TenantId, model: ModelName, hash: string): Awaitable<Uint8Array | null>;
}

export interface ServerMemory {
  readonly keys: KeyRecord;
  readonly turns: TurnQueue;
  readonly budget: SampleBudget;
  readonly uploads: UploadRecord;
}
