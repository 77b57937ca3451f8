/** `subrosa fhe demo`: an owner and a trainer as processes of their own that share nothing but files, on a table made by code. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TransportError } from '../../../base/errors.ts';
import { ownCommand } from '../server-process.ts';
import { systemRandom } from '../../../base/random.ts';
import {
  areaUnderCurve,
  generatedTable,
  newtonLogistic,
  scoresOf,
  splitTable,
  standardised,
  tableStandardisation,
} from '../../../runtime/training/index.ts';
import { csvText } from '../../fhe/csv-table.ts';
import { Spinner } from '../terminal/spinner.ts';
import { formatBytes, formatTable, plural, wrapText } from '../terminal/table.ts';
import { printable, type Terminal } from '../terminal/terminal.ts';

export interface FheDemoFlags {
  readonly rows: number;
  readonly columns: number;
  readonly iterations: number;
  readonly json?: boolean;
}

const LABEL = 'ill';
const SEED = 7;
const HELD_OUT_ONE_IN = 5;

/** What the commands print with --json, as far as it is used here. */
interface Told {
  readonly seconds: number;
  readonly bytes: number;
  readonly keyBytes: number;
  readonly auc: number;
  readonly heldOut: number;
  readonly mirrorDifference: number;
  readonly weights: Readonly<Record<string, number>>;
  readonly whoLearnsWhat: { readonly trainer: readonly string[]; readonly owner: readonly string[] };
}

export async function fheDemo(flags: FheDemoFlags, terminal: Terminal): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'subrosa-fhe-demo-'));
  try {
    await demonstrate(directory, flags, terminal);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function demonstrate(directory: string, flags: FheDemoFlags, terminal: Terminal): Promise<void> {
  const at = (name: string): string => join(directory, name);
  const table = generatedTable({ rows: flags.rows, columns: flags.columns, seed: SEED });
  await writeFile(at('patients.csv'), csvText(table, LABEL), { mode: 0o600 });
  // The trainer's process is not given the passphrase, and reads the public folder and the encrypted rows alone.
  const passphrase = Buffer.from(systemRandom.seed()).toString('hex');
  const owner = { SUBROSA_PASSPHRASE: passphrase };
  const data = ['--data', at('patients.csv')];
  const keys = ['--keys', at('owner')];
  const seconds = { keys: 0, encrypt: 0, run: 0, open: 0 };
  using spinner = new Spinner(terminal, 'starting');
  const step = async (
    name: keyof typeof seconds,
    says: string,
    args: readonly string[],
    env = {},
  ): Promise<Told> => {
    spinner.say(says);
    const started = performance.now();
    const told = await commandResult(['fhe', name, ...args, '--json'], env);
    seconds[name] = (performance.now() - started) / 1000;
    return told;
  };
  const shape = ['--label', LABEL, '--iterations', String(flags.iterations), '--out', at('owner')];
  const made = await step('keys', 'owner: choosing step sizes, making keys', [...data, ...shape], owner);
  const rows = await step(
    'encrypt',
    'owner: encrypting rows',
    [...keys, ...data, '--out', at('rows.enc')],
    owner,
  );
  const files = ['--keys', join(at('owner'), 'public'), '--rows', at('rows.enc'), '--out', at('weights.enc')];
  const trained = await step('run', 'trainer: training on encrypted rows', files);
  const opened = await step(
    'open',
    'owner: opening the weights',
    [at('weights.enc'), ...keys, ...data],
    owner,
  );
  spinner[Symbol.dispose]();
  const best = bestAuc(table);
  const figures = { rows: flags.rows, columns: flags.columns, iterations: flags.iterations, seconds };
  const { auc, mirrorDifference, heldOut, whoLearnsWhat } = opened;
  if (flags.json === true) {
    const sizes = { keys: made.keyBytes, rows: rows.bytes, weights: trained.bytes };
    terminal.out(
      `${JSON.stringify({ mode: 'fhe', ...figures, bytes: sizes, auc, aucClear: best, heldOut, mirrorDifference, whoLearnsWhat })}\n`,
    );
    return;
  }
  const line = (who: string, what: string, time: number): string[] => [who, what, `${time.toFixed(1)} s`];
  terminal.out(
    `A table of ${flags.rows} rows and ${flags.columns} columns, made by code; one row in ${HELD_OUT_ONE_IN} never leaves the owner.\n\n`,
  );
  terminal.out(
    formatTable(
      [
        line(
          'owner',
          `step sizes on its own rows, keys (${formatBytes(made.keyBytes)} for the trainer)`,
          seconds.keys,
        ),
        line('owner', `rows encrypted (${formatBytes(rows.bytes)})`, seconds.encrypt),
        line(
          'trainer',
          `${plural(flags.iterations, 'iteration')} on encrypted rows, ${trained.seconds.toFixed(1)} s of it`,
          seconds.run,
        ),
        line('owner', `weights opened (${formatBytes(trained.bytes)})`, seconds.open),
      ],
      [{}, {}, { align: 'right' }],
    ),
  );
  terminal.out(
    `\nAUC on ${heldOut} held-out rows: ${auc.toFixed(3)}; a clear model trained to the end has ${best.toFixed(3)}.\n`,
  );
  terminal.out(
    `Largest difference of a weight from the same training in the clear: ${mirrorDifference.toExponential(1)}.\n\n`,
  );
  terminal.out(`${wrapText(`The trainer learned ${whoLearnsWhat.trainer.join('; ')}.`, 98)}\n`);
  terminal.out(
    `${wrapText('It did not learn a row, a label, a gradient or a weight: its process held ciphertexts and keys to compute with, and the one key that opens them is sealed in the folder of the owner.', 98)}\n`,
  );
  terminal.out(
    `\nWith your own table: subrosa fhe keys --data FILE.csv --label COLUMN --out owner (then encrypt, run, open).\n`,
  );
}

/** Newton's method on the same rows, in the clear. */
function bestAuc(table: ReturnType<typeof generatedTable>): number {
  const { train, heldOut } = splitTable(table, HELD_OUT_ONE_IN);
  const standard = tableStandardisation(train);
  const weights = newtonLogistic(standardised(train, standard));
  return areaUnderCurve(scoresOf(standardised(heldOut, standard), weights), heldOut.labels);
}

/** The JSON that a command prints, in a process of its own. @throws {TransportError} with what it said when it failed. */
async function commandResult(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Told> {
  const { SUBROSA_PASSPHRASE: _, ...inherited } = process.env;
  const child = spawn(process.execPath, ownCommand(args), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, ...env },
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0)
    throw new TransportError(`subrosa ${args.slice(0, 2).join(' ')} failed: ${printable(err.trim())}`, false);
  return JSON.parse(out) as Told;
}
