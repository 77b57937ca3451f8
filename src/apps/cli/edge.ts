/** `subrosa edge owner|serve|run`: a device's integer network, computed by two servers that see only uniform words. */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { DecodeError, KeyFileError, UsageError } from '../../base/errors.ts';
import { applyIntegerLinear } from '../../kernel/integer-linear-map.ts';
import { readIntegerNetwork } from '../../nn/integer-bytes.ts';
import { IntegerNetwork } from '../../nn/integer-network.ts';
import { EdgeDevice } from '../../protocols/edge/device.ts';
import { EdgeService } from '../../protocols/edge/edge-service.ts';
import { planLayers } from '../../protocols/edge/layer-plan.ts';
import { MESSAGE_OVERHEAD } from '../../protocols/edge/messages.ts';
import { RequestCounter } from '../../protocols/edge/request-counter.ts';
import { packedShareBytes } from '../../protocols/edge/share-ring.ts';
import { counterFile } from '../edge/counter-file.ts';
import { listenEdge } from '../edge/edge-server.ts';
import { provision, readDevice, readEdge } from '../edge/provisioning.ts';
import { connectEdge } from '../edge/websocket-link.ts';
import { replaceFile } from '../keystore/atomic-file.ts';
import { stopRequest, tlsOptions, wholeNumber } from './serve.ts';
import type { Terminal } from './terminal.ts';

const WHO_LEARNS_WHAT_AT_EDGES = `
Who learns what:
  device   the network, its input, the result
  edge     the linear layers, which device asks, when, for how many inputs; words that are uniform whatever
           the input is; not the input, not an activation, not the result
  both     edges together, if they pool what they see: everything. Let two organisations run them
  network  sizes and times; outside this machine only TLS is accepted
A wrong answer of an edge is noticed and its sender named. The files of \`edge owner\` hold keys.
`;

interface OwnerFlags {
  readonly out: string;
  readonly operatorA: string;
  readonly operatorB: string;
  readonly devices: number;
}

interface EdgeServeFlags {
  readonly role: 'a' | 'b';
  readonly file: string;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly json?: boolean;
  readonly whileStdinOpen?: boolean;
}

interface EdgeRunFlags {
  readonly device: string;
  readonly a: string;
  readonly b: string;
  readonly ca?: string;
  readonly allowSameOperator?: boolean;
  readonly json?: boolean;
}

export function addEdge(program: Command, terminal: Terminal): void {
  const edge = program
    .command('edge')
    .description('two servers compute a small device its network and see only uniform words')
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES);
  edge
    .command('owner')
    .argument('<network>', 'file of an integer network')
    .description('make the files of edge A, edge B and each device')
    .requiredOption('--out <dir>', 'where the files go, mode 0600')
    .requiredOption('--operator-a <name>', 'who runs edge A')
    .requiredOption('--operator-b <name>', 'who runs edge B')
    .addOption(new Option('--devices <n>', 'how many').default(1).argParser(wholeNumber(1, 100_000)))
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES)
    .action((path, flags) => prepareParties(path, flags, terminal));
  edge
    .command('serve')
    .description('answer devices as one of the two edges')
    .addOption(new Option('--role <role>', 'which edge').choices(['a', 'b']).makeOptionMandatory())
    .requiredOption('--file <file>', "this edge's file from the owner")
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(new Option('--port <n>', '0 takes any free port').default(0).argParser(wholeNumber(0, 65_535)))
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'private key, PEM')
    .option('--json', 'one JSON object on standard output when ready')
    .addOption(new Option('--while-stdin-open', 'end when standard input closes').hideHelp())
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES)
    .action((flags) => serveAsEdge(flags, terminal));
  edge
    .command('run')
    .argument('<input>', "the network's inputs, one byte per element; several inputs are a batch")
    .description('run the network of a device with the help of two edges')
    .requiredOption('--device <file>', "this device's file from the owner")
    .requiredOption('--a <url>', 'edge A: wss://..., or ws:// on this machine')
    .requiredOption('--b <url>', 'edge B')
    .option('--ca <file>', "certificates to trust instead of the system's, PEM")
    .option('--allow-same-operator', 'go on although one operator runs both edges and can read everything')
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_AT_EDGES)
    .action((path, flags) => runWithEdges(path, flags, terminal));
}

/** Never replaces a file: its keys could be in use. */
async function prepareParties(path: string, flags: OwnerFlags, terminal: Terminal): Promise<void> {
  const network = readIntegerNetwork(
    await readFile(path),
    (input, steps, output) => new IntegerNetwork(input, steps, output),
  );
  const made = await provision(network, { a: flags.operatorA, b: flags.operatorB }, flags.devices);
  const files: [string, Uint8Array][] = [
    ['edge-a.bin', made.edgeA],
    ['edge-b.bin', made.edgeB],
    ...made.devices.map((bytes, i): [string, Uint8Array] => [`device-${i + 1}.bin`, bytes]),
  ];
  const taken = files.find(([name]) => existsSync(join(flags.out, name)));
  if (taken !== undefined)
    throw new UsageError(`${taken[0]} is already in ${flags.out}: choose another --out`);
  await mkdir(flags.out, { recursive: true, mode: 0o700 });
  for (const [name, bytes] of files) await replaceFile(join(flags.out, name), bytes);
  terminal.out(`${files.map(([name, bytes]) => `${name}  ${bytes.length} bytes`).join('\n')}\n`);
}

async function serveAsEdge(flags: EdgeServeFlags, terminal: Terminal): Promise<void> {
  const identity = readEdge(await readFile(flags.file));
  if (identity.role !== flags.role)
    throw new UsageError(`${flags.file} is for edge ${identity.role}, not for edge ${flags.role}`);
  const service = new EdgeService({
    ...identity,
    apply: (_layer, map, x, batch) => applyIntegerLinear(map, x, batch),
  });
  const stopped = stopRequest(flags.whileStdinOpen === true);
  const server = await listenEdge(service, { host: flags.host, port: flags.port, ...tlsOptions(flags) });
  const ready = { ready: true, url: server.url, role: flags.role, pid: process.pid };
  terminal.out(
    flags.json === true ? `${JSON.stringify(ready)}\n` : `ready ${server.url}  edge ${flags.role}\n`,
  );
  await stopped;
  await server.close();
}

async function runWithEdges(path: string, flags: EdgeRunFlags, terminal: Terminal): Promise<void> {
  const retired = `${flags.device}.retired`;
  if (existsSync(retired))
    throw new KeyFileError(
      `a check failed with ${flags.device}, so its check vectors are used up: ask the owner for another`,
    );
  const identity = await readDevice(await readFile(flags.device));
  using _root = identity.root;
  const { network } = identity;
  const input = readInput(await readFile(path), network);
  const batch = input.length / network.inputs;
  const answers = planLayers(network).layers.map(({ outputs, bits }) =>
    packedShareBytes(batch * outputs, bits),
  );
  const link = {
    maxMessageBytes: MESSAGE_OVERHEAD + Math.max(512, ...answers),
    ...(flags.ca !== undefined && { ca: await readFile(flags.ca) }),
  };
  const counter = await RequestCounter.open(counterFile(`${flags.device}.counter`));
  const a = await connectEdge(flags.a, link);
  const b = await connectEdge(flags.b, link).catch((error: unknown) => {
    a.close();
    throw error;
  });
  const device = await EdgeDevice.connect(a, b, {
    ...identity,
    counter,
    allowSameOperator: flags.allowSameOperator === true,
    onRejection: () => replaceFile(retired, new Uint8Array()),
    now: () => performance.now(),
  });
  try {
    const { outputs, layers } = await device.infer(input);
    const rows = Array.from({ length: batch }, (_, i) => [
      ...outputs.subarray(i * network.outputs, (i + 1) * network.outputs),
    ]);
    const { up, down } = device.traffic;
    if (flags.json === true)
      terminal.out(`${JSON.stringify({ outputs: rows, layers, bytesUp: up, bytesDown: down })}\n`);
    else {
      terminal.out(`${rows.map((row) => row.join(' ')).join('\n')}\n`);
      terminal.err(`${layers.length} layers, ${up} bytes up, ${down} bytes down, checked\n`);
    }
  } finally {
    device.close();
  }
}

/** int8, or bytes from 0 for a network whose inputs have no sign. @throws {DecodeError} */
function readInput(bytes: Uint8Array, { input, inputs }: IntegerNetwork): Int32Array {
  if (bytes.length === 0 || bytes.length % inputs !== 0)
    throw new DecodeError('the input', `${bytes.length} bytes are no multiple of ${inputs} elements`);
  const view = input.low < 0 ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
  return Int32Array.from(view);
}
