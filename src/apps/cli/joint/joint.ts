/** `subrosa joint`: several owners train one model; nobody sees another's rows, and one receiver opens the weights. */
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DataError } from '../../../base/errors.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { JointInvitation, JointPlan, JointReceiver } from '../../../protocols/joint/index.ts';
import {
  areaUnderCurve,
  type LabelledTable,
  LogisticProgram,
  originalWeights,
  scoresOf,
  standardised,
  tableStandardisation,
  tuneLogistic,
} from '../../../runtime/training/index.ts';
import { CkksContext } from '../../../schemes/ckks/context.ts';
import { SecretKey } from '../../../schemes/rlwe/keys/secret-key.ts';
import { readCsvTable } from '../../fhe/csv-table.ts';
import { loadLargeFile } from '../../fhe/large-file.ts';
import {
  inviteParties,
  type PartyInvitation,
  readHostInvitation,
  readPartyInvitation,
  writeInvitations,
} from '../../joint/invitation-files.ts';
import { hostJoint, joinJoint } from '../../joint/joint-sockets.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { readPrivateFile } from '../../keystore/private-file.ts';
import { openSecret, sealSecret } from '../../keystore/sealed-box.ts';
import type { EngineParts } from '../parts.ts';
import { wholeNumber } from '../speech/serve.ts';
import { passphraseFor } from '../terminal/passphrase.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { formatBytes, formatTable, plural } from '../terminal/table.ts';
import { paintFor, printable, type Terminal } from '../terminal/terminal.ts';
import { CA_FLAG, tlsOptions, trustedCertificates } from '../tls-files.ts';

export const WHO_LEARNS_WHAT_IN_JOINT = `
Who learns what:
  each party  how many rows every party has, the columns, how they are standardised, the steps; no other
              party's rows, labels, margins, gradients or loss, and no weight, however many conspire
  host        the same; it passes messages on, and can end a session, not read it
  receiver    the weights, with every party's noise on them: they may be handed on
The keys of a session are a sum of one share of each party, in its memory alone. A party that is lost ends
the session: there is no way to go on without it, and no way to ask it again. Parties are trusted to encrypt
rows, which nobody can check; not in their keys, answers and messages, which everybody does.
`;

const RECEIVER = 'receiver.key';
const INVITATION = 'invitation';
/** An invitation is a few megabytes: the receiver's key. */
const MAX_INVITATION = 2 ** 25;
const MAX_SEALED = 2 ** 27;
const JSON_FLAG = ['--json', 'one JSON object on standard output, for programs'] as const;
const PASSPHRASE_FLAG = [
  '--passphrase-file <file>',
  "passphrase of the receiver's key; or SUBROSA_PASSPHRASE",
] as const;

/** `533,533,534`: rows of each party. */
function rowCounts(text: string): number[] {
  const counts = text.split(',').map(Number);
  if (!/^\d{1,7}(,\d{1,7}){1,15}$/.test(text))
    throw new InvalidArgumentError('the rows of 2 to 16 parties, with commas between.');
  return counts;
}

export function addJoint(program: Command, terminal: Terminal, parts: EngineParts): void {
  const joint = program
    .command('joint')
    .description('train one model on the rows of several owners, who do not show them to each other')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_JOINT);
  const command = (name: string, description: string): Command =>
    joint
      .command(name)
      .description(description)
      .option(...JSON_FLAG)
      .addHelpText('after', WHO_LEARNS_WHAT_IN_JOINT);
  command('invite', 'the receiver: choose the program, make a key for the weights and invite the parties')
    .requiredOption(
      '--data <file.csv>',
      'a table with the columns: its means and deviations become known to all parties, its rows to nobody',
    )
    .requiredOption('--label <column>', 'the column of yes and no')
    .addOption(new Option('--rows <n,n,..>', 'rows of each party').argParser(rowCounts).makeOptionMandatory())
    .addOption(new Option('--iterations <n>', 'steps of training').default(30).argParser(wholeNumber(2, 200)))
    .requiredOption('--out <dir>', 'a new folder: one file for the host, one for each party')
    .option(...PASSPHRASE_FLAG)
    .action((flags) => invite(flags, terminal, parts));
  command('run', 'the host: pass messages on until the weights are there')
    .requiredOption('--invitation <file>', "the host's file")
    .requiredOption('--out <file>', 'sealed weights, for the receiver')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(new Option('--port <n>', '0 takes any free port').default(0).argParser(wholeNumber(0, 65_535)))
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'private key, PEM')
    .action((flags) => run(flags, terminal));
  command('join', 'a party: train on own rows and those of the others')
    .argument('<url>', "the host's address, ws:// on this machine, else wss://")
    .requiredOption('--invitation <file>', "this party's file")
    .requiredOption('--data <file.csv>', 'own rows')
    .option(...CA_FLAG)
    .action((url, flags) => joinSession(url, flags, terminal, parts));
  command('open', 'the receiver: open the weights')
    .argument('<file>', 'sealed weights')
    .requiredOption('--keys <dir>', 'the folder of the invitation')
    .option('--data <file.csv>', 'a table to see the AUC on')
    .option(...PASSPHRASE_FLAG)
    .action((file, flags) => openWeights(file, flags, terminal, parts));
}

interface Passphrase {
  readonly passphraseFile?: string;
}

async function withContext<T>(
  program: LogisticProgram,
  parts: EngineParts,
  work: (context: CkksContext) => Promise<T>,
): Promise<T> {
  using kernel: Kernel = await parts.openKernel(() => undefined);
  using context = await CkksContext.open(program.params, { kernel });
  return await work(context);
}

interface InviteFlags extends Passphrase {
  readonly data: string;
  readonly label: string;
  readonly rows: readonly number[];
  readonly iterations: number;
  readonly out: string;
  readonly json?: boolean;
}

async function invite(flags: InviteFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  const { label, rows: owners, iterations, out } = flags;
  const raw = readCsvTable(flags.data, label);
  const standardisation = tableStandardisation(raw);
  const tuned = tuneLogistic(standardised(raw, standardisation), {
    iterations,
    rule: 'keep',
    bootstrapping: true,
  });
  const rows = owners.reduce((sum, count) => sum + count, 0);
  const program = new LogisticProgram({
    ...tuned.spec,
    rows,
    rule: 'publish',
    bootstrapping: false,
    owners,
  });
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, true);
  const told = await withContext(program, parts, async (context) => {
    const { precisionBits } = new JointPlan(program).release(context);
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using publicKey = generator.publicKey(secret);
    const receiverKey = publicKey.toBytes();
    const { columns } = raw;
    const invitation = new JointInvitation({ program, columns, label, standardisation, receiverKey });
    const paths = await writeInvitations(out, inviteParties(invitation));
    await replaceFile(join(out, INVITATION), invitation.toBytes());
    const bytes = secret.exportSecretBytes();
    try {
      // Last: a folder with a secret key is complete.
      await replaceFile(join(out, RECEIVER), await sealSecret(bytes, invitation.id, passphrase));
    } finally {
      bytes.fill(0);
    }
    return { id: invitation.id, ...paths, precisionBits };
  });
  if (flags.json === true) return terminal.out(`${JSON.stringify({ ...told, program: program.spec })}\n`);
  terminal.out(sessionReport(program, told.precisionBits));
  terminal.out(`\nGive ${told.host} to the host, and to each party its own file by a way that you trust:\n`);
  for (const path of told.parties) terminal.out(`  ${path}\n`);
  terminal.out(`Keep ${join(out, RECEIVER)} and ${join(out, INVITATION)}.\n`);
}

function sessionReport(program: LogisticProgram, precisionBits: number): string {
  const plan = new JointPlan(program);
  const { setUp, run: training } = plan.traffic(0);
  const { spec, params } = program;
  return formatTable(
    [
      ['parties', String(program.parties)],
      ['rows', `${(spec.owners ?? []).join(' + ')} of ${spec.features} columns`],
      ['iterations', `${spec.iterations}, levels refreshed ${plural(program.refreshes, 'time')}`],
      ['ring', `N = 2^${params.logN}, log QP ${params.logQP.toFixed(1)}`],
      ['a party sends', `${formatBytes(setUp)} before training, ${formatBytes(training)} from then on`],
      ['weights', `within 2^-${precisionBits}, for the receiver`],
    ],
    [{}, {}],
  );
}

interface RunFlags {
  readonly invitation: string;
  readonly out: string;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly json?: boolean;
}

async function run(flags: RunFlags, terminal: Terminal): Promise<void> {
  const invited = readHostInvitation(readPrivateFile(flags.invitation));
  const { parties } = invited.invitation.program;
  using bar = new ProgressBar(terminal);
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const host = await hostJoint(invited, {
    ...{ host: flags.host, port: flags.port, ...tlsOptions(flags) },
    onParty: (party) => bar.note(`party ${party + 1} of ${parties} is there`),
    onRound: (kind, round) => bar.progress(`round ${round + 1}: ${kind}`, 0),
    onClose: (reason) => bar.note(printable(reason)),
  });
  if (flags.json === true)
    terminal.out(`${JSON.stringify({ ready: true, url: host.url, pid: process.pid })}\n`);
  else terminal.out(`${paint.green('ready')} ${paint.bold(host.url)}  waiting for ${parties} parties\n`);
  const sealed = await host.sealed;
  await replaceFile(flags.out, sealed);
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ done: true, file: flags.out, bytes: sealed.length })}\n`
      : `Done: give ${flags.out} to the receiver.\n`,
  );
}

/** Own rows, standardised as all do. @throws {DataError} for other columns than the invitation's. */
function ownTable(invitation: JointInvitation, file: string): LabelledTable {
  const raw = readCsvTable(file, invitation.label);
  const { columns } = invitation;
  const stray = columns.findIndex((name, i) => raw.columns[i] !== name);
  if (stray >= 0 || raw.columns.length !== columns.length)
    throw new DataError(
      `${file} does not have the columns of the invitation, in their order: ${printable(columns[Math.max(0, stray)] ?? '')} is expected`,
    );
  return standardised(raw, invitation.standardisation);
}

interface JoinFlags {
  readonly invitation: string;
  readonly data: string;
  readonly ca?: string;
  readonly json?: boolean;
}

async function joinSession(
  url: string,
  flags: JoinFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const invited: PartyInvitation = readPartyInvitation(readPrivateFile(flags.invitation));
  const table = ownTable(invited.invitation, flags.data);
  using bar = new ProgressBar(terminal);
  const { fingerprint } = await withContext(invited.invitation.program, parts, (context) =>
    joinJoint(context, invited, url, {
      table,
      onProgress: ({ phase, done, of }) => bar.progress(phase, done / of),
      onSession: (session) => bar.note(`session ${session}: all parties must see the same`),
      ...trustedCertificates(flags),
    }),
  );
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ done: true, fingerprint })}\n`
      : `Done: the weights are at the host, for the receiver alone. Session ${fingerprint}.\n`,
  );
}

interface OpenFlags extends Passphrase {
  readonly keys: string;
  readonly data?: string;
  readonly json?: boolean;
}

async function openWeights(
  file: string,
  flags: OpenFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const invitation = JointInvitation.fromBytes(
    loadLargeFile(join(flags.keys, INVITATION), { atMost: MAX_INVITATION }),
  );
  const sealed = loadLargeFile(file, { atMost: MAX_SEALED });
  const key = readPrivateFile(join(flags.keys, RECEIVER));
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const weights = await withContext(invitation.program, parts, async (context) => {
    const bytes = await openSecret(key, invitation.id, passphrase);
    try {
      using secret = SecretKey.fromSecretBytes(context, bytes);
      return new JointReceiver(context, invitation, secret).open(sealed);
    } finally {
      bytes.fill(0);
    }
  });
  const original = originalWeights(weights, invitation.standardisation);
  const table = flags.data === undefined ? undefined : ownTable(invitation, flags.data);
  const auc = table === undefined ? null : areaUnderCurve(scoresOf(table, weights), table.labels);
  const { columns } = invitation;
  if (flags.json === true) {
    const told = { columns, standardisedWeights: [...weights], weights: original, auc };
    return terminal.out(`${JSON.stringify(told)}\n`);
  }
  const rows = ['constant', ...columns].map((name, i) => [printable(name), original[i]!.toFixed(4)]);
  terminal.out(formatTable(rows, [{}, { align: 'right' }]));
  if (auc !== null) terminal.out(`\nAUC ${auc.toFixed(3)} on ${plural(table!.labels.length, 'row')}\n`);
}
