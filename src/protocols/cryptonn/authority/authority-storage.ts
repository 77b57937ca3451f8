/**
 * What an authority needs to survive a crash. The application decides where it lives; each call is done when it is durable, and one
 * that fails rejects, with a `FileWriteError` where a disk is full: the authority refuses meanwhile and goes on when it succeeds again.
 */
export interface AuthorityStorage {
  /** The secret state, sealed by the application; null before the first write. */
  readSecrets(): Promise<Uint8Array | null>;
  /** Replaces the secret state: after a crash the old or the new is there, never a mixture. */
  writeSecrets(bytes: Uint8Array): Promise<void>;
  /** The current part of the log. */
  readLog(): Promise<Uint8Array>;
  /** A crash, or a failure, may leave any prefix of `bytes` behind the log. */
  appendLog(bytes: Uint8Array): Promise<void>;
  /** Cuts half a line off the end. */
  truncateLog(length: number): Promise<void>;
  /**
   * Puts the current part aside, whole, under the number of its last entry, and begins a new one with `first`: after a crash the old
   * part or the new one is the current.
   */
  rotateLog(first: Uint8Array, lastEntry: number): Promise<void>;
  /** Last entries of the parts that were put aside and are still there, in ascending order. */
  archivedLogs(): Promise<number[]>;
  /** @throws {DataError} when there is no such part. */
  readArchivedLog(lastEntry: number): Promise<Uint8Array>;
  /** The last known head of the log, best kept on another device; null before the first write. */
  readAnchor(): Promise<Uint8Array | null>;
  /** Replaces the anchor as a whole. */
  writeAnchor(bytes: Uint8Array): Promise<void>;
}
