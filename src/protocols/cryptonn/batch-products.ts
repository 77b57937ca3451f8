/**
 * What the first layer may learn of a batch: exact integer inner products along its two axes. In the clear they are computed, under
 * encryption they are decrypted with function keys; training above cannot tell the difference.
 */
import { InvalidParamsError, ShapeError } from '../../base/errors.ts';
import type {
  FunctionKeys,
  InnerProductCiphertext,
  InnerProductScheme,
} from '../../fe/inner-product-scheme.ts';
import type { MatrixMultiply } from '../../nn/matrix-multiply.ts';

export interface BatchProducts {
  readonly samples: number;
  /** Classes under the owners' secret names. */
  readonly labels: Int32Array;
  /** `[rows, samples]` from weight vectors `[rows, features]`. */
  forward(weights: Int32Array): Promise<Float32Array>;
  /** `[rows, features]` from vectors over the samples, `[rows, samples]`. */
  gradient(weights: Int32Array): Promise<Float32Array>;
}

/** Integers up to here are exact in float32, in sums of any order as long as no partial sum is larger. */
const EXACT_FLOAT = 2 ** 24;

/** @throws {InvalidParamsError} when an inner product of these sizes may not be exact in single precision. */
export function checkExactProducts(length: number, inputBound: number, weightBound: number): void {
  const largest = length * inputBound * weightBound;
  if (largest < EXACT_FLOAT) return;
  throw new InvalidParamsError(
    `inner products of ${length} values up to ${inputBound} and weights up to ${weightBound} reach ${largest}, over 2^24`,
    { length, inputBound, weightBound },
  );
}

/** The same products from integers in the clear, `[samples, features]`: the reference that encrypted training must equal. */
export class ClearBatch implements BatchProducts {
  readonly samples: number;
  readonly labels: Int32Array;
  readonly #inputs: Float32Array;
  readonly #features: number;
  readonly #multiply: MatrixMultiply;

  /** @throws {ShapeError} */
  constructor(inputs: Int32Array, labels: Int32Array, multiply: MatrixMultiply) {
    this.samples = labels.length;
    this.labels = labels;
    this.#features = inputs.length / labels.length;
    if (!Number.isInteger(this.#features))
      throw new ShapeError('a batch', `a multiple of ${labels.length} values`, inputs.length);
    this.#inputs = Float32Array.from(inputs);
    this.#multiply = multiply;
  }

  async forward(weights: Int32Array): Promise<Float32Array> {
    const rows = weights.length / this.#features;
    const out = new Float32Array(rows * this.samples);
    const w = Float32Array.from(weights);
    this.#multiply.sgemm(false, true, rows, this.samples, this.#features, 1, w, this.#inputs, 0, out);
    return out;
  }

  async gradient(weights: Int32Array): Promise<Float32Array> {
    const rows = weights.length / this.samples;
    const out = new Float32Array(rows * this.#features);
    const w = Float32Array.from(weights);
    this.#multiply.sgemm(false, false, rows, this.#features, this.samples, 1, w, this.#inputs, 0, out);
    return out;
  }
}

/** Asks the authority for the keys of the rows of `weights`. */
export type KeySource = (
  axis: 'forward' | 'gradient' | 'projection',
  weights: Int32Array,
) => Promise<FunctionKeys>;

export interface AxisCiphertexts {
  readonly scheme: InnerProductScheme;
  /** Vectors in order, up to `packing` in each. */
  readonly ciphertexts: readonly InnerProductCiphertext[];
}

/** One encrypted batch in the trainer's hands. The gradient axis is present in faithful mode alone. */
export class EncryptedBatch implements BatchProducts {
  readonly samples: number;
  readonly labels: Int32Array;
  readonly #samplesAxis: AxisCiphertexts;
  readonly #axis: 'forward' | 'projection';
  readonly #gradientAxis: AxisCiphertexts | undefined;
  readonly #keys: KeySource;

  constructor(
    labels: Int32Array,
    axis: 'forward' | 'projection',
    samples: AxisCiphertexts,
    gradient: AxisCiphertexts | undefined,
    keys: KeySource,
  ) {
    this.samples = labels.length;
    this.labels = labels;
    this.#axis = axis;
    this.#samplesAxis = samples;
    this.#gradientAxis = gradient;
    this.#keys = keys;
  }

  /** @throws {KeyRefusedError} {@link OutOfRangeError} for ciphertexts of another master key. */
  async forward(weights: Int32Array): Promise<Float32Array> {
    using keys = await this.#keys(this.#axis, weights);
    return decryptAll(this.#samplesAxis, keys, weights);
  }

  /** @throws {KeyRefusedError} {@link ShapeError} when the owner did not encrypt along the batch. */
  async gradient(weights: Int32Array): Promise<Float32Array> {
    if (this.#gradientAxis === undefined)
      throw new ShapeError('an encrypted batch', 'encrypted along the samples, too', 'encrypted once');
    using keys = await this.#keys('gradient', weights);
    return decryptAll(this.#gradientAxis, keys, weights);
  }
}

/** `[keys, vectors]` over all ciphertexts of an axis. */
function decryptAll(
  { scheme, ciphertexts }: AxisCiphertexts,
  keys: FunctionKeys,
  weights: Int32Array,
): Float32Array {
  const vectors = ciphertexts.reduce((sum, { count }) => sum + count, 0);
  const out = new Float32Array(keys.count * vectors);
  let at = 0;
  for (const ciphertext of ciphertexts) {
    const part = scheme.decrypt(ciphertext, keys, weights);
    for (let row = 0; row < keys.count; row++) {
      out.set(part.subarray(row * ciphertext.count, (row + 1) * ciphertext.count), row * vectors + at);
    }
    at += ciphertext.count;
  }
  return out;
}
