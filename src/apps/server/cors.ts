/**
 * Cross-origin requests from browsers, for the origins on a list and no others. A page elsewhere can send what CORS calls a simple
 * request, but none of these carries a bearer token or a binary body, so nothing happens without one.
 */
import type { FastifyInstance } from 'fastify';
import { UsageError } from '../../base/errors.ts';
import { PEAK_HEADER, TIMING_HEADER } from '../transport/wire.ts';

const METHODS = 'GET, HEAD, PUT, POST, DELETE';
const REQUEST_HEADERS = 'authorization, content-type';
const REPLY_HEADERS = `${TIMING_HEADER}, ${PEAK_HEADER}, retry-after`;
/** Seconds for which a browser need not ask again. */
const PREFLIGHT_AGE = '600';

/** @throws {UsageError} for what is no origin: scheme, host and port, without a path, no wildcard. */
export function checkOrigin(text: string): string {
  if (!text.includes('*') && URL.canParse(text) && new URL(text).origin === text) return text;
  throw new UsageError(`an origin is scheme, host and port, such as https://app.example.org; got "${text}"`);
}

export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  const allowed = new Set(origins.map(checkOrigin));
  if (allowed.size === 0) return;
  app.addHook('onRequest', async (request, reply) => {
    reply.header('vary', 'origin');
    const { origin } = request.headers;
    if (origin === undefined || !allowed.has(origin)) return undefined;
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-expose-headers', REPLY_HEADERS);
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined)
      return undefined;
    reply.header('access-control-allow-methods', METHODS);
    reply.header('access-control-allow-headers', REQUEST_HEADERS);
    reply.header('access-control-max-age', PREFLIGHT_AGE);
    return reply.code(204).send();
  });
}
