/** A connection that keeps messages whole and in order: a WebSocket, or memory in tests. */
export interface MessageLink {
  /** Resolves when the message has left. */
  send(message: Uint8Array): Promise<void>;
  /** The next message. Rejects with a TransportError when the other side is gone or too slow. */
  receive(): Promise<Uint8Array>;
  close(): void;
}
