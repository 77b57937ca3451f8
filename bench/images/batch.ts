/**
 * Encrypted image classification, whole batches: CryptoNets as shipped, its products relinearised and rescaled at once, and where
 * the compiler places them. Both in turn in one process; times are minima, so that a busy machine disturbs least.
 */
import { decisions } from '../../src/apps/cli/models/model-accuracy.ts';
import { compile } from '../../src/compiler/compile.ts';
import type { Placement } from '../../src/compiler/placement.ts';
import { reportOf } from '../../src/compiler/report.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { PolynomialNetwork, PolynomialRunner } from '../../src/nn/index.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { ask, modelBytes, shareOf, TENANT, testImages, type Timed } from './image-batch.ts';

const QUICK_IMAGES = 512;
const IMAGES = 4096;
const RUNS = 5;
const CLEAR_RUNS = 7;

/** Everything at once, but for the last square: that is finished when the scores are packed. */
const AT_ONCE: Placement = [
  { relinearize: 0, rescale: 0 },
  { relinearize: 2, rescale: 2 },
];

export const batchPart: Bench = async (options, note) => {
  using kernel = await openKernel();
  const network = PolynomialNetwork.fromBytes(modelBytes('cryptonets-polynomial-8bit'));
  const batch = testImages(options.data, options.quick ? QUICK_IMAGES : IMAGES);
  const plans = [
    ['at once', compile(network, { name: 'at-once', inputBound: 1, placement: AT_ONCE })],
    ['where it costs least', compile(network, { name: 'placed', inputBound: 1 })],
  ] as const;
  using responder = await InferenceResponder.open(
    plans.map(([, program]) => ({ program })),
    kernel,
  );
  const runner = new PolynomialRunner(network, kernel);
  const clear = decisions(runner.run(batch.inputs), network.outputs);
  const clearMs = least(CLEAR_RUNS, () => runner.run(batch.inputs));
  const rows: BenchRow[] = [];
  const measured = [];
  for (const [i, [placement, program]] of plans.entries()) {
    const client = await InferenceClient.create(responder.offers()[i]!, kernel);
    const key = responder.enrol(TENANT, modelName(program.name), client.enrolment());
    measured.push({
      placement,
      program,
      client,
      key,
      best: undefined as Timed | undefined,
      processor: [] as number[],
    });
  }
  for (let run = 0; run < (options.quick ? 2 : RUNS); run++) {
    for (const each of measured) {
      note(`${each.placement}, run ${run + 1}`);
      const timed = ask(each.client, responder, modelName(each.program.name), each.key, batch);
      each.processor.push(timed.processorMs);
      if (each.best === undefined || timed.totalMs < each.best.totalMs) each.best = timed;
    }
  }
  for (const { placement, program, client, best, processor } of measured) {
    const timed = best as Timed;
    const report = reportOf(program);
    const ours = decisions(timed.scores, network.outputs);
    rows.push({
      name: `cryptonets, products finished ${placement}`,
      images: batch.count,
      accuracy: shareOf(ours, batch.labels),
      'argmax as in clear': shareOf(ours, clear),
      'evaluation ms': timed.evaluationMs,
      'with reading ms': timed.totalMs,
      'processor ms': Math.min(...processor),
      'images/s': (1000 * batch.count) / timed.totalMs,
      'client ms': timed.clientMs,
      'MB up': timed.upBytes / 1e6,
      'peak MB': timed.peakBytes / 1e6,
      'planned MB': report.peakBytes / 1e6,
      'times clear': timed.totalMs / clearMs,
    });
    client[Symbol.dispose]();
  }
  return reportFor('images', kernel, rows);
};

function least(runs: number, work: () => void): number {
  const times = Array.from({ length: runs }, () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  });
  return Math.min(...times);
}
