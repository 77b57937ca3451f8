/**
 * Blobs in an S3-compatible store: Amazon's, MinIO, Ceph, Garage. Requests are signed (AWS Signature Version 4) with the hash of their
 * body. Write-once is the store's: PUT with `If-None-Match: *`. Stores that overlook that header would overwrite without a word, so that
 * it is tried out when the store is opened.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { AwsClient } from 'aws4fetch';
import { UsageError } from '../../../base/errors.ts';
import { isLoopback } from '../../../base/loopback.ts';
import { loadOptionalPackage } from '../../../base/optional-package.ts';
import { type BlobFacts, type BlobStore, BlobStoreError } from './blob-store.ts';
import { BLOB_NAME } from '../fleet-names.ts';
import { parseS3Listing } from './s3-listing.ts';

export interface S3Place {
  readonly endpoint: string;
  readonly bucket: string;
  /** Before every name; empty or ending in a slash. */
  readonly prefix: string;
  readonly region: string;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const ATTEMPT_MS = 60_000;
const MOST_LISTING_BYTES = 8 * 2 ** 20;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,62}$/;
const PREFIX = /^(?:[\w.-]+\/)*$/;

/**
 * `s3://BUCKET/PREFIX`, with what else there is to say as parameters: `?endpoint=https://HOST&region=NAME`. What is not said there comes
 * from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION; credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
 * @throws {UsageError} with what is missing
 */
export function parseS3Address(
  address: string,
  env: NodeJS.ProcessEnv,
): { readonly place: S3Place; readonly credentials: S3Credentials } {
  if (!URL.canParse(address))
    throw new UsageError(`"${address}" is no address of a store: s3://BUCKET/PREFIX`);
  const { hostname: bucket, pathname, searchParams } = new URL(address);
  const path = pathname.replace(/^\//, '');
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`;
  if (!BUCKET.test(bucket) || !PREFIX.test(prefix))
    throw new UsageError('a store is s3://BUCKET/PREFIX, of letters, digits, dots and dashes');
  const region = searchParams.get('region') ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1';
  const endpoint =
    searchParams.get('endpoint') ??
    env.AWS_ENDPOINT_URL_S3 ??
    env.AWS_ENDPOINT_URL ??
    `https://s3.${region}.amazonaws.com`;
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw new UsageError('the endpoint of a store is an https URL');
  const { protocol, hostname, origin } = new URL(endpoint);
  if (protocol === 'http:' && !isLoopback(hostname) && searchParams.get('insecure') !== 'true')
    throw new UsageError(
      `${hostname} is another machine: use https, or add insecure=true to the address on a network that you trust`,
    );
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new UsageError('a store needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment');
  const { AWS_SESSION_TOKEN: sessionToken } = env;
  return {
    place: { endpoint: origin, bucket, prefix, region },
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
  };
}

export class S3Blobs implements BlobStore {
  readonly place: string;
  readonly #client: AwsClient;
  readonly #base: string;
  readonly #prefix: string;
  readonly #bucketUrl: string;

  private constructor({ endpoint, bucket, prefix }: S3Place, client: AwsClient) {
    this.place = `s3://${bucket}/${prefix} at ${endpoint}`;
    this.#client = client;
    this.#bucketUrl = `${endpoint}/${bucket}`;
    this.#base = `${endpoint}/${bucket}/${prefix}`;
    this.#prefix = prefix;
  }

  /** @throws {UsageError} when the store cannot be reached, refuses, or overwrites what must be written once. */
  static async open(place: S3Place, credentials: S3Credentials): Promise<S3Blobs> {
    const { AwsClient } = loadOptionalPackage<typeof import('aws4fetch')>(
      'aws4fetch',
      'a store of blobs in S3',
    );
    const { region } = place;
    const store = new S3Blobs(place, new AwsClient({ ...credentials, region, service: 's3', retries: 0 }));
    const probe = `probes/${randomBytes(16).toString('hex')}`;
    let isOnce: boolean;
    try {
      await store.putOnce(probe, new Uint8Array([1]));
      isOnce = !(await store.putOnce(probe, new Uint8Array([2])));
      await store.remove(probe);
    } catch (error) {
      throw new UsageError(`${store.place} cannot be used: ${(error as Error).message}`);
    }
    if (!isOnce)
      throw new UsageError(
        `${store.place} overwrites blobs although it is told not to (If-None-Match): two workers could give one query two replies. Use a store that knows conditional writes`,
      );
    return store;
  }

  async putOnce(name: string, bytes: Uint8Array): Promise<boolean> {
    const response = await this.#send('write', name, {
      method: 'PUT',
      body: bytes as Uint8Array<ArrayBuffer>,
      headers: { 'if-none-match': '*', 'content-type': 'application/octet-stream' },
    });
    await response.arrayBuffer();
    if (response.ok) return true;
    // 409: somebody else writes it at this moment; whoever asks again will see who was first.
    if (response.status === 412) return false;
    throw new BlobStoreError('write', name, `HTTP ${response.status}`);
  }

  async get(name: string, most: number): Promise<Uint8Array | null> {
    const response = await this.#send('read', name, { method: 'GET' });
    if (response.status === 404) {
      await response.arrayBuffer();
      return null;
    }
    if (!response.ok) throw await refused('read', name, response);
    return bodyOf(response, name, most);
  }

  async has(name: string): Promise<boolean> {
    const response = await this.#send('read', name, { method: 'HEAD' });
    await response.arrayBuffer();
    if (response.ok) return true;
    if (response.status === 404) return false;
    throw new BlobStoreError('read', name, `HTTP ${response.status}`);
  }

  async remove(name: string): Promise<void> {
    const response = await this.#send('remove', name, { method: 'DELETE' });
    await response.arrayBuffer();
    if (!response.ok && response.status !== 404)
      throw new BlobStoreError('remove', name, `HTTP ${response.status}`);
  }

  async *list(prefix: string): AsyncIterable<BlobFacts> {
    let next: string | null = null;
    do {
      const query = new URLSearchParams({ 'list-type': '2', prefix: `${this.#prefix}${prefix}` });
      if (next !== null) query.set('continuation-token', next);
      const response = await this.#fetch('list', prefix, `${this.#bucketUrl}?${query}`, { method: 'GET' });
      if (!response.ok) throw await refused('list', prefix, response);
      const page = parseS3Listing(await bodyOf(response, prefix, MOST_LISTING_BYTES));
      for (const { name, bytes, writtenAt } of page.blobs) {
        const own = name.slice(this.#prefix.length);
        if (name.startsWith(this.#prefix) && BLOB_NAME.test(own)) yield { name: own, bytes, writtenAt };
      }
      next = page.next;
    } while (next !== null);
  }

  #send(action: string, name: string, init: RequestInit): Promise<Response> {
    if (!BLOB_NAME.test(name))
      throw new BlobStoreError('take', 'a blob', 'its name is none that a blob can have');
    return this.#fetch(action, name, `${this.#base}${name}`, init);
  }

  async #fetch(action: string, name: string, url: string, init: RequestInit): Promise<Response> {
    const body = (init.body as Uint8Array | undefined) ?? new Uint8Array(0);
    const headers = {
      ...(init.headers as Record<string, string> | undefined),
      'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
    };
    try {
      const request = await this.#client.sign(url, { ...init, headers });
      return await fetch(request, { signal: AbortSignal.timeout(ATTEMPT_MS), redirect: 'error' });
    } catch (error) {
      const { cause, name: kind } = error as { cause?: { code?: string }; name: string };
      throw new BlobStoreError(action, name, cause?.code ?? kind, { cause: error });
    }
  }
}

async function refused(action: string, name: string, response: Response): Promise<BlobStoreError> {
  await response.arrayBuffer().catch(() => undefined);
  return new BlobStoreError(action, name, `HTTP ${response.status}`);
}

/** Reads no more than `most` bytes, whatever the store announces. */
async function bodyOf(response: Response, name: string, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    for await (const chunk of response.body ?? []) {
      total += chunk.length;
      if (total > most) throw new BlobStoreError('read', name, `it has more than ${most} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof BlobStoreError) throw error;
    throw new BlobStoreError('read', name, 'the connection broke', { cause: error });
  }
  const declared = response.headers.get('content-length');
  if (declared !== null && Number(declared) !== total)
    throw new BlobStoreError('read', name, 'the connection broke');
  const all = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
