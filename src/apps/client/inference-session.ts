/**
 * A client with keys for one model of one server, where the cryptography runs: in Node, or in a page's worker. What the client sends never
 * depends on a decrypted value: everything is exchanged before any of it is opened.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { DisposedError, KeyFileError, ShapeError, UsageError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { sha256Digest } from '../../base/sha256.ts';
import type { Offer } from '../../compiler/offer.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { openKernel } from '../../kernel/open.ts';
import { InferenceClient, type InferenceQuery } from '../../protocols/inference/client.ts';
import { parseOffer } from '../../protocols/inference/offer.ts';
import { isPlausible } from '../../protocols/inference/plausibility.ts';
import { MAX_ANOMALIES } from '../keystore/client-keys.ts';
import { fromBase64Url } from '../transport/base64-url.ts';
import { chosenScores } from '../transport/chosen-offer.ts';
import { FetchConnections } from '../transport/fetch-attempt.ts';
import { InferenceTransport, type QueryAnswer } from '../transport/inference-transport.ts';
import { RemoteModel } from '../transport/remote-model.ts';
import { RetryingExchange } from '../transport/retrying-exchange.ts';
import {
  type ClientPhase,
  type ConnectedModel,
  type ConnectOptions,
  type InferenceResult,
  type InferOptions,
  type KeyOrigin,
  type OfferDescription,
  TRAFFIC_HEAD,
} from './client-types.ts';
import { describeOffer } from './describe-offer.ts';
import { type CabinetSubject, type KeyCabinet, openKeyCabinet } from './key-cabinet.ts';

const TOKEN_BYTES = 32;
/** Or an engine that is like it: there is no data base of the browser's. */
const isNode = globalThis.process?.versions?.node !== undefined;

/** One query with its answer, both still encrypted. */
interface ExchangedQuery {
  readonly query: InferenceQuery;
  readonly answer: QueryAnswer;
  readonly encryptMs: number;
  readonly startedAt: number;
}

interface SessionParts {
  readonly offer: Offer;
  readonly kernel: Kernel;
  readonly client: InferenceClient;
  readonly remote: RemoteModel;
  readonly token: Uint8Array;
  readonly cabinet: KeyCabinet | null;
  readonly subject: CabinetSubject;
  readonly keys: KeyOrigin;
  readonly anomalies: number;
  readonly warnings: readonly string[];
  readonly report: Reporter;
}

export class InferenceSession implements ConnectedModel {
  readonly describes: OfferDescription;
  readonly keys: KeyOrigin;
  readonly warnings: readonly string[];
  /** For programs that put something of their own around a query, in the same thread. */
  readonly client: InferenceClient;
  readonly remote: RemoteModel;
  readonly #parts: SessionParts;
  #anomalies: number;
  #isDisposed = false;

  private constructor(parts: SessionParts) {
    this.#parts = parts;
    this.describes = describeOffer(parts.offer);
    this.keys = parts.keys;
    this.warnings = parts.warnings;
    this.client = parts.client;
    this.remote = parts.remote;
    this.#anomalies = parts.anomalies;
  }

  /**
   * Chooses a model, makes or takes up keys, and sees to it that the server has them.
   * @throws {UsageError} for an address or a model that there is not, {@link TransportError | ProtocolError | KeyFileError}, the signal's
   * reason.
   */
  static async open(url: string, options: ConnectOptions = {}): Promise<InferenceSession> {
    const report = new Reporter(options);
    const warnings: string[] = [];
    const chosen = chosenToken(options.token);
    const offer = await report.during('offer', () => findOffer(url, options));
    const kernel = await openKernel({
      onFallback: (reason) => warnings.push(reason),
      ...(options.kernelFolder !== undefined && { folder: options.kernelFolder }),
      ...(options.kernelModule !== undefined && { module: options.kernelModule }),
    });
    try {
      const subject: CabinetSubject = {
        ...{ server: new URL(url).origin, model: offer.model, paramsId: offer.paramsId },
        tenant: chosen === null ? '' : bytesToHex(sha256Digest(chosen)),
      };
      const cabinet = await chosenCabinet(options, warnings);
      const held = await holdKeys({ offer, kernel, cabinet, subject, chosen, warnings, report });
      let keygenMs = held.keygenMs;
      const enrolment = () => {
        const from = performance.now();
        report.progress('keygen', 0, 1);
        const message = held.client.enrolment();
        report.progress('keygen', 1, 1);
        keygenMs += performance.now() - from;
        report.traffic('keys', 'up', message);
        return message;
      };
      const remote = new RemoteModel(
        transportFor(url, held.token, options),
        offer.model,
        enrolment,
        held.keyId,
        (done, total) => report.progress('upload', done, total),
      );
      try {
        await remote.ready(options.signal);
      } catch (error) {
        held.client[Symbol.dispose]();
        throw error;
      }
      const session = new InferenceSession({
        ...{ offer, kernel, client: held.client, remote, token: held.token, cabinet, subject, report },
        keys: {
          source: held.source,
          keygenMs,
          bytes: remote.enrolled?.bytesUp ?? 0,
          uploadMs: remote.enrolled?.uploadMs ?? 0,
        },
        ...{ anomalies: held.anomalies, warnings },
      });
      await session.#keep();
      return session;
    } catch (error) {
      kernel[Symbol.dispose]();
      throw error;
    }
  }

  get offer(): Offer {
    return this.#parts.offer;
  }

  async infer(inputs: ArrayLike<number>, { signal }: InferOptions = {}): Promise<InferenceResult> {
    const { inputs: width } = this.offer;
    if (inputs.length === 0 || inputs.length % width !== 0)
      throw new ShapeError('the inputs', `samples x ${width}`, `${inputs.length} values`);
    const exchanged = await this.#exchange(Float32Array.from(inputs), signal);
    return await this.#opened(exchanged);
  }

  async inferMany(
    samples: readonly ArrayLike<number>[],
    { signal }: InferOptions = {},
  ): Promise<InferenceResult[]> {
    const { inputs: width, outputs } = this.offer;
    for (const [i, { length }] of samples.entries())
      if (length !== width) throw new ShapeError(`sample ${i}`, `${width} values`, `${length} values`);
    const exchanged: ExchangedQuery[] = [];
    for (let at = 0; at < samples.length; at += this.client.maxSamples) {
      const group = samples.slice(at, at + this.client.maxSamples);
      const inputs = new Float32Array(group.length * width);
      for (const [i, sample] of group.entries()) inputs.set(sample, i * width);
      exchanged.push(await this.#exchange(inputs, signal));
    }
    const results: InferenceResult[] = [];
    for (const each of exchanged) {
      const { output, labels, stats, warnings } = await this.#opened(each);
      for (const [i, label] of labels.entries()) {
        const own = output.slice(i * outputs, (i + 1) * outputs);
        results.push({ output: own, labels: [label], label, stats, warnings });
      }
    }
    return results;
  }

  async #exchange(inputs: Float32Array, signal: AbortSignal | undefined): Promise<ExchangedQuery> {
    this.#assertOpen();
    signal?.throwIfAborted();
    const { client, remote, report } = this.#parts;
    const startedAt = performance.now();
    const query = await report.during('encrypt', () =>
      client.query(inputs, inputs.length / this.offer.inputs),
    );
    const encryptMs = performance.now() - startedAt;
    report.traffic('query', 'up', query.bytes);
    const answer = await report.during('wait', () => remote.ask(query.bytes, signal));
    report.traffic('reply', 'down', answer.bytes);
    await this.#keep();
    return { query, answer, encryptMs, startedAt };
  }

  async #opened({ query, answer, encryptMs, startedAt }: ExchangedQuery): Promise<InferenceResult> {
    this.#assertOpen();
    const { client, report, offer } = this.#parts;
    const { exchange, steps } = answer;
    const openedAt = performance.now();
    let output: Float32Array;
    try {
      output = await report.during('decrypt', () => client.open(query, answer.bytes));
    } catch (error) {
      await this.conclude(1);
      throw error;
    }
    const now = performance.now();
    const warnings: string[] = [];
    if (query.clipped > 0)
      warnings.push(`${query.clipped} inputs lay outside of ±${offer.inputBound} and were moved there`);
    if (!isPlausible(output, offer)) {
      warnings.push('the scores are outside of what the model can give: do not trust them');
      await this.conclude(1);
    }
    const evaluateMs = steps.reduce((sum, { ms }) => sum + ms, 0);
    const labels = Array.from({ length: query.samples }, (_, i) =>
      largest(output.subarray(i * offer.outputs, (i + 1) * offer.outputs)),
    );
    return {
      ...{ output, labels, label: labels[0] as number, warnings },
      stats: {
        ...{ encryptMs, uploadMs: exchange.uploadMs, queueMs: Math.max(0, exchange.waitMs - evaluateMs) },
        ...{ evaluateMs, steps, downloadMs: exchange.downloadMs, decryptMs: now - openedAt },
        totalMs: now - startedAt,
        ...{ bytesUp: exchange.bytesUp, bytesDown: exchange.bytesDown },
      },
    };
  }

  async forget(): Promise<void> {
    this.#assertOpen();
    const { cabinet, subject, remote } = this.#parts;
    await cabinet?.remove(subject);
    try {
      await remote.forget();
    } finally {
      this[Symbol.dispose]();
    }
  }

  /**
   * For programs that ask by {@link client} and {@link remote} themselves: keeps what the server calls keys that it got again, and how many
   * replies did not open to possible scores. Never tell anybody else.
   */
  async conclude(anomalies: number): Promise<void> {
    this.#anomalies += anomalies;
    if (anomalies > 0) await this.#save();
    else await this.#keep();
  }

  /** Keeps what a server calls keys that it got again. */
  async #keep(): Promise<void> {
    if (this.#parts.remote.hasNewKeyId) await this.#save();
  }

  /** Keys that cannot be saved still serve until the client ends. */
  async #save(): Promise<void> {
    const { cabinet, client, remote, subject, token } = this.#parts;
    remote.keyIdWasKept();
    if (cabinet === null) return;
    const secret = client.exportSecret();
    const keys = { secret, token, keyId: remote.keyId, anomalies: this.#anomalies };
    await cabinet.save(subject, keys).catch(() => undefined);
    secret.fill(0);
  }

  #assertOpen(): void {
    if (this.#isDisposed) throw new DisposedError('a connected model');
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#parts.token.fill(0);
    this.client[Symbol.dispose]();
    this.#parts.kernel[Symbol.dispose]();
  }
}

/** Tells the caller how far things are and what goes over the wire. */
class Reporter {
  readonly #options: Pick<ConnectOptions, 'onProgress' | 'onTraffic'>;

  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  progress(phase: ClientPhase, done: number, total: number): void {
    this.#options.onProgress?.({ phase, done, total });
  }

  async during<T>(phase: ClientPhase, work: () => T | Promise<T>): Promise<T> {
    this.progress(phase, 0, 1);
    const result = await work();
    this.progress(phase, 1, 1);
    return result;
  }

  traffic(what: 'keys' | 'query' | 'reply', direction: 'up' | 'down', body: Uint8Array): void {
    this.#options.onTraffic?.({ what, direction, bytes: body.length, head: body.slice(0, TRAFFIC_HEAD) });
  }
}

/** @throws {UsageError} for what is no token. */
function chosenToken(token: ConnectOptions['token']): Uint8Array | null {
  if (token === undefined) return null;
  const bytes = typeof token === 'string' ? fromBase64Url(token) : Uint8Array.from(token);
  if (bytes?.length === TOKEN_BYTES) return bytes;
  throw new UsageError('a token is 32 bytes, or these in base64url');
}

function transportFor(url: string, token: Uint8Array, options: ConnectOptions): InferenceTransport {
  const { insecure, timeoutMs, retries } = options;
  const rules = {
    token,
    ...(insecure !== undefined && { insecure }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(retries !== undefined && { retries }),
  };
  return new InferenceTransport(new RetryingExchange(url, rules, () => new FetchConnections()));
}

/** Under a token of its own: who asks what there is, need not be who asks the model. */
async function findOffer(url: string, options: ConnectOptions): Promise<Offer> {
  const transport = transportFor(url, systemRandom.seed(), options);
  const offers = (await transport.models(options.signal)).map(parseOffer);
  return chosenScores(offers, options.model, 'say which with { model }');
}

async function chosenCabinet({ keys }: ConnectOptions, warnings: string[]): Promise<KeyCabinet | null> {
  if (keys === 'session' || (keys === undefined && isNode)) return null;
  const cabinet = await openKeyCabinet();
  if (typeof cabinet !== 'string') return cabinet;
  warnings.push(cabinet);
  return null;
}

interface HeldKeys {
  readonly client: InferenceClient;
  readonly token: Uint8Array;
  readonly keyId: string | null;
  readonly source: KeyOrigin['source'];
  readonly keygenMs: number;
  readonly anomalies: number;
}

interface KeyPlace {
  readonly offer: Offer;
  readonly kernel: Kernel;
  readonly cabinet: KeyCabinet | null;
  readonly subject: CabinetSubject;
  readonly chosen: Uint8Array | null;
  readonly warnings: string[];
  readonly report: Reporter;
}

/** Takes up kept keys; new ones are kept before anything is sent. */
async function holdKeys(place: KeyPlace): Promise<HeldKeys> {
  const { offer, kernel, cabinet, subject, chosen, warnings, report } = place;
  const loaded = cabinet?.load(subject).catch((error: Error) => {
    warnings.push(`${error.message}: new ones were made`);
    return null;
  });
  const kept = (await loaded) ?? null;
  if (kept !== null) {
    if (kept.anomalies >= MAX_ANOMALIES) {
      throw new KeyFileError(
        `${kept.anomalies} replies of ${subject.server} did not open to possible scores with the keys for ${offer.model}: remove this site's data to make new ones, if you still trust this server`,
      );
    }
    try {
      const client = await InferenceClient.restore(offer, kept.secret, kernel);
      const { token, keyId, anomalies } = kept;
      return { client, token, keyId, anomalies, source: 'kept', keygenMs: 0 };
    } finally {
      kept.secret.fill(0);
    }
  }
  const startedAt = performance.now();
  report.progress('keygen', 0, 1);
  const client = await InferenceClient.create(offer, kernel);
  const keygenMs = performance.now() - startedAt;
  const token = chosen ?? systemRandom.seed();
  if (cabinet !== null) {
    const secret = client.exportSecret();
    await cabinet.save(subject, { secret, token, keyId: null, anomalies: 0 }).catch((error: Error) => {
      warnings.push(`keys end with this page: ${error.message}`);
    });
    secret.fill(0);
  }
  return { client, token, keyId: null, anomalies: 0, source: 'made', keygenMs };
}

function largest(scores: Float32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if ((scores[i] as number) > (scores[best] as number)) best = i;
  return best;
}
