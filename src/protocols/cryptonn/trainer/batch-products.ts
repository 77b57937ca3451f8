/**
 * What the first layer may learn of a batch: exact integer inner products along its two axes. In the clear they are computed, under
 * encryption they are decrypted with function keys; training above cannot tell the difference.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { InvalidParamsError, ShapeError } from '../../../base/errors.ts';
import { resultArray } from '../../../fe/object-header.ts';
import type { MatrixMultiply } from '../../../nn/tensor/matrix-multiply.ts';
import { type AxisCiphertexts, decryptBlocks, type KeySource } from './axis-ciphertexts.ts';
import { columnRange } from '../agreement/column-range.ts';
import type { EncryptedLabels } from './encrypted-labels.ts';
import { mostKeysPerRequest } from '../agreement/key-messages.ts';

/** A batch consists of encrypted vectors: its samples, or the windows of its images, sample by sample. */
export interface BatchProducts {
  readonly samples: number;
  /** Classes under the owners' secret names. */
  readonly labels: Int32Array;
  /** In place of the labels, which are empty then. */
  readonly encryptedLabels?: EncryptedLabels | undefined;
  /** `[rows, vectors]` from key vectors `[rows, length]`. */
  forward(weights: Int32Array): Promise<Float32Array>;
  /** `[rows, length]` from combinations of the vectors, `[rows, vectors]`; in `out` where it is given. */
  gradient(weights: Int32Array, out?: Float64Array): Promise<Float64Array>;
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

export interface ClearBatchOptions {
  /** Entries of a vector; the vectors are whole samples by default. */
  readonly length?: number;
  /** Vectors whose sums along the batch are exact in single precision; the parts are added in double precision. All by default. */
  readonly partVectors?: number;
}

/** The same products from integers in the clear, `[vectors, length]`: the reference that encrypted training must equal. */
export class ClearBatch implements BatchProducts {
  readonly samples: number;
  readonly labels: Int32Array;
  readonly #vectors: Float32Array;
  readonly #length: number;
  readonly #count: number;
  readonly #part: number;
  readonly #multiply: MatrixMultiply;

  /** @throws {ShapeError} */
  constructor(
    vectors: Int32Array,
    labels: Int32Array,
    multiply: MatrixMultiply,
    options: ClearBatchOptions = {},
  ) {
    arg.checkArguments('new ClearBatch', [vectors, labels, multiply, options], {
      vectors: arg.typed('an Int32Array', Int32Array),
      labels: arg.typed('an Int32Array', Int32Array),
      multiply: arg.like('a MatrixMultiply', 'sgemm'),
      options: arg.optional(arg.options),
    });
    this.samples = labels.length;
    this.labels = labels;
    this.#length = options.length ?? vectors.length / labels.length;
    this.#count = vectors.length / this.#length;
    this.#part = options.partVectors ?? this.#count;
    if (![this.#length, this.#count, this.#count / this.#part].every(Number.isInteger))
      throw new ShapeError('a batch', `a multiple of ${labels.length} values`, vectors.length);
    this.#vectors = Float32Array.from(vectors);
    this.#multiply = multiply;
  }

  async forward(weights: Int32Array): Promise<Float32Array> {
    const rows = weights.length / this.#length;
    const out = new Float32Array(rows * this.#count);
    const w = Float32Array.from(weights);
    this.#multiply.sgemm(false, true, rows, this.#count, this.#length, 1, w, this.#vectors, 0, out);
    return out;
  }

  async gradient(weights: Int32Array, out?: Float64Array): Promise<Float64Array> {
    const rows = weights.length / this.#count;
    const sums = resultArray(out, rows * this.#length).fill(0);
    const partial = new Float32Array(sums.length);
    for (let start = 0; start < this.#count; start += this.#part) {
      const w = Float32Array.from(columnRange(weights, rows, start, this.#part));
      const vectors = this.#vectors.subarray(start * this.#length, (start + this.#part) * this.#length);
      this.#multiply.sgemm(false, false, rows, this.#length, this.#part, 1, w, vectors, 0, partial);
      for (let i = 0; i < sums.length; i++) sums[i]! += partial[i]!;
    }
    return sums;
  }
}

/** One encrypted batch in the trainer's hands. The gradient axis is present in faithful mode alone. */
export class EncryptedBatch implements BatchProducts {
  readonly samples: number;
  readonly labels: Int32Array;
  readonly #samplesAxis: AxisCiphertexts;
  readonly #axis: 'forward' | 'projection';
  readonly #gradientAxis: AxisCiphertexts | undefined;
  readonly #keys: KeySource;
  readonly encryptedLabels: EncryptedLabels | undefined;

  constructor(
    labels: Int32Array,
    axis: 'forward' | 'projection',
    samples: AxisCiphertexts,
    gradient: AxisCiphertexts | undefined,
    keys: KeySource,
    encryptedLabels?: EncryptedLabels,
  ) {
    arg.checkArguments('new EncryptedBatch', [labels, axis, samples, gradient, keys, encryptedLabels], {
      labels: arg.typed('an Int32Array', Int32Array),
      axis: arg.oneOf('forward', 'projection'),
      samples: arg.like('an AxisCiphertexts', 'scheme', 'ciphertexts'),
      gradient: arg.optional(arg.like('an AxisCiphertexts', 'scheme', 'ciphertexts')),
      keys: arg.callback,
      encryptedLabels: arg.optional(arg.like('an EncryptedLabels', 'open', 'crossEntropy')),
    });
    this.samples = encryptedLabels?.samples ?? labels.length;
    this.encryptedLabels = encryptedLabels;
    this.labels = labels;
    this.#axis = axis;
    this.#samplesAxis = samples;
    this.#gradientAxis = gradient;
    this.#keys = keys;
  }

  /** @throws {KeyRefusedError} {@link OutOfRangeError} for ciphertexts of another master key. */
  async forward(weights: Int32Array): Promise<Float32Array> {
    using keys = await this.#keys(this.#axis, weights);
    const { scheme, ciphertexts } = this.#samplesAxis;
    return new Float32Array(decryptBlocks(scheme, ciphertexts, keys, weights));
  }

  /**
   * Where vectors along the batch are shorter than the batch, each part has its own ciphertexts and keys.
   * @throws {KeyRefusedError} {@link ShapeError} when the owner did not encrypt along the batch.
   */
  async gradient(weights: Int32Array, out?: Float64Array): Promise<Float64Array> {
    if (this.#gradientAxis === undefined)
      throw new ShapeError('an encrypted batch', 'encrypted along the samples, too', 'encrypted once');
    const { scheme, ciphertexts } = this.#gradientAxis;
    const vectors = this.#samplesAxis.ciphertexts.reduce((sum, { count }) => sum + count, 0);
    const rows = weights.length / vectors;
    const parts = vectors / scheme.length;
    const blocks = ciphertexts.length / parts;
    if (![rows, parts, blocks].every(Number.isInteger))
      throw new ShapeError('the combinations of a batch', `a multiple of ${vectors}`, weights.length);
    const partsPerRequest = Math.max(1, Math.floor(mostKeysPerRequest(scheme.length) / rows));
    let sums: Float64Array | undefined;
    for (let first = 0; first < parts; first += partsPerRequest) {
      const end = Math.min(parts, first + partsPerRequest);
      const asked = partRows(weights, rows, scheme.length, first, end);
      using keys = await this.#keys('gradient', asked);
      for (let part = first; part < end; part++) {
        const at = (part - first) * rows;
        const products = decryptBlocks(
          scheme,
          ciphertexts.slice(part * blocks, (part + 1) * blocks),
          keys.rows(at, rows),
          asked.subarray(at * scheme.length, (at + rows) * scheme.length),
          sums === undefined ? out : undefined,
        );
        if (sums === undefined) sums = products;
        else for (let i = 0; i < products.length; i++) sums[i]! += products[i]!;
      }
    }
    return sums ?? new Float64Array(0);
  }
}

/** The parts `first` to `end - 1` of each row, `[parts, rows, length]`. */
function partRows(weights: Int32Array, rows: number, length: number, first: number, end: number): Int32Array {
  if (rows * length === weights.length) return weights;
  const out = new Int32Array((end - first) * rows * length);
  for (let part = first; part < end; part++)
    out.set(columnRange(weights, rows, part * length, length), (part - first) * rows * length);
  return out;
}

printOnOneLine(ClearBatch, EncryptedBatch);
arg.guard('ClearBatch', ClearBatch.prototype, {
  forward: { weights: arg.typed('an Int32Array', Int32Array) },
  gradient: {
    weights: arg.typed('an Int32Array', Int32Array),
    out: arg.optional(arg.typed('a Float64Array', Float64Array)),
  },
});
arg.guard('EncryptedBatch', EncryptedBatch.prototype, {
  forward: { weights: arg.typed('an Int32Array', Int32Array) },
  gradient: {
    weights: arg.typed('an Int32Array', Int32Array),
    out: arg.optional(arg.typed('a Float64Array', Float64Array)),
  },
});
