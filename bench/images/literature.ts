/**
 * The networks of four papers on MNIST, trained by `train mnist`, evaluated under encryption by one engine. Published numbers are of
 * other machines, other schemes and mostly larger networks: they stand beside ours, they are no contest.
 */
import { decisions } from '../../src/apps/cli/models/model-accuracy.ts';
import { compile } from '../../src/compiler/compile.ts';
import type { Program } from '../../src/compiler/program.ts';
import { reportOf } from '../../src/compiler/report.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { PolynomialNetwork, PolynomialRunner, Sequential } from '../../src/nn/index.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { barChart } from '../bar-chart.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { ask, type Batch, modelBytes, shareOf, TENANT, testImages, type Timed } from './image-batch.ts';

interface PublishedSystem {
  readonly model: string;
  readonly system: string;
  readonly accuracy: number;
  /** Images a second, where a time was given. */
  readonly perSecond?: number;
}

const SYSTEMS: readonly PublishedSystem[] = [
  { model: 'cryptonets', system: 'CryptoNets 2016', accuracy: 0.9895, perSecond: 58_982 / 3600 },
  { model: 'chabanne', system: 'Chabanne et al. 2017', accuracy: 0.993 },
  { model: 'cryptodl', system: 'CryptoDL 2017', accuracy: 0.9952, perSecond: 164_000 / 3600 },
  { model: 'faster-cryptonets', system: 'Faster CryptoNets 2018', accuracy: 0.9871, perSecond: 1 / 39.1 },
];

const ALL_IMAGES = 10_000;
const QUICK_IMAGES = 128;
/** A query in memory is not to be larger; deep networks have large ciphertexts. */
const MOST_QUERY_BYTES = 300e6;

export const literaturePart: Bench = async (options, note) => {
  using kernel = await openKernel();
  const test = testImages(options.data, ALL_IMAGES);
  const rows: BenchRow[] = [];
  for (const published of SYSTEMS) {
    note(published.system);
    const count = options.quick ? QUICK_IMAGES : options.samples;
    rows.push(await measured(published, test, count ?? ALL_IMAGES, kernel));
  }
  return { ...reportFor('images', kernel, rows), svg: chartOf(rows) };
};

async function measured(
  { model, system, accuracy, perSecond }: PublishedSystem,
  test: Batch,
  asked: number,
  kernel: Kernel,
): Promise<BenchRow> {
  const network = PolynomialNetwork.fromBytes(modelBytes(`${model}-polynomial-8bit`));
  const float = Sequential.fromBytes(modelBytes(`${model}-float`), kernel);
  const program = compile(network, { name: 'literature', inputBound: 1 });
  const count = Math.min(test.count, asked);
  const clearOfAll = decisions(new PolynomialRunner(network, kernel).run(test.inputs), network.outputs);
  const floatOfAll = decisions(float.infer(test.inputs), network.outputs);
  using responder = await InferenceResponder.open([{ program }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const name = modelName(program.name);
  const enrolment = client.enrolment();
  const key = responder.enrol(TENANT, name, enrolment);
  const keyBytes = enrolment.length;
  const most = Math.min(count, roomFor(program));
  const answers: Timed[] = [];
  for (let first = 0; first < count; first += most) {
    const here = Math.min(most, count - first);
    const inputs = test.inputs.subarray(first * network.inputs, (first + here) * network.inputs);
    answers.push(ask(client, responder, name, key, { ...test, inputs, count: here }));
  }
  const ours = answers.flatMap(({ scores }) => decisions(scores, network.outputs));
  const timed = answers[0]!;
  return {
    name: system,
    'log2 N': program.params.logN,
    products: reportOf(program).depth,
    'accuracy published': accuracy,
    'accuracy float': shareOf(floatOfAll, test.labels),
    'accuracy polynomial, 10,000': shareOf(clearOfAll, test.labels),
    images: count,
    'accuracy encrypted': shareOf(ours, test.labels),
    'decisions as in clear': shareOf(ours, clearOfAll),
    'images a query': most,
    'with reading ms': timed.totalMs,
    'processor ms': timed.processorMs,
    'images/s': (1000 * most) / timed.totalMs,
    'images/s published': perSecond ?? 'not given',
    'MB up': timed.upBytes / 1e6,
    'MB keys': keyBytes / 1e6,
    'peak MB': timed.peakBytes / 1e6,
  };
}

/** Samples of the largest bucket whose query stays below the limit. */
function roomFor(program: Program): number {
  const { buckets } = reportOf(program);
  const fitting = buckets.filter(({ bytesUp }) => bytesUp <= MOST_QUERY_BYTES);
  return Math.max(...fitting.map(({ block }) => block));
}

/** Errors, not accuracies: the accuracies are all but equal. */
function chartOf(rows: readonly BenchRow[]): string {
  const percent = (error: number): string => `${(100 * error).toFixed(2)} %`;
  const columns = [
    ['published', 'accuracy published'],
    ['here, float', 'accuracy float'],
    ['here, encrypted', 'accuracy polynomial, 10,000'],
  ] as const;
  const bars = rows.flatMap((row) =>
    columns.map(([what, column]) => {
      const error = 1 - Number(row[column]);
      return { label: `${row.name}, ${what}`, share: error / 0.02, note: percent(error) };
    }),
  );
  return barChart('wrong digits of 10,000 (bars end at 2 %)', bars, (share) => percent(share * 0.02));
}
