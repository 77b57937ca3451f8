/** Sending a message as fragments of one WebSocket message [RFC 6455, 5.4], so that its progress can be seen. */
import type { WebSocket } from 'ws';

/** Takes a link of 32 kB/s four seconds; shorter messages are one frame. */
const PIECE_BYTES = 128 * 1024;

/** One message after another: fragments of two must not mix. */
export class MessageSender {
  readonly #socket: WebSocket;
  readonly #onLeft: (bytes: number) => void;
  #tail: Promise<void> = Promise.resolve();

  /** `onLeft` is told whenever the system has taken so many more bytes. */
  constructor(socket: WebSocket, onLeft: (bytes: number) => void) {
    this.#socket = socket;
    this.#onLeft = onLeft;
  }

  /** Resolves when the whole message has left; rejects with the socket's error. */
  send(message: Uint8Array): Promise<void> {
    const sending = this.#tail.then(() => this.#send(message));
    this.#tail = sending.catch(() => undefined);
    return sending;
  }

  async #send(message: Uint8Array): Promise<void> {
    let at = 0;
    do {
      const piece = message.subarray(at, at + PIECE_BYTES);
      at += piece.length;
      await this.#piece(piece, at >= message.length);
      this.#onLeft(piece.length);
    } while (at < message.length);
  }

  #piece(piece: Uint8Array, fin: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(piece, { binary: true, fin }, (error) => {
        if (error === undefined || error === null) resolve();
        else reject(error);
      });
    });
  }
}
