/**
 * The HTTP face of encrypted inference. It sees ciphertexts, evaluation keys and sizes; it has no key to open any.
 *
 * Every model gets its own routes at start, so that the size limit of a body is known from the model before a byte of
 * it is read, and a name in a path is only ever compared. A query is a pure function of its bytes and the keys:
 * sending it twice is safe.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { UsageError } from '../../base/errors.ts';
import { MODEL_NAME } from '../../compiler/program.ts';
import {
  KEY_ID,
  type KeyId,
  type ModelName,
  modelName,
  type TenantId,
} from '../../protocols/inference/names.ts';
import {
  BINARY,
  formatTimings,
  KEY_PART_BYTES,
  PEAK_HEADER,
  routes,
  TIMING_HEADER,
  UPLOAD_HASH,
  type WireCode,
} from '../transport/wire.ts';
import { createFastify } from './binary-fastify.ts';
import type { TlsFiles } from './running-server.ts';
import { allowOrigins } from './cors.ts';
import { refuse, wireCode } from './errors.ts';
import { EvaluationQueue } from './evaluation-queue.ts';
import { KeyLedger } from './key-ledger.ts';
import { KeyUploads } from './key-uploads.ts';
import { DEFAULT_LIMITS, KEY_MEMORY_FACTOR, type ServerLimits } from './limits.ts';
import { ServerLog } from './log.ts';
import { ServerMetrics } from './metrics.ts';
import { type PrincipalRule, principalOf } from './principal.ts';
import { QueryBudget } from './query-budget.ts';
import type { InferenceService } from './service.ts';
import { tenantOf } from './tenant.ts';

export interface AppOptions {
  readonly limits?: Partial<ServerLimits>;
  readonly log?: ServerLog;
  readonly tls?: TlsFiles;
  readonly metrics?: ServerMetrics;
  /** Whom quotas and the budget count against; the address by default. */
  readonly principal?: PrincipalRule;
  /** Origins whose pages may ask; none by default. */
  readonly corsOrigins?: readonly string[];
  /** What principals have spent, over restarts. An answer goes out after what it cost was kept. */
  readonly kept?: KeptBudget;
}

export interface KeptBudget {
  readonly spent: readonly (readonly [string, number])[];
  keep(spent: readonly (readonly [string, number])[]): Promise<void>;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any handler of a route that needs an owner runs; empty until then. */
    tenant: TenantId;
    arrivedAt: number;
  }
}

interface AppState {
  readonly app: FastifyInstance;
  readonly service: InferenceService;
  readonly limits: ServerLimits;
  readonly log: ServerLog;
  readonly metrics: ServerMetrics;
  readonly principal: PrincipalRule;
  readonly ledger: KeyLedger;
  readonly uploads: KeyUploads;
  readonly queue: EvaluationQueue;
  readonly budget: QueryBudget;
  readonly kept: KeptBudget | undefined;
  isClosing: boolean;
}

type KeyRequest = FastifyRequest<{ Params: { id: string } }>;
type UploadRequest = FastifyRequest<{ Params: { hash: string } }>;
type PartRequest = FastifyRequest<{ Params: { hash: string; part: string } }>;

/** The tenant of requests whose route needs none. */
const NOBODY = '' as TenantId;

/** nginx's number for a client that closed the connection; it is never sent. */
const CLIENT_LEFT = 499;

/** @throws {UsageError} when a model has a name that cannot stand in a path, or an origin is none. */
export function buildApp(service: InferenceService, options: AppOptions = {}): FastifyInstance {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const app = createFastify(limits, options.tls);
  const metrics = options.metrics ?? new ServerMetrics();
  const state: AppState = {
    ...{ app, service, limits, metrics },
    log: options.log ?? new ServerLog('silent'),
    principal: options.principal ?? { kind: 'address' },
    ledger: new KeyLedger({
      capacityBytes: limits.keyCapacityBytes,
      maxPerTenant: limits.maxKeysPerTenant,
      principalShare: limits.principalShare,
      idleMs: limits.keyIdleMs,
      drop: (tenant, model, keyId) => {
        metrics.count('subrosa_keys_dropped_total');
        service.forget(tenant, model, keyId);
      },
      now: () => performance.now(),
    }),
    uploads: new KeyUploads({
      capacityBytes: limits.maxReceivingBytes,
      principalShare: limits.principalShare,
      idleMs: limits.keyIdleMs,
      keptMs: limits.uploadKeptMs,
      now: () => performance.now(),
    }),
    queue: new EvaluationQueue(limits.maxPending, limits.maxPendingPerTenant, limits.maxRunning),
    budget: new QueryBudget(limits.samplesPerPrincipal, options.kept?.spent),
    kept: options.kept,
    isClosing: false,
  };
  service.onKeysLost(() => state.ledger.clear());
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
  for (const { model } of service.offers()) {
    if (!MODEL_NAME.test(model))
      throw new UsageError(`model names match ${MODEL_NAME.source}; got "${model}"`);
    addModel(state, modelName(model));
  }
  return app;
}

function addGauges({ app, metrics, queue, ledger, uploads, service }: AppState): void {
  const { receiveBudget, connectionGuard } = app;
  metrics.gauge('subrosa_pending_evaluations', 'Evaluations that wait or run.', () => queue.pending);
  metrics.gauge('subrosa_receiving_bytes', 'Bodies in memory.', () => receiveBudget.bytes);
  metrics.gauge('subrosa_upload_bytes', 'Parts of keys that wait for the rest.', () => uploads.bytes);
  metrics.gauge('subrosa_keys', 'Key sets held.', () => ledger.size);
  metrics.gauge('subrosa_key_bytes', 'Memory of these, estimated.', () => ledger.bytes);
  metrics.gauge('subrosa_connections', 'Open connections.', () => connectionGuard.size);
  metrics.gauge(
    'subrosa_connections_closed',
    'Closed to let others in, so far.',
    () => connectionGuard.closed,
  );
  metrics.gauge('subrosa_ready', '1 when it takes work.', () => (service.isReady() ? 1 : 0));
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  const startedAt = Date.now() / 1000 - process.uptime();
  metrics.gauge('process_start_time_seconds', 'Since the epoch.', () => startedAt);
}

function addHooks(state: AppState): void {
  const { app, log, metrics } = state;
  app.decorateRequest('tenant', NOBODY);
  app.decorateRequest('arrivedAt', 0);
  app.addHook('preClose', async () => {
    state.isClosing = true;
  });
  app.addHook('onRequest', async (request, reply) => {
    request.arrivedAt = performance.now();
    // 'close' comes for every request, also for those whose client leaves.
    reply.raw.once('close', () => concluded(state, request, reply));
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, 'not-found'));
  app.setErrorHandler((error, request, reply) => {
    if (hasLeft(request)) {
      const { tenant } = request;
      const where = request.raw.complete ? 'before its answer' : 'within its body';
      const owner = tenant === NOBODY ? {} : { tenant };
      log.info('client left', { requestId: request.id, reason: where, ...owner });
      return refuse(reply, 'bad-request');
    }
    const code = wireCode(error);
    metrics.count('subrosa_refusals_total', { code });
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

function concluded({ log, metrics, queue }: AppState, request: FastifyRequest, reply: FastifyReply): void {
  const seconds = (performance.now() - request.arrivedAt) / 1000;
  const route = request.routeOptions.url ?? 'unknown';
  const status = reply.raw.writableFinished ? reply.statusCode : CLIENT_LEFT;
  const { method } = request;
  metrics.count('subrosa_requests_total', { route, method, status: String(status) });
  metrics.observe('subrosa_request_seconds', { route }, seconds);
  log.info('request', {
    ...{ requestId: request.id, method, route, status, ms: Math.round(1000 * seconds) },
    bytesIn: Number(request.headers['content-length'] ?? 0),
    pending: queue.pending,
    ...(request.tenant === NOBODY ? {} : { tenant: request.tenant }),
  });
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

function addModel(state: AppState, model: ModelName): void {
  const { app } = state;
  const enrolmentBytes = state.service.enrolmentBytes(model);
  const queryBytes = state.service.queryBytes(model);
  const owner = ownerHook(state);
  const keyPath = routes.key(model, ':id');
  app.put(
    routes.keys(model),
    {
      bodyLimit: enrolmentBytes,
      onRequest: [owner, roomHook(state, enrolmentBytes), keyRoomHook(state, enrolmentBytes)],
    },
    enrolHandler(state, model),
  );
  app.get<{ Params: { id: string } }>(keyPath, { onRequest: owner }, (request, reply) => {
    const keyId = heldKey(state, request, model);
    return keyId === undefined ? refuse(reply, 'unknown-key') : { keyId };
  });
  app.delete<{ Params: { id: string } }>(keyPath, { onRequest: owner }, (request, reply) => {
    const keyId = heldKey(state, request, model);
    if (keyId === undefined) return refuse(reply, 'unknown-key');
    state.ledger.remove(request.tenant, model, keyId);
    return reply.code(204).send();
  });
  addUploads(state, model, [owner, keyRoomHook(state, enrolmentBytes)]);
  app.post<{ Params: { id: string } }>(
    routes.queries(model, ':id'),
    {
      bodyLimit: queryBytes,
      onRequest: [
        owner,
        knownKeyHook(state, model),
        budgetHook(state, model),
        roomHook(state, queryBytes),
        turnHook(state),
      ],
    },
    queryHandler(state, model),
  );
}

/** The same enrolment in parts, which a client may send again one by one. */
function addUploads(state: AppState, model: ModelName, onRequest: Hook[]): void {
  const { app, uploads } = state;
  const keyBytes = state.service.enrolmentBytes(model);
  const hashHook: Hook = async (request, reply) =>
    UPLOAD_HASH.test((request as UploadRequest).params.hash) ? undefined : refuse(reply, 'not-found');
  app.get(
    routes.upload(model, ':hash'),
    { onRequest: [...onRequest, hashHook] },
    (request: UploadRequest) => ({
      partBytes: KEY_PART_BYTES,
      parts: uploads.held(request.tenant, model, request.params.hash),
    }),
  );
  app.put(
    routes.uploadPart(model, ':hash', ':part'),
    { bodyLimit: KEY_PART_BYTES, onRequest: [...onRequest, hashHook, roomHook(state, KEY_PART_BYTES)] },
    async (request: PartRequest, reply) => {
      const body = binaryBody(request);
      if (typeof body === 'string') return refuse(reply, body);
      const { hash, part } = request.params;
      state.metrics.count('subrosa_received_bytes_total', {}, body.length);
      const index = /^\d{1,4}$/.test(part) ? Number(part) : Number.NaN;
      const isKept = uploads.add(request, model, hash, keyBytes, index, body);
      return isKept ? reply.code(201).send({}) : refuse(reply, 'busy', 10);
    },
  );
  app.post(
    routes.completeUpload(model, ':hash'),
    { onRequest: [...onRequest, hashHook] },
    async (request: UploadRequest, reply) => {
      const message = uploads.take(request.tenant, model, request.params.hash);
      return message === null ? refuse(reply, 'incomplete') : enrol(state, model, message, request, reply);
    },
  );
}

/** Hooks below answer before the body is read; a hook that has answered returns the reply, which ends the request. */
type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>;

function ownerHook(state: AppState): Hook {
  return async (request, reply) => {
    const tenant = tenantOf(request.headers.authorization);
    if (tenant === null) return refuse(reply, 'unauthorized');
    const principal = principalOf(state.principal, request);
    if (principal === null) return refuse(reply, 'forbidden');
    request.tenant = tenant;
    request.principal = principal;
    return undefined;
  };
}

/** Checks the declared length, where there is one, against the model's limit and the memory for bodies. Takes nothing yet. */
function roomHook({ app }: AppState, limit: number): Hook {
  return async (request, reply) => {
    const declared = request.headers['content-length'];
    const bytes = declared === undefined ? 0 : Number(declared);
    if (!(bytes <= limit)) return refuse(reply, 'limit');
    return app.receiveBudget.hasRoom(request.principal, bytes) ? undefined : refuse(reply, 'busy', 5);
  };
}

/** Refuses keys for which there would be no room; makes none, which the arrival of the keys does. */
function keyRoomHook(state: AppState, enrolmentBytes: number): Hook {
  return async (request, reply) =>
    state.ledger.hasRoom(request, KEY_MEMORY_FACTOR * enrolmentBytes) ? undefined : refuse(reply, 'busy', 10);
}

function knownKeyHook(state: AppState, model: ModelName): Hook {
  return async (request, reply) =>
    heldKey(state, request as KeyRequest, model) === undefined ? refuse(reply, 'unknown-key') : undefined;
}

function budgetHook(state: AppState, model: ModelName): Hook {
  const offer = state.service.offers().find((each) => each.model === model);
  const least = Math.min(...(offer?.buckets ?? []).map(({ block }) => block));
  return async (request) => {
    state.budget.check(request.principal, model, least);
    return undefined;
  };
}

function turnHook(state: AppState): Hook {
  return async (request, reply) =>
    state.queue.admits(request.tenant) ? undefined : refuse(reply, 'busy', state.queue.retryAfterSeconds());
}

/** The keys that a path names, when they are held for this tenant and model. */
function heldKey({ ledger }: AppState, request: KeyRequest, model: ModelName): KeyId | undefined {
  const id = request.params.id as KeyId;
  return KEY_ID.test(id) && ledger.has(request.tenant, model, id) ? id : undefined;
}

/** A body that was not declared octet-stream, or is empty, never reaches the protocol. */
function binaryBody(request: FastifyRequest): Buffer | WireCode {
  if (!Buffer.isBuffer(request.body)) return 'media-type';
  return request.body.length === 0 ? 'bad-request' : request.body;
}

function enrolHandler(state: AppState, model: ModelName) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const body = binaryBody(request);
    if (typeof body === 'string') return refuse(reply, body);
    state.metrics.count('subrosa_received_bytes_total', {}, body.length);
    return enrol(state, model, body, request, reply);
  };
}

async function enrol(
  state: AppState,
  model: ModelName,
  message: Uint8Array,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { tenant, principal } = request;
  const keyId = await state.service.enrol(tenant, model, message);
  // Only keys that are whole and fit the model take the place of others.
  if (!state.ledger.add({ tenant, principal }, model, keyId, KEY_MEMORY_FACTOR * message.length)) {
    state.service.forget(tenant, model, keyId);
    return refuse(reply, 'busy', 10);
  }
  state.log.info('enrolled', { requestId: request.id, tenant, key: keyId, model, bytesIn: message.length });
  return reply.code(201).send({ keyId });
}

function queryHandler(state: AppState, model: ModelName) {
  return async (request: KeyRequest, reply: FastifyReply) => {
    const body = binaryBody(request);
    if (typeof body === 'string') return refuse(reply, body);
    const receivedAt = performance.now();
    const { tenant, principal } = request;
    const keyId = heldKey(state, request, model);
    if (keyId === undefined) return refuse(reply, 'unknown-key');
    const samples = state.service.querySamples(model, body);
    state.budget.check(principal, model, samples);
    const gone = new AbortController();
    // The socket closing before the answer went out is the client leaving; its evaluation is of no use to anyone.
    reply.raw.once('close', () => {
      if (!reply.raw.writableEnded) gone.abort();
    });
    const run = await state.ledger.using(tenant, model, keyId, () =>
      state.queue.run(tenant, gone.signal, async () => {
        // The keys may have gone while the query waited: with the thread that held them.
        if (!state.ledger.has(tenant, model, keyId)) return undefined;
        state.budget.spend(principal, model, samples);
        await state.kept?.keep(state.budget.entries());
        return await state.service.answer(tenant, model, keyId, body, gone.signal);
      }),
    );
    if (run?.result === undefined) {
      const isHeld = state.ledger.has(tenant, model, keyId);
      return refuse(reply, isHeld ? 'busy' : 'unknown-key', state.queue.retryAfterSeconds());
    }
    const { bytes, steps, peakBytes } = run.result;
    const evaluatedMs = performance.now() - receivedAt - run.waitedMs;
    countAnswer(state, model, { samples, bytesIn: body.length, bytesOut: bytes.length, evaluatedMs, ...run });
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

interface AnswerFacts {
  readonly samples: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly waitedMs: number;
  readonly evaluatedMs: number;
}

function countAnswer({ metrics }: AppState, model: string, facts: AnswerFacts): void {
  metrics.count('subrosa_received_bytes_total', {}, facts.bytesIn);
  metrics.count('subrosa_sent_bytes_total', {}, facts.bytesOut);
  metrics.count('subrosa_samples_total', { model }, facts.samples);
  metrics.observe('subrosa_queue_seconds', { model }, facts.waitedMs / 1000);
  metrics.observe('subrosa_evaluation_seconds', { model }, facts.evaluatedMs / 1000);
}
