/**
 * The HTTP face of encrypted inference. It sees ciphertexts, evaluation keys and sizes; it has no key to open any.
 *
 * Every model that is served has a limit for the size of a body, known before a byte of it is read, and a name in a path is only ever
 * compared. A query is a pure function of its bytes and the keys: sending it twice is safe.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SubrosaError, UsageError } from '../../base/errors.ts';
import { MODEL_NAME } from '../../compiler/program.ts';
import { modelName } from '../../protocols/inference/names.ts';
import { routes } from '../transport/wire.ts';
import { type AppOptions, type AppState, isServed, openState } from './app-state.ts';
import { addBlockRoutes } from './block-routes.ts';
import { createFastify } from './binary-fastify.ts';
import { allowOrigins } from './cors.ts';
import { refuse, wireCode } from './errors.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { addModelRoutes } from './model-routes.ts';
import { factsOf, NOBODY } from './request-facts.ts';
import type { InferenceService } from './service.ts';

/** nginx's number for a client that closed the connection; it is never sent. */
const CLIENT_LEFT = 499;

/** @throws {UsageError} when a model has a name that cannot stand in a path, or an origin is none. */
export function buildApp(service: InferenceService, options: AppOptions = {}): FastifyInstance {
  const app = createFastify({ ...DEFAULT_LIMITS, ...options.limits }, options.tls);
  serveInference(app, service, options);
  app.setNotFoundHandler((_request, reply) => refuse(reply, 'not-found'));
  return app;
}

/**
 * Adds the routes to a scope of an application that takes binary bodies.
 * @throws {UsageError} when a model has a name that cannot stand in a path, or an origin is none.
 */
export function serveInference(app: FastifyInstance, service: InferenceService, options: AppOptions): void {
  for (const { model } of service.offers()) {
    if (!MODEL_NAME.test(model))
      throw new UsageError(`model names match ${MODEL_NAME.source}; got "${model}"`);
  }
  const state = openState(app, service, options);
  addGauges(state);
  addHooks(state);
  allowOrigins(app, options.corsOrigins ?? []);
  app.get(routes.health, () => ({ status: 'ok', models: service.offers().map((offer) => offer.model) }));
  app.get(routes.ready, (_request, reply) => {
    if (state.isClosing) return refuse(reply, 'closing');
    return service.isReady() ? { status: 'ready' } : refuse(reply, 'starting');
  });
  app.get(routes.models, () => ({
    models: service.offers().map((offer) => ({
      offer,
      keyBytes: service.enrolmentBytes(modelName(offer.model)),
      queryBytes: service.queryBytes(modelName(offer.model)),
    })),
  }));
  const hooks = addModelRoutes(state);
  if (service.blocks !== undefined) addBlockRoutes(state, service.blocks, hooks);
}

function addGauges({ app, metrics, queue, ledger, uploads, service }: AppState): void {
  const { receiveBudget } = app;
  metrics.gauge('subrosa_pending_evaluations', 'Evaluations that wait or run.', () => queue.pending);
  metrics.gauge('subrosa_receiving_bytes', 'Bodies in memory.', () => receiveBudget.bytes);
  metrics.gauge('subrosa_upload_bytes', 'Parts of keys that wait for the rest.', () => uploads.bytes);
  metrics.gauge('subrosa_keys', 'Key sets held.', () => ledger.size);
  metrics.gauge('subrosa_key_bytes', 'What these take where they are held, estimated.', () => ledger.bytes);
  metrics.gauge('subrosa_pending_ms', 'What these should take, milliseconds.', () => queue.pendingMs);
  // The connections of somebody else's application are not ours to watch.
  if (app.hasDecorator('connectionGuard')) {
    const guard = app.connectionGuard;
    metrics.gauge('subrosa_connections', 'Open connections.', () => guard.size);
    metrics.gauge('subrosa_connections_closed', 'Closed to let others in, so far.', () => guard.closed);
  }
  metrics.gauge('subrosa_ready', '1 when it takes work.', () => (service.isReady() ? 1 : 0));
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  const startedAt = Date.now() / 1000 - process.uptime();
  metrics.gauge('process_start_time_seconds', 'Since the epoch.', () => startedAt);
}

function addHooks(state: AppState): void {
  const { app, log, metrics } = state;
  app.addHook('preClose', async () => {
    state.isClosing = true;
  });
  app.addHook('onRequest', async (request, reply) => {
    factsOf(request).arrivedAt = performance.now();
    // 'close' comes for every request, also for those whose client leaves.
    reply.raw.once('close', () => concluded(state, request, reply));
  });
  app.setErrorHandler((error, request, reply) => {
    if (hasLeft(request)) {
      const { tenant } = factsOf(request);
      const where = request.raw.complete ? 'before its answer' : 'within its body';
      const owner = tenant === NOBODY ? {} : { tenant };
      log.info('client left', { requestId: request.id, reason: where, ...owner });
      return refuse(reply, 'bad-request');
    }
    const code = wireCode(error);
    if (error instanceof SubrosaError && error.code === 'divergent-reply')
      metrics.count('subrosa_divergent_replies_total');
    log.warn('refused', { requestId: request.id, code, ...localReason(error) });
    // A body that was cut is still on its way.
    if (!request.raw.complete) reply.header('connection', 'close');
    return refuse(reply, code, state.queue.retryAfterSeconds());
  });
}

/** The connection is gone, so that nobody waits for the answer. */
function hasLeft(request: FastifyRequest): boolean {
  return request.raw.socket.destroyed;
}

function concluded(state: AppState, request: FastifyRequest, reply: FastifyReply): void {
  const { log, metrics, queue } = state;
  const { arrivedAt, tenant, refused } = factsOf(request);
  const seconds = (performance.now() - arrivedAt) / 1000;
  const route = routeOf(state, request);
  const status = reply.raw.writableFinished ? reply.statusCode : CLIENT_LEFT;
  const { method } = request;
  metrics.count('subrosa_requests_total', { route, method, status: String(status) });
  if (refused !== undefined) metrics.count('subrosa_refusals_total', { code: refused });
  metrics.observe('subrosa_request_seconds', { route }, seconds);
  log.info('request', {
    ...{ requestId: request.id, method, route, status, ms: Math.round(1000 * seconds) },
    bytesIn: Number(request.headers['content-length'] ?? 0),
    pending: queue.pending,
    ...(tenant === NOBODY ? {} : { tenant }),
  });
}

/** With the name of a model that is served: there are no more of these than models. */
function routeOf(state: AppState, { routeOptions, params }: FastifyRequest): string {
  const { model = '' } = (params ?? {}) as { model?: string };
  const { url = 'unknown' } = routeOptions;
  return isServed(state, model) ? url.replace(':model', model) : url;
}

/** For the local log: typed errors hold no secret by contract, others are named only. */
function localReason(error: unknown): { errorName: string; reason: string } {
  const {
    name = 'unknown',
    message = '',
    code = '',
  } = error as { name?: string; message?: string; code?: string };
  return { errorName: name, reason: `${code} ${message}`.trim() };
}
