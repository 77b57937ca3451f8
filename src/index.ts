/** The package's front door: what it takes to serve a model on encrypted data and to ask such a server. */
export * from './browser.ts';
export { InferenceServer } from './apps/server/inference-server.ts';
export {
  type KeyId,
  keyId,
  type ModelName,
  modelName,
  type TenantId,
  tenantId,
} from './protocols/inference/names.ts';
