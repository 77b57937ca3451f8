/**
 * A keyword head on a trained acoustic network: its last layer is replaced by one that says which word a recording holds, judged by the mean
 * of its scores over all frames. The mean of a linear layer is that layer on the mean of what goes in, so the head is trained on one vector for each recording,
 * the mean activations of the layer before; the server gets the mean for nothing (runtime/decoding).
 */
import { DataError } from '../../base/errors.ts';
import { compile } from '../../compiler/compile.ts';
import {
  clearLevels,
  decidedPlace,
  type DecidingProgram,
  type DecisionFacts,
  decisionFactsOf,
  decisionFor,
  meanScores,
} from '../../compiler/decision/decision-facts.ts';
import { validateProgram } from '../../compiler/validate-program.ts';
import {
  arrayExamples,
  integerWeights,
  type MatrixMultiply,
  PolynomialNetwork,
  PolynomialRunner,
  searchStep,
  Sequential,
  Trainer,
} from '../../nn/index.ts';
import type { PolynomialLayer } from '../../nn/polynomial/polynomial-layer.ts';
import { spreadOver } from '../../protocols/inference/decision-cipher.ts';
import type { TestUtterance } from '../speech/evaluation.ts';
import type { TrainingLog } from './training-log.ts';

/** Of the weights of the head. Those below keep theirs. */
const HEAD_BITS = 8;
const LEVELS = 16;
const SMALLEST_BLOCK = 128;
/** Of the interval of mean scores, from the top. At 0.8 the lowest score is reflected to level 4. */
const WINDOW_SHARES = [1, 0.9, 0.8];

export interface KeywordPlan {
  readonly epochs: number;
  readonly batch: number;
  readonly rate: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly seed: number;
}

export const KEYWORD_PLAN: KeywordPlan = {
  epochs: 60,
  batch: 64,
  rate: 0.01,
  weightDecay: 1e-4,
  labelSmoothing: 0.1,
  seed: 762,
};

/** Recordings of one word each. */
export interface KeywordData {
  readonly utterances: readonly TestUtterance[];
  readonly words: readonly string[];
}

/** The mean activations before the last layer, `[recordings, width]`, and which word each holds. */
interface Pooled {
  readonly means: Float32Array;
  readonly labels: Int32Array;
}

/** Shares of recordings whose word is right, by the scores of the polynomial network and by their levels. */
export interface KeywordAccuracy {
  readonly polynomial: number;
  readonly levels: number;
  readonly recordings: number;
}

/**
 * Trains the head on `training`, quantises it, and chooses the window of the levels with most words right on it.
 *
 * @throws {DataError} when a recording holds another number of words than one, or one of another list.
 */
export function trainKeyword(
  acoustic: PolynomialNetwork,
  training: KeywordData,
  {
    plan,
    name,
    multiply,
    log,
  }: {
    readonly plan: KeywordPlan;
    readonly name: string;
    readonly multiply: MatrixMultiply;
    readonly log: TrainingLog;
  },
): { readonly network: PolynomialNetwork; readonly program: DecidingProgram } {
  const pooled = pool(acoustic, training, multiply);
  const width = pooled.means.length / pooled.labels.length;
  const { mean, deviation } = statisticsOf(pooled.means, width);
  const head = new Sequential([width], [{ kind: 'dense', outputs: training.words.length }], {
    multiply,
    seed: plan.seed,
  });
  const steps = plan.epochs * Math.ceil(pooled.labels.length / plan.batch);
  const trainer = new Trainer(head, {
    batch: plan.batch,
    schedule: { kind: 'cosine', rate: plan.rate, steps, warmup: Math.ceil(steps / 20), floor: 0.01 },
    optimiser: { kind: 'adam', weightDecay: plan.weightDecay },
    clipNorm: 5,
    loss: { labelSmoothing: plan.labelSmoothing },
    seed: plan.seed,
  });
  const examples = arrayExamples(standardised(pooled.means, mean, deviation), pooled.labels);
  for (let epoch = 0; epoch < plan.epochs; epoch++) {
    const { loss, accuracy } = trainer.train(examples);
    log.progress('keyword head', (epoch + 1) / plan.epochs);
    if (epoch % 10 === 9)
      log.note(`epoch ${epoch + 1}: loss ${loss.toFixed(4)}, ${(100 * accuracy).toFixed(2)} % right`);
  }
  const network = withHead(acoustic, head, { mean, deviation }, training, multiply);
  return { network, program: withWindow(network, training, name, multiply, log) };
}

/** Shares of right words of the polynomial network, and of its levels. @throws {DataError} as {@link trainKeyword}. */
export function keywordAccuracy(
  network: PolynomialNetwork,
  program: DecidingProgram,
  data: KeywordData,
  multiply: MatrixMultiply,
): KeywordAccuracy {
  return accuracyOf(scoredRecordings(network, data, multiply), decisionFactsOf(program));
}

function accuracyOf(scores: readonly ScoredRecording[], facts: DecisionFacts): KeywordAccuracy {
  const right = (place: (each: readonly number[]) => number): number =>
    scores.filter(({ means, label }) => place(means) === label).length / scores.length;
  return {
    polynomial: right(decidedPlace),
    levels: right((means) => decidedPlace(clearLevels(facts, means))),
    recordings: scores.length,
  };
}

/** The mean scores of one recording, as the server has them, and which word it holds. */
interface ScoredRecording {
  readonly means: readonly number[];
  readonly label: number;
}

function scoredRecordings(
  network: PolynomialNetwork,
  { utterances, words }: KeywordData,
  multiply: MatrixMultiply,
): ScoredRecording[] {
  const runner = new PolynomialRunner(network, multiply);
  return utterances.map((utterance) => {
    const { data, frames } = utterance.inputs;
    const scores = runner.run(data);
    const width = scores.length / frames;
    const spread = spreadOver(scores, frames, width, blockOf(frames));
    return { means: meanScores(spread, width), label: labelOf(utterance, words) };
  });
}

/** Samples of the bucket that a client fills. */
function blockOf(frames: number): number {
  let block = SMALLEST_BLOCK;
  while (block < frames) block *= 2;
  return block;
}

function labelOf({ id, words }: TestUtterance, known: readonly string[]): number {
  const label = words.length === 1 ? known.indexOf(words[0]!) : -1;
  if (label < 0) throw new DataError(`${id} does not hold one of the words ${known.join(', ')}`);
  return label;
}

function pool(acoustic: PolynomialNetwork, data: KeywordData, multiply: MatrixMultiply): Pooled {
  const below = acoustic.layers.slice(0, -1);
  const { cols } = acoustic.layers.at(-1)!;
  const identity = new Int32Array(cols * cols);
  for (let i = 0; i < cols; i++) identity[i * cols + i] = 1;
  const copy = {
    weights: identity,
    rows: cols,
    cols,
    step: 1,
    offset: new Float64Array(cols),
    square: false,
  };
  const scored = scoredRecordings(
    new PolynomialNetwork([...below, copy], acoustic.inputs, acoustic.bits),
    data,
    multiply,
  );
  return {
    means: Float32Array.from(scored.flatMap(({ means }) => means)),
    labels: Int32Array.from(scored, ({ label }) => label),
  };
}

interface Statistics {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

function statisticsOf(values: Float32Array, width: number): Statistics {
  const count = values.length / width;
  const [mean, deviation] = [new Float64Array(width), new Float64Array(width)];
  for (let i = 0; i < values.length; i++) mean[i % width]! += values[i]! / count;
  for (let i = 0; i < values.length; i++)
    deviation[i % width]! += (values[i]! - mean[i % width]!) ** 2 / count;
  return { mean, deviation: deviation.map((variance) => Math.sqrt(variance) + 1e-9) };
}

function standardised(values: Float32Array, mean: Float64Array, deviation: Float64Array): Float32Array {
  return values.map((value, i) => (value - mean[i % mean.length]!) / deviation[i % mean.length]!);
}

/** The acoustic network with the head for its last layer, rounded, its ranges those of all training frames. */
function withHead(
  acoustic: PolynomialNetwork,
  head: Sequential,
  { mean, deviation }: Statistics,
  { utterances, words }: KeywordData,
  multiply: MatrixMultiply,
): PolynomialNetwork {
  const [weights, bias] = head.parameters.map(({ value }) => value) as [Float32Array, Float32Array];
  const cols = mean.length;
  const folded = Float64Array.from(weights, (weight, i) => weight / deviation[i % cols]!);
  const step = searchStep(folded, HEAD_BITS);
  const offset = Float64Array.from(words, (_, row) => {
    let sum: number = bias[row]!;
    for (let i = 0; i < cols; i++) sum -= folded[row * cols + i]! * mean[i]!;
    return sum;
  });
  const last: PolynomialLayer = {
    weights: integerWeights(folded, step, HEAD_BITS),
    rows: words.length,
    cols,
    step,
    offset,
    square: false,
  };
  const network = new PolynomialNetwork([...acoustic.layers.slice(0, -1), last], acoustic.inputs, HEAD_BITS);
  const runner = new PolynomialRunner(network, multiply);
  for (const { inputs } of utterances) runner.run(inputs.data);
  // The layers below have seen more than these recordings.
  return network.withRanges([...acoustic.ranges.slice(0, -1), runner.ranges.at(-1)!]);
}

/** The narrowest of the windows over the mean scores with most words right, none so narrow that training scores reflect far into it. */
function withWindow(
  network: PolynomialNetwork,
  training: KeywordData,
  name: string,
  multiply: MatrixMultiply,
  log: TrainingLog,
): DecidingProgram {
  const plain = compile(network, { name });
  const scores = scoredRecordings(network, training, multiply);
  const tops = scores.map(({ means }) => Math.max(...means)).sort((a, b) => a - b);
  const high = tops[Math.floor(0.99 * tops.length)]!;
  const low = Math.min(...scores.flatMap(({ means }) => means));
  let best: { readonly program: DecidingProgram; readonly right: number } | undefined;
  for (const share of WINDOW_SHARES) {
    const decision = decisionFor(plain, { kind: 'keyword', levels: LEVELS }, [
      high - share * (high - low),
      high,
    ]);
    const program = validateProgram({ ...plain, decision }) as DecidingProgram;
    const facts = decisionFactsOf(program);
    const right = accuracyOf(scores, facts).levels;
    const [from, to] = facts.window;
    log.note(`levels from ${from.toFixed(2)} to ${to.toFixed(2)}: ${(100 * right).toFixed(2)} % right`);
    if (best === undefined || right >= best.right) best = { program, right };
  }
  return best!.program;
}
