/** `subrosa work` and `subrosa fleet secret|publish|rollback|withdraw|status`: options and help. */
import { type Command, Option } from 'commander';
import type { EngineParts } from '../parts.ts';
import { SERVE_DEFAULTS, wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';

export const WHO_LEARNS_WHAT_IN_A_FLEET = `
Who learns what:
  broker   pseudonyms of tenants, sizes, times, which program; ciphertexts of small queries and replies
  store    the same; evaluation keys, which are public; ciphertexts
  worker   what a server learns, under pseudonyms instead of tokens
  nobody of these an input, a score or a decision
`;

/** What every process of a fleet is told. */
export function addFleetFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--fleet <url>',
        'the broker of a fleet, nats://HOST:PORT or tls://HOST:PORT (docs/fleet.md)',
      ).env('SUBROSA_FLEET'),
    )
    .addOption(
      new Option(
        '--blobs <address>',
        'its blob store, file:FOLDER that all machines see, or s3://BUCKET/PREFIX',
      ).env('SUBROSA_BLOBS'),
    )
    .option('--fleet-secret <file>', 'the secret that all its processes share; or SUBROSA_FLEET_SECRET')
    .option('--fleet-credentials <file>', 'a NATS credentials file');
}

export function addFleet(program: Command, terminal: Terminal, parts: EngineParts): void {
  addFleetFlags(program.command('work'))
    .description('evaluate jobs of a fleet: as many of these as there are machines')
    .addOption(
      new Option('--key-memory <MiB>', 'memory for prepared keys, the least recently used are dropped')
        .default(SERVE_DEFAULTS.keyMemory)
        .argParser(wholeNumber(1, 1_000_000)),
    )
    .addOption(
      new Option('--tries <n>', 'evaluations of one job that may break off before it is given up')
        .default(3)
        .argParser(wholeNumber(1, 100)),
    )
    .addOption(
      new Option('--health-port <n>', '/v1/health, /v1/ready and /metrics; 0 takes any free port').argParser(
        wholeNumber(0, 65_535),
      ),
    )
    .option('--health-host <address>', 'address of the health port', '127.0.0.1')
    .option('--json', 'JSON lines on standard output: when ready, when stopping, when stopped')
    .addOption(new Option('--while-stdin-open', 'end when standard input closes').hideHelp())
    .addHelpText('after', WHO_LEARNS_WHAT_IN_A_FLEET)
    .action(async (flags) => (await import('./work.ts')).work(flags, terminal, parts));
  const fleet = program
    .command('fleet')
    .description('what serves a fleet: its secret, its programs, its state')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_A_FLEET);
  fleet
    .command('secret')
    .argument('<file>', 'written with mode 0600; copy it to every machine of the fleet')
    .description('make the secret that all processes of a fleet share')
    .action(async (file) => (await import('./manage.ts')).makeSecret(file, terminal));
  addFleetFlags(fleet.command('publish'))
    .argument('<model...>', 'names in the models directory, paths, program files or folders of them')
    .description('offer programs from now on; clients of those before are answered for the time of grace')
    .option('--models <dir>', 'where the model directories are', SERVE_DEFAULTS.models)
    .option('--network <name>', "which of the model's polynomial networks; the 4-bit one by default")
    .addOption(graceOption())
    .action(async (names, flags) =>
      (await import('./manage.ts')).publishPrograms(names, flags, terminal, parts),
    );
  addFleetFlags(fleet.command('rollback'))
    .argument('<model>', 'its name')
    .description('offer the program before the current one again')
    .option('--to <id>', 'this one')
    .addOption(graceOption())
    .action(async (name, flags) => (await import('./manage.ts')).rollBackProgram(name, flags, terminal));
  addFleetFlags(fleet.command('withdraw'))
    .argument('<model>', 'its name')
    .description('offer a model no longer')
    .action(async (name, flags) => (await import('./manage.ts')).withdrawProgram(name, flags, terminal));
  addFleetFlags(fleet.command('status'))
    .description('queues, workers and programs')
    .option('--watch', 'again and again, until interrupted')
    .option('--json', 'one JSON object on standard output, for programs')
    .action(async (flags) => (await import('./status.ts')).fleetStatus(flags, terminal));
  fleet
    .command('demo')
    .argument('[model...]', 'what is served', ['digits'])
    .description('a whole fleet on this machine: broker, folder for blobs, gateway, workers; and its state')
    .addOption(new Option('--workers <n>', 'how many').default(2).argParser(wholeNumber(1, 64)))
    .addOption(new Option('--threads <n>', 'of each worker').default(1).argParser(wholeNumber(1, 256)))
    .addOption(new Option('--port <n>', 'of the gateway').default(8414).argParser(wholeNumber(0, 65_535)))
    .option('--nats-server <path>', "the broker's program; the system's by default")
    .option('--folder <dir>', 'keeps queues and blobs; a temporary one by default')
    .addOption(new Option('--while-stdin-open', 'end when standard input closes').hideHelp())
    .addHelpText('after', WHO_LEARNS_WHAT_IN_A_FLEET)
    .action(async (names, flags) => (await import('./demo.ts')).fleetDemo(names, flags, terminal));
}

function graceOption(): Option {
  return new Option('--grace <s>', 'how long the program before is still answered')
    .default(SERVE_DEFAULTS.grace)
    .argParser(wholeNumber(0, 9_999_999));
}
