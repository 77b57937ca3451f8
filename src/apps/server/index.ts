export { type AppOptions, buildApp, type TlsFiles } from './app.ts';
export { DEFAULT_LIMITS, KEY_MEMORY_FACTOR, type ServerLimits } from './limits.ts';
export { isLoopback, type ListenOptions, listen, type RunningServer } from './listen.ts';
export { ServerLog } from './log.ts';
export type { InferenceService } from './service.ts';
