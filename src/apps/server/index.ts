export { type AppOptions, buildApp } from './app.ts';
export { createFastify, type TlsFiles } from './binary-fastify.ts';
export { refuse, wireCode } from './errors.ts';
export { DEFAULT_LIMITS, KEY_MEMORY_FACTOR, type ServerLimits } from './limits.ts';
export { isLoopback } from '../../base/loopback.ts';
export {
  type ListenAddress,
  type ListenOptions,
  listen,
  listenApp,
  type RunningServer,
} from './listen.ts';
export { ServerLog } from './log.ts';
export type { InferenceService } from './service.ts';
export { sameTenant, tenantOf } from './tenant.ts';
