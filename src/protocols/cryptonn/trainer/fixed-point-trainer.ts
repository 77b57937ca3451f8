/**
 * Training whose first layer is fixed-point and sees its data only through {@link BatchProducts} (Xu, Joshi, Li: CryptoNN, ICDCS
 * 2019). Weights enter with two decimals, the output difference of the first layer as small integers with one scale per unit;
 * everything above runs in the clear. Given exact products, encrypted and clear training take the same steps to the last bit.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { DecodeError } from '../../../base/errors.ts';
import { logSoftmaxInPlace, SoftmaxCrossEntropy } from '../../../nn/training/cross-entropy.ts';
import { SeededGenerator } from '../../../nn/tensor/generator.ts';
import { newParameter, type LayerSpec, type Parameter } from '../../../nn/layers/layer.ts';
import type { MatrixMultiply } from '../../../nn/tensor/matrix-multiply.ts';
import { ModelReader, ModelWriter } from '../../../nn/files/model-bytes.ts';
import { Sgd } from '../../../nn/training/optimiser.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import { type BatchProducts, checkExactProducts } from './batch-products.ts';
import { denseFirstLayer, type FirstLayer } from './first-layer.ts';

export interface FixedPointOptions {
  readonly features: number;
  readonly inputScale: number;
  readonly inputBound: number;
  readonly batch: number;
  /** Units of a dense first layer, and the layers above it. */
  readonly units: number;
  /** Another first layer with so many units and features. */
  readonly first?: FirstLayer;
  /** Encrypted vectors along the batch that one key combines; all of a batch by default. */
  readonly partVectors?: number;
  readonly upper: readonly LayerSpec[];
  /** Largest first-layer weight as an integer, and the factor from real to integer: 127 and 100 allow up to 1.27. */
  readonly weightBound: number;
  readonly weightScale: number;
  readonly gradientBound: number;
  readonly learningRate: number;
  readonly momentum: number;
  readonly seed: number;
  readonly multiply: MatrixMultiply;
}

export interface StepReport {
  /** Nats per sample. */
  readonly loss: number;
  readonly accuracy: number;
  /** Function keys that this step asked for. */
  readonly keys: number;
}

const MAGIC = 'SRCN';
const VERSION = 1;

export class FixedPointTrainer {
  readonly options: FixedPointOptions;
  readonly weights: Parameter;
  readonly bias: Parameter;
  readonly upper: Sequential;
  readonly first: FirstLayer;
  readonly #optimiser: Sgd;
  readonly #loss = new SoftmaxCrossEntropy();
  /** Of every step: fresh arrays of this size keep the garbage collector busy. */
  readonly #integers: Int32Array;
  readonly #products: Float64Array;
  #steps = 0;

  /** @throws {InvalidParamsError} when products could exceed what is exact. */
  constructor(options: FixedPointOptions, upper?: Sequential) {
    arg.checkArguments('new FixedPointTrainer', [options, upper], {
      options: arg.options,
      upper: arg.optional(arg.like('a Sequential', 'forward', 'infer')),
    });
    const { features, units, inputBound, batch, seed, multiply } = options;
    const first = options.first ?? denseFirstLayer(features, units);
    checkExactProducts(first.keyLength, inputBound, first.keyScale * options.weightBound);
    checkExactProducts(options.partVectors ?? batch * first.positions, inputBound, options.gradientBound);
    this.options = options;
    this.first = first;
    this.weights = newParameter('weights', units * first.weightsPerUnit, { decays: true });
    this.bias = newParameter('bias', units);
    this.#integers = new Int32Array(this.weights.value.length);
    this.#products = new Float64Array(units * first.keyLength);
    const generator = new SeededGenerator(seed);
    const deviation = Math.sqrt(2 / first.weightsPerUnit);
    for (let i = 0; i < this.weights.value.length; i++)
      this.weights.value[i] = deviation * generator.normal();
    this.upper =
      upper ?? new Sequential(first.outputShape, options.upper, { multiply, seed: generator.word() });
    this.#optimiser = new Sgd([this.weights, this.bias, ...this.upper.parameters], {
      momentum: options.momentum,
    });
  }

  get steps(): number {
    return this.#steps;
  }

  /** The first layer as the authority sees it: one key vector per unit, of weights that are clipped to the bound. */
  keyVectors(integers?: Int32Array): Int32Array {
    return this.first.keyVectors(this.integerWeights(integers));
  }

  /** The trained weights as they enter: `[units, weightsPerUnit]`, times the weight scale, clipped to the bound; in `out`. */
  integerWeights(out: Int32Array = new Int32Array(this.weights.value.length)): Int32Array {
    const { weightScale, weightBound } = this.options;
    const { value } = this.weights;
    for (let i = 0; i < out.length; i++) out[i] = clipped(Math.round(weightScale * value[i]!), weightBound);
    return out;
  }

  /** One step of stochastic gradient descent. @throws what the batch throws: {@link KeyRefusedError}, {@link TransportError} */
  async step(batch: BatchProducts): Promise<StepReport> {
    const { units, learningRate, partVectors } = this.options;
    const { samples, encryptedLabels } = batch;
    const asked = encryptedLabels?.keysAsked ?? 0;
    const labels = (await encryptedLabels?.open()) ?? batch.labels;
    const z = this.#affine(await batch.forward(this.keyVectors(this.#integers)), samples);
    const logits = this.upper.forward(z, samples, true);
    const loss = await this.#lossOf(logits, labels, batch);
    const dz = this.upper.backward(this.#loss.gradient, samples, true);
    const { integers, scales } = this.#quantisedDifference(dz, samples);
    this.#setGradient(await batch.gradient(integers, this.#products), scales);
    this.#optimiser.step(learningRate, 1);
    this.#steps++;
    const newKeys = (encryptedLabels?.keysAsked ?? 0) - asked;
    const parts = (samples * this.first.positions) / (partVectors ?? samples * this.first.positions);
    return { loss, accuracy: this.#loss.correct / samples, keys: units * (1 + parts) + newKeys };
  }

  /** Sets the output difference; the reported loss comes from the encrypted labels where there are such. */
  async #lossOf(logits: Float32Array, labels: Int32Array, { samples, encryptedLabels }: BatchProducts) {
    const loss = this.#loss.evaluate(logits, labels, samples);
    if (encryptedLabels === undefined) return loss;
    const logProbabilities = logits.slice();
    logSoftmaxInPlace(logProbabilities, logits.length / samples);
    return encryptedLabels.crossEntropy(logProbabilities);
  }

  /** Share of samples whose best class is the label; one key per unit. */
  async accuracy(batches: readonly BatchProducts[]): Promise<number> {
    let [correct, counted] = [0, 0];
    for (const batch of batches) {
      const z = this.#affine(await batch.forward(this.keyVectors()), batch.samples);
      const labels = (await batch.encryptedLabels?.open()) ?? batch.labels;
      this.#loss.evaluate(this.upper.forward(z, batch.samples, false), labels, batch.samples);
      correct += this.#loss.correct;
      counted += batch.samples;
    }
    return correct / counted;
  }

  /** Integers `[units, (sample, position)]` to reals with bias, `[samples, units, positions]`. */
  #affine(products: Float32Array, samples: number): Float32Array {
    const { units, inputScale, weightScale } = this.options;
    const { positions, keyScale } = this.first;
    const scale = 1 / (inputScale * weightScale * keyScale);
    const z = new Float32Array(samples * units * positions);
    for (let unit = 0; unit < units; unit++) {
      const bias = this.bias.value[unit]!;
      for (let s = 0; s < samples; s++) {
        const from = (unit * samples + s) * positions;
        const to = (s * units + unit) * positions;
        for (let p = 0; p < positions; p++) z[to + p] = products[from + p]! * scale + bias;
      }
    }
    return z;
  }

  /** From sums of inputs under the integers of {@link FixedPointTrainer.#quantisedDifference}, `[units, keyLength]`. */
  #setGradient(products: Float64Array, scales: Float64Array): void {
    const { weightsPerUnit, keyLength, keyScale, units } = this.first;
    for (let unit = 0; unit < units; unit++) {
      const row = products.subarray(unit * keyLength, (unit + 1) * keyLength);
      const gradient = this.first.weightGradient(row);
      const scale = scales[unit]! / (this.options.inputScale * keyScale);
      const start = unit * weightsPerUnit;
      for (let j = 0; j < weightsPerUnit; j++) this.weights.gradient[start + j] = gradient[j]! * scale;
    }
  }

  /**
   * Integers `[units, (sample, position)]` and what one unit of each row is worth, from `[samples, units, positions]`; fills
   * the bias gradient from the same integers.
   */
  #quantisedDifference(dz: Float32Array, samples: number): { integers: Int32Array; scales: Float64Array } {
    const { units, gradientBound } = this.options;
    const { positions } = this.first;
    const integers = new Int32Array(dz.length);
    const scales = new Float64Array(units);
    for (let unit = 0; unit < units; unit++) {
      const row = new Float32Array(samples * positions);
      for (let s = 0; s < samples; s++) {
        const from = (s * units + unit) * positions;
        for (let p = 0; p < positions; p++) row[s * positions + p] = dz[from + p]!;
      }
      let largest = 0;
      for (let i = 0; i < row.length; i++) largest = Math.max(largest, Math.abs(row[i]!));
      const scale = largest / gradientBound;
      let sum = 0;
      if (scale > 0) {
        for (let i = 0; i < row.length; i++) {
          const value = clipped(Math.round(row[i]! / scale), gradientBound);
          integers[unit * row.length + i] = value;
          sum += value;
        }
      }
      scales[unit] = scale;
      this.bias.gradient[unit] = sum * scale;
    }
    return { integers, scales };
  }

  /** Everything an exact continuation needs besides the options and the data. */
  toBytes(): Uint8Array {
    const writer = new ModelWriter(MAGIC, VERSION);
    writer.f64(this.#steps);
    writer.floats(this.weights.value);
    writer.floats(this.bias.value);
    const upper = this.upper.toBytes();
    writer.u32(upper.length);
    writer.raw(upper);
    for (const values of this.#optimiser.snapshot()) writer.floats(values);
    return writer.finish();
  }

  /** @throws {DecodeError} on bytes that are no checkpoint of such a training. */
  static fromBytes(bytes: Uint8Array, options: FixedPointOptions): FixedPointTrainer {
    const reader = new ModelReader('cryptonn checkpoint', bytes, MAGIC, VERSION);
    const steps = reader.f64('steps');
    if (!Number.isSafeInteger(steps) || steps < 0)
      throw new DecodeError('cryptonn checkpoint', 'steps is no count');
    const { weightsPerUnit } = options.first ?? denseFirstLayer(options.features, options.units);
    const weights = reader.floats('weights', options.units * weightsPerUnit);
    const bias = reader.floats('bias', options.units);
    const trainer = new FixedPointTrainer(options, Sequential.fromBytes(reader.bytes(), options.multiply));
    trainer.weights.value.set(weights);
    trainer.bias.value.set(bias);
    const velocities = trainer.#optimiser.snapshot();
    trainer.#optimiser.restore(velocities.map((v, i) => reader.floats(`velocity ${i}`, v.length)));
    reader.finish();
    trainer.#steps = steps;
    return trainer;
  }
}

/** Without the negative zero that rounding makes. */
function clipped(value: number, bound: number): number {
  return Math.max(-bound, Math.min(bound, value)) + 0;
}

printOnOneLine(FixedPointTrainer);
arg.guard('FixedPointTrainer', FixedPointTrainer, { fromBytes: { bytes: arg.bytes, options: arg.options } });
arg.guard('FixedPointTrainer', FixedPointTrainer.prototype, {
  keyVectors: { integers: arg.optional(arg.typed('an Int32Array', Int32Array)) },
  integerWeights: { out: arg.optional(arg.typed('an Int32Array', Int32Array)) },
  step: { batch: arg.like('a BatchProducts', 'forward', 'gradient') },
  accuracy: { batches: arg.list },
});
