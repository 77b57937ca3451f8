import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { startGateway, type Gateway } from '../../../src/apps/fleet/gateway/gateway.ts';
import { FleetCatalogue } from '../../../src/apps/fleet/catalogue.ts';
import { InferenceServer } from '../../../src/apps/server/inference-server.ts';
import { randomInputs } from '../../protocols/random-network.ts';
import { eventually, NETWORK, noBroker, PROGRAM, SECRET, SmallFleet } from './small-fleet.ts';

const [ROWS, BLOCK] = [47, 6];
const BLOCKS = Math.ceil(ROWS / BLOCK);

describe.skipIf(noBroker)(`a batch${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let fleet: SmallFleet;
  let server: InferenceServer;
  let gateway: Gateway;
  let folder: string;
  const evaluated: string[] = [];

  beforeAll(async () => {
    fleet = await SmallFleet.start({ ackWaitMs: 1000 });
    server = await InferenceServer.start([{ program: PROGRAM }]);
    const broker = await fleet.broker('gateway');
    const catalogue = new FleetCatalogue(broker, fleet.store);
    const place = { broker, catalogue, store: fleet.store, secret: SECRET };
    gateway = await startGateway({ ...place, async [Symbol.asyncDispose]() {} }, { publish: [PROGRAM] });
    folder = join(fleet.folder, 'batch');
  });
  afterAll(async () => {
    await gateway.close();
    await fleet[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  async function run(...args: string[]) {
    const said = { out: '', err: '' };
    const code = await runCommand(
      args,
      {
        out: (text) => void (said.out += text),
        err: (text) => void (said.err += text),
        ...{ outIsTerminal: false, errIsTerminal: false, env: {} },
      },
      engineParts,
    );
    return { code, ...said };
  }

  const worker = () =>
    fleet.worker({
      start: async () => ({
        enrol: server.enrol.bind(server),
        answer: async (tenant, model, keyId, query) => {
          evaluated.push(Buffer.from(query.subarray(36, 68)).toString('hex'));
          return server.answer(tenant, model, keyId, query);
        },
        forget: () => undefined,
        onKeysLost: () => undefined,
        async [Symbol.asyncDispose]() {},
      }),
      maxTries: 8,
    });

  it('is encrypted, submitted, evaluated and collected, from wherever it was broken off, each block once', async () => {
    const inputs = randomInputs(ROWS, 5, 9);
    const rows = Array.from({ length: ROWS }, (_, i) => [...inputs.subarray(5 * i, 5 * i + 5)].join(','));
    const csv = join(fleet.folder, 'rows.csv');
    writeFileSync(csv, `${rows.join('\n')}\n`);
    const at = ['--server', gateway.url];
    const encrypt = ['batch', 'encrypt', csv, ...at, '--block', String(BLOCK), '-o', folder];
    const queries = () => readdirSync(join(folder, 'blocks')).filter((name) => name.endsWith('.query'));

    expect((await run('batch', 'submit', folder, ...at)).err).toContain('holds no batch');
    expect(await run(...encrypt)).toMatchObject({ code: 0 });
    expect(queries()).toHaveLength(BLOCKS);
    expect(statSync(join(folder, 'secret')).mode & 0o077).toBe(0);
    // As if it had ended in the middle.
    const kept = readFileSync(join(folder, 'blocks', '000000.query'));
    for (const block of [3, 5]) rmSync(join(folder, 'blocks', `00000${block}.query`));
    expect((await run('batch', 'submit', folder, ...at)).err).toContain(
      `6 of ${BLOCKS} blocks are encrypted`,
    );
    expect(await run(...encrypt)).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, 'blocks', '000000.query'))).toEqual(kept);

    expect((await run('batch', 'submit', folder, ...at)).out).toContain(`${BLOCKS} blocks submitted`);
    const jobs = readFileSync(join(folder, 'blocks', '000002.job'), 'utf8');
    for (const block of [2, 4]) rmSync(join(folder, 'blocks', `00000${block}.job`));
    expect((await run('batch', 'submit', folder, ...at)).out).toContain('2 blocks submitted');
    expect(readFileSync(join(folder, 'blocks', '000002.job'), 'utf8')).toBe(jobs);

    const early = await run('batch', 'collect', folder, ...at, '-o', join(fleet.folder, 'scores.csv'));
    expect(early.err).toContain(`${BLOCKS} of ${BLOCKS} blocks are not answered yet`);
    const first = await worker();
    await eventually(() => first.jobs >= 3);
    await first[Symbol.asyncDispose]();
    await worker();
    const out = join(fleet.folder, 'scores.csv');
    const collected = await run('batch', 'collect', folder, ...at, '-o', out, '--wait');
    expect(collected).toMatchObject({ code: 0, out: `${ROWS} rows: ${out}\n` });
    expect(evaluated).toHaveLength(BLOCKS);
    expect(new Set(evaluated).size).toBe(BLOCKS);

    const lines = readFileSync(out, 'utf8').trim().split('\n');
    expect(lines[0]).toBe('score0,score1,score2,decision');
    const truth = NETWORK.run(inputs);
    lines.slice(1).forEach((line, row) => {
      const cells = line.split(',').map(Number);
      for (let i = 0; i < 3; i++) expect(Math.abs(cells[i]! - truth[3 * row + i]!)).toBeLessThan(0.01);
    });
    expect(lines).toHaveLength(ROWS + 1);
    const status = await run('batch', 'status', folder, ...at, '--json');
    expect(JSON.parse(status.out)).toEqual({
      ...{ blocks: BLOCKS, encrypted: BLOCKS, submitted: BLOCKS, answered: BLOCKS, failed: 0 },
      collected: BLOCKS,
    });
    // Other rows do not go into this folder.
    writeFileSync(csv, `${rows.slice(1).join('\n')}\n`);
    expect((await run(...encrypt)).err).toContain('holds a batch of other rows');
  });

  it('is not shown to anybody else', async () => {
    const job = readFileSync(join(folder, 'blocks', '000000.job'), 'utf8').split(' ')[0];
    const ask = (token: Uint8Array) =>
      fetch(`${gateway.url}/v1/models/net/keys/${'0'.repeat(32)}/blocks/${job}`, {
        headers: { authorization: `Bearer ${Buffer.from(token).toString('base64url')}` },
      });
    expect((await ask(new Uint8Array(32).fill(1))).status).toBe(404);
    const own = readFileSync(join(folder, 'secret')).subarray(0, 32);
    // Control.
    expect((await ask(own)).status).toBe(200);
  });
});
