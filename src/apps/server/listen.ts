/** Opens the listening socket under the rule that ciphertexts and tokens never cross a network in plaintext HTTP. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { UsageError } from '../../base/errors.ts';
import { isLoopback } from '../../base/loopback.ts';
import { type AppOptions, buildApp } from './app.ts';
import { DEFAULT_LIMITS } from './limits.ts';
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

export type ListenOptions = ListenAddress & AppOptions;

export interface RunningServer {
  readonly url: string;
  /** Takes no new connections, lets running evaluations finish within the grace period, then ends. */
  close(): Promise<void>;
}

/** @throws {UsageError} for a plaintext listener off loopback, or when the address cannot be bound. */
export async function listen(service: InferenceService, options: ListenOptions = {}): Promise<RunningServer> {
  const graceMs = options.limits?.graceMs ?? DEFAULT_LIMITS.graceMs;
  return listenApp(buildApp(service, options), options, graceMs);
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
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `cannot listen on ${host}:${port} (${code ?? 'unknown error'}): choose another --host or --port`,
    );
  }
  const { port: bound } = app.server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${name}:${bound}`,
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
