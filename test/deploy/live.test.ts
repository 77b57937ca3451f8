/** What the files of deploy/ expect of running processes: a broker with these settings, probes and metrics at these paths. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_QUEUE_RULES, streamSettings } from '../../src/apps/fleet/broker/broker-settings.ts';
import { findBrokerProgram } from '../../src/apps/fleet/broker/local-broker.ts';
import { type Gateway, startGateway } from '../../src/apps/fleet/gateway/gateway.ts';
import { INLINE_BYTES } from '../../src/apps/fleet/job-message.ts';
import { type OpenFleet, openFleet } from '../../src/apps/fleet/open-fleet.ts';
import { startWorker, type WorkerServer } from '../../src/apps/fleet/worker/worker-server.ts';
import { EchoRunner } from '../apps/fleet/echo-runner.ts';
import { eventually, noBroker, PROGRAM } from '../apps/fleet/small-fleet.ts';
import { NATS } from './files.ts';

const PASSWORD = 'a1b2c3d4';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

describe.skipIf(noBroker)(`a deployment${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let folder: string;
  let nats: ChildProcess;
  let url: (password: string) => string;
  let health: string;
  let fleet: OpenFleet;
  let gateway: Gateway;
  let worker: WorkerServer;

  const open = (password: string) =>
    openFleet(
      { fleet: url(password), blobs: `file:${join(folder, 'blobs')}` },
      'test',
      {},
      {
        SUBROSA_FLEET_SECRET: '7'.repeat(64),
      },
    );

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'subrosa-deploy-'));
    const file = join(folder, 'nats.conf');
    writeFileSync(file, NATS.conf.replace(`"${NATS.folder}"`, JSON.stringify(join(folder, 'queues'))));
    const [port, healthPort] = [await freePort(), await freePort()];
    const args = ['-c', file, '-a', '127.0.0.1', '-p', String(port), '-m', String(healthPort)];
    nats = spawn(findBrokerProgram() as string, args, {
      stdio: 'ignore',
      env: { ...process.env, NATS_PASSWORD: PASSWORD },
    });
    url = (password) => `nats://subrosa:${password}@127.0.0.1:${port}`;
    health = `http://127.0.0.1:${healthPort}/healthz`;
    await eventually(async () => (await fetch(health).catch(() => undefined))?.ok === true);
    fleet = await open(PASSWORD);
    gateway = await startGateway(fleet, { publish: [PROGRAM], metricsPort: 0, metricsHost: '127.0.0.1' });
    const facts = { release: '0', kernel: 'echo', threads: 1 };
    worker = await startWorker(fleet, { start: new EchoRunner().start, keyBytes: 2 ** 20, port: 0, facts });
  });
  afterAll(async () => {
    await worker?.close();
    await gateway?.close();
    await fleet?.[Symbol.asyncDispose]();
    nats?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('has a broker with room for the queues and for the largest job, which knows its password', async () => {
    const queues = ['jobs', 'blocks'] as const;
    const needed = queues.reduce(
      (sum, queue) => sum + (streamSettings(queue, DEFAULT_QUEUE_RULES).max_bytes ?? 0),
      0,
    );
    expect(NATS.fileBytes).toBeGreaterThan(needed);
    expect(NATS.payloadBytes).toBeGreaterThan(INLINE_BYTES + 16_384);
    await expect(open('wrong')).rejects.toThrow(/no broker answers at nats:\/\/127/);
    expect(fleet.broker.place).not.toContain(PASSWORD);
    expect((await fetch(`${health}?js-server-only=true`)).status).toBe(200);
  });

  it('has the probes and the pages of metrics where they are looked for', async () => {
    const status = async (base: string, path: string) => (await fetch(new URL(path, base))).status;
    await worker.worker.keepUp();
    await eventually(async () => (await status(gateway.url, '/v1/ready')) === 200);
    for (const base of [gateway.url, worker.url as string]) {
      expect(await status(base, '/v1/health')).toBe(200);
      expect(await status(base, '/v1/ready')).toBe(200);
      expect(await status(base, '/v1/other')).toBe(404);
    }
    expect(await status(gateway.metricsUrl as string, '/metrics')).toBe(200);
    expect(await status(worker.url as string, '/metrics')).toBe(200);
  });
});
