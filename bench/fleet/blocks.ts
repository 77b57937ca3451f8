/** A batch of 245 blocks, by the commands, while workers are killed at random: every block once, and right. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { loadNetwork } from '../../src/apps/cli/speech/model-files.ts';
import { installation } from '../../src/apps/cli/installation.ts';
import { SeededGenerator } from '../../src/nn/index.ts';
import type { BenchRow } from '../report.ts';
import { BenchFleet, SPEECH } from './processes.ts';

export const BLOCKS = 245;
const ROWS_PER_BLOCK = 8;

export async function blocks(count: number, note: (line: string) => void): Promise<BenchRow> {
  await using fleet = await BenchFleet.start({ workers: 3, servers: 0 }, note);
  const network = await loadNetwork(join(installation.models, SPEECH));
  const random = new SeededGenerator(11);
  const rows = count * ROWS_PER_BLOCK - 3;
  const inputs = Float32Array.from({ length: rows * network.inputs }, () => random.uniform());
  const csv = join(fleet.folder, 'rows.csv');
  const line = (row: number) => inputs.subarray(row * network.inputs, (row + 1) * network.inputs).join(',');
  writeFileSync(csv, `${Array.from({ length: rows }, (_, row) => line(row)).join('\n')}\n`);
  const [folder, out] = [join(fleet.folder, 'batch'), join(fleet.folder, 'scores.csv')];
  const at = ['--server', fleet.gateway.url];
  await command(
    'batch',
    'encrypt',
    csv,
    ...at,
    '--model',
    SPEECH,
    '--block',
    String(ROWS_PER_BLOCK),
    '-o',
    folder,
  );
  note(`${count} blocks are encrypted`);
  await command('batch', 'submit', folder, ...at);
  // Again, as somebody does who was not sure: no block is queued twice.
  await command('batch', 'submit', folder, ...at);

  const over = { isOver: false };
  let kills = 0;
  const collected = command('batch', 'collect', folder, ...at, '-o', out, '--wait').finally(() => {
    over.isOver = true;
  });
  while (!over.isOver) {
    await new Promise((resolve) => setTimeout(resolve, 2000 + 4000 * random.uniform()));
    const alive = fleet.workers.filter(({ pid }) => isAlive(pid));
    const victim = alive[Math.floor(random.uniform() * alive.length)]!;
    if (over.isOver || alive.length < 2) continue;
    process.kill(victim.pid, 'SIGKILL');
    kills++;
    // Kills are no fault of a block: how often one is tried is another test's subject.
    await fleet.addWorker(['--tries', '100']);
  }
  await collected;
  const scores = readFileSync(out, 'utf8').trim().split('\n').slice(1);
  const truth = network.run(inputs);
  let wrong = 0;
  scores.forEach((text, row) => {
    const cells = text.split(',').map(Number);
    const isRight = Array.from({ length: network.outputs }, (_, i) => i).every(
      (i) => Math.abs(cells[i]! - truth[row * network.outputs + i]!) < 0.05 * (1 + Math.abs(cells[i]!)),
    );
    if (!isRight) wrong++;
  });
  const stored = files(join(fleet.folder, 'blobs', 'blocks'));
  const status = JSON.parse(await command('batch', 'status', folder, ...at, '--json'));
  return {
    ...{ part: 'blocks', blocks: count, kills, rows, rowsCollected: scores.length, rowsWrong: wrong },
    ...{ answered: status.answered, failed: status.failed },
    repliesInStore: stored.filter((name) => name.endsWith('reply')).length,
    queriesLeftInStore: stored.filter((name) => name.endsWith('query')).length,
  };
}

async function command(...args: string[]): Promise<string> {
  let [said, complained] = ['', ''];
  const terminal = {
    out: (text: string) => void (said += text),
    err: (text: string) => void (complained += text),
    ...{ outIsTerminal: false, errIsTerminal: false, env: {} },
  };
  if ((await runCommand(args, terminal, engineParts)) !== 0) throw new Error(complained);
  return said;
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' });
}
