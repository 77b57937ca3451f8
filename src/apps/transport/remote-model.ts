/** One model on one server, as a client with keys sees it: keys are uploaded when the server lacks them, not before. */
import { ProtocolError } from '../../base/errors.ts';
import type { RequestBody } from './attempt.ts';
import type { Enrolled, QueryAnswer, UploadOptions } from './inference-transport.ts';
import type { Exchange } from './retrying-exchange.ts';

/** The calls of one client to one server: {@link InferenceTransport}, or what stands in for it. */
export interface ModelTransport {
  enrol(model: string, message: Uint8Array, options?: UploadOptions): Promise<Enrolled>;
  hasKey(model: string, keyId: string, signal?: AbortSignal): Promise<boolean>;
  /** Null when the server does not have the keys. */
  query(model: string, keyId: string, body: RequestBody, signal?: AbortSignal): Promise<QueryAnswer | null>;
  /** True when the server had the keys. */
  forget(model: string, keyId: string): Promise<boolean>;
}

export class RemoteModel {
  readonly #transport: ModelTransport;
  readonly #model: string;
  readonly #enrolment: () => Uint8Array;
  readonly #onUpload: UploadOptions['onProgress'];
  #keyId: string | null;
  /** What is kept for the next session. */
  #keptKeyId: string | null;
  #enrolled: Exchange | null = null;

  /**
   * `enrolment` makes the key message, only when it is needed; `keyId` is what an earlier session got for it. `onUpload` is told of its
   * upload.
   */
  constructor(
    transport: ModelTransport,
    model: string,
    enrolment: () => Uint8Array,
    keyId: string | null = null,
    onUpload?: UploadOptions['onProgress'],
  ) {
    this.#transport = transport;
    this.#model = model;
    this.#enrolment = enrolment;
    this.#keyId = keyId;
    this.#keptKeyId = keyId;
    this.#onUpload = onUpload;
  }

  /** Worth keeping in the key file: with it the next session need not upload. */
  get keyId(): string | null {
    return this.#keyId;
  }

  /** True when {@link keyId} is another than the one that is kept. */
  get hasNewKeyId(): boolean {
    return this.#keyId !== this.#keptKeyId;
  }

  /** For whoever keeps it. */
  keyIdWasKept(): void {
    this.#keptKeyId = this.#keyId;
  }

  /** The last upload of keys by this client; null when the server had them. */
  get enrolled(): Exchange | null {
    return this.#enrolled;
  }

  /** Makes sure that the server has the keys. @throws {TransportError | ProtocolError} */
  async ready(signal?: AbortSignal): Promise<void> {
    if (this.#keyId !== null && (await this.#transport.hasKey(this.#model, this.#keyId, signal))) return;
    await this.#enrol(signal);
  }

  /**
   * Sends a query. A server that was restarted or ran out of memory has forgotten the keys; they are uploaded again,
   * once, and the same question sent again. Both follow from the server's status alone.
   * @throws {TransportError | ProtocolError}
   */
  async ask(query: RequestBody, signal?: AbortSignal): Promise<QueryAnswer> {
    if (this.#keyId === null) await this.#enrol(signal);
    for (let again = false; ; again = true) {
      const answer = await this.#transport.query(this.#model, this.#keyId as string, query, signal);
      if (answer !== null) return answer;
      if (again)
        throw new ProtocolError(
          'the server drops the keys as soon as it has them: its memory limit is too small',
        );
      await this.#enrol(signal);
    }
  }

  /** Asks the server to drop the keys. */
  async forget(): Promise<void> {
    if (this.#keyId !== null) await this.#transport.forget(this.#model, this.#keyId);
    this.#keyId = null;
  }

  async #enrol(signal?: AbortSignal): Promise<void> {
    const options = {
      ...(signal !== undefined && { signal }),
      ...(this.#onUpload !== undefined && { onProgress: this.#onUpload }),
    };
    const { keyId, exchange } = await this.#transport.enrol(this.#model, this.#enrolment(), options);
    this.#keyId = keyId;
    this.#enrolled = exchange;
  }
}
