/** What the routes of one server share: what it holds, what it counts, what it admits. */
import type { FastifyInstance } from 'fastify';
import type { KeyId, ModelName, TenantId } from '../../protocols/inference/names.ts';
import { KEY_ID } from '../../protocols/inference/names.ts';
import { EvaluationQueue } from './admission/evaluation-queue.ts';
import { KeyLedger } from './keys/key-ledger.ts';
import { KeyUploads } from './keys/key-uploads.ts';
import { DEFAULT_LIMITS, KEY_MEMORY_FACTOR, type ServerLimits } from './limits.ts';
import { ServerLog } from './log.ts';
import { ServerMetrics } from './metrics.ts';
import type { PrincipalRule } from './principal.ts';
import { QueryBudget } from './admission/query-budget.ts';
import type {
  KeyRecord,
  SampleBudget,
  ServerMemory,
  TurnQueue,
  UploadRecord,
} from './admission/server-memory.ts';
import type { TlsFiles } from './running-server.ts';
import type { InferenceService } from './service.ts';
import { WorkForecast } from './admission/work-forecast.ts';

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
  /** What is remembered between requests; in this process by default. */
  readonly memory?: ServerMemory;
}

export interface KeptBudget {
  readonly spent: readonly (readonly [string, number])[];
  keep(spent: readonly (readonly [string, number])[]): Promise<void>;
}

export interface AppState {
  readonly app: FastifyInstance;
  readonly service: InferenceService;
  readonly limits: ServerLimits;
  readonly log: ServerLog;
  readonly metrics: ServerMetrics;
  readonly principal: PrincipalRule;
  readonly ledger: KeyRecord;
  /** Bytes that keys take where they are held, over the length of their message. */
  readonly keyFactor: number;
  readonly uploads: UploadRecord;
  readonly queue: TurnQueue;
  readonly forecast: WorkForecast;
  readonly budget: SampleBudget;
  /** Uploads whose keys are being enrolled. */
  readonly completing: Map<string, Promise<KeyId | null>>;
  isClosing: boolean;
}

export function openState(app: FastifyInstance, service: InferenceService, options: AppOptions): AppState {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const metrics = options.metrics ?? new ServerMetrics();
  const { keys, uploads, turns, budget } =
    options.memory ?? ownMemory(service, limits, metrics, options.kept);
  return {
    ...{ app, service, limits, metrics, uploads, budget },
    ...{ ledger: keys, queue: turns },
    log: options.log ?? new ServerLog('silent'),
    principal: options.principal ?? { kind: 'address' },
    keyFactor: service.keyPlace?.factor ?? KEY_MEMORY_FACTOR,
    forecast: new WorkForecast((model, block) => service.predictedMs?.(model, block)),
    completing: new Map(),
    isClosing: false,
  };
}

/** Of a server that is alone. */
function ownMemory(
  service: InferenceService,
  limits: ServerLimits,
  metrics: ServerMetrics,
  kept: KeptBudget | undefined,
): ServerMemory {
  const { keyPlace } = service;
  const now = () => performance.now();
  const ledger = new KeyLedger({
    capacityBytes: keyPlace?.capacityBytes ?? limits.keyCapacityBytes,
    maxPerTenant: limits.maxKeysPerTenant,
    principalShare: limits.principalShare,
    idleMs: limits.keyIdleMs,
    drop: (tenant, model, keyId) => {
      metrics.count('subrosa_keys_dropped_total');
      service.forget(tenant, model, keyId);
    },
    now,
  });
  ledger.restore(keyPlace?.held ?? []);
  service.onKeysLost((lost) => {
    if (lost === undefined) ledger.clear();
    else ledger.discard(lost.tenant, lost.model, lost.keyId);
  });
  const uploads = new KeyUploads({
    capacityBytes: limits.maxReceivingBytes,
    principalShare: limits.principalShare,
    idleMs: limits.keyIdleMs,
    keptMs: limits.uploadKeptMs,
    now,
  });
  const { maxPending, maxPendingPerTenant, maxPendingMs, maxRunning } = limits;
  return {
    ...{ keys: ledger, uploads },
    turns: new EvaluationQueue({ maxPending, maxPendingPerTenant, maxPendingMs, maxRunning }),
    budget: ownBudget(new QueryBudget(limits.samplesPerPrincipal, kept?.spent), kept),
  };
}

function ownBudget(budget: QueryBudget, kept: KeptBudget | undefined): SampleBudget {
  return {
    check: (principal, model, samples) => budget.check(principal, model, samples),
    spend: async (principal, model, samples) => {
      budget.spend(principal, model, samples);
      await kept?.keep(budget.entries());
    },
  };
}

/** Whether calls for a model are taken: one that is offered, or was until a moment ago. */
export function isServed({ service }: AppState, model: string): boolean {
  return service.serves?.(model as ModelName) ?? service.offers().some((offer) => offer.model === model);
}

/** The keys with this id, when they are held for this tenant and model. */
export async function heldKey(
  { ledger }: AppState,
  tenant: TenantId,
  model: ModelName,
  id: string,
): Promise<KeyId | undefined> {
  const isHeld = KEY_ID.test(id) && (await ledger.has(tenant, model, id as KeyId));
  return isHeld ? (id as KeyId) : undefined;
}
