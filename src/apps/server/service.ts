/** What the HTTP layer needs from the protocol: the inference server satisfies it, tests put a small one in its place. */
import type { Offer } from '../../compiler/offer.ts';
import type { KeyId, ModelName, TenantId } from '../../protocols/inference/names.ts';
import type { TimedStep } from '../transport/wire.ts';

export interface InferenceService {
  offers(): readonly Offer[];
  /** False while it starts again after a fault; asking makes it do so. */
  isReady(): boolean;
  /** Exact byte length of an enrolment for the model. */
  enrolmentBytes(model: ModelName): number;
  /** Byte length of the largest legal query. */
  queryBytes(model: ModelName): number;
  /** Returns the key id, a hash of the message. */
  enrol(tenant: TenantId, model: ModelName, message: Uint8Array): Promise<KeyId>;
  /** How many samples a query is at most, by its bucket. @throws {DecodeError | ProtocolError} for no query of the model */
  querySamples(model: ModelName, query: Uint8Array): number;
  answer(
    tenant: TenantId,
    model: ModelName,
    keyId: KeyId,
    query: Uint8Array,
    signal?: AbortSignal,
  ): Promise<{
    readonly bytes: Uint8Array;
    readonly steps: readonly TimedStep[];
    readonly peakBytes: number;
  }>;
  forget(tenant: TenantId, model: ModelName, keyId: KeyId): void;
  /** `listener` is called whenever all keys are gone, as after a fault. What is held between is for the caller to remember. */
  onKeysLost(listener: () => void): void;
}
