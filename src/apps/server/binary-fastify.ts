/** A Fastify that takes binary bodies only, with the time and size limits of this project, over HTTP or TLS 1.3. */
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { loadOptionalPackage } from '../../base/optional-package.ts';
import { BINARY } from '../transport/wire.ts';
import { ConnectionGuard } from './connection-guard.ts';
import type { ServerLimits } from './limits.ts';
import { addressClass } from './principal.ts';
import { receiveBody } from './receive-body.ts';
import { factsOf } from './request-facts.ts';
import type { TlsFiles } from './running-server.ts';
import { ReceiveBudget } from './admission/receive-budget.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Of a scope with binary bodies. */
    readonly receiveBudget: ReceiveBudget;
    /** Of a server of our own, after it has been made. */
    readonly connectionGuard: ConnectionGuard;
  }
}

/** What a client that was refused may still send before its connection is closed. */
const LINGER_MS = 2000;

export function createFastify(limits: ServerLimits, tls: TlsFiles | undefined): FastifyInstance {
  const node = { maxHeaderSize: limits.maxHeaderBytes, connectionsCheckingInterval: 1000 };
  let guard: ConnectionGuard | undefined;
  const { fastify } = loadOptionalPackage<typeof import('fastify')>('fastify', 'a server');
  const app = fastify({
    logger: false,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: true,
    routerOptions: { maxParamLength: 128 },
    genReqId: nextRequestId(),
    serverFactory: (handler) => {
      const server =
        tls === undefined
          ? createHttpServer(node, handler)
          : createHttpsServer(
              { ...node, ...tls, minVersion: 'TLSv1.3', handshakeTimeout: limits.headersTimeoutMs },
              handler,
            );
      server.headersTimeout = limits.headersTimeoutMs;
      server.requestTimeout = limits.requestTimeoutMs;
      server.keepAliveTimeout = limits.keepAliveTimeoutMs;
      guard = new ConnectionGuard(server as HttpServer, limits.maxConnections);
      return server as HttpServer;
    },
  });
  app.decorate('connectionGuard', guard as ConnectionGuard);
  takeBinaryBodies(app, limits);
  return app;
}

/** Binary bodies and no others, in this scope of an application. */
export function takeBinaryBodies(app: FastifyInstance, limits: ServerLimits): void {
  // Without the built-in parsers a JSON or form body is refused unread.
  app.removeAllContentTypeParsers();
  const budget = new ReceiveBudget(limits.maxReceivingBytes, limits.principalShare);
  app.decorate('receiveBudget', budget);
  app.addHook('onRequest', async (request, reply) => {
    const facts = factsOf(request);
    facts.principal = addressClass(request.raw.socket.remoteAddress ?? 'unknown');
    // 'close' comes for every request, answered or cut off in any way.
    reply.raw.once('close', () => {
      budget.give(facts.principal, facts.reserved);
      facts.reserved = 0;
      // Complete by then is a body that was refused and came nevertheless; its connection may serve another request.
      const linger = () => request.raw.complete || request.raw.destroy();
      if (!request.raw.complete) setTimeout(linger, LINGER_MS).unref();
    });
  });
  app.addContentTypeParser(BINARY, (request: FastifyRequest, payload: IncomingMessage) => {
    const limit = factsOf(request).bodyLimit ?? request.routeOptions.bodyLimit;
    return receiveBody(request, payload, { ...limits, budget, limit });
  });
}

function nextRequestId(): () => string {
  let count = 0;
  return () => `r${++count}`;
}
