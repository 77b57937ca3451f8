/**
 * What client and server say over HTTP besides the binary messages: paths, header names, error codes, timings.
 * Both sides import this file, so that they cannot drift apart.
 */

import type { RefusalReason } from '../../base/errors.ts';

/** Uploads of keys are named by the SHA-256 of the message. */
export const UPLOAD_HASH = /^[0-9a-f]{64}$/;
/** Keys may be uploaded in parts of this length; the last one is shorter. */
export const KEY_PART_BYTES = 2 ** 20;

export const BINARY = 'application/octet-stream';
/** Steps of an evaluation in the standard header: `s0;desc="expand";dur=12.3, ...`, plus `receive` and `queue`. */
export const TIMING_HEADER = 'server-timing';
/** Largest memory the evaluation held, in bytes. */
export const PEAK_HEADER = 'subrosa-peak-bytes';

/** The closed set of error codes a server may answer with; the sentences are in apps/server/errors.ts. */
export const WIRE_CODES = [
  'bad-request',
  'unauthorized',
  'forbidden',
  'not-found',
  'unknown-key',
  'method',
  'timeout',
  'length-required',
  'limit',
  'media-type',
  'params-mismatch',
  'incomplete',
  'query-budget',
  'refused',
  'rolled-back',
  'busy',
  'storage',
  'closing',
  'starting',
  'internal',
] as const;
export type WireCode = (typeof WIRE_CODES)[number];

export interface WireError {
  readonly code: WireCode;
  readonly message: string;
  /** With `refused`: which rule of the policy forbids the keys. */
  readonly reason?: RefusalReason;
}

/** How far a block of a batch is. */
export type BlockState = 'waiting' | 'done' | 'failed';

/** One phase on the server. */
export interface TimedStep {
  readonly name: string;
  readonly ms: number;
}

export const routes = {
  /** The process runs. */
  health: '/v1/health',
  /** It takes work. */
  ready: '/v1/ready',
  models: '/v1/models',
  keys: (model: string) => `/v1/models/${model}/keys`,
  key: (model: string, keyId: string) => `/v1/models/${model}/keys/${keyId}`,
  upload: (model: string, hash: string) => `/v1/models/${model}/uploads/${hash}`,
  uploadPart: (model: string, hash: string, part: number | string) =>
    `/v1/models/${model}/uploads/${hash}/parts/${part}`,
  completeUpload: (model: string, hash: string) => `/v1/models/${model}/uploads/${hash}/complete`,
  /** Queries of a batch: nobody waits for them. Only gateways of a fleet have these. */
  blocks: (model: string, keyId: string) => `/v1/models/${model}/keys/${keyId}/blocks`,
  block: (model: string, keyId: string, job: string) => `/v1/models/${model}/keys/${keyId}/blocks/${job}`,
  blockState: (model: string, keyId: string, job: string) =>
    `/v1/models/${model}/keys/${keyId}/blocks/${job}/state`,
  queries: (model: string, keyId: string) => `/v1/models/${model}/keys/${keyId}/queries`,
};

/** Writes steps as a Server-Timing value; characters that the header grammar forbids become spaces. */
export function formatTimings(steps: readonly TimedStep[]): string {
  return steps
    .map(({ name, ms }, i) => `s${i};desc="${name.replace(/[^\w .:+*/()-]/g, ' ')}";dur=${ms.toFixed(3)}`)
    .join(', ');
}

/** Reads what {@link formatTimings} wrote. Unknown text is skipped: timings are for display alone. */
export function parseTimings(header: string | null): TimedStep[] {
  if (header === null || header.length > 16_384) return [];
  return [...header.matchAll(/s\d{1,3};desc="([\w .:+*/()-]{1,64})";dur=(\d{1,12}(?:\.\d{1,6})?)/g)].map(
    (match) => ({
      name: match[1] as string,
      ms: Number(match[2]),
    }),
  );
}
