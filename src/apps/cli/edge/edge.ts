/** `subrosa edge owner|renew|serve|run|demo`: a device's integer network, computed by two servers that see only uniform words. */
import { type Command, Option } from 'commander';
import { DEFAULT_EDGE_DEMO, edgeDemo } from './edge-demo.ts';
import { NAMED_NETWORKS } from './edge-network.ts';
import { prepareParties } from './edge-owner.ts';
import { renewDeviceFile } from './edge-renew.ts';
import { runWithEdges } from './edge-run.ts';
import { serveAsEdge } from './edge-serve.ts';
import { fraction, wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { CA_FLAG } from '../tls-files.ts';

export const WHO_LEARNS_WHAT_AT_EDGES = `
Who learns what:
  device   the network, its input, the result
  edge     the linear layers, which device asks, when, for how many inputs; words that are uniform whatever
           the input is; not the input, not an activation, not the result
  both     edges together, if they pool what they see: everything. Let two organisations run them
  network  sizes and times; outside this machine only TLS is accepted
A wrong answer of an edge is noticed and its sender named. The files of \`edge owner\` hold keys.
`;

const NETWORK_HELP = `${NAMED_NETWORKS.join(', ')}, or the file of an integer network; the first two have weights from a seed, for cost`;
const WEIGHTS_HELP = 'for the face network: the folder model of @vladmandic/face-api';
const INPUT_HELP = "the network's inputs: images, an array of images FILE#n, or one byte per element";

export function addEdge(program: Command, terminal: Terminal): void {
  const edge = program
    .command('edge')
    .description('two servers compute a small device its network and see only uniform words')
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES);
  addOwner(edge, terminal);
  addRenew(edge, terminal);
  addEdgeServe(edge, terminal);
  addRun(edge, terminal);
  addEdgeDemo(edge, terminal);
}

function addOwner(edge: Command, terminal: Terminal): void {
  edge
    .command('owner')
    .description('make the files of edge A, edge B and each device')
    .requiredOption('--network <name|file>', NETWORK_HELP)
    .option('--weights <dir>', WEIGHTS_HELP)
    .requiredOption('--out <dir>', 'where the files go, mode 0600')
    .requiredOption('--operator-a <name>', 'who runs edge A')
    .requiredOption('--operator-b <name>', 'who runs edge B')
    .option('--labels <file>', 'names of the classes, one a line: devices print them')
    .addOption(new Option('--devices <n>', 'how many').default(1).argParser(wholeNumber(1, 100_000)))
    .option('--paired', 'give devices what the paired construction needs, too')
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES)
    .action((flags) => prepareParties(flags, terminal));
}

function addRenew(edge: Command, terminal: Terminal): void {
  edge
    .command('renew')
    .argument('<file>', "a device's file, here or at the owner's")
    .description(
      'make new check vectors for one device after a failed check; keys and edges stay as they are',
    )
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES)
    .action((file) => renewDeviceFile(file, terminal));
}

function addEdgeServe(edge: Command, terminal: Terminal): void {
  edge
    .command('serve')
    .description('answer devices as one of the two edges')
    .addOption(new Option('--role <role>', 'which edge').choices(['a', 'b']).makeOptionMandatory())
    .requiredOption('--file <file>', "this edge's file from the owner")
    .option('--relay-to <url>', "edge A's address, for devices that ask edge B to answer through it")
    .option('--ca <file>', "certificates to trust at --relay-to instead of the system's, PEM")
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(new Option('--port <n>', '0 takes any free port').default(0).argParser(wholeNumber(0, 65_535)))
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'private key, PEM')
    .option('--json', 'one JSON object on standard output when ready')
    .addOption(new Option('--while-stdin-open', 'end when standard input closes').hideHelp())
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES)
    .action((flags) => serveAsEdge(flags, terminal));
}

function protocolOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--construction <name>', 'how each input is hidden')
        .choices(['sharing', 'paired'])
        .default('sharing'),
    )
    .option('--relay', 'edge B answers through edge A: fewer bytes for the device')
    .addOption(
      new Option('--check <which>', 'how answers are checked')
        .choices(['projection', 'sampling', 'both', 'none'])
        .default('projection'),
    )
    .addOption(
      new Option(
        '--wrong-fraction <f>',
        'sampling notices an answer of which so much is wrong (0.01) ...',
      ).argParser(fraction),
    )
    .addOption(new Option('--detection <p>', '... with this probability (0.99)').argParser(fraction));
}

function addRun(edge: Command, terminal: Terminal): void {
  const run = edge
    .command('run')
    .argument('<input...>', `${INPUT_HELP}; several are a batch`)
    .description('run the network of a device with the help of two edges')
    .requiredOption('--device <file>', "this device's file from the owner")
    .requiredOption('--a <url>', 'edge A: wss://..., or ws:// on this machine')
    .requiredOption('--b <url>', 'edge B');
  protocolOptions(run)
    .option(...CA_FLAG)
    .option(
      '--labels <file>',
      "names of the classes for the report, one a line, in place of those in the device's file",
    )
    .addOption(
      new Option(
        '--retries <n>',
        'connect again so often when an edge is absent or goes away; default: 10, which outlasts a restart',
      ).argParser(wholeNumber(0, 20)),
    )
    .option('--allow-same-operator', 'go on although one operator runs both edges and can read everything')
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES)
    .action((inputs, flags) => runWithEdges(inputs, flags, terminal));
}

function addEdgeDemo(edge: Command, terminal: Terminal): void {
  const demo = edge
    .command('demo')
    .argument('[input...]', `${INPUT_HELP}; without it one that is drawn`)
    .description(
      'start both edges on this machine, run a network with their help, compare with clear inference',
    )
    .option('--network <name|file>', NETWORK_HELP, DEFAULT_EDGE_DEMO.network)
    .option('--weights <dir>', WEIGHTS_HELP);
  protocolOptions(demo)
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES)
    .action((inputs, flags) => edgeDemo(inputs, flags, terminal));
}
