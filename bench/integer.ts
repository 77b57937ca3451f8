/**
 * The integer kernel on the layers of AlexNet, and whole networks in the clear, on activations and on uniform words: shares must
 * cost what activations cost. Seeded weights; the work does not depend on values.
 */
import type { Kernel } from '../src/kernel/kernel.ts';
import { openKernel } from '../src/kernel/open.ts';
import {
  IntegerRunner,
  SeededGenerator,
  alexNet,
  faceNetNn1,
  inputSize,
  multiplyAdds,
  outputSize,
} from '../src/nn/index.ts';
import type { IntegerNetwork } from '../src/nn/index.ts';
import { type Bench, type BenchRow, reportFor, timeMedian } from './report.ts';

function layerRows(kernel: Kernel, name: string, network: IntegerNetwork, runs: number): BenchRow[] {
  const generator = new SeededGenerator(7);
  const rows = network.linears.map(({ map }, i) => {
    using prepared = kernel.prepareIntegerLinear(map);
    const clear = Int32Array.from({ length: inputSize(map) }, () => generator.below(256) - 128);
    const share = Int32Array.from({ length: inputSize(map) }, () => generator.word() | 0);
    const out = new Int32Array(outputSize(map));
    const clearTime = timeMedian(runs, () => kernel.integerLinear(out, prepared, clear, 1));
    const shareTime = timeMedian(runs, () => kernel.integerLinear(out, prepared, share, 1));
    return {
      network: name,
      layer: `${i} ${map.kind}`,
      ms: clearTime.median,
      shareMs: shareTime.median,
      ratio: shareTime.median / clearTime.median,
      spread: clearTime.spread,
      gigaMultiplyAdds: multiplyAdds(map) / clearTime.median / 1e6,
    };
  });
  const sum = (of: 'ms' | 'shareMs'): number => rows.reduce((total, row) => total + row[of], 0);
  const work = network.linears.reduce((total, { map }) => total + multiplyAdds(map), 0);
  return [
    ...rows,
    {
      network: name,
      layer: 'all linear',
      ms: sum('ms'),
      shareMs: sum('shareMs'),
      ratio: sum('shareMs') / sum('ms'),
      spread: Math.max(...rows.map((row) => row.spread)),
      gigaMultiplyAdds: work / sum('ms') / 1e6,
    },
  ];
}

function networkRow(kernel: Kernel, name: string, network: IntegerNetwork, runs: number): BenchRow {
  using runner = new IntegerRunner(network, kernel);
  const generator = new SeededGenerator(8);
  const input = Int32Array.from({ length: network.inputs }, () => generator.below(256) - 128);
  const time = timeMedian(runs, () => runner.run(input));
  return { network: name, clearMs: time.median, spread: time.spread };
}

export const integer: Bench = async ({ quick }, note) => {
  using kernel = await openKernel();
  const runs = quick ? 3 : 15;
  const rows: BenchRow[] = [];
  for (const [name, make] of Object.entries({ AlexNet: alexNet, 'FaceNet NN1': faceNetNn1 })) {
    note(`${name}: drawing the weights`);
    const network = make();
    rows.push(...layerRows(kernel, name, network, runs), networkRow(kernel, name, network, runs));
  }
  return reportFor('integer', kernel, rows);
};
