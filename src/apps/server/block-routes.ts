/**
 * Blocks of batches: queries that are put down, and whose replies are fetched when they are there. The same block again is the same job;
 * it counts once. Whoever has the tenant's token sees its blocks, nobody else.
 */
import type { FastifyReply } from 'fastify';
import { BINARY, routes } from '../transport/wire.ts';
import type { AppState } from './app-state.ts';
import { refuse } from './errors.ts';
import {
  askedKey,
  binaryBody,
  type ModelHooks,
  type ModelParams,
  type ModelRequest,
  modelOf,
} from './model-routes.ts';
import { factsOf } from './request-facts.ts';
import type { BlockQueue } from './service.ts';

const JOB = /^[0-9a-f]{64}$/;
/** A queue of days is not empty in a second. */
const RETRY_SECONDS = 20;

export function addBlockRoutes(state: AppState, blocks: BlockQueue, { owner, forBlocks }: ModelHooks): void {
  const { app } = state;
  app.put<{ Params: ModelParams }>(
    routes.blocks(':model', ':id'),
    { onRequest: [...owner, ...forBlocks] },
    (request, reply) => queueBlock(state, blocks, request, reply),
  );
  app.get<{ Params: ModelParams }>(
    routes.blockState(':model', ':id', ':job'),
    { onRequest: [...owner] },
    async (request, reply) => {
      const { job = '' } = request.params;
      const found = JOB.test(job) ? await blocks.state(factsOf(request).tenant, job) : null;
      return found === null ? refuse(reply, 'not-found') : reply.send({ state: found });
    },
  );
  app.get<{ Params: ModelParams }>(
    routes.block(':model', ':id', ':job'),
    { onRequest: [...owner] },
    async (request, reply) => {
      const { job = '' } = request.params;
      const bytes = JOB.test(job) ? await blocks.reply(factsOf(request).tenant, job) : null;
      if (bytes === null) return refuse(reply, 'not-found');
      state.metrics.count('subrosa_sent_bytes_total', {}, bytes.length);
      return reply.type(BINARY).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    },
  );
}

async function queueBlock(
  state: AppState,
  blocks: BlockQueue,
  request: ModelRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const body = binaryBody(request);
  if (typeof body === 'string') return refuse(reply, body);
  const { service, budget, metrics } = state;
  const { tenant, principal } = factsOf(request);
  const model = modelOf(request);
  const keyId = await askedKey(state, request);
  if (keyId === undefined) return refuse(reply, 'unknown-key');
  metrics.count('subrosa_received_bytes_total', {}, body.length);
  const samples = service.querySamples(model, body);
  await budget.check(principal, model, samples);
  const queued = await blocks.queue(tenant, model, keyId, body);
  if (queued === null) return refuse(reply, 'busy', RETRY_SECONDS);
  // Counted behind the queue: a block that is sent again because its answer was lost counts once.
  if (queued.isNew) await budget.spend(principal, model, samples);
  return reply.code(202).send({ job: queued.job });
}
