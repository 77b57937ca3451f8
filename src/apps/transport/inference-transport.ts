/** The calls of encrypted inference over HTTP, as a client makes them; runs wherever JavaScript does. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { ProtocolError } from '../../base/errors.ts';
import { sha256Digest } from '../../base/sha256.ts';
import { MODEL_NAME } from '../../compiler/program.ts';
import { KEY_ID } from '../../protocols/inference/names.ts';
import type { RequestBody } from './attempt.ts';
import { type Exchange, jsonOf, type Received, type RetryingExchange } from './retrying-exchange.ts';
import {
  type BlockState,
  KEY_PART_BYTES,
  PEAK_HEADER,
  parseTimings,
  routes,
  TIMING_HEADER,
  type TimedStep,
} from './wire.ts';

export interface QueryAnswer {
  readonly bytes: Uint8Array;
  readonly exchange: Exchange;
  readonly steps: readonly TimedStep[];
  readonly peakBytes: number;
}

export interface UploadOptions {
  /** Bytes that have arrived, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What the server calls the keys, and what sending them cost. */
export interface Enrolled {
  readonly keyId: string;
  readonly exchange: Exchange;
}

/** A server that restarts within an upload has forgotten the parts; so often they are sent again. */
const UPLOAD_ROUNDS = 4;

const BLOCK_JOB = /^[0-9a-f]{64}$/;

export class InferenceTransport {
  readonly #exchange: RetryingExchange;

  constructor(exchange: RetryingExchange) {
    this.#exchange = exchange;
  }

  /** What the server offers, unchecked JSON: callers validate each offer. @throws {TransportError | ProtocolError} */
  async models(signal?: AbortSignal): Promise<readonly unknown[]> {
    const reply = jsonOf(await this.#exchange.send('GET', routes.models, undefined, [], signal));
    const models = (reply as { models?: unknown } | null)?.models;
    if (!Array.isArray(models))
      throw new ProtocolError('the server sent no list of models: it is not a subrosa server');
    return models.map((entry) => (entry as { offer?: unknown } | null)?.offer);
  }

  /**
   * Uploads public and evaluation keys; what is longer than a part goes in parts, so that a link that breaks costs one of them.
   * @throws {TransportError | ProtocolError}, the signal's reason
   */
  async enrol(model: string, message: Uint8Array, options: UploadOptions = {}): Promise<Enrolled> {
    const { onProgress, signal } = options;
    onProgress?.(0, message.length);
    if (message.length > KEY_PART_BYTES)
      return await this.#enrolInParts(checkedName(model), message, options);
    const received = await this.#exchange.send('PUT', routes.keys(checkedName(model)), message, [], signal);
    onProgress?.(message.length, message.length);
    return { keyId: keyIdOf(received), exchange: received.exchange };
  }

  async #enrolInParts(model: string, message: Uint8Array, options: UploadOptions): Promise<Enrolled> {
    const { onProgress, signal } = options;
    const hash = bytesToHex(sha256Digest(message));
    const count = Math.ceil(message.length / KEY_PART_BYTES);
    const sum = { attempts: 0, bytesUp: 0, bytesDown: 0, uploadMs: 0, waitMs: 0, downloadMs: 0 };
    const add = ({ exchange }: Received): void => {
      for (const name of Object.keys(sum) as (keyof Exchange)[]) sum[name] += exchange[name];
    };
    for (let round = 0; round < UPLOAD_ROUNDS; round++) {
      const held = heldParts(
        await this.#exchange.send('GET', routes.upload(model, hash), undefined, [], signal),
      );
      for (let i = 0; i < count; i++) {
        const part = message.subarray(i * KEY_PART_BYTES, (i + 1) * KEY_PART_BYTES);
        if (!held.has(i))
          add(await this.#exchange.send('PUT', routes.uploadPart(model, hash, i), part, [], signal));
        onProgress?.(i * KEY_PART_BYTES + part.length, message.length);
      }
      const path = routes.completeUpload(model, hash);
      const received = await this.#exchange.send('POST', path, undefined, ['incomplete'], signal);
      add(received);
      if (received.status < 300) return { keyId: keyIdOf(received), exchange: sum };
    }
    throw new ProtocolError(
      'the server drops parts of keys as soon as it has them: its memory limit is too small',
    );
  }

  async hasKey(model: string, keyId: string, signal?: AbortSignal): Promise<boolean> {
    const path = routes.key(checkedName(model), keyId);
    const received = await this.#exchange.send('GET', path, undefined, ['unknown-key'], signal);
    return received.status === 200;
  }

  /** Null when the server does not have the keys (any more). @throws {TransportError | ProtocolError | QueryBudgetError} */
  async query(
    model: string,
    keyId: string,
    body: RequestBody,
    signal?: AbortSignal,
  ): Promise<QueryAnswer | null> {
    const path = routes.queries(checkedName(model), keyId);
    const received = await this.#exchange.send('POST', path, body, ['unknown-key'], signal);
    if (received.status !== 200) return null;
    const steps = parseTimings(received.headers.get(TIMING_HEADER));
    const peak = Number(received.headers.get(PEAK_HEADER) ?? 0);
    return {
      bytes: received.body,
      exchange: received.exchange,
      steps: steps.filter(({ name }) => name !== 'receive' && name !== 'queue'),
      peakBytes: Number.isSafeInteger(peak) && peak > 0 ? peak : 0,
    };
  }

  /**
   * Puts a query down to be evaluated when there is time; the same one again changes nothing. Returns its job; null when the server does
   * not have the keys. @throws {TransportError | ProtocolError | QueryBudgetError}
   */
  async queueBlock(
    model: string,
    keyId: string,
    query: Uint8Array,
    signal?: AbortSignal,
  ): Promise<string | null> {
    const path = routes.blocks(checkedName(model), keyId);
    const received = await this.#exchange.send('PUT', path, query, ['unknown-key'], signal);
    if (received.status !== 202) return null;
    const job = (jsonOf(received) as { job?: unknown } | null)?.job;
    if (typeof job !== 'string' || !BLOCK_JOB.test(job))
      throw new ProtocolError('the server queued a block without saying how it is called');
    return job;
  }

  /** How far a block is; null for one that the server does not know. */
  async blockState(
    model: string,
    keyId: string,
    job: string,
    signal?: AbortSignal,
  ): Promise<BlockState | null> {
    const path = routes.blockState(checkedName(model), keyId, job);
    const received = await this.#exchange.send('GET', path, undefined, ['not-found'], signal);
    if (received.status !== 200) return null;
    const state = (jsonOf(received) as { state?: unknown } | null)?.state;
    if (state !== 'waiting' && state !== 'done' && state !== 'failed')
      throw new ProtocolError('the server says something else than how far a block is');
    return state;
  }

  /** The reply to a block; null while there is none. */
  async blockReply(
    model: string,
    keyId: string,
    job: string,
    signal?: AbortSignal,
  ): Promise<Uint8Array | null> {
    const path = routes.block(checkedName(model), keyId, job);
    const received = await this.#exchange.send('GET', path, undefined, ['not-found'], signal);
    return received.status === 200 ? received.body : null;
  }

  /** True when the server had the keys and has dropped them. */
  async forget(model: string, keyId: string): Promise<boolean> {
    const received = await this.#exchange.send('DELETE', routes.key(checkedName(model), keyId), undefined, [
      'unknown-key',
    ]);
    return received.status === 204;
  }
}

/** @throws {ProtocolError} */
function keyIdOf(received: Received): string {
  const keyId = (jsonOf(received) as { keyId?: unknown } | null)?.keyId;
  if (typeof keyId !== 'string' || !KEY_ID.test(keyId))
    throw new ProtocolError('the server answered an enrolment without a key id');
  return keyId;
}

/** @throws {ProtocolError} when the server cuts uploads elsewhere than this client. */
function heldParts(received: Received): ReadonlySet<unknown> {
  const { partBytes, parts } = (jsonOf(received) ?? {}) as { partBytes?: unknown; parts?: unknown };
  if (partBytes !== KEY_PART_BYTES || !Array.isArray(parts))
    throw new ProtocolError('the server takes uploads in other parts: it is of another version');
  return new Set<unknown>(parts);
}

function checkedName(model: string): string {
  if (!MODEL_NAME.test(model)) throw new ProtocolError('the server offers a model with a malformed name');
  return model;
}
