import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { resized } from '../tensor/tensor.ts';

export interface CrossEntropyOptions {
  /** One weight per class; the loss is the weighted mean over the batch. All 1 by default. */
  readonly classWeights?: Float32Array;
  /** Share of the target spread evenly over all classes, in [0, 1). 0 by default. */
  readonly labelSmoothing?: number;
  /** Share of the target given to the teacher's distribution where one is passed, in [0, 1]. 1 by default. */
  readonly teacherShare?: number;
}

/**
 * Softmax and cross entropy in one, stable for logits of any size: the largest logit of a row is subtracted first.
 * Rows with a label below 0 are left out (frames without a target).
 */
export class SoftmaxCrossEntropy {
  readonly #weights: Float32Array | undefined;
  readonly #smoothing: number;
  readonly #teacherShare: number;
  #gradient: Float32Array = new Float32Array(0);
  /** Rows of the last batch whose largest logit was at the label. */
  correct = 0;
  /** Rows of the last batch that had a label. */
  counted = 0;

  constructor(options: CrossEntropyOptions = {}) {
    arg.checkArguments('new SoftmaxCrossEntropy', [options], { options: arg.optional(arg.options) });
    this.#weights = options.classWeights;
    this.#smoothing = options.labelSmoothing ?? 0;
    if (!(this.#smoothing >= 0 && this.#smoothing < 1)) {
      throw new OutOfRangeError('label smoothing', 'in [0, 1)', this.#smoothing);
    }
    this.#teacherShare = options.teacherShare ?? 1;
    if (!(this.#teacherShare >= 0 && this.#teacherShare <= 1)) {
      throw new OutOfRangeError("the teacher's share of the target", 'in [0, 1]', this.#teacherShare);
    }
  }

  /** d(mean loss)/d(logits) of the last {@link evaluate}. */
  get gradient(): Float32Array {
    return this.#gradient;
  }

  /**
   * Mean loss of `[batch, classes]` logits, in nats. `teacher`: the probabilities that another network gives to the same
   * inputs, of the same shape; they take their share of every target (distillation [HVD15], at temperature 1).
   * @throws {ShapeError} @throws {OutOfRangeError} when a label is not a class.
   */
  evaluate(logits: Float32Array, labels: Int32Array, batch: number, teacher?: Float32Array): number {
    const classes = logits.length / batch;
    if (labels.length < batch) throw new ShapeError('labels', batch, labels.length);
    if (teacher !== undefined && teacher.length !== logits.length) {
      throw new ShapeError("the teacher's probabilities", logits.length, teacher.length);
    }
    this.#gradient = resized(this.#gradient, logits.length);
    this.correct = 0;
    this.counted = 0;
    let total = 0;
    let loss = 0;
    for (let row = 0; row < batch; row++) {
      const label = labels[row];
      if (label >= classes) throw new OutOfRangeError('a label', `below ${classes}`, label);
      if (label < 0) continue;
      this.counted++;
      total += this.#weights?.[label] ?? 1;
    }
    for (let row = 0; row < batch; row++) {
      const label = labels[row];
      const start = row * classes;
      if (label < 0) this.#gradient.fill(0, start, start + classes);
      else loss += this.#row(logits, start, classes, label, (this.#weights?.[label] ?? 1) / total, teacher);
    }
    return loss;
  }

  /** Loss of one row times its share; writes the row's gradient. */
  #row(
    logits: Float32Array,
    start: number,
    classes: number,
    label: number,
    share: number,
    teacher: Float32Array | undefined,
  ): number {
    const gradient = this.#gradient;
    const end = start + classes;
    let largest = Number.NEGATIVE_INFINITY;
    let best = start;
    let sumOfLogits = 0;
    for (let i = start; i < end; i++) {
      sumOfLogits += logits[i];
      if (logits[i] > largest) {
        largest = logits[i];
        best = i;
      }
    }
    if (best === start + label) this.correct++;
    let sum = 0;
    for (let i = start; i < end; i++) {
      const power = Math.exp(logits[i] - largest);
      gradient[i] = power;
      sum += power;
    }
    const taught = teacher === undefined ? 0 : this.#teacherShare;
    const spread = ((1 - taught) * this.#smoothing) / classes;
    const kept = (1 - taught) * (1 - this.#smoothing);
    const factor = share / sum;
    const constant = spread * share;
    for (let i = start; i < end; i++) gradient[i] = gradient[i] * factor - constant;
    gradient[start + label] -= kept * share;
    let expected = kept * logits[start + label] + spread * sumOfLogits;
    if (teacher !== undefined) {
      for (let i = start; i < end; i++) {
        gradient[i] -= taught * share * teacher[i];
        expected += taught * teacher[i] * logits[i];
      }
    }
    return share * (largest + Math.log(sum) - expected);
  }
}

/** Row-wise softmax of `[batch, classes]` logits, in place. */
export function softmaxInPlace(logits: Float32Array, classes: number): void {
  arg.checkArguments('softmaxInPlace', [logits, classes], {
    logits: arg.typed('a Float32Array', Float32Array),
    classes: arg.number,
  });
  logSoftmaxInPlace(logits, classes);
  for (let i = 0; i < logits.length; i++) logits[i] = Math.exp(logits[i]);
}

/** Row-wise log-softmax of `[batch, classes]` logits, in place. */
export function logSoftmaxInPlace(logits: Float32Array, classes: number): void {
  arg.checkArguments('logSoftmaxInPlace', [logits, classes], {
    logits: arg.typed('a Float32Array', Float32Array),
    classes: arg.number,
  });
  for (let start = 0; start < logits.length; start += classes) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = start; i < start + classes; i++) largest = Math.max(largest, logits[i]);
    let sum = 0;
    for (let i = start; i < start + classes; i++) sum += Math.exp(logits[i] - largest);
    const shift = largest + Math.log(sum);
    for (let i = start; i < start + classes; i++) logits[i] -= shift;
  }
}

printOnOneLine(SoftmaxCrossEntropy);
arg.guard('SoftmaxCrossEntropy', SoftmaxCrossEntropy.prototype, {
  evaluate: {
    logits: arg.typed('a Float32Array', Float32Array),
    labels: arg.typed('an Int32Array', Int32Array),
    batch: arg.number,
    teacher: arg.optional(arg.typed('a Float32Array', Float32Array)),
  },
});
