/** `subrosa authority`: holds master keys, answers requests for function keys under a policy, and keeps a log that shows tampering. */
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { systemRandom } from '../../base/random.ts';
import { Authority } from '../../protocols/cryptonn/authority.ts';
import { batchAxes } from '../../protocols/cryptonn/batch-bytes.ts';
import { DatasetSchemes } from '../../protocols/cryptonn/dataset-schemes.ts';
import { logReport } from '../../protocols/cryptonn/log-report.ts';
import { verifyAuthorityLog } from '../../protocols/cryptonn/log-verification.ts';
import { MasterKeyring } from '../../protocols/cryptonn/master-keyring.ts';
import { buildAuthorityApp } from '../cryptonn/authority-app.ts';
import { AuthorityFiles } from '../cryptonn/authority-files.ts';
import { readPolicy } from '../cryptonn/policy-file.ts';
import { listenApp, ServerLog } from '../server/index.ts';
import { addPolicyCommands } from './authority-policy.ts';
import type { EngineParts } from './parts.ts';
import { readPassphrase, terminalPrompt } from './passphrase.ts';
import { closeWhen, stopRequest, wholeNumber } from './serve.ts';
import { withSpinner } from './spinner.ts';
import { formatTable, plural } from './table.ts';
import type { Terminal } from './terminal.ts';
import { tlsOptions } from './tls-files.ts';

export const DEFAULT_AUTHORITY_PORT = 8415;

export const WHO_LEARNS_WHAT_IN_TRAINING = `
Who learns what:
  authority  what it issues keys for; in faithful mode the first layer's weights. It never sees a ciphertext,
             and it could open all of them: authority and trainer must not be one party
  trainer    projected: P x of every sample and which samples share a class, as if P x were published;
             P x with noise, where the policy names some: what that promises is printed
             faithful: after a few steps every input of every batch
  owner      nothing of other owners; the names of the classes, which the trainer never learns
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
  addPolicyCommands(authority, terminal, WHO_LEARNS_WHAT_IN_TRAINING);
}

function passphraseOf(flags: StateFlags, terminal: Terminal, isNew: boolean): Promise<string> {
  const ask = terminalPrompt(terminal);
  return readPassphrase(
    {
      env: terminal.env,
      ...(flags.passphraseFile === undefined ? {} : { file: flags.passphraseFile }),
      ...(ask === undefined ? {} : { ask }),
    },
    isNew,
  );
}

/** Serves until SIGTERM or SIGINT. */
async function serveAuthority(
  flags: AuthorityServeFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const policy = readPolicy(flags.policy);
  const isNew = !existsSync(`${flags.state}/root.key`);
  const passphrase = await passphraseOf(flags, terminal, isNew);
  await using files = await AuthorityFiles.open(
    flags.state,
    passphrase,
    flags.anchor === undefined ? {} : { anchor: flags.anchor },
  );
  using kernel = await parts.openKernel((reason) => terminal.err(`${reason}\n`));
  using schemes = new DatasetSchemes(kernel);
  using keyring = new MasterKeyring(schemes.schemeFor);
  using authority = await Authority.open(files, keyring, systemRandom, kernel);
  await withSpinner(terminal, 'making master keys', async () => {
    for (const spec of policy.datasets) {
      await authority.createDataset('policy', spec);
      for (const axis of batchAxes(spec)) authority.masterPublicKey(spec.id, axis);
    }
  });
  const tls = tlsOptions(flags);
  const app = buildAuthorityApp(authority, policy, { ...tls, log: new ServerLog(flags.logLevel) });
  const stopped = stopRequest(flags.whileStdinOpen === true);
  const server = await listenApp(app, { host: flags.host, port: flags.port, ...tls });
  const datasets = policy.datasets.map(({ id }) => id);
  const ready = { ready: true, url: server.url, datasets, pid: process.pid };
  terminal.out(
    flags.json === true ? `${JSON.stringify(ready)}\n` : `ready ${server.url}  ${datasets.join(', ')}\n`,
  );
  await closeWhen(stopped, server, flags.json === true, terminal);
}

async function verifyLog(flags: VerifyFlags, terminal: Terminal): Promise<void> {
  const isChainOnly = flags.chainOnly === true;
  const passphrase = isChainOnly ? '' : await passphraseOf(flags, terminal, false);
  const options = flags.anchor === undefined ? {} : { anchor: flags.anchor };
  const files = AuthorityFiles.readOnly(flags.state, passphrase, options);
  const { records, heads } = await verifyAuthorityLog(files, isChainOnly);
  const head = heads.at(-1);
  const report = logReport(records);
  if (flags.json === true) {
    terminal.out(`${JSON.stringify({ verified: true, isChainOnly, head, datasets: report })}\n`);
    return;
  }
  const how = isChainOnly ? 'the chain holds (who wrote it was not checked)' : 'chain and author hold';
  terminal.out(`${plural(records.length, 'record')}: ${how}\nhead ${head?.hash}\n`);
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
