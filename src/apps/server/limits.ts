/** What one server process accepts. Sizes in bytes, times in milliseconds. */
export interface ServerLimits {
  /** Time for the request head; slower clients are cut off. */
  readonly headersTimeoutMs: number;
  /** Time for the whole request to arrive. */
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  /** Evaluations that wait or run, over all clients and for one of them. */
  readonly maxPending: number;
  readonly maxPendingPerTenant: number;
  /** Declared bytes of bodies that are being received, over all clients. */
  readonly maxReceivingBytes: number;
  /** Memory of enrolled keys; the least recently used go first. */
  readonly keyCapacityBytes: number;
  readonly maxKeysPerTenant: number;
  /** Queries that one set of keys may ask; infinite by default. */
  readonly queriesPerKeySet: number;
  /** How long running evaluations may take after SIGTERM. */
  readonly graceMs: number;
}

/**
 * Memory of keys over the length of their message: a message has one packed half of each key and a seed, memory has both
 * halves in 64-bit words. Four covers primes of 32 bits and more.
 */
export const KEY_MEMORY_FACTOR = 4;

export const DEFAULT_LIMITS: ServerLimits = Object.freeze({
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 120_000,
  keepAliveTimeoutMs: 15_000,
  maxHeaderBytes: 16_384,
  maxConnections: 256,
  maxPending: 16,
  maxPendingPerTenant: 4,
  maxReceivingBytes: 512 * 2 ** 20,
  keyCapacityBytes: 1024 * 2 ** 20,
  maxKeysPerTenant: 8,
  queriesPerKeySet: Number.POSITIVE_INFINITY,
  graceMs: 10_000,
});
