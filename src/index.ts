/** The package's front door: what it takes to serve a model on encrypted data and to ask such a server. */
export * from './browser.ts';
export { InferenceServer } from './protocols/inference/server.ts';
