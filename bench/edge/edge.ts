/**
 * The two-edge mode as three real processes on this machine: two edges, and this one as the device. Every result is compared with
 * clear inference before anything is reported. Weights and inputs from seeds: the work does not depend on values.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DeviceIdentity,
  type Provisioning,
  provision,
  readDevice,
} from '../../src/apps/edge/provisioning.ts';
import { integerNetwork } from '../../src/apps/cli/edge/edge-network.ts';
import { openDevice, type ProtocolFlags } from '../../src/apps/cli/edge/edge-run.ts';
import type { EdgeReady } from '../../src/apps/cli/edge/edge-serve.ts';
import { CommandProcess } from '../../src/apps/cli/server-process.ts';
import { DataError, UsageError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { inputSize, IntegerRunner, multiplyAdds, outputSize, SeededGenerator } from '../../src/nn/index.ts';
import type { IntegerLinearMap, IntegerNetwork } from '../../src/nn/index.ts';
import { pairBytes } from '../../src/protocols/edge/construction.ts';
import { deviceKeyBytes, type EdgeInference } from '../../src/protocols/edge/device.ts';
import { timeInTurn } from '../in-turn.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { shapedLinks } from '../shaped-link.ts';
import { detectionRows } from './edge-detection.ts';
import { edgeMarkdown } from './edge-markdown.ts';

/** What the original was simulated with. */
const WIRELESS = { megabitsPerSecond: 100, delayMs: 5 };
const LOOPBACK = 'loopback';
const SHAPED = '100 Mbit/s, 5 ms';

interface Way extends ProtocolFlags {
  readonly relay: boolean;
  readonly link: typeof LOOPBACK | typeof SHAPED;
}

const way = (
  construction: Way['construction'],
  relay: boolean,
  check: Way['check'],
  link: Way['link'] = LOOPBACK,
): Way => ({ construction, relay, check, link });

const DEFAULT_WAY = way('sharing', false, 'projection');
const WAYS: readonly Way[] = [
  DEFAULT_WAY,
  way('sharing', true, 'projection'),
  way('paired', false, 'projection'),
  way('sharing', false, 'none'),
  way('sharing', false, 'sampling'),
  way('sharing', false, 'projection', SHAPED),
  way('sharing', true, 'projection', SHAPED),
  way('paired', false, 'projection', SHAPED),
];

/** The part that asks what the checks notice; the others are networks. */
const DETECTION = 'detection';
const NETWORKS: Readonly<Record<string, string>> = {
  AlexNet: 'alexnet',
  'FaceNet NN1': 'facenet-nn1',
  'LeNet-5': 'lenet',
};

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

const totalOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0);

/** Both edge processes of one network. */
class Edges implements AsyncDisposable {
  readonly urls: readonly [string, string];
  readonly #processes: readonly CommandProcess<EdgeReady>[];

  private constructor(processes: readonly CommandProcess<EdgeReady>[]) {
    this.#processes = processes;
    this.urls = [processes[0]!.ready.url, processes[1]!.ready.url];
  }

  static async start(directory: string, made: Provisioning, note: (line: string) => void): Promise<Edges> {
    const files = [join(directory, 'edge-a.bin'), join(directory, 'edge-b.bin')] as const;
    await writeFile(files[0], made.edgeA, { mode: 0o600 });
    await writeFile(files[1], made.edgeB, { mode: 0o600 });
    const start = (role: string, file: string, ...more: string[]) =>
      CommandProcess.start<EdgeReady>(['edge', 'serve', '--role', role, '--file', file, ...more], note);
    const a = await start('a', files[0]);
    return new Edges([a, await start('b', files[1], '--relay-to', a.ready.url)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process[Symbol.asyncDispose]()));
  }
}

/** Of one way to run a network. */
interface Measurement {
  readonly all: readonly Measured[];
  /** Milliseconds per inference when two are under way at once. */
  readonly pipelinedMs: number;
}

interface Measured {
  readonly inference: EdgeInference;
  readonly ms: number;
}

interface Setting {
  readonly name: string;
  readonly network: IntegerNetwork;
  readonly identity: DeviceIdentity;
  readonly input: Int32Array;
  readonly clear: Int32Array;
  readonly clearMs: number;
  readonly directory: string;
  readonly runs: number;
}

async function measure(setting: Setting, flags: Way, urls: readonly string[]): Promise<Measurement> {
  const { identity, input, clear, directory, runs, name } = setting;
  const place = { counterPath: join(directory, 'counter'), onRejection: async () => undefined };
  const device = await openDevice(identity, 1, { ...flags, a: urls[0]!, b: urls[1]! }, place);
  const all: Measured[] = [];
  const infer = async () => {
    const started = performance.now();
    const inference = await device.infer(input);
    if (inference.outputs.some((value, i) => value !== clear[i]))
      throw new Error(`${name}: the outsourced result is not the clear one`);
    return { inference, ms: performance.now() - started };
  };
  try {
    for (let run = 0; run <= runs; run++) all.push(await infer());
    const started = performance.now();
    const several = async () => {
      for (let run = 0; run < runs; run++) await infer();
    };
    await Promise.all([several(), several()]);
    // The first request warms up.
    return { all: all.slice(1), pipelinedMs: (performance.now() - started) / (2 * runs) };
  } finally {
    device.close();
  }
}

function summary(
  { name, network, identity, clearMs }: Setting,
  flags: Way,
  { all, pipelinedMs }: Measurement,
): BenchRow {
  const { layers } = all[0]!.inference;
  const ms = all.map((each) => each.ms);
  const median = medianOf(ms);
  const edgeMs = (edge: 'a' | 'b') =>
    medianOf(all.map(({ inference }) => totalOf(inference.layers, (layer) => layer.edgeMs[edge])));
  const pairs = flags.construction === 'paired' ? pairBytes(identity.plan).stored : 0;
  const checks = flags.check === 'projection' ? identity.projections.length : 0;
  return {
    network: name,
    construction: flags.construction,
    relay: flags.relay,
    check: flags.check,
    link: flags.link,
    ms: median,
    pipelinedMs,
    spread: (Math.max(...ms) - Math.min(...ms)) / median,
    deviceMs: medianOf(
      all.map(
        ({ inference }) => totalOf(inference.layers, (layer) => layer.deviceMs) + inference.activationMs,
      ),
    ),
    edgeMs: Math.max(edgeMs('a'), edgeMs('b')),
    clearMs,
    bytesUp: totalOf(layers, (layer) => layer.bytesUp),
    bytesDown: totalOf(layers, (layer) => layer.bytesDown),
    deviceKeyBytes: deviceKeyBytes(identity.plan, checks, pairs),
    flop: 2 * totalOf(network.linears, ({ map }) => multiplyAdds(map)),
  };
}

/** Additions of the sharing, and multiplications of the projection checks: one of each per input and output. */
function deviceOperations(identity: DeviceIdentity, map: IntegerLinearMap): number {
  return (1 + identity.projections.length) * (inputSize(map) + outputSize(map));
}

function layerRows({ name, network, identity }: Setting, all: readonly Measured[]): BenchRow[] {
  return network.linears.map(({ map }, layer) => {
    const of = (pick: (report: EdgeInference['layers'][number]) => number) =>
      medianOf(all.map(({ inference }) => pick(inference.layers[layer]!)));
    return {
      network: name,
      layer: `${layer + 1} ${map.kind}`,
      deviceLayerMs: of((report) => report.deviceMs),
      edgeAMs: of((report) => report.edgeMs.a),
      edgeBMs: of((report) => report.edgeMs.b),
      layerBytesUp: of((report) => report.bytesUp),
      layerBytesDown: of((report) => report.bytesDown),
      deviceOperations: deviceOperations(identity, map),
      outsourced: multiplyAdds(map),
    };
  });
}

/** All linear layers on shares against the same on activations, in turn in this process. */
function shareRow(kernel: Kernel, name: string, network: IntegerNetwork, rounds: number): BenchRow {
  using runner = new IntegerRunner(network, kernel);
  const generator = new SeededGenerator(5);
  const contender = (draw: () => number) => {
    const inputs = network.linears.map(({ map }) => Int32Array.from({ length: inputSize(map) }, draw));
    const run = () => network.linears.forEach(({ map }, i) => void runner.apply(i, map, inputs[i]!, 1));
    return { kernel: kernel.name, threads: kernel.threads, run };
  };
  const [clear, shares] = timeInTurn(
    [contender(() => generator.below(256) - 128), contender(() => generator.word() | 0)],
    rounds,
  );
  const [clearLinearMs, shareLinearMs] = [clear!.median / 1000, shares!.median / 1000];
  return { network: name, clearLinearMs, shareLinearMs, ratio: shareLinearMs / clearLinearMs };
}

async function networkRows(
  kernel: Kernel,
  name: string,
  { quick, note }: { readonly quick: boolean; readonly note: (line: string) => void },
): Promise<BenchRow[]> {
  note(`${name}: making the network, its check vectors and pairs`);
  const directory = await mkdtemp(join(tmpdir(), 'subrosa-bench-edge-'));
  try {
    const network = await integerNetwork(NETWORKS[name]!);
    const operators = { a: 'first operator', b: 'second operator' };
    const made = await provision(network, { operators, devices: 1, pairs: true, kernel });
    await using edges = await Edges.start(directory, made, note);
    await using shaped = await shapedLinks(WIRELESS, edges.urls);
    const identity = await readDevice(made.devices[0]!);
    using _root = identity.root;
    const generator = new SeededGenerator(8);
    const { low, high } = network.input;
    const input = Int32Array.from({ length: network.inputs }, () => low + generator.below(high - low + 1));
    const runs = quick ? 3 : 9;
    const { clear, clearMs } = clearInference(kernel, network, input, runs);
    const setting = { name, network, identity, input, clear, clearMs, directory, runs };
    const rows: BenchRow[] = [];
    let layers: BenchRow[] = [];
    for (const flags of WAYS) {
      note(
        `${name}: ${flags.construction}${flags.relay ? ' with relay' : ''}, check ${flags.check}, ${flags.link}`,
      );
      const measured = await measure(setting, flags, flags.link === SHAPED ? shaped.urls : edges.urls);
      rows.push(summary(setting, flags, measured));
      if (flags === DEFAULT_WAY) layers = layerRows(setting, measured.all);
    }
    return [...rows, ...layers, shareRow(kernel, name, network, runs)];
  } finally {
    await rm(directory, { recursive: true });
  }
}

function clearInference(kernel: Kernel, network: IntegerNetwork, input: Int32Array, runs: number) {
  using runner = new IntegerRunner(network, kernel);
  const clear = runner.run(input);
  const times = Array.from({ length: runs }, () => {
    const started = performance.now();
    runner.run(input);
    return performance.now() - started;
  });
  return { clear, clearMs: medianOf(times) };
}

export const edge: Bench = async ({ quick, part }, note) => {
  using kernel = await openKernel();
  const names = Object.keys(NETWORKS).filter((name) => part === undefined || NETWORKS[name] === part);
  const parts = [...Object.values(NETWORKS), DETECTION];
  if (part !== undefined && !parts.includes(part))
    throw new UsageError(`--part is one of ${parts.join(', ')}, not "${part}"`);
  const rows: BenchRow[] = [];
  if (part === undefined || part === DETECTION) {
    note('what the checks notice');
    rows.push(...(await detectionRows(quick)));
  }
  for (const name of names) {
    try {
      rows.push(...(await networkRows(kernel, name, { quick, note })));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      note(`${name}: left out, ${error.message}`);
    }
  }
  return { ...reportFor('edge', kernel, rows), markdown: edgeMarkdown(rows) };
};
