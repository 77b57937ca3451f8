/**
 * The HTTP face of encrypted inference. It sees ciphertexts, evaluation keys and sizes; it has no key to open any.
 *
 * Every model gets its own routes at start, so that the size limit of a body is known from the model before a byte of
 * it is read, and a name in a path is only ever compared. A query is a pure function of its bytes and the keys:
 * sending it twice is safe.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { UsageError } from '../../base/errors.ts';
import {
  BINARY,
  formatTimings,
  KEY_ID,
  MODEL_NAME,
  PEAK_HEADER,
  routes,
  TIMING_HEADER,
  type WireCode,
} from '../transport/wire.ts';
import { refuse, wireCode } from './errors.ts';
import { createFastify, type TlsFiles } from './binary-fastify.ts';
import { EvaluationQueue } from './evaluation-queue.ts';
import { KeyLedger } from './key-ledger.ts';
import { DEFAULT_LIMITS, KEY_MEMORY_FACTOR, type ServerLimits } from './limits.ts';
import { ServerLog } from './log.ts';
import { QueryBudget } from './query-budget.ts';
import type { InferenceService } from './service.ts';
import { tenantOf } from './tenant.ts';

export interface AppOptions {
  readonly limits?: Partial<ServerLimits>;
  readonly log?: ServerLog;
  readonly tls?: TlsFiles;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any handler of a route that needs an owner runs. */
    tenant: string;
    /** Bytes of this body that count against the receiving limit. */
    reserved: number;
    arrivedAt: number;
  }
}

interface AppState {
  readonly service: InferenceService;
  readonly limits: ServerLimits;
  readonly log: ServerLog;
  readonly ledger: KeyLedger;
  readonly queue: EvaluationQueue;
  readonly budget: QueryBudget;
  receivingBytes: number;
}

type KeyRequest = FastifyRequest<{ Params: { id: string } }>;

/** @throws {UsageError} when a model has a name that cannot stand in a path. */
export function buildApp(service: InferenceService, options: AppOptions = {}): FastifyInstance {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const state: AppState = {
    service,
    limits,
    log: options.log ?? new ServerLog('silent'),
    ledger: new KeyLedger(limits.keyCapacityBytes, limits.maxKeysPerTenant, (tenant, keyId) =>
      service.forget(tenant, keyId),
    ),
    queue: new EvaluationQueue(limits.maxPending, limits.maxPendingPerTenant),
    budget: new QueryBudget(limits.queriesPerKeySet),
    receivingBytes: 0,
  };
  const app = createFastify(limits, options.tls);
  addHooks(app, state);
  app.get(routes.health, () => ({ status: 'ok', models: service.offers().map((offer) => offer.model) }));
  app.get(routes.models, () => ({
    models: service.offers().map((offer) => ({
      offer,
      keyBytes: service.keyLimit(offer.model),
      queryBytes: service.queryLimit(offer.model),
    })),
  }));
  for (const { model } of service.offers()) {
    if (!MODEL_NAME.test(model))
      throw new UsageError(`model names match ${MODEL_NAME.source}; got "${model}"`);
    addModel(app, state, model);
  }
  return app;
}

function addHooks(app: FastifyInstance, state: AppState): void {
  app.decorateRequest('tenant', '');
  app.decorateRequest('reserved', 0);
  app.decorateRequest('arrivedAt', 0);
  app.addHook('onRequest', async (request) => {
    request.arrivedAt = performance.now();
  });
  app.addHook('onResponse', async (request, reply) => {
    release(state, request);
    state.log.info('request', {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
      status: reply.statusCode,
      ms: Math.round(performance.now() - request.arrivedAt),
      bytesIn: Number(request.headers['content-length'] ?? 0),
      pending: state.queue.pending,
      ...(request.tenant === '' ? {} : { tenant: request.tenant }),
    });
  });
  app.addHook('onRequestAbort', async (request) => release(state, request));
  app.setNotFoundHandler((_request, reply) => refuse(reply, 'not-found'));
  app.setErrorHandler((error, request, reply) => {
    const code = wireCode(error);
    state.log.warn('refused', { requestId: request.id, code, ...localReason(error) });
    return refuse(reply, code);
  });
}

function release(state: AppState, request: FastifyRequest): void {
  state.receivingBytes -= request.reserved;
  request.reserved = 0;
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

function addModel(app: FastifyInstance, state: AppState, model: string): void {
  const keyLimit = state.service.keyLimit(model);
  const queryLimit = state.service.queryLimit(model);
  const owner = ownerHook();
  const keyPath = routes.key(model, ':id');
  app.put(
    routes.keys(model),
    { bodyLimit: keyLimit, onRequest: [owner, roomHook(state, keyLimit), keyRoomHook(state)] },
    enrolHandler(state, model),
  );
  app.get<{ Params: { id: string } }>(keyPath, { onRequest: owner }, (request, reply) =>
    holds(state, request, model) ? { keyId: request.params.id } : refuse(reply, 'unknown-key'),
  );
  app.delete<{ Params: { id: string } }>(keyPath, { onRequest: owner }, (request, reply) =>
    state.ledger.remove(request.tenant, model, request.params.id)
      ? reply.code(204).send()
      : refuse(reply, 'unknown-key'),
  );
  app.post<{ Params: { id: string } }>(
    routes.queries(model, ':id'),
    {
      bodyLimit: queryLimit,
      onRequest: [
        owner,
        knownKeyHook(state, model),
        budgetHook(state, model),
        roomHook(state, queryLimit),
        turnHook(state),
      ],
    },
    queryHandler(state, model),
  );
}

/** Hooks below answer before the body is read; a hook that has answered returns the reply, which ends the request. */
type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>;

function ownerHook(): Hook {
  return async (request, reply) => {
    const tenant = tenantOf(request.headers.authorization);
    if (tenant === null) return refuse(reply, 'unauthorized');
    request.tenant = tenant;
    return undefined;
  };
}

/** Checks the declared length against the model's limit and the bytes that are on their way already. */
function roomHook(state: AppState, limit: number): Hook {
  return async (request, reply) => {
    const declared = request.headers['content-length'];
    if (declared === undefined || !/^\d{1,15}$/.test(declared)) return refuse(reply, 'length-required');
    const bytes = Number(declared);
    if (bytes > limit) return refuse(reply, 'limit');
    if (state.receivingBytes + bytes > state.limits.maxReceivingBytes) return refuse(reply, 'busy');
    request.reserved = bytes;
    state.receivingBytes += bytes;
    return undefined;
  };
}

function keyRoomHook(state: AppState): Hook {
  return async (request, reply) =>
    state.ledger.makeRoom(request.tenant, KEY_MEMORY_FACTOR * request.reserved)
      ? undefined
      : refuse(reply, 'busy', 10);
}

function knownKeyHook(state: AppState, model: string): Hook {
  return async (request, reply) =>
    holds(state, request as KeyRequest, model) ? undefined : refuse(reply, 'unknown-key');
}

function budgetHook(state: AppState, model: string): Hook {
  return async (request) => {
    state.budget.check(request.tenant, model, (request as KeyRequest).params.id);
    return undefined;
  };
}

function turnHook(state: AppState): Hook {
  return async (request, reply) =>
    state.queue.admits(request.tenant) ? undefined : refuse(reply, 'busy', state.queue.retryAfterSeconds());
}

function holds(state: AppState, request: KeyRequest, model: string): boolean {
  const { id } = request.params;
  return (
    KEY_ID.test(id) &&
    state.ledger.has(request.tenant, model, id) &&
    state.service.hasKey(request.tenant, model, id)
  );
}

/** A body that was not declared octet-stream, or is empty, never reaches the protocol. */
function binaryBody(request: FastifyRequest): Buffer | WireCode {
  if (!Buffer.isBuffer(request.body)) return 'media-type';
  return request.body.length === 0 ? 'bad-request' : request.body;
}

function enrolHandler(state: AppState, model: string) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const body = binaryBody(request);
    if (typeof body === 'string') return refuse(reply, body);
    const { tenant } = request;
    const keyId = await state.service.enrol(tenant, model, body);
    state.ledger.add(tenant, model, keyId, KEY_MEMORY_FACTOR * body.length);
    state.log.info('enrolled', { requestId: request.id, tenant, key: keyId, model, bytesIn: body.length });
    return reply.code(201).send({ keyId });
  };
}

function queryHandler(state: AppState, model: string) {
  return async (request: KeyRequest, reply: FastifyReply) => {
    const body = binaryBody(request);
    if (typeof body === 'string') return refuse(reply, body);
    const receivedAt = performance.now();
    const { tenant } = request;
    const keyId = request.params.id;
    const gone = new AbortController();
    // The socket closing before the answer went out is the client leaving; its evaluation is of no use to anyone.
    reply.raw.once('close', () => {
      if (!reply.raw.writableEnded) gone.abort();
    });
    const run = await state.ledger.using(tenant, model, keyId, () =>
      state.queue.run(tenant, gone.signal, () => {
        state.budget.spend(tenant, model, keyId);
        return state.service.answer(tenant, model, keyId, body, gone.signal);
      }),
    );
    if (run === undefined) {
      const known = holds(state, request, model);
      return refuse(reply, known ? 'busy' : 'unknown-key', state.queue.retryAfterSeconds());
    }
    const { bytes, steps, peakBytes } = run.result;
    const transport = [
      { name: 'receive', ms: receivedAt - request.arrivedAt },
      { name: 'queue', ms: run.waitedMs },
    ];
    const spent = { requestId: request.id, tenant, key: keyId, model, bytesOut: bytes.length, peakBytes };
    state.log.info('answered', { ...spent, ms: Math.round(performance.now() - receivedAt) });
    reply.header(TIMING_HEADER, formatTimings([...transport, ...steps]));
    reply.header(PEAK_HEADER, String(Math.round(peakBytes)));
    return reply.type(BINARY).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  };
}
