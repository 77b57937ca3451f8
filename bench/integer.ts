/**
 * The integer kernel on the linear layers of AlexNet, FaceNet-NN1 and LeNet-5, on activations and on uniform words: shares must cost
 * what activations cost. One thread and two, against the multiply-add peak of a core; then the other instruction sets on
 * whole networks. Seeded weights; the work does not depend on values.
 */
import type { IntegerLinearWeights, Kernel } from '../src/kernel/kernel.ts';
import {
  loadNativeKernel,
  nativeIsas,
  nativeMultiplyAdds,
  setNativeThreads,
} from '../src/kernel/native/native.ts';
import { openKernel } from '../src/kernel/open.ts';
import { loadWasmKernel } from '../src/kernel/wasm/wasm-node.ts';
import {
  IntegerRunner,
  SeededGenerator,
  alexNet,
  faceNetNn1,
  inputSize,
  leNet5,
  multiplyAdds,
  outputSize,
} from '../src/nn/index.ts';
import type { IntegerNetwork } from '../src/nn/index.ts';
import { type Bench, type BenchRow, reportFor, timeMedian } from './report.ts';

const NETWORKS = { AlexNet: alexNet, 'FaceNet NN1': faceNetNn1, 'LeNet-5': leNet5 };
/** Short, and the fastest of many counts: a peak is what the core can do undisturbed. */
const PEAK_TURNS = 100_000;
const PEAK_RUNS = 40;
const SLOW_RUNS = 3;

/** Multiply-adds of one core in a second, in thousand millions: the instruction of the inner loop on registers alone. */
function peakOf({ name, isa }: Kernel): number | undefined {
  if (name !== 'native') return undefined;
  const rates = Array.from({ length: PEAK_RUNS }, () => {
    const started = performance.now();
    return nativeMultiplyAdds(isa, PEAK_TURNS, 'integer') / (performance.now() - started) / 1e6;
  });
  return Math.max(...rates);
}

interface LayerTime {
  readonly layer: string;
  readonly work: number;
  readonly ms: number;
  readonly shareMs: number;
  readonly spread: number;
}

function layerTimes(
  kernel: Kernel,
  network: IntegerNetwork,
  prepared: readonly IntegerLinearWeights[],
  runs: number,
): LayerTime[] {
  const generator = new SeededGenerator(7);
  const layers = network.linears.map(({ map }, i): LayerTime => {
    const clear = Int32Array.from({ length: inputSize(map) }, () => generator.below(256) - 128);
    const share = Int32Array.from({ length: inputSize(map) }, () => generator.word() | 0);
    const out = new Int32Array(outputSize(map));
    const time = (x: Int32Array) => timeMedian(runs, () => kernel.integerLinear(out, prepared[i]!, x, 1));
    const [onClear, onShare] = [time(clear), time(share)];
    const { median: ms, spread } = onClear;
    return { layer: `${i} ${map.kind}`, work: multiplyAdds(map), ms, shareMs: onShare.median, spread };
  });
  const sum = (of: 'ms' | 'shareMs' | 'work'): number => layers.reduce((total, row) => total + row[of], 0);
  const spread = Math.max(...layers.map((row) => row.spread));
  return [
    ...layers,
    { layer: 'all linear', work: sum('work'), ms: sum('ms'), shareMs: sum('shareMs'), spread },
  ];
}

/** `whole` leaves the single layers out. */
function rowsOf(
  kernel: Kernel,
  name: string,
  network: IntegerNetwork,
  { runs, whole }: { readonly runs: number; readonly whole: boolean },
): BenchRow[] {
  const peak = peakOf(kernel);
  const prepared = network.linears.map(({ map }) => kernel.prepareIntegerLinear(map));
  const rows = (kernel.name === 'native' ? [1, 2] : [1]).flatMap((threads): BenchRow[] => {
    if (kernel.name === 'native') setNativeThreads(threads);
    const times = layerTimes(kernel, network, prepared, runs);
    return (whole ? times.slice(-1) : times).map(({ layer, work, ms, shareMs, spread }) => ({
      ...{ network: name, layer, kernel: `${kernel.name}/${kernel.isa}`, threads, ms, shareMs },
      ...{ ratio: shareMs / ms, spread, gigaMultiplyAdds: work / ms / 1e6 },
      shareOfPeak: peak === undefined ? 0 : work / ms / 1e6 / (peak * threads),
    }));
  });
  for (const weights of prepared) weights[Symbol.dispose]();
  return rows;
}

/** The whole network in the clear: linear layers on all threads, the steps between them in JavaScript. */
function networkRow(kernel: Kernel, name: string, network: IntegerNetwork, runs: number): BenchRow {
  using runner = new IntegerRunner(network, kernel);
  const generator = new SeededGenerator(8);
  const { low, high } = network.input;
  const input = Int32Array.from({ length: network.inputs }, () => low + generator.below(high - low + 1));
  const time = timeMedian(runs, () => runner.run(input));
  return { network: name, clearMs: time.median, spread: time.spread };
}

/** What there is besides the kernel of choice, the emulation left out: it is for tests. */
function otherKernels(best: Kernel): Kernel[] {
  const native = best.name === 'native' ? nativeIsas() : [];
  const isas = native.filter((isa) => isa !== best.isa && !isa.includes('emulated'));
  return [
    ...isas.map((isa) => loadNativeKernel({ isa })),
    ...(best.name === 'wasm' ? [] : [loadWasmKernel()]),
  ];
}

/** `part`: one of the networks alone. */
export const integer: Bench = async ({ quick, part }, note) => {
  using kernel = await openKernel();
  const runs = quick ? 3 : 9;
  const others = quick ? [] : otherKernels(kernel);
  const rows: BenchRow[] = [];
  const peak = peakOf(kernel);
  if (peak !== undefined)
    rows.push({ peakKernel: `${kernel.name}/${kernel.isa}`, peakGigaMultiplyAdds: peak });
  for (const [name, make] of Object.entries(NETWORKS)) {
    if (part !== undefined && part !== name) continue;
    note(`${name}: drawing the weights`);
    const network = make();
    rows.push(...rowsOf(kernel, name, network, { runs, whole: false }));
    for (const other of others) {
      note(`${name}: ${other.name}/${other.isa}`);
      rows.push(...rowsOf(other, name, network, { runs: SLOW_RUNS, whole: true }));
    }
    if (kernel.name === 'native') setNativeThreads(0);
    rows.push(networkRow(kernel, name, network, runs));
  }
  for (const other of others) other[Symbol.dispose]();
  return reportFor('integer', kernel, rows);
};
