/** A TCP proxy that lets through so many bytes per second in each direction, and can be made to stand still. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

const TICK_MS = 20;

export class ThrottledLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Changed at any time; 0 stands still. */
  bytesPerSecond: number;
  /** Bytes let through so far, both directions. */
  passed = 0;

  private constructor(target: string, bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
    const port = Number(new URL(target).port);
    this.#server = createServer({ highWaterMark: 4096 }, (device) => {
      const edge = connect({ port, host: '127.0.0.1' });
      this.#forward(device, edge);
      this.#forward(edge, device);
    });
  }

  static async before(target: string, bytesPerSecond: number): Promise<ThrottledLink> {
    const link = new ThrottledLink(target, bytesPerSecond);
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #forward(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    let allowance = 0;
    const timer = setInterval(() => {
      allowance = Math.min(allowance, this.bytesPerSecond) + (this.bytesPerSecond * TICK_MS) / 1000;
      const size = Math.min(from.readableLength, Math.floor(allowance));
      const piece = size > 0 ? (from.read(size) as Buffer | null) : null;
      if (piece === null) return;
      allowance -= piece.length;
      this.passed += piece.length;
      if (!to.destroyed) to.write(piece);
    }, TICK_MS);
    // Keeps the stream filled without taking anything.
    from.on('readable', () => undefined);
    from.on('error', () => undefined);
    from.on('close', () => {
      clearInterval(timer);
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
