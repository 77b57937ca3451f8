/**
 * What has arrived on a connection and was not asked for yet, or is asked for and has not arrived. Who waits does so for as long as the
 * connection makes progress, in either direction. Browser-safe.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { TransportError } from '../../base/errors.ts';
import { ProgressWatch, sendBufferMs } from '../transport/progress-watch.ts';

interface Waiting {
  readonly watch: ProgressWatch;
  readonly resolve: (message: Uint8Array) => void;
  readonly reject: (error: TransportError) => void;
}

/**
 * Connections of one device. An answer of one edge may have to wait for what is still on its way to the other (relays): so what moves on
 * one connection is progress for all of them.
 */
export class LinkGroup {
  readonly #inboxes = new Set<MessageInbox>();

  add(inbox: MessageInbox): void {
    this.#inboxes.add(inbox);
  }

  get members(): Iterable<MessageInbox> {
    return this.#inboxes;
  }
}

export class MessageInbox {
  readonly #timeoutMs: number;
  readonly #onTimeout: () => void;
  readonly #group: LinkGroup;
  readonly #messages: Uint8Array[] = [];
  #waiting: Waiting | null = null;
  #lost: TransportError | null = null;
  /**
   * Bytes sent since the last message came, and between the two before: what the system may still hold of them. Two, because a device
   * sends its next request while it waits for the answer to the one before.
   */
  #sent = 0;
  #sentBefore = 0;

  /** `onTimeout` ends the connection when a message is waited for and nothing has moved for `timeoutMs`. */
  constructor(timeoutMs: number, onTimeout: () => void, group = new LinkGroup()) {
    this.#timeoutMs = timeoutMs;
    this.#onTimeout = onTimeout;
    this.#group = group;
    group.add(this);
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
    this.#sentBefore = this.#sent;
    this.#sent = 0;
    if (this.#waiting === null) this.#messages.push(message);
    else this.#waiting.resolve(message);
  }

  /** So many bytes of a message have come. */
  arrived(bytes: number): void {
    for (const inbox of this.#group.members) inbox.#waiting?.watch.moved(bytes);
  }

  /** The system has taken so many bytes of a message. */
  left(bytes: number): void {
    this.#sent += bytes;
    const bufferMs = this.#bufferMs;
    for (const inbox of this.#group.members) inbox.#waiting?.watch.begin(bufferMs);
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
      const watch = new ProgressWatch(this.#timeoutMs, () => {
        this.fail(new TransportError(`no answer: nothing moved within ${this.#timeoutMs / 1000} s`, true));
        this.#onTimeout();
      });
      watch.begin(this.#bufferMs);
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          watch.stop();
          this.#waiting = null;
          settle(value);
        };
      };
      this.#waiting = { watch, resolve: settled(resolve), reject: settled(reject) };
    });
  }

  get #bufferMs(): number {
    let bytes = 0;
    for (const inbox of this.#group.members) bytes += inbox.#sentBefore + inbox.#sent;
    return sendBufferMs(bytes);
  }
}

printOnOneLine(LinkGroup);
arg.guard('LinkGroup', LinkGroup.prototype, { add: { inbox: arg.like('a MessageInbox', 'put', 'arrived') } });

printOnOneLine(MessageInbox);
