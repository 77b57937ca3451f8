/**
 * What samples of a model are worth to somebody who copies it, and what flooding hides: a 16-12-8 network with one square, its 153
 * monomials fitted to encrypted answers, against those answers' own error; and one input asked for again and again.
 */
import { openKernel } from '../src/kernel/open.ts';
import { SeededGenerator } from '../src/nn/tensor/generator.ts';
import { PolynomialNetwork } from '../src/nn/polynomial/polynomial-network.ts';
import { InferenceClient } from '../src/protocols/inference/client.ts';
import { QuadraticCopy, rmsDifference } from '../src/protocols/inference/copy-attack.ts';
import { modelName, tenantId } from '../src/protocols/inference/names.ts';
import { InferenceResponder } from '../src/protocols/inference/responder.ts';
import { type Bench, type BenchRow, reportFor } from './report.ts';

const NET = modelName('net');
const COPIER = tenantId('copier');

const WIDTHS = [16, 12, 8] as const;
const [INPUTS, , OUTPUTS] = WIDTHS;
const SAMPLES = [64, 128, 153, 192, 256, 512, 1024, 4096, 16_384];
const LARGEST_QUERY = 4096;
const FRESH = 500;

function normals(count: number, seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: count }, () => Math.max(-8, Math.min(8, generator.normal())));
}

/** Integer weights of four bits, activations near 1, ranges of two thousand inputs. */
function drawnNetwork(): PolynomialNetwork {
  const generator = new SeededGenerator(11);
  const layers = [0, 1].map((i) => {
    const [cols, rows] = [WIDTHS[i]!, WIDTHS[i + 1]!];
    return {
      weights: Int32Array.from({ length: rows * cols }, () => generator.below(15) - 7),
      rows,
      cols,
      step: 1 / (7 * Math.sqrt(cols)),
      offset: Float64Array.from({ length: rows }, () => 0.3 * generator.normal()),
      square: i === 0,
    };
  });
  const network = new PolynomialNetwork(layers, INPUTS, 4);
  const narrow = network.withRanges(layers.map(() => [-1e-12, 1e-12] as const));
  return network.withRanges(narrow.checkRanges(normals(2000 * INPUTS, 12)).map(({ seen }) => seen));
}

export const copying: Bench = async (_options, note) => {
  using kernel = await openKernel();
  const network = drawnNetwork();
  using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const keyId = responder.enrol(COPIER, NET, client.enrolment());
  const answersTo = (x: Float32Array): Float32Array => {
    const query = client.query(x, x.length / INPUTS);
    return client.open(query, responder.answer(COPIER, NET, keyId, query.bytes).bytes);
  };
  const [low, high] = client.offer.outputRange;
  const bits = (error: number) => Number(Math.log2(error / (high - low)).toFixed(1));
  const most = SAMPLES.at(-1)!;
  const x = normals(most * INPUTS, 3);
  const scores = new Float32Array(most * OUTPUTS);
  for (let at = 0; at < most; at += LARGEST_QUERY) {
    note(`answers to samples ${at} to ${at + LARGEST_QUERY}`);
    const part = x.subarray(at * INPUTS, (at + LARGEST_QUERY) * INPUTS);
    scores.set(answersTo(part), at * OUTPUTS);
  }
  const truth = network.run(x);
  const fresh = normals(FRESH * INPUTS, 99);
  const right = network.run(fresh);
  const rows: BenchRow[] = SAMPLES.map((samples) => {
    const [inputs, outputs] = [x.subarray(0, samples * INPUTS), scores.subarray(0, samples * OUTPUTS)];
    const copy = QuadraticCopy.fit(inputs, outputs, INPUTS, OUTPUTS);
    return {
      what: 'copy from',
      samples,
      queries: Math.ceil(samples / LARGEST_QUERY),
      'log2 rms error / range': bits(rmsDifference(copy.run(fresh), right)),
    };
  });
  rows.push({
    what: 'an answer',
    samples: 1,
    queries: 1,
    'log2 rms error / range': bits(rmsDifference(scores, truth)),
  });
  note('one input again and again');
  const one = normals(INPUTS, 5);
  const expected = network.run(one);
  const repeated = new Float32Array(LARGEST_QUERY * INPUTS);
  for (let t = 0; t < LARGEST_QUERY; t++) repeated.set(one, t * INPUTS);
  const mean = new Float64Array(OUTPUTS);
  for (let queries = 1; queries <= 4; queries++) {
    answersTo(repeated).forEach((value, i) => (mean[i % OUTPUTS]! += value / LARGEST_QUERY));
    if (queries === 1 || queries === 4)
      rows.push({
        what: 'mean of one input',
        samples: queries * LARGEST_QUERY,
        queries,
        'log2 rms error / range': bits(
          rmsDifference(
            Float32Array.from(mean, (sum) => sum / queries),
            expected,
          ),
        ),
      });
  }
  return reportFor('copying', kernel, rows);
};
