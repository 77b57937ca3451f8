/** subrosa/client: asks a server of encrypted inference. Runs wherever JavaScript does. */
export * from './base/errors.ts';
export { type RandomSource, systemRandom } from './base/random.ts';
export type { Bucket, Offer } from './compiler/offer.ts';
export { openKernel, type OpenKernelOptions } from './kernel/open.ts';
export { InferenceClient, type InferenceQuery } from './protocols/inference/client.ts';
export { parseOffer } from './protocols/inference/offer.ts';
export * from './apps/client/client-types.ts';
export { connect } from './apps/client/connect.ts';
