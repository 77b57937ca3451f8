/** What the routes of one server share: what it holds, what it counts, what it admits. */
import type { FastifyInstance } from 'fastify';
import type { KeyId, ModelName } from '../../protocols/inference/names.ts';
import { KEY_ID } from '../../protocols/inference/names.ts';
import { EvaluationQueue } from './admission/evaluation-queue.ts';
import { KeyLedger } from './keys/key-ledger.ts';
import { KeyUploads } from './keys/key-uploads.ts';
import { DEFAULT_LIMITS, KEY_MEMORY_FACTOR, type ServerLimits } from './limits.ts';
import { ServerLog } from './log.ts';
import { ServerMetrics } from './metrics.ts';
import type { PrincipalRule } from './principal.ts';
import { QueryBudget } from './admission/query-budget.ts';
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
  readonly ledger: KeyLedger;
  /** Bytes that keys take where they are held, over the length of their message. */
  readonly keyFactor: number;
  readonly uploads: KeyUploads;
  readonly queue: EvaluationQueue;
  readonly forecast: WorkForecast;
  readonly budget: QueryBudget;
  readonly kept: KeptBudget | undefined;
  isClosing: boolean;
}

export function openState(app: FastifyInstance, service: InferenceService, options: AppOptions): AppState {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const metrics = options.metrics ?? new ServerMetrics();
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
    ...{ app, service, limits, metrics, ledger, uploads },
    log: options.log ?? new ServerLog('silent'),
    principal: options.principal ?? { kind: 'address' },
    keyFactor: keyPlace?.factor ?? KEY_MEMORY_FACTOR,
    queue: new EvaluationQueue({ maxPending, maxPendingPerTenant, maxPendingMs, maxRunning }),
    forecast: new WorkForecast((model, block) => service.predictedMs?.(model, block)),
    budget: new QueryBudget(limits.samplesPerPrincipal, options.kept?.spent),
    kept: options.kept,
    isClosing: false,
  };
}

/** Whether calls for a model are taken: one that is offered, or was until a moment ago. */
export function isServed({ service }: AppState, model: string): boolean {
  return service.serves?.(model as ModelName) ?? service.offers().some((offer) => offer.model === model);
}

/** The keys with this id, when they are held for this tenant and model. */
export function heldKey(
  { ledger }: AppState,
  tenant: Parameters<KeyLedger['has']>[0],
  model: ModelName,
  id: string,
): KeyId | undefined {
  return KEY_ID.test(id) && ledger.has(tenant, model, id as KeyId) ? (id as KeyId) : undefined;
}
