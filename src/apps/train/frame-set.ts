/** Labelled frames of many utterances, turned into network inputs when a batch asks for them. */
import { ShapeError } from '../../base/errors.ts';
import { SeededGenerator } from '../../nn/index.ts';
import type { Examples } from '../../nn/index.ts';
import { ContextWindow } from '../../speech/index.ts';
import type { ContextShape, FeatureMatrix, InputNormalization } from '../../speech/index.ts';
import { boundInput } from '../speech/front-end.ts';
import type { FeatureMethod } from '../speech/front-end.ts';
import { InputPerturbation } from './input-perturbation.ts';
import type { PerturbationRanges } from './input-perturbation.ts';

/** Holds log-mels, not inputs: four coefficients of context would take four times the memory. */
export class FrameSet {
  readonly features: readonly FeatureMatrix[];
  readonly window: ContextWindow;
  readonly #normalization: InputNormalization;
  readonly #method: FeatureMethod;
  /** First frame number of every utterance, and the total at the end. */
  readonly #starts: Uint32Array;
  readonly #utterance: Uint32Array;
  readonly #labels: Int32Array;

  /** `labels`: one state per frame of every utterance. @throws {ShapeError} when the lengths differ. */
  constructor(
    features: readonly FeatureMatrix[],
    labels: readonly Uint16Array[],
    context: ContextShape,
    normalization: InputNormalization,
    method: FeatureMethod,
  ) {
    this.features = features;
    this.window = new ContextWindow(context, features[0]?.dim ?? 1);
    this.#normalization = normalization;
    this.#method = method;
    this.#starts = new Uint32Array(features.length + 1);
    for (const [u, { frames }] of features.entries()) {
      if (labels[u]?.length !== frames)
        throw new ShapeError(`labels of utterance ${u}`, frames, labels[u]?.length ?? 0);
      this.#starts[u + 1] = this.#starts[u] + frames;
    }
    const total = this.#starts[features.length];
    this.#utterance = new Uint32Array(total);
    this.#labels = new Int32Array(total);
    for (const [u, states] of labels.entries()) {
      this.#utterance.fill(u, this.#starts[u], this.#starts[u + 1]);
      this.#labels.set(states, this.#starts[u]);
    }
  }

  get frames(): number {
    return this.#labels.length;
  }

  /** Log of the share of every state among the frames, where a silent frame counts `silenceShare` of a frame. */
  logPriors(states: number, silentStates: number, silenceShare: number): Float32Array {
    const counts = new Float64Array(states).fill(1);
    for (const label of this.#labels) counts[label] += label < silentStates ? silenceShare : 1;
    const total = counts.reduce((a, b) => a + b, 0);
    return Float32Array.from(counts, (count) => Math.log(count / total));
  }

  /**
   * A seeded draw of frames without repetition: all of them, but of the silent ones (states below `silentStates`) only
   * `silenceShare`, and then `count` at most. With `ranges` every input is perturbed, in the order of reading.
   */
  draw(
    seed: number,
    silentStates: number,
    silenceShare: number,
    count: number,
    ranges?: PerturbationRanges,
  ): Examples {
    const generator = new SeededGenerator(seed);
    const chosen = new Uint32Array(this.frames);
    let size = 0;
    for (let frame = 0; frame < this.frames; frame++) {
      if (this.#labels[frame] < silentStates && generator.uniform() >= silenceShare) continue;
      chosen[size++] = frame;
    }
    const order = chosen.subarray(0, size);
    generator.shuffle(order);
    const perturbation =
      ranges === undefined ? undefined : new InputPerturbation(ranges, this.window.windowed, generator);
    return this.examples(order.slice(0, Math.min(size, count)), perturbation);
  }

  /** The frames of the given numbers as examples. */
  examples(chosen: Uint32Array, perturbation?: InputPerturbation): Examples {
    return {
      count: chosen.length,
      read: (order, start, inputs, labels) => {
        for (let row = 0; row < labels.length; row++) {
          labels[row] = this.#frameInto(inputs, row, chosen[order[start + row]], perturbation);
        }
      },
    };
  }

  #frameInto(inputs: Float32Array, row: number, frame: number, perturbation?: InputPerturbation): number {
    const u = this.#utterance[frame];
    const width = this.window.inputSize;
    const offset = row * width;
    this.window.frameInto(inputs, offset, this.features[u], frame - this.#starts[u]);
    const { mean, inverseDeviation } = this.#normalization;
    for (let d = 0; d < width; d++) inputs[offset + d] = (inputs[offset + d] - mean[d]) * inverseDeviation[d];
    perturbation?.apply(inputs, offset, width, width - (this.window.shape.beside ?? 0));
    for (let i = offset; i < offset + width; i++) inputs[i] = boundInput(inputs[i], this.#method);
    return this.#labels[frame];
  }
}
