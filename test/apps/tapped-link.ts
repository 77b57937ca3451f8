/** A proxy that keeps everything that goes through it, in both directions, as somebody at the wire would. */
import { type AddressInfo, connect, createServer } from 'node:net';

export interface TappedLink {
  /** The target's address, through the tap. */
  readonly url: string;
  captured(): Buffer;
  /** What clients sent alone. */
  sent(): Buffer;
  close(): void;
}

export async function tapped(target: string): Promise<TappedLink> {
  const chunks: Buffer[] = [];
  const sent: Buffer[] = [];
  const { port, hostname, protocol } = new URL(target);
  const server = createServer((socket) => {
    const upstream = connect(Number(port), hostname);
    socket.on('data', (chunk: Buffer) => void sent.push(chunk));
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      from.on('data', (chunk: Buffer) => void chunks.push(chunk));
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `${protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`,
    captured: () => Buffer.concat(chunks),
    sent: () => Buffer.concat(sent),
    close: () => void server.close(),
  };
}
