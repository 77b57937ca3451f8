/** `subrosa authority`: holds master keys, answers requests for function keys under a policy, and keeps a log that shows tampering. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { ProtocolError, UsageError } from '../../../base/errors.ts';
import { systemRandom } from '../../../base/random.ts';
import { Authority, type KeyDerivation } from '../../../protocols/cryptonn/authority/authority.ts';
import { batchAxes } from '../../../protocols/cryptonn/agreement/batch-bytes.ts';
import { type DatasetSpec, needsApproval } from '../../../protocols/cryptonn/agreement/dataset-spec.ts';
import { DatasetSchemes } from '../../../protocols/cryptonn/agreement/dataset-schemes.ts';
import { logReport } from '../../../protocols/cryptonn/authority/log-report.ts';
import { verifyAuthorityLog } from '../../../protocols/cryptonn/authority/log-verification.ts';
import { MasterKeyring } from '../../../protocols/cryptonn/authority/master-keyring.ts';
import { buildAuthorityApp } from '../../cryptonn/authority-app.ts';
import { AuthorityFiles } from '../../cryptonn/authority-files.ts';
import { type AuthorityPolicy, readPolicy } from '../../cryptonn/policy-file.ts';
import { listenApp, ServerLog } from '../../server/index.ts';
import { addApprovalCommands } from './authority-approvals.ts';
import { addPolicyCommands } from './authority-policy.ts';
import type { EngineParts } from '../parts.ts';
import { passphraseFor } from '../terminal/passphrase.ts';
import { closeWhen, stopRequest, wholeNumber } from '../speech/serve.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { formatTable, plural } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { tlsOptions } from '../tls-files.ts';

const DEFAULT_AUTHORITY_PORT = 8415;

export const WHO_LEARNS_WHAT_IN_TRAINING = `
Who learns what:
  authority  what it issues keys for; in faithful mode the first layer's weights. It never sees a ciphertext,
             and it could open all of them: authority and trainer must not be one party
  trainer    projected: P x of every sample and which samples share a class, as if P x were published: who knows
             what such data looks like makes most of an image and the names of the classes of it (policy
             --look-alike measures how much); P x with noise, where the policy names some
             faithful: after a few steps every input of every batch, and so what the classes are
  owner      nothing of other owners; the secret names of the classes, which are no secret from a trainer
  network    sizes and times; outside this machine only TLS is accepted
`;

interface StateFlags {
  readonly state: string;
  readonly anchor?: string;
  readonly passphraseFile?: string;
}

interface AuthorityServeFlags extends StateFlags {
  readonly policy: string;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly logLevel: 'info' | 'warn' | 'silent';
  readonly json?: boolean;
  readonly whileStdinOpen?: boolean;
}

interface CloseFlags extends StateFlags {
  readonly dataset: string;
}

interface VerifyFlags extends StateFlags {
  readonly chainOnly?: boolean;
  readonly json?: boolean;
}

const STATE_FLAG = ['--state <dir>', 'sealed master keys, log and head of the log'] as const;
const ANCHOR_FLAG = [
  '--anchor <file>',
  'where the head of the log is kept, best on another device; a log that ends before it is refused',
] as const;
const PASSPHRASE_FLAG = [
  '--passphrase-file <file>',
  'passphrase of the master keys; otherwise SUBROSA_PASSPHRASE, or asked for',
] as const;

export function addAuthority(program: Command, terminal: Terminal, parts: EngineParts): void {
  const authority = program
    .command('authority')
    .description('decide which inner products of encrypted training data may be known')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_TRAINING);
  authority
    .command('serve', { isDefault: true })
    .description('hold master keys and answer requests (the default)')
    .requiredOption(...STATE_FLAG)
    .requiredOption('--policy <file>', 'data sets and parties, JSON; authority policy writes one')
    .option(...ANCHOR_FLAG)
    .option(...PASSPHRASE_FLAG)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(
      new Option('--port <n>', '0 takes any free port')
        .default(DEFAULT_AUTHORITY_PORT)
        .argParser(wholeNumber(0, 65_535)),
    )
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'private key, PEM')
    .addOption(
      new Option('--log-level <level>', 'log on standard error')
        .choices(['info', 'warn', 'silent'])
        .default('warn'),
    )
    .option('--json', 'one JSON object on standard output when ready')
    .addOption(new Option('--while-stdin-open', 'end when standard input closes').hideHelp())
    .addHelpText('after', WHO_LEARNS_WHAT_IN_TRAINING)
    .action((flags) => serveAuthority(flags, terminal, parts));
  authority
    .command('verify')
    .description('check the log: its chain, its end, and who wrote it; prints what was issued')
    .requiredOption(...STATE_FLAG)
    .option(...ANCHOR_FLAG)
    .option(...PASSPHRASE_FLAG)
    .option('--chain-only', 'without the passphrase: the chain and its end, not who wrote it')
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_TRAINING)
    .action((flags) => verifyLog(flags, terminal));
  authority
    .command('close')
    .description('close a data set for ever: destroys its master keys in a state that no authority has open')
    .requiredOption(...STATE_FLAG)
    .requiredOption('--dataset <name>', 'which; its name cannot be used again')
    .option(...ANCHOR_FLAG)
    .option(...PASSPHRASE_FLAG)
    .addHelpText('after', WHO_LEARNS_WHAT_IN_TRAINING)
    .action((flags) => closeDataset(flags, terminal));
  addPolicyCommands(authority, terminal, parts, WHO_LEARNS_WHAT_IN_TRAINING);
  addApprovalCommands(authority, terminal);
}

/** Serves until SIGTERM or SIGINT. */
async function serveAuthority(
  flags: AuthorityServeFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const say = (line: string) => {
    if (flags.logLevel !== 'silent') terminal.err(`${line}\n`);
  };
  const policy = readPolicy(flags.policy);
  say(
    `policy ${flags.policy}: ${plural(policy.datasets.length, 'data set')}, ${plural(policy.parties.length, 'token')}`,
  );
  const isNew = !existsSync(`${flags.state}/root.key`);
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, isNew);
  say(
    isNew
      ? `making a new state in ${flags.state}`
      : `opening the state in ${flags.state}: this takes a second or more`,
  );
  await using files = await AuthorityFiles.open(flags.state, passphrase, {
    onWait: say,
    ...(flags.anchor === undefined ? {} : { anchor: flags.anchor }),
  });
  using kernel = await parts.openKernel((reason) => terminal.err(`${reason}\n`));
  using schemes = new DatasetSchemes(kernel);
  using keyring = new MasterKeyring(schemes.schemeFor);
  const options = { approvers: policy.approvers };
  using authority = await Authority.open(files, keyring, systemRandom, kernel, options);
  say(`log verified: ${plural(authority.head.entries, 'record')}`);
  const open = openOf(authority, policy);
  for (const { id } of policy.datasets)
    if (!open.some((spec) => spec.id === id))
      say(`${id} is closed: it gets no keys; a new data set needs a new name`);
  for (const spec of open) {
    await authority.createDataset('policy', spec);
    for (const axis of batchAxes(spec)) {
      const started = performance.now();
      await withSpinner(terminal, `master keys of ${spec.id}, axis ${axis}`, async () => {
        authority.masterPublicKey(spec.id, axis);
      });
      say(`master keys of ${spec.id}, axis ${axis}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
    }
  }
  const tls = tlsOptions(flags);
  const served = { ...policy, datasets: open };
  const app = buildAuthorityApp(authority, served, { ...tls, log: new ServerLog(flags.logLevel) });
  const stopped = stopRequest(flags.whileStdinOpen === true);
  const server = await listenApp(app, { host: flags.host, port: flags.port, ...tls });
  const datasets = open.map(({ id }) => id);
  const ready = { ready: true, url: server.url, datasets, pid: process.pid };
  terminal.out(
    flags.json === true ? `${JSON.stringify(ready)}\n` : `ready ${server.url}  ${datasets.join(', ')}\n`,
  );
  await closeWhen(stopped, server, flags.json === true, terminal);
}

/** What the policy names and no command has closed. */
function openOf(authority: Authority<unknown>, { datasets }: AuthorityPolicy): readonly DatasetSpec[] {
  const known = new Set(authority.datasets);
  // One whose approvals do not hold fails when it is opened, with the reason.
  return datasets.filter(
    (spec) => needsApproval(spec) || !known.has(spec.id) || !authority.isClosed(spec.id),
  );
}

/** Works on a state that no authority has open. */
async function closeDataset(flags: CloseFlags, terminal: Terminal): Promise<void> {
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const options = flags.anchor === undefined ? {} : { anchor: flags.anchor };
  if (!existsSync(join(flags.state, 'root.key')))
    throw new UsageError(`${flags.state} is no state of an authority`);
  await using files = await AuthorityFiles.open(flags.state, passphrase, options);
  using authority = await Authority.open(files, NO_KEYS, systemRandom);
  if (!authority.datasets.includes(flags.dataset))
    throw new UsageError(
      `there is no data set "${flags.dataset}", only ${authority.datasets.join(', ') || 'none'}`,
    );
  await authority.closeDataset('operator', flags.dataset);
  const sentences = [
    `${flags.dataset} is closed: this state issues no more of its keys, and holds nothing that could make them.`,
    'A copy of root.key from before (a backup, a snapshot, old blocks of the disk) still opens its ciphertexts with the',
    'passphrase: destroy those copies, too. Function keys that a trainer received work for ever.',
  ];
  terminal.out(`${sentences.join('\n')}\n`);
}

/** Closing derives nothing. */
const NO_KEYS: KeyDerivation<never> = {
  deriveKeys: () => {
    throw new ProtocolError('a state that is only being closed issues no keys');
  },
  publicKey: () => {
    throw new ProtocolError('a state that is only being closed has no public keys');
  },
  discardKeys: () => undefined,
};

async function verifyLog(flags: VerifyFlags, terminal: Terminal): Promise<void> {
  const isChainOnly = flags.chainOnly === true;
  const passphrase = isChainOnly ? '' : await passphraseFor(flags.passphraseFile, terminal, false);
  const options = flags.anchor === undefined ? {} : { anchor: flags.anchor };
  const files = AuthorityFiles.readOnly(flags.state, passphrase, options);
  const { records, head, missingEntries } = await verifyAuthorityLog(files, isChainOnly);

  const report = logReport(records);
  if (flags.json === true) {
    terminal.out(
      `${JSON.stringify({ verified: true, isChainOnly, head, missingEntries, datasets: report })}\n`,
    );
    return;
  }
  const how = isChainOnly ? 'the chain holds (who wrote it was not checked)' : 'chain and author hold';
  terminal.out(`${plural(records.length, 'record')}: ${how}\nhead ${head.hash}\n`);
  if (missingEntries > 0)
    terminal.out(
      `the parts before entry ${missingEntries + 1} are not there: what they said is carried, not verified\n`,
    );
  for (const { dataset, mode, isClosed, axes, refused } of report) {
    terminal.out(`\n${dataset}  ${mode}${isClosed ? '  closed' : ''}\n`);
    const issued = axes.map(({ axis, requests, keys, rank }) => [
      axis,
      plural(requests, 'request'),
      plural(keys, 'key'),
      `rank ${rank}`,
    ]);
    const denied = refused.map(({ requester, reason, count }) => [
      `refused ${requester}`,
      reason,
      `${count} x`,
    ]);
    terminal.out(formatTable([...issued, ...denied], [{}, {}, {}, {}]));
  }
}
