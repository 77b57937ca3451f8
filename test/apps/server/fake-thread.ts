/** A thread of models without cryptography: it knows which keys it has ready and which program answered. */
import { createHash } from 'node:crypto';
import {
  DecodeError,
  MissingKeyError,
  ParamsMismatchError,
  ProtocolError,
} from '../../../src/base/errors.ts';
import type { Offer } from '../../../src/compiler/offer.ts';
import type { ServedModel } from '../../../src/protocols/inference/responder.ts';
import { type KeyId, keyId, type ModelName, type TenantId } from '../../../src/protocols/inference/names.ts';
import { readQuery, writeQuery } from '../../../src/protocols/inference/messages.ts';
import type { ModelThread } from '../../../src/apps/server/index.ts';
import type { LostKeys } from '../../../src/apps/server/service.ts';

export const KEY_BYTES = 1000;
const QUERY_BYTES = 200;
const SAMPLES = 128;

/** A model as these threads understand it: its program, and the parameters that keys must have. */
export interface FakeModel {
  readonly name: string;
  readonly program: string;
  readonly params: number;
}

/** Keys begin with the parameters that they are for. */
export function keysFor(params: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(KEY_BYTES).fill(fill);
  bytes[0] = params;
  return bytes;
}

export const idOf = (message: Uint8Array): KeyId =>
  keyId(createHash('sha256').update(message).digest('hex').slice(0, 32));

export const programOf = (digit: string): string => digit.repeat(64);

export function queryFor(program: string, fill = 0): Uint8Array {
  return writeQuery({
    programId: program,
    nonce: '00'.repeat(32),
    bucket: 0,
    ciphertexts: new Uint8Array(16).fill(fill),
  });
}

export class FakeThread implements ModelThread {
  readonly kernel = { name: 'fake', isa: 'none', threads: 1 };
  readonly ready = new Set<string>();
  readonly models: readonly FakeModel[];
  prepared = 0;
  isEnded = false;
  /** Evaluations wait for it. */
  gate: Promise<void> = Promise.resolve();
  #listeners: ((lost?: LostKeys) => void)[] = [];

  constructor(models: readonly ServedModel[]) {
    this.models = models as unknown as readonly FakeModel[];
  }

  offers(): readonly Offer[] {
    const shape = { inputs: 4, outputs: 4, buckets: [{ block: SAMPLES, interleave: 1 }] };
    return this.models.map(
      ({ name, program }) => ({ ...shape, model: name, programId: program }) as unknown as Offer,
    );
  }

  isReady = () => true;
  enrolmentBytes = () => KEY_BYTES;
  queryBytes = () => QUERY_BYTES;
  querySamples = () => SAMPLES;
  predictedMs = () => 400;

  async enrol(tenant: TenantId, model: ModelName, message: Uint8Array): Promise<KeyId> {
    const { params } = this.#find(model);
    if (message.length !== KEY_BYTES) throw new DecodeError('keys', 'wrong length');
    if (message[0] !== params) throw new ParamsMismatchError('keys', String(params), String(message[0]));
    this.prepared++;
    this.ready.add(`${tenant} ${model} ${idOf(message)}`);
    return idOf(message);
  }

  async answer(tenant: TenantId, model: ModelName, id: KeyId, query: Uint8Array) {
    const { program } = this.#find(model);
    if (readQuery(query).programId !== program) throw new ProtocolError('another program');
    await this.gate;
    if (this.isEnded) throw new ProtocolError('the thread was ended under an evaluation');
    if (!this.ready.has(`${tenant} ${model} ${id}`)) throw new MissingKeyError('keys');
    return { bytes: new TextEncoder().encode(program), steps: [], peakBytes: 1 };
  }

  forget(tenant: TenantId, model: ModelName, id: KeyId): void {
    this.ready.delete(`${tenant} ${model} ${id}`);
  }

  onKeysLost(listener: (lost?: LostKeys) => void): void {
    this.#listeners.push(listener);
  }

  /** As when the thread dies and another takes its place. */
  loseKeys(): void {
    this.ready.clear();
    for (const listener of this.#listeners) listener();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isEnded = true;
  }

  #find(model: ModelName): FakeModel {
    const found = this.models.find(({ name }) => name === model);
    if (found === undefined) throw new ProtocolError('no such model');
    return found;
  }
}
