/** What a server of messages needs of the protocol behind it: a session for each connection, bounded in the length of its messages. */
export interface MessageSession {
  /** Requests that are being worked on. */
  readonly load: number;
  /** Who has shown a key, by the name that the listener tells of it; null before. */
  readonly party: string | null;
  readonly isAuthenticated: boolean;
  /** The next message of the other side. @throws what ends the session */
  receive(message: Uint8Array): Promise<void>;
  /** Resolves when nothing is under way any more. */
  idle(): Promise<void>;
  /** The connection is gone. */
  close(): void;
}

export interface MessageService {
  /** Longer messages are refused before they are read. */
  readonly maxMessageBytes: number;
  /** A new connection; `send` resolves once the message has left, `onEnd` is told why the service ends it by itself. */
  accept(send: (message: Uint8Array) => Promise<void>, onEnd?: (reason: Error) => void): MessageSession;
}
