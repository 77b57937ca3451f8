import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { DecodeError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { SoftmaxCrossEntropy, softmaxInPlace } from './cross-entropy.ts';
import type { CrossEntropyOptions } from './cross-entropy.ts';
import { SeededGenerator } from '../tensor/generator.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import { ModelReader, ModelWriter } from '../files/model-bytes.ts';
import { Adam, Sgd, gradientNorm } from './optimiser.ts';
import type { AdamOptions, Optimiser, SgdOptions } from './optimiser.ts';
import { learningRate } from './schedule.ts';
import type { Schedule } from './schedule.ts';
import { Sequential } from '../layers/sequential.ts';

/** A labelled data set that can fill a minibatch. Built on the fly if it likes: context windows need not be stored. */
export interface Examples {
  readonly count: number;
  /** Writes the inputs and labels of the examples `order[start .. start + labels.length - 1]`. A label below 0 is ignored. */
  read(order: Uint32Array, start: number, inputs: Float32Array, labels: Int32Array): void;
}

/** Examples held in two arrays: `[count, inputs]` and `[count]`. @throws {ShapeError} */
export function arrayExamples(inputs: Float32Array, labels: Int32Array): Examples {
  arg.checkArguments('arrayExamples', [inputs, labels], {
    inputs: arg.typed('a Float32Array', Float32Array),
    labels: arg.typed('an Int32Array', Int32Array),
  });
  const width = inputs.length / labels.length;
  if (!Number.isInteger(width) || width < 1) {
    throw new ShapeError('inputs', `a multiple of ${labels.length} values`, inputs.length);
  }
  return {
    count: labels.length,
    read(order, start, batchInputs, batchLabels) {
      for (let row = 0; row < batchLabels.length; row++) {
        const at = order[start + row];
        batchInputs.set(inputs.subarray(at * width, (at + 1) * width), row * width);
        batchLabels[row] = labels[at];
      }
    },
  };
}

export interface TrainerOptions {
  readonly batch: number;
  readonly schedule: Schedule;
  readonly optimiser?: ({ readonly kind: 'adam' } & AdamOptions) | ({ readonly kind: 'sgd' } & SgdOptions);
  /** Gradients are scaled down to this Euclidean norm. No clipping by default. */
  readonly clipNorm?: number;
  readonly loss?: CrossEntropyOptions;
  /** A trained network with the same inputs and classes whose answers are part of the targets; see `loss.teacherShare`. */
  readonly teacher?: Sequential;
  /** Seed of the shuffles. */
  readonly seed: number;
}

/** Means over some training or evaluation steps. */
export interface TrainingReport {
  /** Nats per example. */
  readonly loss: number;
  readonly penalty: number;
  /** Share of examples whose best class is the label. */
  readonly accuracy: number;
  readonly examples: number;
}

const MAGIC = 'SRCK';
const VERSION = 1;

/**
 * Minibatch training of a {@link Sequential} as a classifier. Deterministic: the order of epoch e depends on the seed and e
 * alone. A run that is saved with `toBytes` and continued from there ends with the same bits as one that never stopped.
 */
export class Trainer {
  readonly network: Sequential;
  readonly options: TrainerOptions;
  readonly #optimiser: Optimiser;
  readonly #loss: SoftmaxCrossEntropy;
  #steps = 0;
  #epoch = 0;
  /** Examples of the current epoch that are done. */
  #position = 0;
  #order = new Uint32Array(0);
  #orderEpoch = -1;
  #inputs: Float32Array = new Float32Array(0);
  #labels = new Int32Array(0);

  /** @throws {OutOfRangeError} when the batch is not a positive integer. */
  constructor(network: Sequential, options: TrainerOptions) {
    arg.checkArguments('new Trainer', [network, options], {
      network: arg.like('a Sequential', 'forward', 'infer'),
      options: arg.options,
    });
    if (!Number.isInteger(options.batch) || options.batch < 1) {
      throw new OutOfRangeError('the batch size', 'a positive integer', options.batch);
    }
    this.network = network;
    this.options = options;
    const chosen = options.optimiser ?? { kind: 'adam' };
    this.#optimiser =
      chosen.kind === 'adam' ? new Adam(network.parameters, chosen) : new Sgd(network.parameters, chosen);
    this.#loss = new SoftmaxCrossEntropy(options.loss);
  }

  /** Optimiser steps so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Epochs completed. */
  get epoch(): number {
    return this.#epoch;
  }

  /** One optimiser step on `[batch, ...]` inputs. Returns the mean loss, without penalties. */
  step(inputs: Float32Array, labels: Int32Array): number {
    const batch = labels.length;
    const logits = this.network.forward(inputs, batch, true);
    const loss = this.#loss.evaluate(logits, labels, batch, this.#taught(inputs, batch));
    this.network.backward(this.#loss.gradient, batch);
    let scale = 1;
    if (this.options.clipNorm !== undefined) {
      const norm = gradientNorm(this.network.parameters);
      // A step that overflowed is skipped rather than allowed to destroy the weights.
      if (!Number.isFinite(norm)) scale = 0;
      else if (norm > this.options.clipNorm) scale = this.options.clipNorm / norm;
    }
    if (scale > 0) this.#optimiser.step(learningRate(this.options.schedule, this.#steps), scale);
    this.#steps++;
    return loss;
  }

  /**
   * Runs at most `steps` minibatches of the current epoch, to its end by default; the last one may be smaller. Ends early
   * only at the end of the epoch, which {@link Trainer.epoch} shows. `onStep` is called after each step with the share of
   * the epoch that is done and the loss.
   */
  train(
    examples: Examples,
    steps = Number.POSITIVE_INFINITY,
    onStep?: (done: number, loss: number) => void,
  ): TrainingReport {
    this.#shuffle(examples.count);
    const total = { loss: 0, penalty: 0, correct: 0, counted: 0, examples: 0 };
    for (let i = 0; i < steps; i++) {
      const batch = Math.min(this.options.batch, examples.count - this.#position);
      this.#fill(examples, this.#order, this.#position, batch);
      const loss = this.step(this.#inputs, this.#labels);
      total.loss += loss * this.#loss.counted;
      total.penalty += this.network.penalty * batch;
      total.correct += this.#loss.correct;
      total.counted += this.#loss.counted;
      total.examples += batch;
      this.#position += batch;
      onStep?.(this.#position / examples.count, loss);
      if (this.#position < examples.count) continue;
      this.#position = 0;
      this.#epoch++;
      break;
    }
    return {
      loss: total.loss / Math.max(1, total.counted),
      penalty: total.penalty / Math.max(1, total.examples),
      accuracy: total.correct / Math.max(1, total.counted),
      examples: total.examples,
    };
  }

  /** Loss and accuracy in inference mode; changes nothing. */
  evaluate(examples: Examples): TrainingReport {
    const order = Uint32Array.from({ length: examples.count }, (_, i) => i);
    let loss = 0;
    let correct = 0;
    let counted = 0;
    for (let start = 0; start < examples.count; start += this.options.batch) {
      const batch = Math.min(this.options.batch, examples.count - start);
      this.#fill(examples, order, start, batch);
      const logits = this.network.forward(this.#inputs, batch, false);
      loss += this.#loss.evaluate(logits, this.#labels, batch) * this.#loss.counted;
      correct += this.#loss.correct;
      counted += this.#loss.counted;
    }
    const divisor = Math.max(1, counted);
    return { loss: loss / divisor, penalty: 0, accuracy: correct / divisor, examples: examples.count };
  }

  /** What the teacher thinks of the inputs, as probabilities. */
  #taught(inputs: Float32Array, batch: number): Float32Array | undefined {
    const { teacher } = this.options;
    if (teacher === undefined) return undefined;
    const probabilities = teacher.forward(inputs, batch, false);
    softmaxInPlace(probabilities, probabilities.length / batch);
    return probabilities;
  }

  #fill(examples: Examples, order: Uint32Array, start: number, batch: number): void {
    const length = batch * this.network.inputs;
    if (this.#inputs.length !== length) this.#inputs = new Float32Array(length);
    if (this.#labels.length !== batch) this.#labels = new Int32Array(batch);
    examples.read(order, start, this.#inputs, this.#labels);
  }

  #shuffle(count: number): void {
    if (this.#orderEpoch === this.#epoch && this.#order.length === count) return;
    if (this.#position >= count)
      throw new ShapeError('the data set', `over ${this.#position} examples`, count);
    this.#order = Uint32Array.from({ length: count }, (_, i) => i);
    new SeededGenerator((this.options.seed ^ Math.imul(this.#epoch + 1, 0x85ebca6b)) >>> 0).shuffle(
      this.#order,
    );
    this.#orderEpoch = this.#epoch;
  }

  /** Network, optimiser, counters: what an exact continuation needs besides the options and the data. */
  toBytes(): Uint8Array {
    const writer = new ModelWriter(MAGIC, VERSION);
    writer.f64(this.#steps);
    writer.f64(this.#epoch);
    writer.f64(this.#position);
    writer.text(this.#optimiser.kind);
    const network = this.network.toBytes();
    writer.u32(network.length);
    writer.raw(network);
    const arrays = this.#optimiser.snapshot();
    writer.u32(arrays.length);
    for (const values of arrays) writer.floats(values);
    return writer.finish();
  }

  /**
   * Continues a saved run under the same options.
   * @throws {DecodeError} on bytes that are not a checkpoint, or one of another optimiser.
   */
  static fromBytes(bytes: Uint8Array, multiply: MatrixMultiply, options: TrainerOptions): Trainer {
    const reader = new ModelReader('checkpoint', bytes, MAGIC, VERSION);
    const counters = ['steps', 'epoch', 'position'].map((name) => {
      const value = reader.f64(name);
      if (!Number.isSafeInteger(value) || value < 0) throw reader.error(`${name} is not a count`);
      return value;
    });
    const kind = reader.text();
    if (kind !== (options.optimiser?.kind ?? 'adam')) {
      throw new DecodeError(
        'checkpoint',
        `it was written with ${kind}, the options say ${options.optimiser?.kind ?? 'adam'}`,
      );
    }
    const trainer = new Trainer(Sequential.fromBytes(reader.bytes(), multiply), options);
    const expected = trainer.#optimiser.snapshot();
    if (reader.u32() !== expected.length) throw reader.error('the optimiser has another number of arrays');
    trainer.#optimiser.restore(
      expected.map((values, i) => reader.floats(`optimiser array ${i}`, values.length)),
    );
    reader.finish();
    [trainer.#steps, trainer.#epoch, trainer.#position] = counters;
    return trainer;
  }
}

printOnOneLine(Trainer);
arg.guard('Trainer', Trainer, {
  fromBytes: { bytes: arg.bytes, multiply: arg.like('a MatrixMultiply', 'sgemm'), options: arg.options },
});
arg.guard('Trainer', Trainer.prototype, {
  step: { inputs: arg.typed('a Float32Array', Float32Array), labels: arg.typed('an Int32Array', Int32Array) },
  train: {
    examples: arg.like('examples (arrayExamples)', 'read', 'count'),
    steps: arg.optional(arg.number),
    onStep: arg.optional(arg.callback),
  },
  evaluate: { examples: arg.like('examples (arrayExamples)', 'read', 'count') },
});
