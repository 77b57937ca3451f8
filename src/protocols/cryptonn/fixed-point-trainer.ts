/**
 * Training whose first layer is fixed-point and sees its data only through {@link BatchProducts} (Xu, Joshi, Li: CryptoNN, ICDCS
 * 2019). Weights enter with two decimals, the output difference of the first layer as small integers with one scale per unit;
 * everything above runs in the clear. Given exact products, encrypted and clear training take the same steps to the last bit.
 */
import { DecodeError } from '../../base/errors.ts';
import { SoftmaxCrossEntropy } from '../../nn/cross-entropy.ts';
import { SeededGenerator } from '../../nn/generator.ts';
import { newParameter, type LayerSpec, type Parameter } from '../../nn/layer.ts';
import type { MatrixMultiply } from '../../nn/matrix-multiply.ts';
import { ModelReader, ModelWriter } from '../../nn/model-bytes.ts';
import { Sgd } from '../../nn/optimiser.ts';
import { Sequential } from '../../nn/sequential.ts';
import { type BatchProducts, checkExactProducts } from './batch-products.ts';

export interface FixedPointOptions {
  readonly features: number;
  readonly inputScale: number;
  readonly inputBound: number;
  readonly batch: number;
  /** Units of the first layer, and the layers above it. */
  readonly units: number;
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
  readonly #optimiser: Sgd;
  readonly #loss = new SoftmaxCrossEntropy();
  #steps = 0;

  /** @throws {InvalidParamsError} when products could exceed what is exact. */
  constructor(options: FixedPointOptions, upper?: Sequential) {
    const { features, units, inputBound, batch, seed, multiply } = options;
    checkExactProducts(features, inputBound, options.weightBound);
    checkExactProducts(batch, inputBound, options.gradientBound);
    this.options = options;
    this.weights = newParameter('weights', units * features, { decays: true });
    this.bias = newParameter('bias', units);
    const generator = new SeededGenerator(seed);
    const deviation = Math.sqrt(2 / features);
    for (let i = 0; i < this.weights.value.length; i++)
      this.weights.value[i] = deviation * generator.normal();
    this.upper = upper ?? new Sequential([units], options.upper, { multiply, seed: generator.word() });
    this.#optimiser = new Sgd([this.weights, this.bias, ...this.upper.parameters], {
      momentum: options.momentum,
    });
  }

  get steps(): number {
    return this.#steps;
  }

  /** The first layer as the authority sees it: `[units, features]`, clipped to the bound. */
  integerWeights(): Int32Array {
    const { weightScale, weightBound } = this.options;
    const { value } = this.weights;
    const out = new Int32Array(value.length);
    for (let i = 0; i < out.length; i++) out[i] = clipped(Math.round(weightScale * value[i]), weightBound);
    return out;
  }

  /** One step of stochastic gradient descent. @throws what the batch throws: {@link KeyRefusedError}, {@link TransportError} */
  async step(batch: BatchProducts): Promise<StepReport> {
    const { units, inputScale, weightScale, learningRate } = this.options;
    const { samples, labels } = batch;
    const z = this.#affine(
      await batch.forward(this.integerWeights()),
      samples,
      1 / (inputScale * weightScale),
    );
    const logits = this.upper.forward(z, samples, true);
    const loss = this.#loss.evaluate(logits, labels, samples);
    const dz = this.upper.backward(this.#loss.gradient, samples, true);
    const { integers, scales } = this.#quantisedDifference(dz, samples);
    const products = await batch.gradient(integers);
    const features = products.length / units;
    for (let unit = 0; unit < units; unit++) {
      const scale = scales[unit] / inputScale;
      for (let j = 0; j < features; j++)
        this.weights.gradient[unit * features + j] = products[unit * features + j] * scale;
    }
    this.#optimiser.step(learningRate, 1);
    this.#steps++;
    return { loss, accuracy: this.#loss.correct / samples, keys: 2 * units };
  }

  /** Share of samples whose best class is the label; one key per unit. */
  async accuracy(batches: readonly BatchProducts[]): Promise<number> {
    const { inputScale, weightScale } = this.options;
    let [correct, counted] = [0, 0];
    for (const batch of batches) {
      const products = await batch.forward(this.integerWeights());
      const z = this.#affine(products, batch.samples, 1 / (inputScale * weightScale));
      this.#loss.evaluate(this.upper.forward(z, batch.samples, false), batch.labels, batch.samples);
      correct += this.#loss.correct;
      counted += batch.samples;
    }
    return correct / counted;
  }

  /** `[units, samples]` integers to `[samples, units]` reals with bias. */
  #affine(products: Float32Array, samples: number, scale: number): Float32Array {
    const { units } = this.options;
    const z = new Float32Array(samples * units);
    for (let unit = 0; unit < units; unit++) {
      const bias = this.bias.value[unit];
      for (let s = 0; s < samples; s++) z[s * units + unit] = products[unit * samples + s] * scale + bias;
    }
    return z;
  }

  /** Integers `[units, samples]` and what one unit of each row is worth; fills the bias gradient from the same integers. */
  #quantisedDifference(dz: Float32Array, samples: number): { integers: Int32Array; scales: Float64Array } {
    const { units, gradientBound } = this.options;
    const integers = new Int32Array(units * samples);
    const scales = new Float64Array(units);
    for (let unit = 0; unit < units; unit++) {
      let largest = 0;
      for (let s = 0; s < samples; s++) largest = Math.max(largest, Math.abs(dz[s * units + unit]));
      const scale = largest / gradientBound;
      let sum = 0;
      if (scale > 0) {
        for (let s = 0; s < samples; s++) {
          const value = clipped(Math.round(dz[s * units + unit] / scale), gradientBound);
          integers[unit * samples + s] = value;
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
    const weights = reader.floats('weights', options.units * options.features);
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
