/** What has arrived on a connection and was not asked for yet, or is asked for and has not arrived. Browser-safe. */
import { TransportError } from '../../base/errors.ts';

interface Waiting {
  readonly resolve: (message: Uint8Array) => void;
  readonly reject: (error: TransportError) => void;
}

export class MessageInbox {
  readonly #timeoutMs: number;
  readonly #onTimeout: () => void;
  readonly #messages: Uint8Array[] = [];
  #waiting: Waiting | null = null;
  #lost: TransportError | null = null;

  /** `onTimeout` ends the connection when a message that is waited for does not come in time. */
  constructor(timeoutMs: number, onTimeout: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onTimeout = onTimeout;
  }

  /** Why the connection is gone; null while it is not. */
  get lost(): TransportError | null {
    return this.#lost;
  }

  /** Messages that nobody asked for yet. */
  get length(): number {
    return this.#messages.length;
  }

  put(message: Uint8Array): void {
    if (this.#waiting === null) this.#messages.push(message);
    else this.#waiting.resolve(message);
  }

  /** The first reason counts. Messages that came before it can still be taken. */
  fail(error: TransportError): void {
    this.#lost ??= error;
    this.#waiting?.reject(this.#lost);
  }

  /** The next message. @throws {TransportError} */
  take(): Promise<Uint8Array> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#lost !== null) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.fail(new TransportError(`no answer within ${this.#timeoutMs / 1000} s`, true));
        this.#onTimeout();
      }, this.#timeoutMs);
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          this.#waiting = null;
          settle(value);
        };
      };
      this.#waiting = { resolve: settled(resolve), reject: settled(reject) };
    });
  }
}
