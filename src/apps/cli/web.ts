/** `subrosa web`: a server with two models and pages to try them, for a browser on this machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { DataError } from '../../base/errors.ts';
import { isLoopback } from '../../base/loopback.ts';
import { compile } from '../../compiler/compile.ts';
import type { Program } from '../../compiler/program.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { IntegerNetwork, PolynomialNetwork } from '../../nn/index.ts';
import { type InferenceService, listenApp } from '../server/index.ts';
import { buildWebApp, EdgePair, TrainingDesk } from '../web/index.ts';
import { installation } from './installation.ts';
import type { EngineParts } from './parts.ts';
import { type WakeWord, wakeWord } from './wake-word.ts';
import { shippedRecordings } from './speech/recordings.ts';
import { closeWhen, stopRequest, wholeNumber } from './speech/serve.ts';
import { withSpinner } from './terminal/spinner.ts';
import { plural } from './terminal/table.ts';
import { paintFor, type Terminal } from './terminal/terminal.ts';
import { tlsOptions } from './tls-files.ts';

export interface WebFlags {
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecureListen?: boolean;
  readonly showLog?: boolean;
  readonly models: string;
  readonly json?: boolean;
  readonly whileStdinOpen?: boolean;
}

export const DEFAULT_WEB_PORT = 8415;
const PICTURES = 'mnist';
const SPEECH = 'digits';
const PICTURE_NETWORK = 'cryptonets-polynomial-8bit.bin';
const EDGE_NETWORK = 'lenet5-int8.bin';

/** Serves until SIGTERM or SIGINT. */
export async function web(flags: WebFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  const listening = await withSpinner(terminal, 'compiling the wake word', async () =>
    wakeWord(flags.models),
  );
  await using service = await withSpinner(terminal, 'compiling the models', async () =>
    parts.startService([
      ...(listening.program === undefined ? [] : [{ program: listening.program }]),
      { program: pictureProgram(join(flags.models, PICTURES)) },
      { name: SPEECH, network: await parts.loadNetwork(join(flags.models, SPEECH)) },
    ]),
  );
  const tls = tlsOptions(flags);
  using kernel = await parts.openKernel((reason) => terminal.err(`${reason}\n`));
  const app = await webAppFor(service, flags, { kernel, listening });
  const stopped = stopRequest(flags.whileStdinOpen === true);
  const server = await listenApp(app, { ...tls, ...flags });
  if (flags.json === true) {
    const { kernel } = service;
    terminal.out(`${JSON.stringify({ ready: true, url: server.url, kernel, pid: process.pid })}\n`);
  } else {
    const paint = paintFor(terminal.outIsTerminal, terminal.env);
    const { name, isa, threads } = service.kernel;
    const kernel = `${name} ${isa}, ${plural(threads, 'thread')}`;
    terminal.out(
      `${paint.green('open')} ${paint.bold(`${server.url}/`)} in a browser  ${paint.dim(kernel)}\n`,
    );
  }
  await closeWhen(stopped, server, flags.json === true, terminal);
}

/** What is served follows from the flags: the log goes to other machines only where the operator says so. */
export function webAppFor(
  service: InferenceService,
  flags: Pick<WebFlags, 'host' | 'showLog' | 'models' | 'tlsCert' | 'tlsKey'>,
  { kernel, listening }: { readonly kernel?: Kernel; readonly listening?: WakeWord } = {},
): ReturnType<typeof buildWebApp> {
  const tls = tlsOptions(flags);
  const { host } = flags;
  // Edges have no plain listener that other machines reach.
  const hasEdges = kernel !== undefined && (tls.tls !== undefined || isLoopback(host));
  return buildWebApp(service, {
    ...tls,
    ...(kernel !== undefined && { training: new TrainingDesk(kernel) }),
    ...(hasEdges && {
      edges: async (witness) => {
        const network = edgeNetwork(flags.models);
        return EdgePair.open({ ...tls, host, kernel, network, ...(isLoopback(host) && { witness }) });
      },
    }),
    pages: join(installation.root, 'build', 'web'),
    files: new Map([
      [`/models/${SPEECH}/client.bin`, join(flags.models, SPEECH, 'client.bin')],
      ...(listening?.files ?? []),
    ]),
    ...(listening && { wakeWord: listening.offer }),
    recordings: shippedRecordings([SPEECH]),
    showsLog: isLoopback(flags.host) || flags.showLog === true,
  });
}

function edgeNetwork(models: string): IntegerNetwork {
  return IntegerNetwork.fromBytes(modelFile(join(models, PICTURES), EDGE_NETWORK));
}

/** For one drawing at a time. */
export function pictureProgram(directory: string): Program {
  const network = PolynomialNetwork.fromBytes(modelFile(directory, PICTURE_NETWORK));
  return compile(network, { name: PICTURES, inputBound: 1, layout: 'packed' });
}

function modelFile(directory: string, name: string): Uint8Array {
  const path = join(directory, name);
  if (!existsSync(path)) throw new DataError(`${directory} is not the picture model: it has no ${name}`);
  return readFileSync(path);
}

export function addWeb(program: Command, terminal: Terminal, parts: EngineParts): void {
  program
    .command('web')
    .description('pages to try in a browser: digits that are drawn, digits that are said, a wake word')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(
      new Option('--port <n>', '0 takes any free port')
        .default(DEFAULT_WEB_PORT)
        .argParser(wholeNumber(0, 65_535)),
    )
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'private key, PEM')
    .option('--insecure-listen', 'plain HTTP on an address that other machines reach')
    .option('--show-log', 'show the log to pages on other machines too: who opens one sees when others ask')
    .option('--models <dir>', 'where the model directories are', installation.models)
    .option('--json', 'JSON lines on standard output: when ready, when stopping, when stopped')
    .addOption(new Option('--while-stdin-open', 'end when standard input closes').hideHelp())
    .addHelpText(
      'after',
      '\nWho learns what: each page has a table. The server sees times, sizes and the first bytes of ciphertexts, and shows all that to the page.',
    )
    .action((flags) => web(flags, terminal, parts));
}
