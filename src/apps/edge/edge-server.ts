/** An edge as a WebSocket server: one session per connection, bounded in messages, connections and time. What it closes and why is told to `onClose`. */
import * as arg from '../../base/arguments.ts';
import { createServer as createPlainServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { ProtocolError, SubrosaError, UsageError } from '../../base/errors.ts';
import { isLoopback } from '../../base/loopback.ts';
import type { MessageService } from '../../protocols/channel/message-service.ts';
import { ProgressWatch, sendBufferMs } from '../transport/progress-watch.ts';
import { Admission, type Stranger } from './admission.ts';
import { MessageSender } from './message-pieces.ts';
import type { RunningServer, TlsFiles } from '../server/running-server.ts';

export interface EdgeListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly tls?: TlsFiles;
  /** Connections of parties that hold a key, at once; more are refused. */
  readonly maxConnections?: number;
  /** Connections at once that have not shown a key yet; one more ends the oldest of them. */
  readonly maxStrangers?: number;
  /** So long may it take from the first byte to the end of the handshake. */
  readonly handshakeMs?: number;
  /** A connection on which nothing moves for so long is ended, or next to nothing: a slow link that moves is not. Default 60,000. */
  readonly idleMs?: number;
  /** Told why a connection was ended by this side; `party` is who had authenticated itself, hex. */
  readonly onClose?: (reason: string, party: string | null) => void;
}

const MAX_CONNECTIONS = 256;
const MAX_STRANGERS = 128;
const HANDSHAKE_MS = 10_000;
const IDLE_MS = 60_000;
/** A request to upgrade takes 300 bytes. */
const MAX_HEADER_BYTES = 4096;
/** How often Node looks for requests that are too slow. */
const CHECKING_MS = 1000;
/** WebSocket close codes [RFC 6455, 7.4.1; 1013 from the registry]. */
const CLOSE = { goingAway: 1001, violation: 1008, tryLater: 1013 } as const;

/** @throws {UsageError} for a listener without TLS that other machines reach, or when the address cannot be bound. */
export async function listenEdge(
  service: MessageService,
  options: EdgeListenOptions = {},
): Promise<RunningServer> {
  arg.checkArguments('listenEdge', [service, options], {
    service: arg.like('an EdgeService', 'accept', 'maxMessageBytes'),
    options: arg.optional(arg.options),
  });
  const { host = '127.0.0.1', port = 0, tls } = options;
  const { maxConnections = MAX_CONNECTIONS, maxStrangers = MAX_STRANGERS } = options;
  const { handshakeMs = HANDSHAKE_MS, idleMs = IDLE_MS } = options;
  if (tls === undefined && !isLoopback(host)) {
    throw new UsageError(
      `${host} is reachable from other machines and needs TLS: give --tls-cert and --tls-key`,
    );
  }
  const http = {
    headersTimeout: handshakeMs,
    requestTimeout: handshakeMs,
    connectionsCheckingInterval: Math.min(CHECKING_MS, handshakeMs),
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const server =
    tls === undefined
      ? createPlainServer(http)
      : createTlsServer({ ...http, ...tls, minVersion: 'TLSv1.3', handshakeTimeout: handshakeMs });
  // With as many that have not got as far as the upgrade.
  server.maxConnections = maxConnections + 2 * maxStrangers;
  server.on('request', (_request, response) => response.writeHead(426).end());
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      reject(new UsageError(`cannot listen on ${host}:${port} (${code}): choose another --host or --port`)),
    );
    server.listen({ host, port }, resolve);
  });
  const sockets = new WebSocketServer({
    server,
    maxPayload: service.maxMessageBytes,
    perMessageDeflate: false,
    // A message counts for the handshake before what came behind it does.
    allowSynchronousEvents: true,
  });
  const admission = new Admission({ maxConnections, maxStrangers, handshakeMs });
  sockets.on('connection', (socket, request) => {
    // Without a listener an error of one peer's socket would end the process; 'close' follows it.
    socket.on('error', () => undefined);
    if (!admission.hasRoom) return socket.close(CLOSE.tryLater);
    const stranger = admission.enter(request.socket, () => socket.terminate());
    const onClose = options.onClose ?? (() => undefined);
    serveSocket(service, socket, { admission, stranger, wire: request.socket, idleMs, onClose });
  });
  const { port: bound } = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `${tls === undefined ? 'ws' : 'wss'}://${name}:${bound}`,
    async close() {
      for (const socket of sockets.clients) socket.close(CLOSE.goingAway);
      sockets.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      for (const socket of sockets.clients) socket.terminate();
      await closed;
    },
  };
}

/** The next message is read from the network only after the one before was dealt with. */
function serveSocket(
  service: MessageService,
  socket: WebSocket,
  {
    admission,
    stranger,
    wire,
    idleMs,
    onClose,
  }: {
    admission: Admission;
    stranger: Stranger;
    wire: Socket;
    idleMs: number;
    onClose: (reason: string, party: string | null) => void;
  },
): void {
  socket.binaryType = 'arraybuffer';
  let isAsked = false;
  const watch = new ProgressWatch(idleMs, () => {
    // Within a request a device may be busy with the other edge, over a slow link: it is asked whether it is still there.
    if (session.load > 0 && !isAsked && socket.readyState === socket.OPEN) {
      isAsked = true;
      watch.begin();
      socket.ping();
      return;
    }
    onClose(`nothing moved for ${idleMs / 1000} s`, session.party);
    socket.terminate();
  });
  wire.on('data', (chunk: Buffer) => watch.moved(chunk.length));
  socket.on('pong', () => {
    isAsked = false;
    watch.begin();
  });
  const sender = new MessageSender(socket, (bytes) => watch.begin(sendBufferMs(bytes)));
  const session = service.accept(
    async (message) => {
      await sender.send(message);
      watch.begin(sendBufferMs(message.length));
    },
    (reason) => fail(reason),
  );
  let failed = false;
  // What went wrong is not told: it could say something about other devices or keys.
  const fail = (error: unknown) =>
    close(CLOSE.violation, error instanceof SubrosaError ? error.message : 'an internal error');
  const close = (code: number, reason: string) => {
    if (!failed) onClose(reason, session.party);
    failed = true;
    stranger.refuse();
    socket.close(code);
    // A paused socket would never see the other side's close.
    socket.resume();
  };
  const admit = () => {
    if (!session.isAuthenticated || stranger.isKnown) return;
    if (admission.hasRoom) stranger.becomesKnown();
    else close(CLOSE.tryLater, 'as many parties are connected as may be');
  };
  let tail = Promise.resolve();
  socket.on('message', (data, isBinary) => {
    if (failed) return;
    const bytes = data as ArrayBuffer;
    if (!stranger.hears(bytes.byteLength))
      return fail(new ProtocolError('a message of the handshake is too long'));
    watch.begin();
    socket.pause();
    const receive = async (): Promise<void> => {
      if (failed) return;
      if (!isBinary) throw new ProtocolError('messages are binary');
      await session.receive(new Uint8Array(bytes));
      admit();
      session.idle().catch(fail);
      socket.resume();
    };
    tail = tail.then(receive).catch(fail);
  });
  socket.on('close', () => {
    watch.stop();
    stranger.leaves();
    session.close();
  });
}
