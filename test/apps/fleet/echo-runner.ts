/** What stands in for evaluation where only the fleet around it is tested: replies are a hash of the query, in no time. */
import { randomBytes } from 'node:crypto';
import { sha256Digest } from '../../../src/base/sha256.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Offer } from '../../../src/compiler/offer.ts';
import type { FleetService } from '../../../src/apps/fleet/gateway/fleet-service.ts';
import type { ProgramRunner, StartRunner } from '../../../src/apps/fleet/worker/program-runners.ts';
import { writeEnrolment, writeQuery } from '../../../src/protocols/inference/messages.ts';
import { offeredEnrolmentBytes } from '../../../src/protocols/inference/message-sizes.ts';
import {
  type KeyId,
  keyId,
  modelName,
  type TenantId,
  tenantId,
} from '../../../src/protocols/inference/names.ts';
import { randomTenant } from './small-fleet.ts';

export const NET = modelName('net');

/** What an echo answers. */
export function echoOf(query: Uint8Array): Uint8Array {
  return Uint8Array.from(sha256Digest(query));
}

type Evaluate = (query: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** Evaluations that were begun. */
export class EchoRunner implements ProgramRunner {
  evaluations = 0;
  readonly keys = new Set<string>();
  readonly #evaluate: Evaluate;

  constructor(evaluate: Evaluate = echoOf) {
    this.#evaluate = evaluate;
  }

  get start(): StartRunner {
    return async () => this;
  }

  async enrol(tenant: TenantId, model: string, message: Uint8Array): Promise<KeyId> {
    const id = keyId(bytesToHex(sha256Digest(message)).slice(0, 32));
    this.keys.add(`${tenant} ${model} ${id}`);
    return id;
  }

  async answer(tenant: TenantId, model: string, id: KeyId, query: Uint8Array) {
    if (!this.keys.has(`${tenant} ${model} ${id}`)) throw new Error('keys were not prepared');
    this.evaluations++;
    const bytes = await this.#evaluate(query);
    return { bytes, steps: [{ name: 'echo', ms: 1 }], peakBytes: 1 };
  }

  forget(tenant: TenantId, model: string, id: KeyId): void {
    this.keys.delete(`${tenant} ${model} ${id}`);
  }

  onKeysLost(): void {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A client whose keys and queries have the right lengths and nothing in them. */
export class BlankClient {
  readonly tenant = tenantId(randomTenant());
  readonly offer: Offer;
  keyId = '' as KeyId;

  constructor(offer: Offer) {
    this.offer = offer;
  }

  enrolment(): Uint8Array {
    const length = offeredEnrolmentBytes(this.offer);
    const message = writeEnrolment({
      publicKey: new Uint8Array(16),
      evaluationKeys: new Uint8Array(length - 24).fill(1),
    });
    message.set(randomBytes(32), length - 32);
    return message;
  }

  async enrol(service: FleetService): Promise<this> {
    this.keyId = await service.enrol(this.tenant, NET, this.enrolment());
    return this;
  }

  /** Another one each time. */
  query(bytes = 100): Uint8Array {
    return writeQuery({
      programId: this.offer.programId,
      nonce: randomBytes(32).toString('hex'),
      bucket: 0,
      ciphertexts: new Uint8Array(bytes).fill(3),
    });
  }

  async ask(service: FleetService, query = this.query(), signal?: AbortSignal): Promise<Uint8Array> {
    return Uint8Array.from((await service.answer(this.tenant, NET, this.keyId, query, signal)).bytes);
  }
}

/** Fails as often as `plan` says, then works. */
export function times(count: number, fault: () => Error): () => void {
  let left = count;
  return () => {
    if (left-- > 0) throw fault();
  };
}
