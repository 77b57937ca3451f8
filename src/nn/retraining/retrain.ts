/**
 * Training a network after its activations have become polynomials, in the form that will be evaluated: weights rounded in the forward pass, gradients
 * straight through (Bengio et al. 2013), a penalty on values that leave the range they were calibrated for. The float network is
 * the teacher (Hinton, Vinyals, Dean 2015); labels, where there are any, take half of the target.
 */
import { DataError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { approximate } from '../activations/approximate.ts';
import { decisionRule } from '../activations/decisions.ts';
import { interpret } from '../graph/clear-interpreter.ts';
import { channelSize, type ModelGraph, wireSize } from '../graph/model-graph.ts';
import { SeededGenerator } from '../tensor/generator.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { SoftmaxCrossEntropy, softmaxInPlace } from '../training/cross-entropy.ts';
import { Adam, gradientNorm } from '../training/optimiser.ts';
import { learningRate, type Schedule } from '../training/schedule.ts';
import { trainedNode, type TrainedNode, type WireData } from './trained-nodes.ts';

export interface RetrainingData {
  /** `[samples, elements]` of the one input, normalised as the model takes it. */
  readonly inputs: Float32Array;
  /** The right class of each sample, when it is known. */
  readonly labels?: ArrayLike<number> | undefined;
}

export interface RetrainingOptions {
  readonly epochs: number;
  /** Bits of a weight, sign included; 8 by default. */
  readonly bits?: number;
  /** Relative change of a parameter per step at the most; falls to 0. Default 2e-3. */
  readonly rate?: number;
  readonly batch?: number;
  /** Weight of the penalty on values beyond their range, in units of it; 1 by default. */
  readonly rangePenalty?: number;
  readonly seed?: number;
  readonly multiply: MatrixMultiply;
  /** After each epoch, and between batches with the share that is done. */
  readonly onEpoch?: (epoch: RetrainedEpoch) => void;
}

export interface RetrainedEpoch {
  readonly epoch: number;
  /** Mean over the batches. */
  readonly loss: number;
  /** Share of the training samples decided as by the teacher, while they were trained on. */
  readonly agreement: number;
}

export interface RetrainedModel {
  /** As calibrated graphs: every wire with its statistics. */
  readonly graph: ModelGraph;
  readonly epochs: readonly RetrainedEpoch[];
}

/** Numbers of one wire over the samples on which ranges are measured again: 128 MB. */
const MAX_NUMBERS = 2 ** 24;
/** Ranges may be left by so much of their width for nothing. */
const SLACK = 0.05;

/**
 * The graph with other weights, offsets and coefficients. `graph` is what {@link calibrate} made of `float`.
 * @throws {ShapeError} {@link DataError} for data that is not of the model's shape, or labels outside its classes.
 */
export function retrain(
  graph: ModelGraph,
  float: ModelGraph,
  data: RetrainingData,
  options: RetrainingOptions,
): RetrainedModel {
  const { epochs, bits = 8, rate = 2e-3, batch = 64, rangePenalty = 1, seed = 1, multiply } = options;
  if (!(Number.isInteger(epochs) && epochs >= 1))
    throw new OutOfRangeError('the epochs', 'a positive integer', epochs);
  const size = wireSize(graph, 0);
  const count = data.inputs.length / size;
  if (graph.inputs.length !== 1 || !Number.isInteger(count) || count < 1)
    throw new ShapeError('the training data', `samples x ${size}`, `${data.inputs.length} numbers`);
  const target = new Target(float, data, count, multiply);
  const nodes = graph.nodes.map((node) => trainedNode(graph, node, bits, multiply));
  const adam = new Adam(nodes.flatMap(({ parameters }) => parameters));
  const steps = epochs * Math.ceil(count / batch);
  const warmup = Math.min(50, Math.ceil(steps / 10));
  const schedule: Schedule = { kind: 'cosine', rate, steps, warmup, floor: 0.01 };
  const pass = new TrainingPass(graph, nodes, rangePenalty);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const generator = new SeededGenerator(seed);
  const done: RetrainedEpoch[] = [];
  let step = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    generator.shuffle(order);
    const sum = { loss: 0, agreed: 0 };
    for (let start = 0; start < count; start += batch) {
      const chosen = order.subarray(start, start + batch);
      const { loss, agreed } = pass.run(data.inputs, chosen, target);
      // A step that overflowed is left out rather than allowed to destroy the weights.
      const parameters = nodes.flatMap((node) => node.parameters);
      if (Number.isFinite(gradientNorm(parameters))) adam.step(learningRate(schedule, step), 1);
      step++;
      sum.loss += (loss * chosen.length) / count;
      sum.agreed += agreed / count;
    }
    done.push({ epoch, loss: sum.loss, agreement: sum.agreed });
    options.onEpoch?.(done.at(-1)!);
  }
  const learned = { ...graph, nodes: nodes.map((node) => node.finish()) };
  return { graph: measuredAgain(learned, data.inputs, count), epochs: done };
}

/** The statistics of every wire over as many samples as there is room for. */
function measuredAgain(graph: ModelGraph, inputs: Float32Array, count: number): ModelGraph {
  const largest = Math.max(...graph.wires.map((_, id) => wireSize(graph, id)));
  const used = Math.min(count, Math.max(1, Math.floor(MAX_NUMBERS / largest)));
  const some = inputs.subarray(0, used * wireSize(graph, 0));
  return approximate(graph, [some], used, new Map()).graph;
}

/** What the scores should be. */
class Target {
  readonly outputs: number;
  readonly #scores: Float64Array;
  readonly #probabilities: Float32Array;
  readonly #labels: Int32Array | undefined;
  readonly #loss: SoftmaxCrossEntropy;
  readonly #agreement: ReturnType<typeof decisionRule>['agreement'];
  readonly #variance: number;

  constructor(
    float: ModelGraph,
    { inputs, labels }: RetrainingData,
    count: number,
    multiply: MatrixMultiply,
  ) {
    this.outputs = wireSize(float, float.output);
    this.#scores = interpret(float, [inputs], count, { multiply });
    this.#probabilities = Float32Array.from(this.#scores);
    if (this.outputs > 1) softmaxInPlace(this.#probabilities, this.outputs);
    if (labels !== undefined && labels.length < count)
      throw new ShapeError('the labels', count, labels.length);
    this.#labels = labels === undefined ? undefined : Int32Array.from({ length: count }, (_, i) => labels[i]);
    const wrong =
      this.outputs > 1 ? this.#labels?.findIndex((label) => !(label >= 0 && label < this.outputs)) : -1;
    if (wrong !== undefined && wrong >= 0)
      throw new DataError(`label ${wrong} is ${this.#labels![wrong]}; the model has ${this.outputs} classes`);
    this.#loss = new SoftmaxCrossEntropy({ teacherShare: labels === undefined ? 1 : 0.5 });
    this.#agreement = decisionRule(float).agreement;
    const mean = this.#scores.reduce((sum, value) => sum + value / this.#scores.length, 0);
    this.#variance =
      this.#scores.reduce((sum, value) => sum + (value - mean) ** 2 / this.#scores.length, 0) || 1;
  }

  /** Loss of the scores of the chosen samples; d(mean loss)/d(score) into `gradient`. */
  evaluate(
    scores: Float32Array,
    chosen: Uint32Array,
    gradient: Float32Array,
  ): { readonly loss: number; readonly agreed: number } {
    const { outputs } = this;
    const [needed, taught] = [new Float64Array(scores.length), new Float32Array(scores.length)];
    chosen.forEach((sample, row) => {
      const [from, to] = [sample * outputs, (sample + 1) * outputs];
      needed.set(this.#scores.subarray(from, to), row * outputs);
      taught.set(this.#probabilities.subarray(from, to), row * outputs);
    });
    const batch = chosen.length;
    const agreed = batch * this.#agreement(Float64Array.from(scores), needed, batch);
    if (outputs > 1) {
      const labels = Int32Array.from(chosen, (sample) => this.#labels?.[sample] ?? 0);
      const loss = this.#loss.evaluate(scores, labels, batch, taught);
      gradient.set(this.#loss.gradient.subarray(0, scores.length));
      return { loss, agreed };
    }
    let loss = 0;
    for (let i = 0; i < scores.length; i++) {
      const error = scores[i] - needed[i];
      loss += error ** 2 / (batch * this.#variance);
      gradient[i] = (2 * error) / (batch * this.#variance);
    }
    return { loss, agreed };
  }
}

/** One batch forward and backward; the buffers are kept. */
class TrainingPass {
  readonly #graph: ModelGraph;
  readonly #nodes: readonly TrainedNode[];
  readonly #penalty: number;
  #data: WireData = { batch: 0, values: [], gradients: [] };

  constructor(graph: ModelGraph, nodes: readonly TrainedNode[], penalty: number) {
    this.#graph = graph;
    this.#nodes = nodes;
    this.#penalty = penalty;
  }

  run(inputs: Float32Array, chosen: Uint32Array, target: Target): { loss: number; agreed: number } {
    const data = this.#room(chosen.length);
    const size = wireSize(this.#graph, 0);
    chosen.forEach((sample, row) =>
      data.values[0].set(inputs.subarray(sample * size, (sample + 1) * size), row * size),
    );
    for (const gradient of data.gradients) gradient.fill(0);
    for (const node of this.#nodes) node.forward(data);
    const { output } = this.#graph;
    const { loss, agreed } = target.evaluate(data.values[output], chosen, data.gradients[output]);
    let penalty = 0;
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      this.#nodes[i].backward(data);
      penalty += this.#penalise(i, data);
    }
    return { loss: loss + penalty, agreed };
  }

  #room(batch: number): WireData {
    if (this.#data.batch === batch) return this.#data;
    const make = (): Float32Array[] =>
      this.#graph.wires.map((_, id) => new Float32Array(batch * wireSize(this.#graph, id)));
    this.#data = { batch, values: make(), gradients: make() };
    return this.#data;
  }

  /** Values that enter a product and leave their calibrated range pull back; the sum of the squares, relative to the range. */
  #penalise(index: number, { values, gradients, batch }: WireData): number {
    const node = this.#graph.nodes[index];
    if (node.op !== 'polynomial' && node.op !== 'multiply') return 0;
    const wire = node.op === 'polynomial' ? node.in : node.a;
    const { trained, shape } = this.#graph.wires[wire];
    if (trained === undefined || this.#penalty === 0) return 0;
    const [x, dx] = [values[wire], gradients[wire]];
    const inside = channelSize(shape);
    const size = wireSize(this.#graph, wire);
    let total = 0;
    for (let i = 0; i < x.length; i++) {
      const channel = Math.floor((i % size) / inside);
      const [low, high] = [trained.low[channel], trained.high[channel]];
      const width = high - low || 1;
      const kept = Math.max(low - SLACK * width, Math.min(high + SLACK * width, x[i]));
      const excess = (x[i] - kept) / width;
      total += (this.#penalty * excess ** 2) / batch;
      dx[i] += (2 * this.#penalty * excess) / (width * batch);
    }
    return total;
  }
}
