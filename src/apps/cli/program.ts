/** The command line: names, options and help. What the commands do is in their own files. */
import { Command, Option } from 'commander';
import { UsageError } from '../../base/errors.ts';
import { addBatch } from './batch/batch.ts';
import { bench } from './bench.ts';
import { cryptonnDemo } from './cryptonn/cryptonn-demo.ts';
import { demo } from './speech/demo.ts';
import { WHO_LEARNS_WHAT } from './speech/disclosure.ts';
import { doctor } from './doctor.ts';
import { addAttack } from './cryptonn/attack.ts';
import { addAuthority, WHO_LEARNS_WHAT_IN_TRAINING } from './cryptonn/authority.ts';
import { addEdge, WHO_LEARNS_WHAT_AT_EDGES } from './edge/edge.ts';
import { DEFAULT_EDGE_DEMO, edgeDemo, type EdgeDemoFlags } from './edge/edge-demo.ts';
import { addEncryptData } from './cryptonn/encrypt-data.ts';
import { addFhe } from './fhe/fhe.ts';
import { addJoint } from './joint/joint.ts';
import { addFleet, addFleetFlags } from './fleet/fleet.ts';
import { addModelCommands } from './models/model-commands.ts';
import { inspect } from './speech/inspect.ts';
import { installation } from './installation.ts';
import type { EngineParts } from './parts.ts';
import { DONE } from './terminal/report-error.ts';
import { DEFAULT_PORT, SERVE_DEFAULTS, serve, wholeNumber } from './speech/serve.ts';
import type { Terminal } from './terminal/terminal.ts';
import { CA_FLAG } from './tls-files.ts';
import { addWeb } from './web.ts';
import { addTrain } from './train/train.ts';
import { DECODER_PLACES, transcribe } from './speech/transcribe.ts';

const JSON_FLAG = ['--json', 'one JSON object on standard output, for programs'] as const;
const NETWORK_FLAG = [
  '--network <name>',
  "which of the model's polynomial networks; the 4-bit one by default",
] as const;
const MODELS_FLAG = ['--models <dir>', 'where the model directories are', installation.models] as const;

/** What `subrosa demo --mode` can show. */
const DEMO_MODES = {
  speech: demo,
  edge: ({ json }: Pick<EdgeDemoFlags, 'json'>, terminal: Terminal) =>
    edgeDemo([], { ...DEFAULT_EDGE_DEMO, ...(json === true && { json }) }, terminal),
  cryptonn: cryptonnDemo,
} as const;
type DemoMode = keyof typeof DEMO_MODES;

/** Options that a mode knows besides --mode and --json; others are refused, not overlooked. */
const DEMO_OPTIONS: Readonly<Record<DemoMode, readonly string[]>> = {
  speech: ['task', 'wav', 'models'],
  edge: [],
  cryptonn: ['data'],
};

/** @throws {UsageError} naming the first option that was given and means nothing in this mode. */
function checkDemoOptions(mode: DemoMode, command: Command): void {
  const known = ['mode', 'json', ...DEMO_OPTIONS[mode]];
  const stray = command.options.find(
    (option) =>
      !known.includes(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (stray !== undefined) throw new UsageError(`demo --mode ${mode} has no option ${stray.long}`);
}

/** Builds the program. `setExit` is told the exit code of commands that end without an error but not with 0. */
export function buildProgram(
  terminal: Terminal,
  parts: EngineParts,
  setExit: (code: number) => void,
): Command {
  const program = new Command('subrosa')
    .description('Machine learning on data that the computer doing the work cannot read.')
    .version(installation.version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage. SUBROSA_DEBUG=1 prints stacks.');
  addDemo(program, terminal, parts);
  addServe(program, terminal, parts);
  addTranscribe(program, terminal, parts, setExit);
  addWeb(program, terminal, parts);
  addTrain(program, terminal, parts);
  addEdge(program, terminal);
  addAuthority(program, terminal, parts);
  addEncryptData(program, terminal, parts);
  addAttack(program, terminal, parts);
  addFhe(program, terminal, parts);
  addJoint(program, terminal, parts);
  addFleet(program, terminal, parts);
  addBatch(program, terminal, parts);
  addModelCommands(program, terminal, parts);
  program
    .command('inspect')
    .argument('<model>', 'name in the models directory, a path, or a program file')
    .description('what a model is, what clients may learn of it, what a request costs')
    .option('--steps', "a program's steps as text")
    .option('--svg <file>', "a program's picture")
    .option(...MODELS_FLAG)
    .option(...NETWORK_FLAG)
    .option(...JSON_FLAG)
    .addHelpText('after', WHO_LEARNS_WHAT)
    .action((name, flags) => inspect(name, flags, terminal, parts));
  program
    .command('doctor')
    .description('the kernel in use and its self-test, the models, where keys are kept')
    .option(...JSON_FLAG)
    .addHelpText('after', '\nWho learns what: nobody; this command talks to no one.')
    .action((flags) => doctor(flags, terminal, parts));
  program
    .command('bench')
    .argument('[args...]', 'name of the bench and its options; none lists them')
    .description('measure: every number in the documentation comes from here')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (args) => setExit(await bench(args)));
  return program;
}

function addDemo(program: Command, terminal: Terminal, parts: EngineParts): void {
  program
    .command('demo')
    .description('a server process that cannot hear recognises the recordings that ship with the package')
    .addOption(
      new Option('--mode <mode>', 'what is shown').choices(Object.keys(DEMO_MODES)).default('speech'),
    )
    .addOption(
      new Option('--task <task>', 'which model').choices(['digits', 'sentences', 'both']).default('both'),
    )
    .option('--wav <file...>', 'your own recordings instead; - is standard input')
    .option('--data <dir>', 'mode cryptonn: where mnist/ is; without it drawn digits do')
    .option(...MODELS_FLAG)
    .option(...JSON_FLAG)
    .addHelpText('after', WHO_LEARNS_WHAT)
    .addHelpText('after', `Mode edge (\`subrosa edge demo\` takes options):${WHO_LEARNS_WHAT_AT_EDGES}`)
    .addHelpText('after', `Mode cryptonn:${WHO_LEARNS_WHAT_IN_TRAINING}`)
    .action((flags, command) => {
      checkDemoOptions(flags.mode as DemoMode, command);
      return DEMO_MODES[flags.mode as DemoMode](flags, terminal, parts);
    });
}

function addServe(program: Command, terminal: Terminal, parts: EngineParts): void {
  const serving = program
    .command('serve')
    .argument('[model...]', 'names in the models directory, paths, program files or folders of them')
    .description('answer encrypted questions about models')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(
      new Option('--port <n>', '0 takes any free port')
        .default(DEFAULT_PORT)
        .argParser(wholeNumber(0, 65_535)),
    )
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'private key, PEM')
    .option('--insecure-listen', 'plain HTTP on an address that other machines reach (behind a TLS proxy)')
    .addOption(
      new Option(
        '--key-memory <MiB>',
        "memory for clients' keys; the least recently used are dropped, or with --keys loaded again when they are needed",
      )
        .default(SERVE_DEFAULTS.keyMemory)
        .argParser(wholeNumber(1, 1_000_000)),
    )
    .option('--keys <dir>', "keep clients' keys in this folder, over restarts; without it in memory alone")
    .addOption(
      new Option('--key-disk <MiB>', 'room for keys in that folder, the least recently used are dropped')
        .default(SERVE_DEFAULTS.keyDisk)
        .argParser(wholeNumber(1, 100_000_000)),
    )
    .addOption(
      new Option('--key-days <n>', 'keys in that folder that were not used for so long go at the next start')
        .default(SERVE_DEFAULTS.keyDays)
        .argParser(wholeNumber(1, 36_500)),
    )
    .addOption(
      new Option('--max-pending <n>', 'evaluations that wait or run; more are refused')
        .default(SERVE_DEFAULTS.maxPending)
        .argParser(wholeNumber(1, 10_000)),
    )
    .addOption(
      new Option(
        '--max-pending-seconds <n>',
        'predicted work that waits or runs; what comes beyond is told when to come again',
      )
        .default(SERVE_DEFAULTS.maxPendingSeconds)
        .argParser(wholeNumber(1, 86_400)),
    )
    .addOption(
      new Option(
        '--query-budget <n>',
        'samples of each model that a principal may have evaluated, a query counting as many as its bucket has; without it any number',
      ).argParser(wholeNumber(1, 999_999_999)),
    )
    .option('--budget-file <file>', 'keeps what was spent of the query budget over restarts')
    .option(
      '--principal <rule>',
      'whom budgets and quotas count against: address, header:NAME as a proxy sets it, or token:FILE of enrolled tokens',
      'address',
    )
    .option('--cors-origin <origin...>', 'pages of these origins may ask; none without it')
    .addOption(
      new Option('--metrics-port <n>', 'Prometheus metrics at this port; 0 takes any free one').argParser(
        wholeNumber(0, 65_535),
      ),
    )
    .option('--metrics-host <address>', 'address of that port, out of the reach of clients', '127.0.0.1')
    .addOption(
      new Option('--log-level <level>', 'log on standard error')
        .choices(['info', 'warn', 'silent'])
        .default('warn'),
    )
    .option(...MODELS_FLAG)
    .option(...NETWORK_FLAG)
    .option('--json', 'JSON lines on standard output: when ready, when stopping, when stopped')
    .addOption(new Option('--while-stdin-open', 'end when standard input closes').hideHelp());
  addFleetFlags(serving)
    .addOption(
      new Option('--grace <s>', 'in a fleet: how long a program that was replaced is still answered')
        .default(SERVE_DEFAULTS.grace)
        .argParser(wholeNumber(0, 9_999_999)),
    )
    .addHelpText('after', '\nSIGHUP reads the models anew and swaps them while queries are answered.')
    .addHelpText('after', WHO_LEARNS_WHAT)
    .action(async (names, flags) =>
      flags.fleet === undefined
        ? serve(names, flags, terminal, parts)
        : (await import('./fleet/serve-fleet.ts')).serveFleet(names, flags, terminal, parts),
    );
}

function addTranscribe(
  program: Command,
  terminal: Terminal,
  parts: EngineParts,
  setExit: (code: number) => void,
): void {
  program
    .command('transcribe')
    .argument('<file...>', 'recordings, up to two hours each: WAV, MP3, FLAC, Ogg; - is standard input')
    .description('recognise recordings with a server that cannot hear them')
    .requiredOption('--server <url>', 'https://..., or http:// on this machine')
    .option('--model <name>', 'which of the models that the server offers')
    .addOption(
      new Option('--decoder <where>', 'server: one word, decided there; no scores leave it')
        .choices(DECODER_PLACES)
        .default('client'),
    )
    .option(...MODELS_FLAG)
    .option(
      '--passphrase-file <file>',
      'passphrase of the key file; otherwise SUBROSA_PASSPHRASE, or asked for',
    )
    .option('--no-key-file', 'keys for this run only, nothing on disk')
    .addOption(
      new Option('--timeout <s>', 'an attempt ends when nothing moves for so long')
        .default(120)
        .argParser(wholeNumber(1, 3600)),
    )
    .addOption(
      new Option(
        '--retries <n>',
        'with the same bytes; default: 10 while the server is absent, for ten minutes while it is busy',
      ).argParser(wholeNumber(0, 20)),
    )
    .option(...CA_FLAG)
    .option('--insecure-connect', 'plain HTTP to another machine')
    .option('--table', 'show where the time went')
    .option(...JSON_FLAG)
    .addHelpText('after', WHO_LEARNS_WHAT)
    .action(async (files, flags) => {
      const code = await transcribe(files, flags, terminal, parts);
      if (code !== DONE) setExit(code);
    });
}
