/**
 * The routes of models: keys, whole or in parts, and queries. What can be refused is refused before a body is read.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MissingKeyError } from '../../base/errors.ts';
import type { KeyId, ModelName, TenantId } from '../../protocols/inference/names.ts';
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
import { type AppState, heldKey, isServed } from './app-state.ts';
import { refuse } from './errors.ts';
import { principalOf } from './principal.ts';
import { factsOf } from './request-facts.ts';
import type { ServerMetrics } from './metrics.ts';
import { tenantOf } from './tenant.ts';
import { during, startSpan, type TraceSpan } from './tracing/tracing.ts';
import type { StepSpan } from '../../runtime/step-times.ts';

/** What the paths of these routes hold. */
export interface ModelParams {
  readonly model: string;
  readonly id?: string;
  readonly hash?: string;
  readonly part?: string;
  readonly job?: string;
}
export type ModelRequest = FastifyRequest<{ Params: ModelParams }>;

/** Hooks below answer before the body is read; a hook that has answered returns the reply, which ends the request. */
export type Hook = (request: ModelRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>;
type Limit = (model: ModelName) => number;

/** What comes before the handlers of routes below a model. */
export interface ModelHooks {
  readonly owner: readonly Hook[];
  /** Of bodies that are queries, whenever they are evaluated. */
  readonly forBlocks: readonly Hook[];
}

export function addModelRoutes(state: AppState): ModelHooks {
  const { app, service } = state;
  const keyBytes: Limit = (model) => service.enrolmentBytes(model);
  const queryBytes: Limit = (model) => service.queryBytes(model);
  const owner = [modelHook(state), ownerHook(state)];
  const keyPath = routes.key(':model', ':id');
  app.put<{ Params: ModelParams }>(
    routes.keys(':model'),
    { onRequest: [...owner, roomHook(state, keyBytes), keyRoomHook(state)] },
    async (request, reply) => {
      const body = binaryBody(request);
      if (typeof body === 'string') return refuse(reply, body);
      state.metrics.count('subrosa_received_bytes_total', {}, body.length);
      return enrol(state, body, request, reply);
    },
  );
  app.get<{ Params: ModelParams }>(keyPath, { onRequest: owner }, async (request, reply) => {
    const keyId = await askedKey(state, request);
    return keyId === undefined ? refuse(reply, 'unknown-key') : reply.send({ keyId });
  });
  app.delete<{ Params: ModelParams }>(keyPath, { onRequest: owner }, async (request, reply) => {
    const keyId = await askedKey(state, request);
    if (keyId === undefined) return refuse(reply, 'unknown-key');
    await state.ledger.remove(factsOf(request).tenant, keyModelOf(state, request), keyId);
    return reply.code(204).send();
  });
  addUploads(state, [...owner, keyRoomHook(state)]);
  const forQueries = [knownKeyHook(state), budgetHook(state), roomHook(state, queryBytes), turnHook(state)];
  app.post<{ Params: ModelParams }>(
    routes.queries(':model', ':id'),
    { onRequest: [...owner, ...forQueries] },
    (request, reply) => answerQuery(state, request, reply),
  );
  // A block waits for its turn where it lies.
  return { owner, forBlocks: forQueries.slice(0, -1) };
}

/** The same enrolment in parts, which a client may send again one by one. */
function addUploads(state: AppState, onRequest: readonly Hook[]): void {
  const { app, uploads, service } = state;
  const hashHook: Hook = async (request, reply) =>
    UPLOAD_HASH.test(request.params.hash ?? '') ? undefined : refuse(reply, 'not-found');
  const hooks = [...onRequest, hashHook];
  app.get<{ Params: ModelParams }>(
    routes.upload(':model', ':hash'),
    { onRequest: hooks },
    async (request, reply) => {
      const { hash = '' } = request.params;
      const parts = await uploads.held(factsOf(request).tenant, keyModelOf(state, request), hash);
      return reply.send({ partBytes: KEY_PART_BYTES, parts });
    },
  );
  app.put<{ Params: ModelParams }>(
    routes.uploadPart(':model', ':hash', ':part'),
    { onRequest: [...hooks, roomHook(state, () => KEY_PART_BYTES)] },
    async (request, reply) => {
      const body = binaryBody(request);
      if (typeof body === 'string') return refuse(reply, body);
      const { hash = '', part = '' } = request.params;
      const model = keyModelOf(state, request);
      state.metrics.count('subrosa_received_bytes_total', {}, body.length);
      const index = /^\d{1,4}$/.test(part) ? Number(part) : Number.NaN;
      const isKept = await uploads.add(
        factsOf(request),
        model,
        hash,
        service.enrolmentBytes(model),
        index,
        body,
      );
      return isKept ? reply.code(201).send({}) : refuse(reply, 'busy', 10);
    },
  );
  app.post<{ Params: ModelParams }>(
    routes.completeUpload(':model', ':hash'),
    { onRequest: hooks },
    async (request, reply) => {
      const { tenant } = factsOf(request);
      const model = keyModelOf(state, request);
      const { hash = '' } = request.params;
      // A client that did not wait for its answer asks again: it gets the same one, and need not send its keys again.
      const name = `${tenant} ${model} ${hash}`;
      const running = state.completing.get(name);
      if (running !== undefined) return replyEnrolled(reply, await running);
      const message = await uploads.take(tenant, model, hash);
      if (message === null)
        return (await enrolledBefore(state, tenant, model, hash, reply)) ?? refuse(reply, 'incomplete');
      const enrolled = enrolKeys(state, message, request).finally(() => state.completing.delete(name));
      state.completing.set(name, enrolled);
      return replyEnrolled(reply, await enrolled);
    },
  );
}

/** Of a request whose model is known to be served. */
export function modelOf(request: ModelRequest): ModelName {
  return request.params.model as ModelName;
}

function modelHook(state: AppState): Hook {
  return async (request, reply) =>
    isServed(state, request.params.model) ? undefined : refuse(reply, 'not-found');
}

function ownerHook(state: AppState): Hook {
  return async (request, reply) => {
    const tenant = tenantOf(request.headers.authorization);
    if (tenant === null) return refuse(reply, 'unauthorized');
    const principal = principalOf(state.principal, request);
    if (principal === null) return refuse(reply, 'forbidden');
    Object.assign(factsOf(request), { tenant, principal });
    return undefined;
  };
}

/** Checks the declared length, where there is one, against the model's limit and the memory for bodies. Takes nothing yet. */
function roomHook({ app }: AppState, limitOf: Limit): Hook {
  return async (request, reply) => {
    const facts = factsOf(request);
    const limit = limitOf(modelOf(request));
    facts.bodyLimit = limit;
    const declared = request.headers['content-length'];
    const bytes = declared === undefined ? 0 : Number(declared);
    if (!(bytes <= limit)) return refuse(reply, 'limit');
    return app.receiveBudget.hasRoom(facts.principal, bytes) ? undefined : refuse(reply, 'busy', 5);
  };
}

/** Refuses keys for which there would be no room; makes none, which the arrival of the keys does. */
function keyRoomHook({ ledger, service, keyFactor }: AppState): Hook {
  return async (request, reply) => {
    const bytes = keyFactor * service.enrolmentBytes(modelOf(request));
    return (await ledger.hasRoom(factsOf(request), bytes)) ? undefined : refuse(reply, 'busy', 10);
  };
}

function knownKeyHook(state: AppState): Hook {
  return async (request, reply) =>
    (await askedKey(state, request)) === undefined ? refuse(reply, 'unknown-key') : undefined;
}

/** Samples of the smallest query for a model. */
function leastSamples({ service }: AppState, model: ModelName): number {
  const offer = service.offers().find((each) => each.model === model);
  return Math.min(...(offer?.buckets ?? [{ block: 1 }]).map(({ block }) => block));
}

function budgetHook(state: AppState): Hook {
  return async (request) => {
    const model = modelOf(request);
    await state.budget.check(factsOf(request).principal, model, leastSamples(state, model));
    return undefined;
  };
}

/** Seconds after which a tenant that was refused should ask again. */
function comeBack({ queue }: AppState, tenant: TenantId, ms: number): number {
  return queue.appointment?.(tenant, ms) ?? queue.retryAfterSeconds(ms);
}

/** By the smallest query: how large this one is, its body says. */
function turnHook(state: AppState): Hook {
  return async (request, reply) => {
    const model = modelOf(request);
    const ms = state.forecast.of(model, leastSamples(state, model));
    const { tenant } = factsOf(request);
    if (await state.queue.admits(tenant, ms)) return undefined;
    return refuse(reply, 'busy', comeBack(state, tenant, ms));
  };
}

/** The keys that a path names, when they are held for this tenant and model. */
export function askedKey(state: AppState, request: ModelRequest) {
  return heldKey(state, factsOf(request).tenant, keyModelOf(state, request), request.params.id ?? '');
}

/** Under whose name the keys of a model are held. */
function keyModelOf({ service }: AppState, request: ModelRequest): ModelName {
  const model = modelOf(request);
  return service.keyModel?.(model) ?? model;
}

/** A body that was not declared octet-stream, or is empty, never reaches the protocol. */
export function binaryBody(request: ModelRequest): Buffer | WireCode {
  if (!Buffer.isBuffer(request.body)) return 'media-type';
  return request.body.length === 0 ? 'bad-request' : request.body;
}

/** Keys of an upload that was completed before: a key id is the beginning of the hash of its message. */
async function enrolledBefore(
  state: AppState,
  tenant: TenantId,
  model: ModelName,
  hash: string,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  for (const id of [hash.slice(0, 32), hash]) {
    const keyId = await heldKey(state, tenant, model, id);
    if (keyId !== undefined) return replyEnrolled(reply, keyId);
  }
  return undefined;
}

async function enrol(
  state: AppState,
  message: Uint8Array,
  request: ModelRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  return replyEnrolled(reply, await enrolKeys(state, message, request));
}

function replyEnrolled(reply: FastifyReply, keyId: KeyId | null): FastifyReply {
  return keyId === null ? refuse(reply, 'busy', 10) : reply.code(201).send({ keyId });
}

/** Null when there is no room for them. */
async function enrolKeys(state: AppState, message: Uint8Array, request: ModelRequest): Promise<KeyId | null> {
  const { tenant, principal } = factsOf(request);
  const model = keyModelOf(state, request);
  const keyId = await state.service.enrol(tenant, model, message, principal);
  // Only keys that are whole and fit the model take the place of others.
  if (!(await state.ledger.add({ tenant, principal }, model, keyId, state.keyFactor * message.length))) {
    state.service.forget(tenant, model, keyId);
    return null;
  }
  state.log.info('enrolled', { requestId: request.id, tenant, key: keyId, model, bytesIn: message.length });
  return keyId;
}

async function answerQuery(
  state: AppState,
  request: ModelRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const span = startSpan('subrosa.query', { 'subrosa.model': modelOf(request) });
  return during(span, async () => {
    const sent = await tracedAnswer(state, request, reply, span);
    const { refused } = factsOf(request);
    if (refused !== undefined) span.set({ 'subrosa.code': refused });
    return sent;
  });
}

async function tracedAnswer(
  state: AppState,
  request: ModelRequest,
  reply: FastifyReply,
  span: TraceSpan,
): Promise<FastifyReply> {
  const { service, ledger, queue, budget, forecast } = state;
  const body = binaryBody(request);
  if (typeof body === 'string') return refuse(reply, body);
  const receivedAt = performance.now();
  const { tenant, principal, arrivedAt } = factsOf(request);
  const model = modelOf(request);
  const held = keyModelOf(state, request);
  const keyId = await askedKey(state, request);
  if (keyId === undefined) return refuse(reply, 'unknown-key');
  const samples = service.querySamples(model, body);
  const predictedMs = forecast.of(model, samples);
  span.set({ 'subrosa.samples': samples, 'subrosa.bytes_in': body.length });
  await budget.check(principal, model, samples);
  const gone = new AbortController();
  // The socket closing before the answer went out is the client leaving; its evaluation is of no use to anyone.
  reply.raw.once('close', () => {
    if (!reply.raw.writableEnded) gone.abort();
  });
  const evaluate = async () => {
    // The keys may have gone while the query waited: with the thread that held them.
    if (!(await ledger.has(tenant, held, keyId))) return undefined;
    await budget.spend(principal, model, samples);
    try {
      return await service.answer(tenant, model, keyId, body, gone.signal, span);
    } catch (error) {
      // Found to be lost, or damaged, where they were kept.
      if (!(error instanceof MissingKeyError)) throw error;
      ledger.doubt?.(tenant, held, keyId);
      if (!(await ledger.has(tenant, held, keyId))) return undefined;
      throw error;
    }
  };
  const run = await ledger.using(tenant, held, keyId, () =>
    queue.run(tenant, predictedMs, gone.signal, evaluate),
  );
  if (run?.result === undefined) {
    if (!(await ledger.has(tenant, held, keyId))) return refuse(reply, 'unknown-key');
    return refuse(reply, 'busy', comeBack(state, tenant, predictedMs));
  }
  const { bytes, steps, peakBytes, spans } = run.result;
  const evaluatedMs = performance.now() - receivedAt - run.waitedMs;
  span.set({ 'subrosa.bytes_out': bytes.length });
  if (spans !== undefined) {
    span.past('subrosa.queue', evaluatedMs + run.waitedMs, run.waitedMs);
    span.past('subrosa.evaluation', evaluatedMs, evaluatedMs).steps(spans);
    observeSteps(state.metrics, spans);
  }
  forecast.note(model, samples, evaluatedMs);
  countAnswer(state, model, { samples, bytesIn: body.length, bytesOut: bytes.length, evaluatedMs, ...run });
  const transport = [
    { name: 'receive', ms: receivedAt - arrivedAt },
    { name: 'queue', ms: run.waitedMs },
  ];
  const spent = { requestId: request.id, tenant, key: keyId, model, bytesOut: bytes.length, peakBytes };
  state.log.info('answered', { ...spent, ms: Math.round(performance.now() - receivedAt) });
  reply.header(TIMING_HEADER, formatTimings([...transport, ...steps]));
  reply.header(PEAK_HEADER, String(Math.round(peakBytes)));
  return reply.type(BINARY).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

/** How long the steps of an evaluation took, by kind. */
export function observeSteps(metrics: ServerMetrics, spans: readonly StepSpan[]): void {
  for (const { op, ms } of spans) metrics.observe('subrosa_step_seconds', { step: op }, ms / 1000);
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
