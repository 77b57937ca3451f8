/**
 * Where keys, large queries, replies and programs are: a folder that all machines see, or an S3-compatible store. A blob is written
 * once under its name and never changed, so that two who write the same one agree on which bytes stand.
 */
import { SubrosaError } from '../../../base/errors.ts';

/** The store did not answer, or not with what it should. Another attempt may succeed. */
export class BlobStoreError extends SubrosaError<{ blob: string; reason: string }> {
  override readonly name = 'BlobStoreError';
  readonly code = 'file';
  constructor(action: string, blob: string, reason: string, options?: ErrorOptions) {
    super(`the blob store did not ${action} ${blob}: ${reason}`, { blob, reason }, options);
  }
}

/** The largest query or reply that is read. */
export const MOST_MESSAGE_BYTES = 1024 * 2 ** 20;

export interface BlobFacts {
  readonly name: string;
  readonly bytes: number;
  /** When it was written, milliseconds since the epoch, by the store's clock. */
  readonly writtenAt: number;
}

export interface BlobStore {
  /** For people: what was chosen, without credentials. */
  readonly place: string;
  /**
   * Stores a blob for good; when the promise resolves it survives a crash. False, and nothing changed, when there is one of this name.
   * @throws {BlobStoreError}
   */
  putOnce(name: string, bytes: Uint8Array): Promise<boolean>;
  /** The whole blob, or null when there is none. @throws {BlobStoreError} also for one of more than `most` bytes */
  get(name: string, most: number): Promise<Uint8Array | null>;
  /** @throws {BlobStoreError} */
  has(name: string): Promise<boolean>;
  /** None of this name is fine. @throws {BlobStoreError} */
  remove(name: string): Promise<void>;
  /** Those whose names begin with `prefix`, in no order. @throws {BlobStoreError} */
  list(prefix: string): AsyncIterable<BlobFacts>;
}

/**
 * Calls `attempt` again while the store fails, at most `tries` times, with growing pauses that differ between callers.
 * @throws {BlobStoreError} of the last attempt, and any other error at once
 */
export async function withBlobRetries<T>(attempt: () => Promise<T>, tries = 5, pauseMs = 50): Promise<T> {
  for (let done = 1; ; done++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof BlobStoreError) || done >= tries) throw error;
      const spread = 0.5 + (globalThis.crypto.getRandomValues(new Uint8Array(1))[0] as number) / 256;
      await new Promise((resolve) => setTimeout(resolve, pauseMs * 2 ** (done - 1) * spread));
    }
  }
}
