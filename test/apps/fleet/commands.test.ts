import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { runCommand } from '../../../src/apps/cli/run.ts';
import { fleetPicture, QueueHistory } from '../../../src/apps/cli/fleet/fleet-picture.ts';
import type { FleetState } from '../../../src/apps/fleet/fleet-state.ts';
import { programId, writeProgram } from '../../../src/compiler/program-file.ts';
import { compile } from '../../../src/compiler/compile.ts';
import { paintFor } from '../../../src/apps/cli/terminal/terminal.ts';
import { writeFileSync } from 'node:fs';
import { randomNetwork } from '../../protocols/random-network.ts';
import { noBroker, PROGRAM, SmallFleet } from './small-fleet.ts';

async function run(...args: string[]) {
  const said = { out: '', err: '' };
  const terminal = {
    out: (text: string) => void (said.out += text),
    err: (text: string) => void (said.err += text),
    ...{ outIsTerminal: false, errIsTerminal: false, env: {} },
  };
  return { code: await runCommand(args, terminal, engineParts), ...said };
}

describe.skipIf(noBroker)(`commands of a fleet${noBroker ? ` (skipped: ${noBroker})` : ''}`, () => {
  let fleet: SmallFleet;
  let place: string[];
  beforeAll(async () => {
    fleet = await SmallFleet.start({ ackWaitMs: 10_000 });
    const secret = join(fleet.folder, 'secret');
    place = [
      '--fleet',
      fleet.nats.url,
      '--blobs',
      `file:${join(fleet.folder, 'blobs')}`,
      '--fleet-secret',
      secret,
    ];
    expect((await run('fleet', 'secret', secret)).code).toBe(0);
    expect(statSync(secret).mode & 0o077).toBe(0);
    expect(readFileSync(secret, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/);
    // Not replaced: the pseudonyms of a running fleet hang on it.
    expect((await run('fleet', 'secret', secret)).code).toBe(1);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it('publish, show, roll back and withdraw programs', async () => {
    const [first, second] = [PROGRAM, compile(randomNetwork([5, 4, 3], 4, 78), { name: 'net' })];
    const file = join(fleet.folder, 'net.subrosa');
    const current = async () => {
      const { models } = JSON.parse((await run('fleet', 'status', ...place, '--json')).out) as FleetState;
      return models.map((model) => [model.name, model.current, model.accepted]);
    };
    for (const program of [first, second]) {
      writeFileSync(file, writeProgram({ program }));
      expect((await run('fleet', 'publish', file, ...place)).out).toBe(`net is ${programId(program)}\n`);
    }
    expect(await current()).toEqual([['net', programId(second), 1]]);
    expect((await run('fleet', 'rollback', 'net', ...place)).out).toBe(`net is ${programId(first)} again\n`);
    expect(await current()).toEqual([['net', programId(first), 1]]);
    expect((await run('fleet', 'rollback', 'other', ...place)).err).toContain('no earlier program of other');
    await run('fleet', 'withdraw', 'net', ...place);
    expect(await current()).toEqual([]);
  });

  it('say what is missing', async () => {
    expect((await run('work')).err).toContain('--fleet nats://HOST:PORT and --blobs');
    expect((await run('serve', 'digits', '--blobs', 'file:x')).err).toContain('give --fleet, too');
    expect((await run('serve')).err).toContain('which model?');
    expect((await run('work', ...place.slice(0, 4))).err).toContain('subrosa fleet secret FILE');
    const other = join(fleet.folder, 'other');
    await run('fleet', 'secret', other);
    expect((await run('work', ...place.slice(0, 5), other)).err).toContain('have another secret');
    const missing = join(fleet.folder, 'nats-server');
    expect((await run('fleet', 'demo', '--nats-server', missing)).err).toContain(`${missing} does not start`);
  });
});

it('draws the state of a fleet', () => {
  const history = new QueueHistory();
  for (const count of [0, 1, 4, 8, 0]) history.add(count);
  expect(history.line()).toBe(' ▁▄█ ');
  const beat = {
    ...{
      v: 1 as const,
      worker: '0123456789abcdef',
      state: 'working' as const,
      release: '1',
      kernel: 'native avx2',
    },
    ...{ threads: 2, jobVersions: [1], programs: [], keys: 3, keyBytes: 2 ** 29, jobs: 12, failures: 1 },
    ...{ keyLoads: 4, keyHits: 9, divergent: 1, times: [{ programId: 'a'.repeat(64), ms: 40 }] },
  };
  const state: FleetState = {
    ...{ broker: 'nats://x', jobs: 8, blocks: 1, tenants: 3, waitingMsPerWorker: 320, workers: [beat] },
    models: [{ name: 'digits', current: 'ab'.repeat(32), accepted: 1, open: 0 }],
  };
  expect(fleetPicture(state, history, 2 ** 30, paintFor(false, {}))).toBe(
    [
      'queue    8 jobs of 3 tenants, 320 ms of work per worker; 1 block of batches',
      '   ▁▄█ ',
      'programs',
      '  digits  abababababab  open at no worker  and 1 earlier program answered',
      'workers',
      '            state    kernel          jobs  failed  ms/job  keys  memory of keys      loads  hits',
      '  01234567  working  native avx2 x2    12       1    40.0     3  ████···· 536.87 MB      4     9',
      'divergent replies: 1. Find out why before anything else.',
      '',
    ].join('\n'),
  );
  expect(fleetPicture({ ...state, workers: [] }, null, 1, paintFor(false, {}))).toContain(
    'workers\n  none\n',
  );
});
