/** A client with keys for one model of one server: made new, or taken from the key file. */
import { KeyFileError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import type { Offer } from '../../compiler/offer.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { type ClientKeys, type KeySubject, MAX_ANOMALIES } from '../keystore/client-keys.ts';
import { type ModelTransport, RemoteModel } from '../transport/remote-model.ts';
import type { Recogniser } from './recogniser.ts';
import type { EncryptingClient } from './utterance.ts';

/** Where keys are kept, sealed under a passphrase: files in Node, the browser's own storage in a page. */
export interface SessionKeyStore {
  has(subject: KeySubject): Promise<boolean>;
  load(subject: KeySubject, passphrase: string): Promise<ClientKeys | null>;
  save(subject: KeySubject, passphrase: string, keys: ClientKeys): Promise<void>;
  /** For messages to people. */
  path(subject: KeySubject): string;
}

/** Where keys live between runs. Without it they end with the process. */
export interface KeyFilePlan {
  readonly store: SessionKeyStore;
  /** Asked only when it is needed; `isNew` when there is no file yet. */
  readonly passphrase: (isNew: boolean) => Promise<string>;
}

export interface SessionOptions {
  /** Its address; the origin names the keys. */
  readonly server: string;
  /** A client of the server with this bearer token. */
  readonly connect: (token: Uint8Array) => ModelTransport;
  readonly keyFile?: KeyFilePlan;
}

/** How the keys came about, for the report. */
export interface KeyFacts {
  readonly source: 'made' | 'key file';
  /** Making the secret and, when they were uploaded, the evaluation keys. */
  readonly keygenMs: number;
  /** Zero when the server had the keys. */
  readonly keyBytes: number;
  readonly uploadMs: number;
}

/** What a session is made of. */
export interface SessionParts {
  /** The client's part of a model. */
  loadRecogniser(model: string, kernel: Kernel): Promise<Recogniser>;
  createClient(offer: Offer, kernel: Kernel): Promise<EncryptingClient>;
  restoreClient(offer: Offer, secret: Uint8Array, kernel: Kernel): Promise<EncryptingClient>;
}

export class ClientSession implements Disposable {
  readonly offer: Offer;
  readonly recogniser: Recogniser;
  readonly client: EncryptingClient;
  readonly remote: RemoteModel;
  readonly keys: KeyFacts;
  readonly #held: HeldKeys;

  private constructor(
    parts: Pick<ClientSession, 'offer' | 'recogniser' | 'remote' | 'keys'>,
    held: HeldKeys,
  ) {
    this.offer = parts.offer;
    this.recogniser = parts.recogniser;
    this.client = held.client;
    this.remote = parts.remote;
    this.keys = parts.keys;
    this.#held = held;
  }

  /**
   * Loads the model's clear parts, makes or restores the keys, and sees to it that the server has them. New keys are
   * saved before anything is sent, so that a disk that cannot hold them costs nothing.
   *
   * @throws {KeyFileError | DataError | TransportError | ProtocolError}
   */
  static async open(
    parts: SessionParts,
    kernel: Kernel,
    offer: Offer,
    options: SessionOptions,
  ): Promise<ClientSession> {
    const recogniser = await parts.loadRecogniser(offer.model, kernel);
    const subject: KeySubject = {
      server: new URL(options.server).origin,
      model: offer.model,
      paramsId: offer.paramsId,
    };
    const started = performance.now();
    const held = await holdKeys(parts, kernel, offer, subject, options.keyFile);
    let keygenMs = held.source === 'made' ? performance.now() - started - held.savingMs : 0;
    const transport = options.connect(held.token);
    const enrolment = () => {
      const from = performance.now();
      const message = held.client.enrolment();
      keygenMs += performance.now() - from;
      return message;
    };
    const remote = new RemoteModel(transport, offer.model, enrolment, held.keyId);
    await remote.ready();
    if (remote.hasNewKeyId) await held.save(remote.keyId, held.anomalies);
    remote.keyIdWasKept();
    const keys: KeyFacts = {
      source: held.source,
      keygenMs,
      keyBytes: remote.enrolled?.bytesUp ?? 0,
      uploadMs: remote.enrolled?.uploadMs ?? 0,
    };
    return new ClientSession({ offer, recogniser, remote, keys }, held);
  }

  /**
   * Keeps what the session taught: the name of keys that a restarted server got again, and how many replies did not
   * open. @throws {KeyFileError}
   */
  async conclude(anomalies: number): Promise<void> {
    if (!this.remote.hasNewKeyId && anomalies === 0) return;
    await this.#held.save(this.remote.keyId, this.#held.anomalies + anomalies);
    this.remote.keyIdWasKept();
  }

  [Symbol.dispose](): void {
    this.#held.token.fill(0);
    this.client[Symbol.dispose]();
  }
}

interface HeldKeys {
  readonly client: EncryptingClient;
  readonly token: Uint8Array;
  readonly keyId: string | null;
  readonly source: KeyFacts['source'];
  readonly savingMs: number;
  readonly anomalies: number;
  /** Writes the key file again with what the server calls the keys; nothing without a key file. */
  readonly save: (keyId: string | null, anomalies: number) => Promise<void>;
}

async function holdKeys(
  parts: SessionParts,
  kernel: Kernel,
  offer: Offer,
  subject: KeySubject,
  plan: KeyFilePlan | undefined,
): Promise<HeldKeys> {
  if (plan === undefined) {
    const client = await parts.createClient(offer, kernel);
    const fresh = { keyId: null, source: 'made', savingMs: 0, anomalies: 0 } as const;
    return { client, token: systemRandom.seed(), ...fresh, save: async () => {} };
  }
  const { store } = plan;
  const isNew = !(await store.has(subject));
  const passphrase = await plan.passphrase(isNew);
  const saver =
    (client: EncryptingClient, token: Uint8Array) => async (keyId: string | null, anomalies: number) => {
      const secret = client.exportSecret();
      try {
        await store.save(subject, passphrase, { secret, token, keyId, anomalies });
      } finally {
        secret.fill(0);
      }
    };
  const kept = await store.load(subject, passphrase);
  if (kept !== null) {
    refuseWornKeys(kept.anomalies, store.path(subject));
    try {
      const client = await parts.restoreClient(offer, kept.secret, kernel);
      const { token, keyId, anomalies } = kept;
      return { client, token, keyId, source: 'key file', savingMs: 0, anomalies, save: saver(client, token) };
    } catch (error) {
      throw new KeyFileError(
        `the keys in ${store.path(subject)} do not fit this model: remove the file to make new ones`,
        { cause: error },
      );
    } finally {
      kept.secret.fill(0);
    }
  }
  const client = await parts.createClient(offer, kernel);
  const token = systemRandom.seed();
  const save = saver(client, token);
  const started = performance.now();
  await save(null, 0);
  const savingMs = performance.now() - started;
  return { client, token, keyId: null, source: 'made', savingMs, anomalies: 0, save };
}

function refuseWornKeys(anomalies: number, path: string): void {
  if (anomalies < MAX_ANOMALIES) return;
  throw new KeyFileError(
    `${anomalies} replies did not open to possible scores with the keys in ${path}: remove the file to make new keys, if you still trust this server`,
  );
}
