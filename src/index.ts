/** The package's front door: what it takes to serve a model on encrypted data and to ask such a server. */
export * from './base/errors.ts';
export { compile, type CompileOptions } from './compiler/compile.ts';
export type { Bucket, Offer, Program, Report } from './compiler/program.ts';
export { openKernel } from './kernel/open.ts';
export { PolynomialNetwork } from './nn/polynomial-network.ts';
export { InferenceClient, type InferenceQuery } from './protocols/inference/client.ts';
export { InferenceServer } from './protocols/inference/server.ts';
