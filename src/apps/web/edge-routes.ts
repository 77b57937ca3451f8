/** What the page with two edges gets from the server that it came from: where they are, and a device's file of its own. */
import type { FastifyInstance } from 'fastify';
import type { EdgePair } from './edge-pair.ts';

export const EDGES_PATH = '/web/edges';
export const DEVICE_PATH = '/web/edges/device';

/** Device files that are made at once or wait; each takes a moment of every core. */
const MAX_WAITING = 8;

/** A program of the worker runs under the policy that it was served with, so that the assets have it, too. */
export function edgeOrigins({ ports }: EdgePair, isTls: boolean): ReadonlyMap<string, readonly string[]> {
  const origins = [ports.a, ports.b].map((port) => `${isTls ? 'wss' : 'ws'}://*:${port}`);
  return new Map([
    ['/edges/', origins],
    ['/assets/edges-', origins],
  ]);
}

export function addEdges(app: FastifyInstance, pair: EdgePair): void {
  let waiting = 0;
  app.addHook('onClose', () => pair[Symbol.asyncDispose]());
  app.get(EDGES_PATH, () => pair.ports);
  app.get(DEVICE_PATH, async (_request, reply) => {
    if (waiting >= MAX_WAITING) return reply.code(503).header('retry-after', '2').send();
    waiting++;
    try {
      const file = await pair.newDevice();
      return reply
        .headers({ 'cache-control': 'no-store', 'content-type': 'application/octet-stream' })
        .send(Buffer.from(file));
    } finally {
      waiting--;
    }
  });
}
