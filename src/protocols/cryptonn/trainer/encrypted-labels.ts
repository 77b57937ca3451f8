/**
 * Labels encrypted one-hot under the owners' secret class names (Xu, Joshi, Li: CryptoNN, ICDCS 2019). The output difference
 * P - Y is known to who knows P exactly when Y is: so the keys are the unit vectors of the classes, asked for once, and
 * nothing finer leaks than with a key per entry. Cross-entropy is the inner product of a sample's label with -log p.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { ProtocolError } from '../../../base/errors.ts';
import { LOG_BOUND } from '../agreement/axis-sizes.ts';
import { type AxisCiphertexts, decryptBlocks, type KeySource } from './axis-ciphertexts.ts';

/** Two decimals of the natural logarithm. */
const LOG_SCALE = 100;

/** The labels of one batch in the trainer's hands. */
export class EncryptedLabels {
  readonly samples: number;
  readonly #axis: AxisCiphertexts;
  readonly #keys: KeySource;
  #opened: Int32Array | undefined;
  #keysAsked = 0;

  constructor(axis: AxisCiphertexts, keys: KeySource) {
    arg.checkArguments('new EncryptedLabels', [axis, keys], {
      axis: arg.like('an AxisCiphertexts', 'scheme', 'ciphertexts'),
      keys: arg.callback,
    });
    this.samples = axis.ciphertexts.reduce((sum, { count }) => sum + count, 0);
    this.#axis = axis;
    this.#keys = keys;
  }

  /** Function keys that this batch asked for. */
  get keysAsked(): number {
    return this.#keysAsked;
  }

  /**
   * The classes under their secret names, which the output difference discloses.
   * @throws {KeyRefusedError} {@link ProtocolError} when a label is no single class.
   */
  async open(): Promise<Int32Array> {
    if (this.#opened !== undefined) return this.#opened;
    const classes = this.#axis.scheme.length;
    const units = Int32Array.from({ length: classes ** 2 }, (_, i) => (i % (classes + 1) === 0 ? 1 : 0));
    const products = await this.#products(units);
    const labels = new Int32Array(this.samples).fill(-1);
    products.forEach((value, at) => {
      const sample = at % this.samples;
      if (value === 0) return;
      if (value !== 1 || labels[sample] !== -1) throw new ProtocolError(`label ${sample} is no single class`);
      labels[sample] = Math.floor(at / this.samples);
    });
    const missing = labels.indexOf(-1);
    if (missing >= 0) throw new ProtocolError(`label ${missing} is no single class`);
    this.#opened = labels;
    return labels;
  }

  /**
   * Mean of -log p of the labels, in nats, to two decimals per sample; one key per sample. `logProbabilities` is
   * `[samples, classes]`. @throws {KeyRefusedError}
   */
  async crossEntropy(logProbabilities: Float32Array): Promise<number> {
    const weights = new Int32Array(logProbabilities.length);
    for (let i = 0; i < weights.length; i++)
      weights[i] = Math.min(LOG_BOUND, Math.round(-LOG_SCALE * logProbabilities[i]!));
    const products = await this.#products(weights);
    let sum = 0;
    for (let s = 0; s < this.samples; s++) sum += products[s * this.samples + s]!;
    return sum / (LOG_SCALE * this.samples);
  }

  async #products(weights: Int32Array): Promise<Float64Array> {
    using keys = await this.#keys('labels', weights);
    this.#keysAsked += keys.count;
    return decryptBlocks(this.#axis.scheme, this.#axis.ciphertexts, keys, weights);
  }
}

printOnOneLine(EncryptedLabels);
arg.guard('EncryptedLabels', EncryptedLabels.prototype, {
  crossEntropy: { logProbabilities: arg.typed('a Float32Array', Float32Array) },
});
