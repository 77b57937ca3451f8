/** A Fastify that takes binary bodies only, with the time and size limits of this project, over HTTP or TLS 1.3. */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import Fastify, { type FastifyInstance } from 'fastify';
import { BINARY } from '../transport/wire.ts';
import type { ServerLimits } from './limits.ts';

export interface TlsFiles {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
}

export function createFastify(limits: ServerLimits, tls: TlsFiles | undefined): FastifyInstance {
  const node = { maxHeaderSize: limits.maxHeaderBytes, connectionsCheckingInterval: 1000 };
  const app = Fastify({
    logger: false,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: true,
    routerOptions: { maxParamLength: 128 },
    genReqId: nextRequestId(),
    serverFactory: (handler) => {
      const server =
        tls === undefined
          ? createHttpServer(node, handler)
          : createHttpsServer({ ...node, ...tls, minVersion: 'TLSv1.3' }, handler);
      server.headersTimeout = limits.headersTimeoutMs;
      server.requestTimeout = limits.requestTimeoutMs;
      server.keepAliveTimeout = limits.keepAliveTimeoutMs;
      server.maxConnections = limits.maxConnections;
      return server as HttpServer;
    },
  });
  // Only binary bodies: without the built-in parsers a JSON or form body is refused unread.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(BINARY, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  return app;
}

function nextRequestId(): () => string {
  let count = 0;
  return () => `r${++count}`;
}
