/** Opens the listening socket under the rule that ciphertexts and tokens never cross a network in plaintext HTTP. */
import type { RunningServer } from './running-server.ts';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { UsageError } from '../../base/errors.ts';
import { isLoopback } from '../../base/loopback.ts';
import { buildApp } from './app.ts';
import type { AppOptions } from './app-state.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { ServerMetrics } from './metrics.ts';
import type { InferenceService } from './service.ts';

/** Where a server listens. */
export interface ListenAddress {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Permits plain HTTP on an address that other machines reach, for example behind a TLS proxy. */
  readonly insecureListen?: boolean;
}

export interface ListenOptions extends ListenAddress, AppOptions {
  /** Serves the metrics at this port (0: any free one), apart from clients: they show what others do. */
  readonly metricsPort?: number;
  /** Address of that port. Default 127.0.0.1; another one must be out of clients' reach. */
  readonly metricsHost?: string;
}

/** @throws {UsageError} for a plaintext listener off loopback, or when the address cannot be bound. */
export async function listen(service: InferenceService, options: ListenOptions = {}): Promise<RunningServer> {
  const graceMs = options.limits?.graceMs ?? DEFAULT_LIMITS.graceMs;
  const { metricsPort, metricsHost = '127.0.0.1', metrics = new ServerMetrics() } = options;
  const server = await listenApp(buildApp(service, { ...options, metrics }), options, graceMs);
  if (metricsPort === undefined) return server;
  try {
    const page = await listenMetrics(metrics, metricsHost, metricsPort);
    return {
      ...server,
      metricsUrl: page.url,
      close: async () => {
        await server.close();
        await page.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** @throws {UsageError} when the port cannot be bound. */
async function listenMetrics(metrics: ServerMetrics, host: string, port: number): Promise<RunningServer> {
  const server = createServer((request, response) => {
    const isPage = request.method === 'GET' && request.url === '/metrics';
    response.writeHead(isPage ? 200 : 404, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(isPage ? metrics.text() : 'the metrics are at /metrics\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => reject(cannotListen(host, port, code)));
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${urlHost(host)}:${bound}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function cannotListen(host: string, port: number, code = 'unknown error'): UsageError {
  return new UsageError(`cannot listen on ${host}:${port} (${code}): choose another --host or port`);
}

function assertPrivate({ host = '127.0.0.1', tls, insecureListen = false }: ListenOptions): void {
  if (tls === undefined && !insecureListen && !isLoopback(host)) {
    throw new UsageError(
      `${host} is reachable from other machines and needs TLS: give --tls-cert and --tls-key, or --insecure-listen behind a TLS proxy`,
    );
  }
}

/**
 * Listens with an application of one's own.
 * @throws {UsageError} for a plaintext listener off loopback, or when the address cannot be bound.
 */
export async function listenApp(
  app: FastifyInstance,
  options: ListenAddress & Pick<AppOptions, 'tls'>,
  graceMs: number = DEFAULT_LIMITS.graceMs,
): Promise<RunningServer> {
  assertPrivate(options);
  const { host = '127.0.0.1', port = 0, tls } = options;
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw cannotListen(host, port, (error as NodeJS.ErrnoException).code);
  }
  const { port: bound } = app.server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${urlHost(host)}:${bound}`,
    close: drainer(app, graceMs),
  };
}

/** Closing waits for requests, not for connections: clients keep those open, some without ever sending on them. */
function drainer(app: FastifyInstance, graceMs: number): () => Promise<void> {
  let active = 0;
  let closing = false;
  const endWhenIdle = () => {
    if (closing && active === 0) app.server.closeAllConnections();
  };
  app.server.on('request', (_request, response) => {
    active++;
    response.once('close', () => {
      active--;
      endWhenIdle();
    });
  });
  return async () => {
    closing = true;
    const cutOff = setTimeout(() => app.server.closeAllConnections(), graceMs);
    const closed = app.close();
    endWhenIdle();
    await closed;
    clearTimeout(cutOff);
  };
}
