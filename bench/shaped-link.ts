/**
 * A link between a device and its edges as slow as a wireless one: a TCP proxy that really delays. All connections share one rate per
 * direction, as they would share a radio; every byte arrives a fixed time after it was sent. It runs in a thread of its own, so
 * that a busy device does not slow the link down.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

export interface LinkShape {
  readonly megabitsPerSecond: number;
  /** From one end to the other. */
  readonly delayMs: number;
}

interface ShapedTask {
  readonly shape: LinkShape;
  readonly targets: readonly number[];
}

export interface ShapedLinks extends AsyncDisposable {
  /** ws://127.0.0.1:..., one for each target, in order. */
  readonly urls: readonly string[];
}

/** Proxies for servers on this machine. `urls` are what the servers say: ws://127.0.0.1:port. */
export async function shapedLinks(shape: LinkShape, urls: readonly string[]): Promise<ShapedLinks> {
  const task: ShapedTask = { shape, targets: urls.map((url) => Number(new URL(url).port)) };
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
  const ports = await new Promise<number[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return {
    urls: ports.map((port) => `ws://127.0.0.1:${port}`),
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}

/** Bytes that may be under way in one direction of one connection before the sender has to wait. */
const WINDOW = 2 ** 19;

/** One direction of the radio: sends chunks one after another. */
class Lane {
  readonly #shape: LinkShape;
  #freeAt = 0;

  constructor(shape: LinkShape) {
    this.#shape = shape;
  }

  /** When a chunk that is handed over now arrives at the other end. */
  arrival(bytes: number): number {
    const start = Math.max(performance.now(), this.#freeAt);
    this.#freeAt = start + (8 * bytes) / (1000 * this.#shape.megabitsPerSecond);
    return this.#freeAt + this.#shape.delayMs;
  }
}

function forward(from: Socket, to: Socket, lane: Lane): void {
  // In order, whatever the timers do: one timer at a time, for the first chunk that waits.
  const waiting: { readonly chunk: Buffer; readonly at: number }[] = [];
  let underWay = 0;
  const deliver = () => {
    while (waiting.length > 0 && waiting[0]!.at <= performance.now()) {
      const { chunk } = waiting.shift()!;
      underWay -= chunk.length;
      if (!to.destroyed) to.write(chunk);
    }
    if (underWay <= WINDOW && !from.destroyed) from.resume();
    if (waiting.length > 0) setTimeout(deliver, waiting[0]!.at - performance.now());
  };
  from.on('data', (chunk: Buffer) => {
    underWay += chunk.length;
    if (underWay > WINDOW) from.pause();
    waiting.push({ chunk, at: lane.arrival(chunk.length) });
    if (waiting.length === 1) setTimeout(deliver, waiting[0]!.at - performance.now());
  });
  from.on('error', () => undefined);
  from.on('close', () => to.end());
}

async function runProxies({ shape, targets }: ShapedTask): Promise<void> {
  const [up, down] = [new Lane(shape), new Lane(shape)];
  const ports = targets.map(
    (target) =>
      new Promise<number>((resolve) => {
        const server = createServer((device) => {
          const edge = connect({ port: target, host: '127.0.0.1', noDelay: true });
          device.setNoDelay(true);
          forward(device, edge, up);
          forward(edge, device, down);
        });
        server.listen({ port: 0, host: '127.0.0.1' }, () => resolve((server.address() as AddressInfo).port));
      }),
  );
  parentPort?.postMessage(await Promise.all(ports));
}

if (!isMainThread && (workerData as Partial<ShapedTask> | undefined)?.shape !== undefined)
  await runProxies(workerData as ShapedTask);
