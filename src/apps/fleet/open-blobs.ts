/** A blob store by its address. */
import { UsageError } from '../../base/errors.ts';
import type { BlobStore } from './blob-store.ts';
import { FileBlobs } from './file-blobs.ts';

/**
 * `file:FOLDER`, which all machines of the fleet must see.
 * @throws {UsageError} for anything else, or a store that cannot be used
 */
export async function openBlobs(address: string, _env: NodeJS.ProcessEnv): Promise<BlobStore> {
  if (address.startsWith('file:') && address.length > 5) return FileBlobs.open(address.slice(5));
  throw new UsageError(`blobs are in file:FOLDER or s3://BUCKET/PREFIX; got "${address}"`);
}
