/** The device's connection to an edge in a browser, over its own WebSocket. Browser-safe, and nothing of Node is behind it. */
import { TransportError, UsageError } from '../../base/errors.ts';
import { isLoopback } from '../../base/loopback.ts';
import type { MessageLink } from '../../protocols/edge/edge-link.ts';
import { MessageInbox } from './message-inbox.ts';

const TIMEOUT_MS = 30_000;

/**
 * Browsers insist on wss:// off the page's own machine when the page came over HTTPS; this does so always.
 * @throws {UsageError} for an address without TLS on another machine. @throws {TransportError} when nobody answers.
 */
export async function connectEdgeInBrowser(address: string, timeoutMs = TIMEOUT_MS): Promise<MessageLink> {
  const { protocol, hostname } = new URL(address);
  if (protocol !== 'wss:' && !isLoopback(hostname))
    throw new UsageError(`${hostname} is another machine: its address must begin with wss://`);
  const socket = new WebSocket(address);
  socket.binaryType = 'arraybuffer';
  const inbox = new MessageInbox(timeoutMs, () => socket.close());
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
    },
    receive: () => inbox.take(),
    close() {
      inbox.fail(new TransportError('the connection was closed', true));
      socket.close();
    },
  };
}
