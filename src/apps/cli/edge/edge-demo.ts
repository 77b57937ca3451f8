/** `subrosa demo --mode edge`, also `subrosa edge demo`: both edges as processes of this machine, a device, and the comparison with clear inference. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IntegrityError } from '../../../base/errors.ts';
import { openKernel } from '../../../kernel/open.ts';
import { SeededGenerator } from '../../../nn/tensor/generator.ts';
import type { IntegerNetwork } from '../../../nn/integer/integer-network.ts';
import { IntegerRunner } from '../../../nn/integer/integer-runner.ts';
import { provision, readDevice } from '../../edge/provisioning.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { integerNetwork, networkInputs } from './edge-network.ts';
import { edgeReport, edgeReportJson } from './edge-report.ts';
import { inferWithEdges, type ProtocolFlags } from './edge-run.ts';
import type { EdgeReady } from './edge-serve.ts';
import { installation } from '../installation.ts';
import { CommandProcess } from '../server-process.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { formatBytes, formatMs, plural } from '../terminal/table.ts';
import { type Paint, paintFor, printable, type Terminal } from '../terminal/terminal.ts';

export interface EdgeDemoFlags extends ProtocolFlags {
  readonly network: string;
  readonly weights?: string;
  readonly json?: boolean;
}

/** The first request also warms up all three processes; the second is shown. */
const REQUESTS = 2;

/** For a demonstration without questions: the network with the published size, both checks on. */
export const DEFAULT_EDGE_DEMO = {
  network: 'alexnet',
  construction: 'sharing',
  check: 'projection',
} as const;

interface DemoFacts {
  readonly flags: EdgeDemoFlags;
  readonly edges: readonly EdgeReady[];
  readonly files: { readonly edge: number; readonly device: number };
}

function opening({ flags, edges, files }: DemoFacts, paint: Paint): string {
  const how = `${flags.construction}${flags.relay === true ? ' with relay' : ''}, check ${flags.check}`;
  const lines = [
    '',
    `${paint.bold('subrosa')} ${installation.version}  ${paint.dim('two edges compute what neither may see')}`,
    '',
    ...edges.map(({ role, pid, url, kernel: { name, isa, threads } }) => {
      const kernel = `${name} kernel (${isa}), ${plural(threads, 'thread')}`;
      return `  edge ${role}  process ${pid} at ${url}, ${kernel}`;
    }),
    `  device  ${printable(flags.network)}, ${how}`,
    `  files   ${formatBytes(files.edge)} for each edge: linear layers, keys; ${formatBytes(files.device)} for the device`,
    '',
  ];
  return `${lines.join('\n')}\n`;
}

export async function edgeDemo(
  paths: readonly string[],
  flags: EdgeDemoFlags,
  terminal: Terminal,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'subrosa-edge-demo-'));
  try {
    const { network, inference, clearMs, facts } = await withSpinner(
      terminal,
      'making the network',
      (spinner) => demonstrate(paths, flags, directory, (text) => spinner.say(text)),
    );
    const paint = paintFor(terminal.outIsTerminal, terminal.env);
    if (flags.json === true)
      terminal.out(`${JSON.stringify({ ...edgeReportJson(network, inference), clearMs, equal: true })}\n`);
    else
      terminal.out(
        `${opening(facts, paint)}${edgeReport(network, inference, paint)}  Clear inference on this machine gives the same integers, in ${formatMs(clearMs)} ms.\n`,
      );
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function demonstrate(
  paths: readonly string[],
  flags: EdgeDemoFlags,
  directory: string,
  say: (text: string) => void,
) {
  const network = await integerNetwork(flags.network, flags.weights);
  const input = paths.length === 0 ? drawnInput(network) : networkInputs(paths, network);
  using kernel = await openKernel();
  say('computing check vectors');
  const made = await provision(network, {
    operators: { a: 'first operator of the demonstration', b: 'second operator of the demonstration' },
    devices: 1,
    pairs: flags.construction === 'paired',
    kernel,
  });
  const fileA = join(directory, 'edge-a.bin');
  const fileB = join(directory, 'edge-b.bin');
  await replaceFile(fileA, made.edgeA);
  await replaceFile(fileB, made.edgeB);
  say('starting two edge processes');
  await using edgeA = await startEdge('a', fileA);
  await using edgeB = await startEdge('b', fileB, '--relay-to', edgeA.ready.url);
  const identity = await readDevice(made.devices[0]!);
  using _root = identity.root;
  say('asking both edges');
  const place = { counterPath: join(directory, 'counter'), onRejection: async () => undefined };
  const ask = () =>
    inferWithEdges(identity, input, { ...flags, a: edgeA.ready.url, b: edgeB.ready.url }, place);
  let inference = await ask();
  for (let request = 1; request < REQUESTS; request++) inference = await ask();
  using runner = new IntegerRunner(network, kernel);
  const started = performance.now();
  const clear = runner.run(input);
  const clearMs = performance.now() - started;
  const wrong = clear.findIndex((value, i) => value !== inference.outputs[i]);
  if (wrong !== -1) throw new IntegrityError(network.linears.length - 1, null);
  const files = { edge: made.edgeA.length, device: made.devices[0]!.length };
  const facts: DemoFacts = { flags, edges: [edgeA.ready, edgeB.ready], files };
  return { network, inference, clearMs, facts };
}

function startEdge(role: 'a' | 'b', file: string, ...more: string[]): Promise<CommandProcess<EdgeReady>> {
  return CommandProcess.start(['edge', 'serve', '--role', role, '--file', file, ...more], () => undefined);
}

/** Values from a fixed seed: the network of the demonstration was not trained either. */
function drawnInput({ inputs, input: { low, high } }: IntegerNetwork): Int32Array {
  const generator = new SeededGenerator(1);
  return Int32Array.from({ length: inputs }, () => low + generator.below(high - low + 1));
}
