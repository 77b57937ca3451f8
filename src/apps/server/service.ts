/** What the HTTP layer needs from the protocol: the inference server satisfies it, tests put a small one in its place. */
import type { Offer } from '../../compiler/offer.ts';
import type { KeyId, ModelName, TenantId } from '../../protocols/inference/names.ts';
import type { StepSpan } from '../../runtime/step-times.ts';
import type { TraceSpan } from './tracing/tracing.ts';
import type { HeldKeys } from './keys/key-shelf.ts';
import type { BlockState, TimedStep } from '../transport/wire.ts';

/** The reply to a query, and how it came about. */
export interface ServiceAnswer {
  readonly bytes: Uint8Array;
  /** For the client. */
  readonly steps: readonly TimedStep[];
  readonly peakBytes: number;
  /** Steps of the program, where the evaluation was this process's own. */
  readonly spans?: readonly StepSpan[];
}

export interface InferenceService {
  offers(): readonly Offer[];
  /** False while it starts again after a fault; asking makes it do so. */
  isReady(): boolean;
  /** Exact byte length of an enrolment for the model. */
  enrolmentBytes(model: ModelName): number;
  /** Byte length of the largest legal query. */
  queryBytes(model: ModelName): number;
  /** Returns the key id, a hash of the message. `principal` is kept with keys that outlive the process. */
  enrol(tenant: TenantId, model: ModelName, message: Uint8Array, principal?: string): Promise<KeyId>;
  /** How many samples a query is at most, by its bucket. @throws {DecodeError | ProtocolError} for no query of the model */
  querySamples(model: ModelName, query: Uint8Array): number;
  answer(
    tenant: TenantId,
    model: ModelName,
    keyId: KeyId,
    query: Uint8Array,
    signal?: AbortSignal,
    /** What a service that has queries evaluated elsewhere puts their spans below. */
    span?: TraceSpan,
  ): Promise<ServiceAnswer>;
  forget(tenant: TenantId, model: ModelName, keyId: KeyId): void;
  /**
   * `listener` is called when keys are gone without anybody's wish: those that it is told, or all of them, as after a fault. What is
   * held between is for the caller to remember.
   */
  onKeysLost(listener: (lost?: LostKeys) => void): void;
  /** Whether calls for a model are taken that is not offered any more; default: what is offered is served. */
  serves?(model: ModelName): boolean;
  /** The model under whose name keys for `model` are held: default each under its own. */
  keyModel?(model: ModelName): ModelName;
  /** What an evaluation should take on a reference processor, milliseconds; measured times correct it. */
  predictedMs?(model: ModelName, block: number): number | undefined;
  /** Where it keeps enrolments, when that is not its memory alone. */
  readonly keyPlace?: KeyPlace;
  /** Of a service that takes queries for which nobody waits. */
  readonly blocks?: BlockQueue;
}

/** Queries of batches: put down now, evaluated when there is nothing else to do, fetched later. */
export interface BlockQueue {
  /** Returns its job, a hash of all that the reply depends on, and whether it is new. Null when there is no room. */
  queue(
    tenant: TenantId,
    model: ModelName,
    keyId: KeyId,
    query: Uint8Array,
  ): Promise<{ readonly job: string; readonly isNew: boolean } | null>;
  /** Null for one that was never queued by this tenant. */
  state(tenant: TenantId, job: string): Promise<BlockState | null>;
  /** Null while there is none. */
  reply(tenant: TenantId, job: string): Promise<Uint8Array | null>;
}

export interface LostKeys {
  readonly tenant: TenantId;
  readonly model: ModelName;
  readonly keyId: KeyId;
}

export interface KeyPlace {
  /** From earlier processes, the longest unused first. */
  readonly held: readonly HeldKeys[];
  /** Bytes that keys take there, over the length of their message. */
  readonly factor: number;
  readonly capacityBytes: number;
}
