/** What the HTTP layer needs from the protocol: the inference server satisfies it, tests put a small one in its place. */
import type { Offer } from '../../compiler/program.ts';
import type { TimedStep } from '../transport/wire.ts';

export interface InferenceService {
  offers(): readonly Offer[];
  /** Exact byte length of an enrolment for the model. */
  keyLimit(model: string): number;
  /** Byte length of the largest legal query. */
  queryLimit(model: string): number;
  /** Returns the key id, a hash of the message. */
  enrol(tenant: string, model: string, message: Uint8Array): Promise<string>;
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
