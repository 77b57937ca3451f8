export { buildApp } from './app.ts';
export type { AppOptions, KeptBudget } from './app-state.ts';
export { createFastify } from './binary-fastify.ts';
export type { RunningServer, TlsFiles } from './running-server.ts';
export { checkOrigin } from './cors.ts';
export { refuse, wireCode } from './errors.ts';
export { DEFAULT_LIMITS, KEY_MEMORY_FACTOR, type ServerLimits } from './limits.ts';
export { isLoopback } from '../../base/loopback.ts';
export {
  type ListenAddress,
  type ListenOptions,
  listen,
  listenApp,
} from './listen.ts';
export { ServerLog } from './log.ts';
export { ServerMetrics } from './metrics.ts';
export { addressClass, type PrincipalRule, parsePrincipalRule, tokenHash } from './principal.ts';
export type {
  KeyRecord,
  SampleBudget,
  ServerMemory,
  TurnQueue,
  UploadRecord,
} from './admission/server-memory.ts';
export type { InferenceService, ServiceAnswer } from './service.ts';
export type { SpanFacts, SpanName, TraceSpan } from './tracing/tracing.ts';
export {
  type KeyId,
  keyId,
  type ModelName,
  modelName,
  type TenantId,
  tenantId,
} from '../../protocols/inference/names.ts';
export { sameTenant, tenantOf } from './tenant.ts';
export {
  createService,
  type EncryptedService,
  type KeyFolderSettings,
  type ModelSource,
  openLiveModels,
  type OpenModelsOptions,
  type ServiceOptions,
} from './service-plugin.ts';
export { LiveModels, type LiveModelsOptions, type ModelThread } from './live-models.ts';
