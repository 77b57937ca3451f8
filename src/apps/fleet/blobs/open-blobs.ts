/** A blob store by its address. */
import { UsageError } from '../../../base/errors.ts';
import type { BlobStore } from './blob-store.ts';
import { FileBlobs } from './file-blobs.ts';
import { parseS3Address, S3Blobs } from './s3-blobs.ts';

/**
 * `file:FOLDER`, which all machines of the fleet must see, or `s3://BUCKET/PREFIX`.
 * @throws {UsageError} for anything else, or a store that cannot be used
 */
export async function openBlobs(address: string, env: NodeJS.ProcessEnv): Promise<BlobStore> {
  if (address.startsWith('file:') && address.length > 5) return FileBlobs.open(address.slice(5));
  if (address.startsWith('s3://')) {
    const { place, credentials } = parseS3Address(address, env);
    return S3Blobs.open(place, credentials);
  }
  throw new UsageError(`blobs are in file:FOLDER or s3://BUCKET/PREFIX; got "${address}"`);
}
