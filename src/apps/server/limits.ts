/** What one server process accepts. Sizes in bytes, times in milliseconds. */
export interface ServerLimits {
  /** Time for the TLS handshake and for the request head; slower clients are cut off. */
  readonly headersTimeoutMs: number;
  /** Longest silence within a body, and the time in which a body need not yet come at the least rate. */
  readonly stallTimeoutMs: number;
  /** Bytes per second of a body, over all its time; slower ones are cut off. */
  readonly minBytesPerSecond: number;
  /** Time for the whole request to arrive, however steadily it comes. */
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** When there are more, idle ones are closed, those of the address with the most first. */
  readonly maxConnections: number;
  /** Evaluations that wait or run, over all clients and for one of them. */
  readonly maxPending: number;
  readonly maxPendingPerTenant: number;
  /** How long all that waits or runs should take; what comes beyond is told when to come again. */
  readonly maxPendingMs: number;
  /** Evaluations at once. One uses every core; those of a fleet run elsewhere. */
  readonly maxRunning: number;
  /** Bytes of bodies that arrive or wait, over all clients. */
  readonly maxReceivingBytes: number;
  /** Memory of enrolled keys; the least recently used go first. */
  readonly keyCapacityBytes: number;
  readonly maxKeysPerTenant: number;
  /** How much of the memory for bodies, and of that for keys, one principal may take. */
  readonly principalShare: number;
  /** Keys are kept this long after their last use, whoever else wants room. */
  readonly keyIdleMs: number;
  /** Parts of keys wait this long for the rest of the upload. */
  readonly uploadKeptMs: number;
  /** Samples per principal and model that are evaluated; infinite by default. */
  readonly samplesPerPrincipal: number;
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
  stallTimeoutMs: 20_000,
  minBytesPerSecond: 4096,
  requestTimeoutMs: 3_600_000,
  keepAliveTimeoutMs: 15_000,
  maxHeaderBytes: 16_384,
  maxConnections: 1024,
  maxPending: 64,
  maxPendingPerTenant: 4,
  maxPendingMs: 120_000,
  maxRunning: 1,
  maxReceivingBytes: 512 * 2 ** 20,
  keyCapacityBytes: 2048 * 2 ** 20,
  maxKeysPerTenant: 8,
  principalShare: 0.75,
  keyIdleMs: 10_000,
  uploadKeptMs: 300_000,
  samplesPerPrincipal: Number.POSITIVE_INFINITY,
  graceMs: 10_000,
});
