/** The device's connection to an edge: one WebSocket, whole messages in order, TLS unless the edge is on this machine. */
import * as arg from '../../base/arguments.ts';
import { WebSocket } from 'ws';
import { TransportError, UsageError } from '../../base/errors.ts';
import type { MessageLink } from '../../protocols/channel/message-link.ts';
import { isLoopback } from '../../base/loopback.ts';
import { TLS_CLIENT, tlsFailure } from '../transport/tls-failure.ts';
import { type LinkGroup, MessageInbox } from './message-inbox.ts';
import { MessageSender } from './message-pieces.ts';

export interface WebSocketLinkOptions {
  /** Longer messages of the edge end the connection before they are read. */
  readonly maxMessageBytes: number;
  /** For connecting; and a message that is waited for is given up when nothing has moved for so long, up or down. Default 30,000. */
  readonly timeoutMs?: number;
  /** The other connections of this device: an answer through a relay waits for what is on its way to the other edge. */
  readonly group?: LinkGroup;
  /** Certificates to trust instead of the system's, PEM. */
  readonly ca?: Uint8Array;
}

const TIMEOUT_MS = 30_000;
/** WebSocket's code for a violation of the other side's rules [RFC 6455, 7.4.1]: a new attempt would end like this one. */
const REFUSED = 1008;
/** Messages that may wait here unread; then the socket is not read any further. */
const MAX_WAITING = 4;

/**
 * @throws {UsageError} for an address that is not ws(s), or without TLS to another machine.
 * @throws {TransportError} when nobody answers.
 */
export async function connectEdge(address: string, options: WebSocketLinkOptions): Promise<MessageLink> {
  arg.checkArguments('connectEdge', [address, options], { address: arg.text, options: arg.options });
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !['ws:', 'wss:'].includes(url.protocol)) {
    throw new UsageError(
      `an edge's address must be a wss:// URL, or ws:// on this machine; got "${address}"`,
    );
  }
  if (url.protocol === 'ws:' && !isLoopback(url.hostname)) {
    throw new UsageError(`${url.hostname} is another machine: its address must begin with wss://`);
  }
  const { maxMessageBytes, timeoutMs = TIMEOUT_MS, group, ca } = options;
  const socket = new WebSocket(url, {
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handshakeTimeout: timeoutMs,
    followRedirects: false,
    generateMask: noMask,
    ...TLS_CLIENT,
    ...(ca !== undefined && { ca: Buffer.from(ca) }),
  });
  socket.binaryType = 'arraybuffer';
  const link = new WebSocketLink(socket, timeoutMs, group);
  socket.once('upgrade', (response) => response.socket.on('data', (chunk) => link.moved(chunk.length)));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', (error) => {
      const ofTls = tlsFailure(error, url.host);
      const { code = error.message } = error as NodeJS.ErrnoException;
      const reason =
        ofTls ?? `cannot connect to ${url.origin} (${code.slice(0, 80)}): does the edge run there?`;
      reject(new TransportError(reason, ofTls === null, { cause: error }));
    });
  });
  return link;
}

/**
 * A mask of zeros, which the library skips on both sides: milliseconds per layer. Masks keep scripts from putting text of their
 * choice on a wire with proxies [RFC 6455, 10.3]; what is sent here are random keys and ciphertext.
 */
function noMask(mask: Buffer): void {
  mask.fill(0);
}

class WebSocketLink implements MessageLink {
  readonly #socket: WebSocket;
  readonly #inbox: MessageInbox;
  readonly #sender: MessageSender;

  constructor(socket: WebSocket, timeoutMs: number, group: LinkGroup | undefined) {
    this.#socket = socket;
    this.#inbox = new MessageInbox(timeoutMs, () => this.close(), group);
    this.#sender = new MessageSender(socket, (bytes) => this.#inbox.left(bytes));
    socket.on('message', (data, isBinary) => this.#arrived(data as ArrayBuffer, isBinary));
    socket.on('error', (error) =>
      this.#inbox.fail(new TransportError('the connection broke', true, { cause: error })),
    );
    socket.on('close', (code) => {
      const [reason, again] =
        code === REFUSED
          ? [
              'the edge closed the connection: what was sent breaks a rule or a limit of it, see its log',
              false,
            ]
          : ['the edge closed the connection', true];
      this.#inbox.fail(new TransportError(reason, again));
    });
  }

  async send(message: Uint8Array): Promise<void> {
    if (this.#inbox.lost !== null) throw this.#inbox.lost;
    try {
      await this.#sender.send(message);
    } catch (error) {
      throw this.#inbox.lost ?? new TransportError('the connection was closed', true, { cause: error });
    }
  }

  /** So many bytes came on the wire. */
  moved(bytes: number): void {
    this.#inbox.arrived(bytes);
  }

  receive(): Promise<Uint8Array> {
    const message = this.#inbox.take();
    if (this.#inbox.length < MAX_WAITING && this.#socket.isPaused) this.#socket.resume();
    return message;
  }

  close(): void {
    this.#inbox.fail(new TransportError('the connection was closed', true));
    this.#socket.close();
  }

  #arrived(data: ArrayBuffer, isBinary: boolean): void {
    if (!isBinary) {
      this.#socket.terminate();
      return;
    }
    this.#inbox.put(new Uint8Array(data));
    if (this.#inbox.length >= MAX_WAITING) this.#socket.pause();
  }
}
