/**
 * An inference service in milliseconds: enrolments and queries are checked for a first byte, the "evaluation" adds one
 * to every byte. It stands in for the encrypted one wherever the network around it is tested.
 */
import { createHash } from 'node:crypto';
import { DecodeError, ParamsMismatchError } from '../../src/base/errors.ts';
import type { Offer } from '../../src/compiler/offer.ts';
import { type KeyId, keyId, type ModelName, type TenantId } from '../../src/protocols/inference/names.ts';
import type { InferenceService } from '../../src/apps/server/index.ts';

export const KEY_BYTES = 1000;
export const QUERY_BYTES = 500;
/** A query is this many samples. */
export const SAMPLES = 128;
const BUCKETS = [{ block: SAMPLES, interleave: 1 }];
const KEY_MARK = 0x4b;
const QUERY_MARK = 0x51;

export function fakeEnrolment(fill: number): Uint8Array {
  const bytes = new Uint8Array(KEY_BYTES).fill(fill);
  bytes[0] = KEY_MARK;
  return bytes;
}

export function fakeQuery(fill: number): Uint8Array {
  const bytes = new Uint8Array(QUERY_BYTES).fill(fill);
  bytes[0] = QUERY_MARK;
  return bytes;
}

export class FakeInference implements InferenceService {
  readonly keys = new Map<string, Uint8Array>();
  answered = 0;
  aborted = 0;
  /** Evaluations that have begun and not ended. */
  waiting = 0;
  ready = true;
  /** Milliseconds that an evaluation takes. */
  delayMs = 0;
  readonly models: readonly string[];
  readonly #lossListeners: (() => void)[] = [];

  constructor(models: readonly string[] = ['digits', 'sentences']) {
    this.models = models;
  }

  offers(): readonly Offer[] {
    return this.models.map(
      (model) =>
        ({ model, programId: 'f'.repeat(64), inputs: 4, outputs: 4, buckets: BUCKETS }) as unknown as Offer,
    );
  }

  isReady(): boolean {
    return this.ready;
  }

  querySamples(): number {
    return SAMPLES;
  }

  enrolmentBytes(): number {
    return KEY_BYTES;
  }

  queryBytes(): number {
    return QUERY_BYTES;
  }

  async enrol(tenant: TenantId, _model: ModelName, message: Uint8Array): Promise<KeyId> {
    if (message[0] !== KEY_MARK) throw new DecodeError('evaluation keys', 'wrong magic');
    const id = keyId(createHash('sha256').update(message).digest('hex'));
    this.keys.set(`${tenant}/${id}`, message);
    return id;
  }

  async answer(_tenant: TenantId, _model: ModelName, _keyId: KeyId, query: Uint8Array, signal?: AbortSignal) {
    if (query[0] === KEY_MARK) throw new ParamsMismatchError('query', 'aa', 'bb');
    if (query[0] !== QUERY_MARK) throw new DecodeError('query', 'wrong magic');
    if (this.delayMs > 0) await this.#wait(signal);
    this.answered++;
    const steps = [
      { name: 'expand', ms: 1.25 },
      { name: 'linear 0', ms: 2.5 },
    ];
    return { bytes: query.map((byte) => byte + 1), steps, peakBytes: 12345 };
  }

  forget(tenant: TenantId, _model: ModelName, id: KeyId): void {
    this.keys.delete(`${tenant}/${id}`);
  }

  onKeysLost(listener: () => void): void {
    this.#lossListeners.push(listener);
  }

  /** As when the evaluation thread dies. */
  loseKeys(): void {
    this.keys.clear();
    for (const listener of this.#lossListeners) listener();
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    this.waiting++;
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, this.delayMs);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        this.aborted++;
        reject(signal.reason);
      });
    }).finally(() => this.waiting--);
  }
}
