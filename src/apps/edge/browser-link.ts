/** The device's connection to an edge in a browser, over its own WebSocket. Browser-safe, and nothing of Node is behind it. */
import * as arg from '../../base/arguments.ts';
import { TransportError, UsageError } from '../../base/errors.ts';
import { isLoopback } from '../../base/loopback.ts';
import type { MessageLink } from '../../protocols/channel/message-link.ts';
import { slowestMs } from '../transport/progress-watch.ts';
import { type LinkGroup, MessageInbox } from './message-inbox.ts';

export interface BrowserLinkOptions {
  /** Of the edge's longest message. A browser does not tell how much of one has come, so the slowest link's time for it is waited. Default 0. */
  readonly maxMessageBytes?: number;
  /** A message that is waited for is given up when nothing has moved for so long, as far as a browser can see. Default 30,000. */
  readonly timeoutMs?: number;
  /** As for {@link connectEdge}. */
  readonly group?: LinkGroup;
}

const TIMEOUT_MS = 30_000;
/** How often it is looked whether a message that is being sent has moved. */
const LOOKING_MS = 1000;

/**
 * Browsers insist on wss:// off the page's own machine when the page came over HTTPS; this does so always.
 * @throws {UsageError} for an address without TLS on another machine. @throws {TransportError} when nobody answers.
 */
export async function connectEdgeInBrowser(
  address: string,
  options: BrowserLinkOptions = {},
): Promise<MessageLink> {
  arg.checkArguments('connectEdgeInBrowser', [address, options], {
    address: arg.text,
    options: arg.optional(arg.options),
  });
  const { maxMessageBytes = 0, timeoutMs = TIMEOUT_MS, group } = options;
  const { protocol, hostname } = new URL(address);
  if (protocol !== 'wss:' && !isLoopback(hostname))
    throw new UsageError(`${hostname} is another machine: its address must begin with wss://`);
  const socket = new WebSocket(address);
  socket.binaryType = 'arraybuffer';
  const inbox = new MessageInbox(timeoutMs + slowestMs(maxMessageBytes), () => socket.close(), group);
  let buffered = 0;
  const look = setInterval(() => {
    if (socket.bufferedAmount < buffered) inbox.left(buffered - socket.bufferedAmount);
    buffered = socket.bufferedAmount;
  }, LOOKING_MS);
  socket.addEventListener('close', () => clearInterval(look));
  socket.addEventListener('message', ({ data }) => {
    if (data instanceof ArrayBuffer) inbox.put(new Uint8Array(data));
    else socket.close();
  });
  socket.addEventListener('close', () =>
    inbox.fail(new TransportError('the edge closed the connection', true)),
  );
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () =>
      reject(new TransportError(`cannot connect to ${new URL(address).origin}`, true)),
    );
  });
  return {
    async send(message) {
      if (inbox.lost !== null) throw inbox.lost;
      socket.send(Uint8Array.from(message));
      const waiting = socket.bufferedAmount;
      inbox.left(Math.max(0, buffered + message.length - waiting));
      buffered = waiting;
    },
    receive: () => inbox.take(),
    close() {
      inbox.fail(new TransportError('the connection was closed', true));
      socket.close();
    },
  };
}
