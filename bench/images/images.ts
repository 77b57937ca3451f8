/**
 * Encrypted image classification, whole batches: CryptoNets as shipped, its products relinearised and rescaled at once, and where
 * the compiler places them. Both in turn in one process; times are minima, so that a busy machine disturbs least.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decisions } from '../../src/apps/cli/models/model-accuracy.ts';
import { readMnist } from '../../src/apps/train/mnist-corpus.ts';
import { compile } from '../../src/compiler/compile.ts';
import type { Placement } from '../../src/compiler/placement.ts';
import { reportOf } from '../../src/compiler/report.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { PolynomialNetwork, PolynomialRunner } from '../../src/nn/index.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';

const QUICK_IMAGES = 512;
const IMAGES = 4096;
const RUNS = 5;
const CLEAR_RUNS = 7;
const TENANT = tenantId('bench');

/** Everything at once, but for the last square: that is finished when the scores are packed. */
const AT_ONCE: Placement = [
  { relinearize: 0, rescale: 0 },
  { relinearize: 2, rescale: 2 },
];

interface Batch {
  readonly inputs: Float32Array;
  readonly labels: Uint8Array;
  readonly count: number;
}

export const images: Bench = async (options, note) => {
  using kernel = await openKernel();
  const models = join(
    import.meta.dirname,
    '..',
    '..',
    import.meta.dirname.includes('dist') ? '..' : '.',
    'models',
  );
  const bytes = readFileSync(join(models, 'mnist', 'cryptonets-polynomial-8bit.bin'));
  const network = PolynomialNetwork.fromBytes(bytes);
  const batch = testImages(options.data ?? join(models, '..', '..', 'shared', 'data'), options.quick);
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

interface Timed {
  readonly scores: Float32Array;
  readonly evaluationMs: number;
  readonly totalMs: number;
  /** Of the whole process, while it answered. */
  readonly processorMs: number;
  readonly clientMs: number;
  readonly upBytes: number;
  readonly peakBytes: number;
}

function ask(
  client: InferenceClient,
  responder: InferenceResponder,
  model: ReturnType<typeof modelName>,
  key: ReturnType<InferenceResponder['enrol']>,
  { inputs, count }: Batch,
): Timed {
  const started = performance.now();
  const query = client.query(inputs, count);
  const sent = performance.now();
  const before = process.cpuUsage();
  const { bytes, steps, peakBytes } = responder.answer(TENANT, model, key, query.bytes);
  const answered = performance.now();
  const used = process.cpuUsage(before);
  const scores = client.open(query, bytes);
  return {
    scores,
    evaluationMs: steps.reduce((sum, { ms }) => sum + ms, 0),
    totalMs: answered - sent,
    processorMs: (used.user + used.system) / 1000,
    clientMs: sent - started + (performance.now() - answered),
    upBytes: query.bytes.length,
    peakBytes,
  };
}

function testImages(data: string, quick: boolean): Batch {
  const all = readMnist(data, 'test');
  const count = quick ? QUICK_IMAGES : IMAGES;
  const size = all.height * all.width;
  const inputs = Float32Array.from(all.pixels.subarray(0, count * size), (pixel) => pixel / 255);
  return { inputs, labels: all.labels.subarray(0, count), count };
}

function least(runs: number, work: () => void): number {
  const times = Array.from({ length: runs }, () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  });
  return Math.min(...times);
}

function shareOf(ours: readonly number[], theirs: ArrayLike<number>): number {
  return ours.reduce((sum, decision, i) => sum + (decision === theirs[i] ? 1 : 0), 0) / ours.length;
}
