/**
 * The HTTP face of an authority. Every data set has its own routes, so that the size of a body is bounded before it is read.
 * Owners get master public keys, trainers function keys; both by bearer token. Texts in answers are fixed sentences.
 */
import * as arg from '../../base/arguments.ts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { KeyRefusedError } from '../../base/errors.ts';
import type { FunctionKeys } from '../../fe/inner-product-scheme.ts';
import type { Authority } from '../../protocols/cryptonn/authority/authority.ts';
import { batchAxes } from '../../protocols/cryptonn/agreement/batch-bytes.ts';
import { vectorLength } from '../../protocols/cryptonn/agreement/axis-sizes.ts';
import {
  AXIS_NAMES,
  type AxisName,
  type DatasetSpec,
} from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import {
  mostKeyRequestBytes,
  readKeyRequest,
  writeKeyAnswer,
} from '../../protocols/cryptonn/agreement/key-messages.ts';
import {
  createFastify,
  DEFAULT_LIMITS,
  refuse,
  ServerLog,
  sameTenant,
  type TlsFiles,
  tenantOf,
  wireCode,
} from '../server/index.ts';
import { BINARY } from '../transport/wire.ts';
import { authorityRoutes } from './authority-wire.ts';
import type { AuthorityPolicy, PartyRole, PolicyParty } from './policy-file.ts';

/** Requests for keys that wait for their turn; more are refused as busy. */
const MAX_WAITING = 16;

export interface AuthorityAppOptions {
  readonly tls?: TlsFiles;
  readonly log?: ServerLog;
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export function buildAuthorityApp(
  authority: Authority<FunctionKeys>,
  policy: AuthorityPolicy,
  options: AuthorityAppOptions = {},
): FastifyInstance {
  arg.checkArguments('buildAuthorityApp', [authority, policy, options], {
    authority: arg.like('an Authority', 'issuedRanks', 'isClosed'),
    policy: arg.like('an AuthorityPolicy', 'datasets', 'parties'),
    options: arg.optional(arg.options),
  });
  const log = options.log ?? new ServerLog('silent');
  const app = createFastify(DEFAULT_LIMITS, options.tls);
  const partyOf = (request: FastifyRequest): PolicyParty | undefined => {
    const tenant = tenantOf(request.headers.authorization);
    return tenant === null ? undefined : policy.parties.find(({ token }) => sameTenant(token, tenant));
  };
  /** Answers before the body is read. */
  const only = (roles: readonly PartyRole[], dataset: string): { onRequest: Handler } => ({
    onRequest: async (request, reply) => {
      const party = partyOf(request);
      if (party === undefined) return refuse(reply, 'unauthorized');
      if (roles.includes(party.role) && party.datasets.includes(dataset)) return undefined;
      log.warn('forbidden', { requestId: request.id, reason: `${party.name} asked as ${party.role}` });
      return refuse(reply, 'forbidden');
    },
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, 'not-found'));
  app.setErrorHandler((error, request, reply) => {
    const code = wireCode(error);
    log.warn('refused', { requestId: request.id, code, reason: (error as Error).message });
    if (!(error instanceof KeyRefusedError)) return refuse(reply, code);
    const { reason } = error.details;
    return reply
      .code(403)
      .send({ code, message: 'The policy forbids these keys; the request is in the log.', reason });
  });
  app.get(authorityRoutes.health, () => ({ status: 'ok', datasets: policy.datasets.map(({ id }) => id) }));
  for (const spec of policy.datasets)
    addDataset(app, authority, spec, only, (request) => partyOf(request)?.name ?? '');
  return app;
}

function addDataset(
  app: FastifyInstance,
  authority: Authority<FunctionKeys>,
  spec: DatasetSpec,
  only: (roles: readonly PartyRole[], dataset: string) => { onRequest: Handler },
  nameOf: (request: FastifyRequest) => string,
): void {
  app.get(authorityRoutes.dataset(spec.id), only(['owner', 'trainer'], spec.id), () => ({ spec }));
  for (const axis of batchAxes(spec)) {
    app.get(authorityRoutes.publicKey(spec.id, axis), only(['owner'], spec.id), (_request, reply) =>
      reply.type(BINARY).send(Buffer.from(authority.masterPublicKey(spec.id, axis))),
    );
  }
  let waiting = 0;
  // All axes have an address: a request for keys that the data set never issues belongs into the log.
  for (const axis of AXIS_NAMES) {
    const length = vectorLength(spec, axis);
    app.post(
      authorityRoutes.keys(spec.id, axis),
      { bodyLimit: mostKeyRequestBytes(length), ...only(['trainer'], spec.id) },
      async (request, reply) => {
        if (!Buffer.isBuffer(request.body)) return refuse(reply, 'media-type');
        if (waiting >= MAX_WAITING) return refuse(reply, 'busy');
        waiting++;
        try {
          const answer = await answerKeys(authority, spec, axis, length, nameOf(request), request.body);
          return reply.type(BINARY).send(Buffer.from(answer));
        } finally {
          waiting--;
        }
      },
    );
  }
}

async function answerKeys(
  authority: Authority<FunctionKeys>,
  { id }: DatasetSpec,
  axis: AxisName,
  length: number,
  requester: string,
  body: Uint8Array,
): Promise<Uint8Array> {
  const message = readKeyRequest(body, length);
  const { keys, rank, head } = await authority.issue({ requester, dataset: id, axis, ...message });
  using issued = keys;
  return writeKeyAnswer({ keyBytes: issued.toBytes(), rank, head });
}
