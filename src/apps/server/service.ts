/** What the HTTP layer needs from the protocol: the inference server satisfies it, tests put a small one in its place. */
import type { Offer } from '../../compiler/offer.ts';
import type { TimedStep } from '../transport/wire.ts';

export interface InferenceService {
  offers(): readonly Offer[];
  /** False while it starts again after a fault; asking makes it do so. */
  isReady(): boolean;
  /** Exact byte length of an enrolment for the model. */
  keyLimit(model: string): number;
  /** Byte length of the largest legal query. */
  queryLimit(model: string): number;
  /** Returns the key id, a hash of the message. */
  enrol(tenant: string, model: string, message: Uint8Array): Promise<string>;
  /** How many samples a query is at most, by its bucket. @throws {DecodeError | ProtocolError} for no query of the model */
  querySamples(model: string, query: Uint8Array): number;
  hasKey(tenant: string, model: string, keyId: string): boolean;
  answer(
    tenant: string,
    model: string,
    keyId: string,
    query: Uint8Array,
    signal?: AbortSignal,
  ): Promise<{
    readonly bytes: Uint8Array;
    readonly steps: readonly TimedStep[];
    readonly peakBytes: number;
  }>;
  forget(tenant: string, keyId: string): void;
}
