/** Workers are processes that are killed, the broker restarts twice, stores fail, and the network of a worker is cut for five seconds. */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FleetCatalogue } from '../../../src/apps/fleet/catalogue.ts';
import { startGateway } from '../../../src/apps/fleet/gateway/gateway.ts';
import { askThroughChaos, failingStore } from './chaos.ts';
import { eventually, PROGRAM, SECRET, SmallFleet } from './small-fleet.ts';

const [TENANTS, EACH] = [20, 25];
const KILL_EVERY_MS = 2000;
const ROOT = new URL('../../..', import.meta.url).pathname;

let fleet: SmallFleet;
beforeAll(async () => {
  fleet = await SmallFleet.start();
});
afterAll(() => fleet[Symbol.asyncDispose]());

/** Between a worker and the broker: what it carries can be held up. */
class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  isCut = false;

  constructor(to: number) {
    this.#server = createServer((socket) => {
      if (this.isCut) return void socket.destroy();
      const far = connect(to, '127.0.0.1');
      for (const each of [socket, far]) {
        this.#sockets.add(each);
        each.on('error', () => undefined).on('close', () => this.#sockets.delete(each));
      }
      socket.pipe(far).pipe(socket);
    });
  }

  async lay(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing is said to either end. */
  cut(): void {
    this.isCut = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  mend(): void {
    this.isCut = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  remove(): void {
    this.mend();
    this.#server.close();
  }
}

async function startWorkerProcess(url: string): Promise<ChildProcess> {
  const args = ['--import', 'tsx', 'test/apps/fleet/chaos-worker.ts', url, join(fleet.folder, 'blobs')];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', () => resolve());
    child.once('exit', () => reject(new Error('a worker ended before it worked')));
  });
  return child;
}

it('answers 500 queries of 20 tenants, each once and rightly', { timeout: 1_200_000 }, async () => {
  const broker = await fleet.broker('gateway');
  const store = failingStore(fleet.store, 0.05, 1);
  const catalogue = new FleetCatalogue(broker, fleet.store);
  const place = { broker, store, catalogue, secret: SECRET };
  const gateway = await startGateway({ ...place, async [Symbol.asyncDispose]() {} }, { publish: [PROGRAM] });
  const cable = new Cable(Number(new URL(fleet.nats.url).port));
  const behind = `nats://127.0.0.1:${await cable.lay()}`;
  const workers = new Set<ChildProcess>();
  const over = { isOver: false };
  let kills = 0;
  const add = async (url: string) => {
    const worker = await startWorkerProcess(url);
    if (over.isOver) worker.kill('SIGKILL');
    else workers.add(worker);
  };
  await Promise.all([add(fleet.nats.url), add(fleet.nats.url), add(behind)]);
  await eventually(() => gateway.service.isReady());
  const asked = askThroughChaos(gateway.url, TENANTS, EACH).finally(() => {
    over.isOver = true;
  });
  for (let turn = 1; !over.isOver; turn++) {
    await new Promise((resolve) => setTimeout(resolve, KILL_EVERY_MS));
    if (turn === 4 || turn === 9) await fleet.nats.revive();
    if (turn === 6) {
      cable.cut();
      setTimeout(() => cable.mend(), 5000);
    }
    // The oldest; one is left to work while others start.
    const [victim] = workers;
    if (victim === undefined || workers.size < 2) continue;
    workers.delete(victim);
    victim.kill('SIGKILL');
    kills++;
    add(turn % 3 === 0 ? behind : fleet.nats.url).catch(() => undefined);
  }
  const result = await asked;
  for (const worker of workers) worker.kill('SIGKILL');
  cable.remove();
  await gateway.close();
  process.stderr.write(`${kills} workers killed, ${store.failures} reads of the gateway failed\n`);
  expect(result).toEqual({ right: TENANTS * EACH, wrong: 0, divergent: 0, failed: [] });
  expect(kills).toBeGreaterThan(3);
});
