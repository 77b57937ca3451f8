/**
 * The only map from what went wrong to what a client is told: a status, a code and one fixed sentence.
 * Details stay in the local log, found by request id. Nothing here can carry an identifier, a key or a value.
 */
import type { FastifyReply } from 'fastify';
import { type ErrorCode, SubrosaError } from '../../base/errors.ts';
import { factsOf } from './request-facts.ts';
import { ReceiveError } from './receive-body.ts';
import type { WireCode, WireError } from '../transport/wire.ts';

const PUBLIC: Readonly<Record<WireCode, { status: number; message: string }>> = {
  'bad-request': { status: 400, message: 'The message is not a valid one for this model.' },
  unauthorized: { status: 401, message: 'A bearer token of 32 bytes in base64url is needed.' },
  forbidden: { status: 403, message: 'This token is for another role or another data set.' },
  'not-found': { status: 404, message: 'There is nothing at this address.' },
  'unknown-key': {
    status: 404,
    message: 'No such evaluation keys for this token and model; enrol them first.',
  },
  method: { status: 405, message: 'This address does not take this method.' },
  timeout: {
    status: 408,
    message: 'The body stalled, or came more slowly than this server waits for; send it again.',
  },
  'length-required': { status: 411, message: 'The request must state its Content-Length.' },
  limit: {
    status: 413,
    message:
      'The body is larger than any message for this model; GET /v1/models has the sizes. A 413 without this text is from a proxy: see docs/operating.md.',
  },
  'media-type': { status: 415, message: 'The body must be application/octet-stream.' },
  'params-mismatch': { status: 409, message: 'The message belongs to other parameters than those in use.' },
  incomplete: { status: 409, message: 'Parts of this upload are missing; GET it for those that are here.' },
  'query-budget': {
    status: 429,
    message: 'The samples that this server evaluates for you are used up; new keys do not change that.',
  },
  refused: {
    status: 403,
    message: 'The policy of this data set forbids these keys; the request is in the log.',
  },
  'rolled-back': { status: 409, message: 'The log of this authority lacks an entry that was seen before.' },
  busy: { status: 503, message: 'The server has as much work as it accepts; try again later.' },
  storage: {
    status: 503,
    message: 'The disk of this server is full or fails: it goes on by itself once it can write again.',
  },
  closing: { status: 503, message: 'The server is shutting down.' },
  starting: { status: 503, message: 'The server is not ready yet.' },
  internal: { status: 500, message: 'The server failed; its operator finds the reason in the log.' },
};

/** Every way in which bytes can be wrong gets the same answer, so that the answer teaches nothing about the bytes. */
const BY_ERROR: Readonly<Partial<Record<ErrorCode, WireCode>>> = {
  decode: 'bad-request',
  protocol: 'bad-request',
  shape: 'bad-request',
  range: 'bad-request',
  'level-exhausted': 'bad-request',
  'scale-mismatch': 'bad-request',
  'missing-key': 'bad-request',
  'params-mismatch': 'params-mismatch',
  limit: 'limit',
  'query-budget': 'query-budget',
  refused: 'refused',
  'rolled-back': 'rolled-back',
  file: 'storage',
  transport: 'busy',
  disposed: 'closing',
};

const BY_FASTIFY: Readonly<Record<string, WireCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'limit',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media-type',
  FST_ERR_REOPENED_CLOSE_SERVER: 'closing',
};

/** The public code for anything that a handler threw. */
export function wireCode(error: unknown): WireCode {
  if (error instanceof SubrosaError) return BY_ERROR[error.code] ?? 'internal';
  if (error === null || typeof error !== 'object') return 'internal';
  // Nobody reads the answer to a client that left.
  if (error instanceof ReceiveError) return error.wire === 'client-left' ? 'bad-request' : error.wire;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? BY_FASTIFY[code] : undefined;
  if (known !== undefined) return known;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? 'bad-request' : 'internal';
}

/** Sends the fixed answer for `code`; `retryAfterSeconds` goes with `busy`. */
export function refuse(reply: FastifyReply, code: WireCode, retryAfterSeconds = 1): FastifyReply {
  const { status, message } = PUBLIC[code];
  factsOf(reply.request).refused = code;
  if (status === 503) reply.header('retry-after', String(retryAfterSeconds));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(status).send({ code, message } satisfies WireError);
}
