/**
 * What things are called in a broker and in a blob store that may not know who asks: pseudonyms under the fleet's secret, hashes, and
 * nothing that a client chose. Every name is made here.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Brand } from '../../base/brand.ts';
import { sha256Digest, sha256Mac } from '../../base/sha256.ts';
import type { Offer, PackedKeys } from '../../compiler/offer.ts';
import type { KeyId, TenantId } from '../../protocols/inference/names.ts';

/** A tenant as broker, store and workers know it: 32 hex digits that say nothing without the fleet's secret. */
export type TenantTag = Brand<string, 'TenantTag'>;
/** A job: the hash of all that its answer depends on, 64 hex digits. */
export type JobId = Brand<string, 'JobId'>;
/** What keys must be to serve a program: hash of parameters and key plan, 32 hex digits. */
export type KeysId = Brand<string, 'KeysId'>;

/** Jobs are spread over so many queues; a worker prefers some of them, and so keys that it has prepared. */
export const PARTITIONS = 16;

export const FLEET_SECRET_BYTES = 32;

const text = new TextEncoder();

/** HMAC-SHA-256 under the fleet's secret, cut to 128 bits. */
function pseudonym(secret: Uint8Array, of: string): string {
  return bytesToHex(sha256Mac(secret, text.encode(of))).slice(0, 32);
}

export function tenantTag(secret: Uint8Array, tenant: TenantId | string): TenantTag {
  return pseudonym(secret, `subrosa tenant ${tenant}`) as TenantTag;
}

/** Whom limits and budgets count against, as the broker knows it. */
export function principalTag(secret: Uint8Array, principal: string): string {
  return pseudonym(secret, `subrosa principal ${principal}`);
}

/** What workers derive replies from, so that all of them answer a query alike: 32 bytes that say nothing about the fleet's secret. */
export function replySecretOf(secret: Uint8Array): Uint8Array {
  return sha256Mac(secret, text.encode('subrosa replies'));
}

/** Two processes compare this to see whether they were given the same secret; it says nothing about it. */
export function secretFingerprint(secret: Uint8Array): string {
  return bytesToHex(sha256Mac(secret, text.encode('subrosa fleet secret'))).slice(0, 16);
}

/** The same for all keys of a tenant, so that the broker's limit per subject is a limit per tenant. */
export function partitionOf(tenant: TenantTag): number {
  return Number.parseInt(tenant.slice(0, 8), 16) % PARTITIONS;
}

/** Elements with the level that each serves, which decides how long a key is. */
function packedPlan({ relinearize, galois }: PackedKeys): string {
  const keys = galois.map(({ element, maxLevel }) => `${element}@${maxLevel}`);
  return `relinearize@${relinearize ?? 'none'},${keys.join(',')}`;
}

/**
 * Everything that an answer depends on, each part behind its length: the same query of the same keys is the same job, whichever gateway
 * takes it and however often it is sent.
 */
export function jobIdOf(tenant: TenantTag, keyId: KeyId, programId: string, query: Uint8Array): JobId {
  const head = text.encode(
    ['subrosa job 1', tenant, keyId, programId, query.length].map((part) => `${part}\n`).join(''),
  );
  const all = new Uint8Array(head.length + query.length);
  all.set(head);
  all.set(query, head.length);
  return bytesToHex(sha256Digest(all)) as JobId;
}

export function keysIdOf({
  paramsId,
  galois,
  packed,
}: Pick<Offer, 'paramsId' | 'galois' | 'packed'>): KeysId {
  const plan = `subrosa keys 1\n${paramsId}\n${packed === undefined ? [...galois].sort((a, b) => a - b).join(',') : packedPlan(packed.keys)}\n`;
  return bytesToHex(sha256Digest(text.encode(plan))).slice(0, 32) as KeysId;
}

export const subjects = {
  job: (tenant: TenantTag) => `jobs.${partitionOf(tenant)}.${tenant}`,
  jobsOf: (partition: number) => `jobs.${partition}.*`,
  block: (tenant: TenantTag) => `blocks.${partitionOf(tenant)}.${tenant}`,
  /** Says that there is something in a queue. Nobody depends on it: queues are looked at every second, too. */
  wake: (partition: number | 'blocks') => `wake.${partition}`,
  wakes: 'wake.*',
  /** Says how a job ended. Nobody depends on it either. */
  done: (id: JobId) => `done.${id}`,
  beat: (worker: string) => `beat.${worker}`,
  beats: 'beat.*',
} as const;

/** Names of blobs; {@link BLOB_NAME} is what every one of them matches. */
export const blobs = {
  program: (programId: string) => `programs/${programId}`,
  keys: (tenant: TenantTag, keysId: KeysId, keyId: KeyId) => `keys/${tenant}/${keysId}/${keyId}`,
  part: (tenant: TenantTag, hash: string, part: number) => `uploads/${tenant}/${hash}/${part}`,
  upload: (tenant: TenantTag, hash: string) => `uploads/${tenant}/${hash}/`,
  query: (id: JobId) => `queries/${id}`,
  reply: (id: JobId) => `replies/${id}`,
  /** Of batches: kept until they are fetched, and only for their tenant. */
  blockQuery: (tenant: TenantTag, id: JobId) => `blocks/${tenant}/${id}/query`,
  blockReply: (tenant: TenantTag, id: JobId) => `blocks/${tenant}/${id}/reply`,
} as const;

export const BLOB_NAME = /^[a-z0-9]+(?:[-_][a-z0-9]+)*(?:\/[a-z0-9]+(?:[-_][a-z0-9]+)*){0,5}$/;
