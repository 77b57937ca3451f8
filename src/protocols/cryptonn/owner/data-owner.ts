/** A data owner: turns samples into fixed-point integers, renames the labels, encrypts both axes, and is not needed afterwards. */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { InvalidParamsError, OutOfRangeError, ShapeError } from '../../../base/errors.ts';
import type { RandomSource } from '../../../base/random.ts';
import type {
  InnerProductCiphertext,
  InnerProductScheme,
  MasterPublicKey,
} from '../../../fe/inner-product-scheme.ts';
import { axisSizes, datasetWindows } from '../agreement/axis-sizes.ts';
import type { OwnedBatch } from '../agreement/batch-bytes.ts';
import { columnRange } from '../agreement/column-range.ts';
import type { AxisName, DatasetSpec } from '../agreement/dataset-spec.ts';
import { oneHotColumns } from './one-hot-columns.ts';
import { windowVectors } from '../agreement/window-vectors.ts';
import type { LabelPermutation } from './label-permutation.ts';
import { assertConsent, type OwnerConsent } from './owner-consent.ts';
import type { LedgerReview } from './owner-ledger.ts';
import { noiseCoordinates, type NoiseSampler, noisySamples } from '../agreement/projection-noise.ts';

/** Integers as they are before an authority's bound, for a ledger that must know samples again under any of them. */
const NO_BOUND = 2 ** 31 - 1;

/**
 * round(scale * x), where it is beyond the bound the bound itself. Scale and bound are the authority's choice: were values refused by them,
 * it could ask about data by seeing who goes on.
 * @throws {OutOfRangeError} for what is no number, naming the first index.
 */
export function fixedPoint(values: Float32Array, scale: number, bound: number = NO_BOUND): Int32Array {
  const out = new Int32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const value = values[i] as number;
    if (Number.isNaN(value)) throw new OutOfRangeError(`input ${i}`, 'a number', 'NaN');
    out[i] = Math.max(-bound, Math.min(bound, Math.round(scale * value)));
  }
  return out;
}

/** How many values {@link fixedPoint} changes to the bound: for the owner alone. */
export function countBeyond(values: Float32Array, scale: number, bound: number): number {
  let count = 0;
  for (let i = 0; i < values.length; i++)
    if (Math.abs(Math.round(scale * (values[i] as number))) > bound) count++;
  return count;
}

/** The vectors of a batch, `[vectors, length]`: its samples, or the windows of its images, from `[samples, features]`. */
export function encryptedVectors({ convolution }: DatasetSpec, integers: Int32Array): Int32Array {
  return convolution === undefined ? integers : windowVectors(integers, datasetWindows(convolution));
}

/** One axis as an owner sees it. */
export interface OwnerAxis {
  readonly scheme: InnerProductScheme;
  readonly publicKey: MasterPublicKey;
}

export class DataOwner {
  readonly name: string;
  readonly spec: DatasetSpec;
  readonly #axes: Readonly<Partial<Record<AxisName, OwnerAxis>>>;
  readonly #permutation: LabelPermutation;
  readonly #random: RandomSource;
  readonly #sampler: NoiseSampler | undefined;
  readonly #consent: OwnerConsent;

  /**
   * `sampler` is needed where the data set has noise; `consent` where it gives away more than the default, see {@link risksOf}.
   * @throws {InvalidParamsError}
   */
  constructor(
    name: string,
    spec: DatasetSpec,
    axes: Readonly<Partial<Record<AxisName, OwnerAxis>>>,
    permutation: LabelPermutation,
    random: RandomSource,
    sampler?: NoiseSampler,
    consent: OwnerConsent = {},
  ) {
    arg.checkArguments('new DataOwner', [name, spec, axes, permutation, random, sampler, consent], {
      name: arg.text,
      spec: arg.options,
      axes: arg.options,
      permutation: arg.like('a LabelPermutation', 'rename', 'restore'),
      random: arg.randomSource,
      sampler: arg.optional(arg.like('a NoiseSampler', 'wideGaussian')),
      consent: arg.optional(arg.options),
    });
    assertConsent(spec, consent);
    if (permutation.classes !== spec.classes)
      throw new InvalidParamsError('the permutation has another number of classes than the data set', {});
    if (noiseCoordinates(spec) > 0 && sampler === undefined)
      throw new InvalidParamsError(`"${spec.id}" needs an owner with a sampler of noise`, {});
    this.name = name;
    this.spec = spec;
    this.#axes = axes;
    this.#permutation = permutation;
    this.#random = random;
    this.#sampler = sampler;
    this.#consent = consent;
  }

  /** What encrypting these samples makes known, with everything that the ledger has of them; undefined without a ledger. */
  review(inputs: Float32Array): LedgerReview | undefined {
    return this.#consent.ledger?.review(this.spec, fixedPoint(inputs, this.spec.inputScale));
  }

  /**
   * `inputs` `[samples, features]` of real values, one full batch; those beyond the bound are clipped, see {@link countBeyond}.
   * @throws {OutOfRangeError} before anything is encrypted, naming the index of a NaN or a label. {@link ShapeError}
   * @throws {InvalidParamsError} when the ledger has no budget left for these samples.
   */
  encrypt(inputs: Float32Array, labels: ArrayLike<number>): OwnedBatch {
    const { features, batch, inputScale, inputBound, mode } = this.spec;
    if (labels.length !== batch) throw new ShapeError('a batch', `${batch} samples`, labels.length);
    if (inputs.length !== batch * features)
      throw new ShapeError('the inputs of a batch', `${batch} x ${features}`, inputs.length);
    const integers = fixedPoint(inputs, inputScale, inputBound);
    const renamed = this.#permutation.rename(labels);
    const isFaithful = mode === 'faithful';
    const isHidden = this.spec.faithful?.labels !== undefined;
    const forward = isFaithful ? 'forward' : 'projection';
    const { ledger, understandsWhatLeaks } = this.#consent;
    ledger?.approve(this.spec, fixedPoint(inputs, inputScale), understandsWhatLeaks);
    const vectors = this.#withNoise(encryptedVectors(this.spec, integers));
    const { length, vectors: count } = axisSizes(this.spec, forward);
    const made: InnerProductCiphertext[] = [];
    try {
      return {
        owner: this.name,
        inputScale,
        labels: isHidden ? new Int32Array(0) : renamed,
        encryptedLabels: isHidden
          ? this.#encryptAxis('labels', oneHotColumns(renamed, this.spec.classes), renamed.length, made)
          : [],
        samples: this.#encryptAxis(forward, transposedIntegers(vectors, count, length), count, made),
        features: isFaithful ? this.#encryptParts(vectors, made) : [],
      };
    } catch (error) {
      for (const ciphertext of made) ciphertext[Symbol.dispose]();
      throw error;
    }
  }

  #withNoise(vectors: Int32Array): Int32Array {
    if (this.#sampler === undefined) return vectors;
    return noisySamples(this.spec, vectors, this.#sampler, this.#random);
  }

  /** Part after part of a batch, `[length, vectors]` each as they stand. */
  #encryptParts(vectors: Int32Array, made: InnerProductCiphertext[]): InnerProductCiphertext[] {
    const { parts, length, vectors: count } = axisSizes(this.spec, 'gradient');
    const size = length * count;
    return Array.from({ length: parts }, (_, part) =>
      this.#encryptAxis('gradient', vectors.subarray(part * size, (part + 1) * size), count, made),
    ).flat();
  }

  /** `columns` is `[length, vectors]`; what is made is noted in `made` as well. */
  #encryptAxis(
    axis: AxisName,
    columns: Int32Array,
    vectors: number,
    made: InnerProductCiphertext[],
  ): InnerProductCiphertext[] {
    const known = this.#axes[axis];
    if (known === undefined)
      throw new ShapeError('the keys of an owner', `present for axis ${axis}`, 'absent');
    const { scheme, publicKey } = known;
    const out: InnerProductCiphertext[] = [];
    for (let start = 0; start < vectors; start += scheme.packing) {
      const count = Math.min(scheme.packing, vectors - start);
      const part = columnRange(columns, scheme.length, start, count);
      const ciphertext = scheme.encrypt(publicKey, part, this.#random);
      made.push(ciphertext);
      out.push(ciphertext);
    }
    return out;
  }
}

function transposedIntegers(a: Int32Array, rows: number, columns: number): Int32Array {
  const out = new Int32Array(a.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j]!;
  return out;
}

/** Two owners whose typical values differ by more than this did not scale alike. */
const MAX_OWNER_RATIO = 1.5;

/**
 * Refuses batches of owners who scaled differently: by what they declare, and by what the trainer sees anyway, the root mean square of
 * first-layer results per owner.
 * @throws {InvalidParamsError} naming the two owners.
 */
export function checkOwnerScales(
  batches: readonly {
    readonly owner: string;
    readonly inputScale: number;
    readonly products: Float32Array;
  }[],
): void {
  arg.checkArguments('checkOwnerScales', [batches], { batches: arg.list });
  const sums = new Map<string, { scale: number; squares: number; count: number }>();
  for (const { owner, inputScale, products } of batches) {
    const sum = sums.get(owner) ?? { scale: inputScale, squares: 0, count: 0 };
    for (const value of products) sum.squares += value * value;
    sum.count += products.length;
    sums.set(owner, sum);
  }
  const owners = [...sums].map(([owner, { scale, squares, count }]) => ({
    owner,
    scale,
    size: Math.sqrt(squares / count),
  }));
  for (const [i, a] of owners.entries()) {
    for (const b of owners.slice(i + 1)) {
      const ratio = Math.max(a.size, b.size) / Math.min(a.size, b.size);
      if (a.scale !== b.scale || ratio > MAX_OWNER_RATIO) {
        throw new InvalidParamsError(
          `the owners "${a.owner}" and "${b.owner}" scaled their data differently`,
          {
            ratio,
          },
        );
      }
    }
  }
}

printOnOneLine(DataOwner);
arg.guard('DataOwner', DataOwner.prototype, {
  review: { inputs: arg.typed('a Float32Array', Float32Array) },
  encrypt: { inputs: arg.typed('a Float32Array', Float32Array), labels: arg.numbers },
});
