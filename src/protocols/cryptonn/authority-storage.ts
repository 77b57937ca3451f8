/** What an authority needs to survive a crash. The application decides where it lives; each call is done when it is durable. */
export interface AuthorityStorage {
  /** The secret state, sealed by the application; null before the first write. */
  readSecrets(): Promise<Uint8Array | null>;
  /** Replaces the secret state: after a crash the old or the new is there, never a mixture. */
  writeSecrets(bytes: Uint8Array): Promise<void>;
  readLog(): Promise<Uint8Array>;
  /** A crash may leave any prefix of `bytes` behind the log. */
  appendLog(bytes: Uint8Array): Promise<void>;
  /** Cuts half a line off the end. */
  truncateLog(length: number): Promise<void>;
  /** The last known head of the log, best kept on another device; null before the first write. */
  readAnchor(): Promise<Uint8Array | null>;
  /** Replaces the anchor as a whole. */
  writeAnchor(bytes: Uint8Array): Promise<void>;
}
