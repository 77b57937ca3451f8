import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AwsV4Signer } from 'aws4fetch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BlobStore, BlobStoreError } from '../../../src/apps/fleet/blobs/blob-store.ts';
import { openBlobs } from '../../../src/apps/fleet/blobs/open-blobs.ts';
import { sweep } from '../../../src/apps/fleet/blobs/sweeper.ts';
import { S3Server, signatureOf } from './s3-server.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'access', AWS_SECRET_ACCESS_KEY: 'secret' };

async function names(store: BlobStore, prefix: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { name } of store.list(prefix)) all.push(name);
  return all.sort();
}

describe.each(['file', 's3'])('blobs in %s', (kind) => {
  let folder: string;
  let server: S3Server;
  let store: BlobStore;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'subrosa-blobs-'));
    server = await S3Server.start({ secret: 'secret', page: 2 });
    const s3 = `s3://bucket/fleet?endpoint=${server.url}&region=eu-central-1`;
    store = await openBlobs(kind === 'file' ? `file:${folder}` : s3, KEYS);
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it('come back as they were, and are never replaced', async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * i) % 251);
    expect(await store.get('keys/a/1', 200_000)).toBeNull();
    expect(await store.has('keys/a/1')).toBe(false);
    expect(await store.putOnce('keys/a/1', bytes)).toBe(true);
    expect(await store.putOnce('keys/a/1', new Uint8Array(3))).toBe(false);
    expect(await store.get('keys/a/1', 200_000)).toEqual(bytes);
    expect(await store.has('keys/a/1')).toBe(true);
    await expect(store.get('keys/a/1', 99_999)).rejects.toBeInstanceOf(BlobStoreError);
    await store.remove('keys/a/1');
    await store.remove('keys/a/1');
    expect(await store.get('keys/a/1', 200_000)).toBeNull();
  });

  it('written by many at once are those of exactly one of them', async () => {
    const written = await Promise.all(
      Array.from({ length: 12 }, (_, i) => store.putOnce('replies/x', new Uint8Array(5000).fill(i))),
    );
    expect(written.filter(Boolean)).toHaveLength(1);
    const stands = await store.get('replies/x', 5000);
    expect(stands).toEqual(new Uint8Array(5000).fill(written.indexOf(true)));
  });

  it('are listed by the beginning of their names', async () => {
    const all = ['keys/a/1', 'keys/a/2', 'keys/ab/1', 'keys/b/1', 'queries/a'];
    for (const name of all) await store.putOnce(name, new Uint8Array(4));
    expect(await names(store, 'keys/a/')).toEqual(['keys/a/1', 'keys/a/2']);
    expect(await names(store, 'keys/')).toEqual(all.slice(0, 4));
    expect(await names(store, 'none/')).toEqual([]);
  });

  it.each(['../x', 'a/../../x', '/etc/passwd', 'a//b', '', '.partial/x', 'A', 'a b', 'a\0b', 'a/'])(
    'have no name like %j',
    async (name) => {
      await expect(store.get(name, 10)).rejects.toThrow('its name is none that a blob can have');
      await expect(store.putOnce(name, new Uint8Array(1))).rejects.toThrow('its name');
    },
  );

  it('go when nobody will ask for them any longer', async () => {
    for (const name of ['queries/a', 'replies/a', 'keys/t/k/1', 'programs/p'])
      await store.putOnce(name, new Uint8Array(1));
    expect(await sweep(store)).toBe(0);
    expect(await sweep(store, undefined, Date.now() + 3_600_000)).toBe(2);
    expect(await names(store, '')).toEqual(['keys/t/k/1', 'programs/p']);
  });
});

describe('a folder of blobs', () => {
  it('shows no blob before it is whole, and leaves nothing beside it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'subrosa-blobs-'));
    const store = await openBlobs(`file:${folder}`, {});
    await store.putOnce('a/b', new Uint8Array(9));
    await store.putOnce('a/b', new Uint8Array(9));
    expect(readdirSync(join(folder, '.partial'))).toEqual([]);
    expect(readdirSync(join(folder, 'a'))).toEqual(['b']);
    rmSync(folder, { recursive: true });
  });
});

describe('a store in S3', () => {
  /** "Examples: Signature Calculations", GET Object, of Amazon's documentation. */
  it('is asked with the signatures that its documentation gives', async () => {
    const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
    const url = 'https://examplebucket.s3.amazonaws.com/test.txt';
    const signer = new AwsV4Signer({
      ...{ url, method: 'GET', service: 's3', region: 'us-east-1', datetime: '20130524T000000Z' },
      ...{ accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: secret, allHeaders: true },
      headers: {
        range: 'bytes=0-9',
        'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      },
    });
    const known = 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41';
    const { headers } = await signer.sign();
    expect(headers.get('authorization')).toContain(`Signature=${known}`);
    // And so does the server that these tests ask.
    const sent = { ...Object.fromEntries(headers), host: 'examplebucket.s3.amazonaws.com' };
    expect(signatureOf({ method: 'GET', url: new URL(url), headers: sent }, secret)).toBe(known);
  });

  it('is refused when it overwrites what must be written once', async () => {
    await using server = await S3Server.start({ secret: 'secret', isDeaf: true });
    await expect(openBlobs(`s3://bucket/x?endpoint=${server.url}`, KEYS)).rejects.toThrow(
      'overwrites blobs although it is told not to',
    );
  });

  it('says what is wrong with an address or with credentials, and shows none', async () => {
    await using server = await S3Server.start({ secret: 'another' });
    const at = (address: string, env: NodeJS.ProcessEnv = KEYS) => expect(openBlobs(address, env)).rejects;
    await at(`s3://bucket/x?endpoint=${server.url}`).toThrow('HTTP 403');
    await at(`s3://bucket/x?endpoint=${server.url}`, {}).toThrow('AWS_ACCESS_KEY_ID');
    await at('s3://bucket/x?endpoint=http://store.example').toThrow('use https');
    await at('s3://bucket/x?endpoint=ftp://store.example').toThrow('https URL');
    await at('s3://b_cket/x').toThrow('s3://BUCKET/PREFIX');
    await at('gs://bucket').toThrow('file:FOLDER or s3://BUCKET/PREFIX');
    expect(server.refused).toBe(1);
  });

  it('that fails is an error that may be tried again; one that is not there is nothing', async () => {
    await using server = await S3Server.start({ secret: 'secret' });
    const store = await openBlobs(`s3://bucket?endpoint=${server.url}`, KEYS);
    await store.putOnce('a', new Uint8Array(3));
    server.failures = [500, 503, 409];
    await expect(store.get('a', 3)).rejects.toMatchObject({ name: 'BlobStoreError', code: 'file' });
    await expect(store.has('a')).rejects.toBeInstanceOf(BlobStoreError);
    await expect(store.putOnce('b', new Uint8Array(3))).rejects.toBeInstanceOf(BlobStoreError);
    expect(await store.has('a')).toBe(true);
  });
});
