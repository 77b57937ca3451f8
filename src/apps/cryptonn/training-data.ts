/** The encrypted files of all owners as one sequence of batches, in the trainer's hands. */
import { createHash } from 'node:crypto';
import { InvalidParamsError, ParamsMismatchError, UsageError } from '../../base/errors.ts';
import type { FunctionKeys } from '../../fe/inner-product-scheme.ts';
import { SeededGenerator } from '../../nn/index.ts';
import { readBatch } from '../../protocols/cryptonn/agreement/batch-bytes.ts';
import { EncryptedBatch } from '../../protocols/cryptonn/trainer/batch-products.ts';
import { checkOwnerScales } from '../../protocols/cryptonn/owner/data-owner.ts';
import {
  type AxisName,
  type DatasetSpec,
  datasetDigest,
} from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import { EncryptedLabels } from '../../protocols/cryptonn/trainer/encrypted-labels.ts';
import type { SchemeFor } from '../../protocols/cryptonn/agreement/dataset-schemes.ts';
import {
  type ProjectionPrivacy,
  projectionPrivacy,
} from '../../protocols/cryptonn/agreement/projection-noise.ts';
import { EncryptedFile, type EncryptedFileHeader } from './encrypted-file.ts';
import type { RemoteAuthority } from './remote-authority.ts';

/** A batch whose ciphertexts are in memory until it is disposed of. */
export interface LoadedBatch extends Disposable {
  readonly owner: string;
  readonly products: EncryptedBatch;
}

export class TrainingData implements AsyncDisposable {
  readonly spec: DatasetSpec;
  /** Which data, in which order. */
  readonly identity: string;
  readonly batches: number;
  /** Where owners put noise into the products. */
  readonly privacy: ProjectionPrivacy | undefined;
  readonly #files: readonly EncryptedFile[];
  readonly #authority: RemoteAuthority;
  readonly #schemeFor: SchemeFor;
  #kept: { readonly weights: Int32Array; readonly bytes: Uint8Array } | undefined;

  private constructor(
    spec: DatasetSpec,
    files: readonly EncryptedFile[],
    authority: RemoteAuthority,
    schemeFor: SchemeFor,
  ) {
    this.spec = spec;
    this.privacy = projectionPrivacy(spec);
    this.#files = files;
    this.#authority = authority;
    this.#schemeFor = schemeFor;
    this.batches = files.reduce((sum, { header }) => sum + header.batches, 0);
    const hash = createHash('sha256');
    for (const { identity } of files) hash.update(identity, 'hex');
    this.identity = hash.digest('hex');
  }

  /**
   * @throws {ParamsMismatchError} for a file that was encrypted under another specification. {@link InvalidParamsError} for owners
   *   who declare different scales or renamed the classes differently. {@link DecodeError} {@link TransportError} {@link UsageError} for different data sets.
   */
  static async open(
    paths: readonly string[],
    authority: RemoteAuthority,
    schemeFor: SchemeFor,
  ): Promise<TrainingData> {
    const files: EncryptedFile[] = [];
    try {
      for (const path of paths) files.push(await EncryptedFile.open(path));
      const names = new Set(files.map(({ header }) => header.dataset));
      const [name] = names;
      if (name === undefined || names.size > 1)
        throw new UsageError(
          `one training has one data set; the files are of ${[...names].join(', ') || 'none'}`,
        );
      const spec = await authority.spec(name);
      const digest = datasetDigest(spec);
      for (const { path, header } of files) {
        if (header.digest !== digest) throw new ParamsMismatchError(path, digest, header.digest);
        if (header.inputScale !== spec.inputScale)
          throw new InvalidParamsError(
            `the owner "${header.owner}" scaled by ${header.inputScale}, not ${spec.inputScale}`,
            {},
          );
      }
      checkLabelKeys(files.map(({ header }) => header));
      return new TrainingData(spec, files, authority, schemeFor);
    } catch (error) {
      for (const file of files) await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws {InvalidParamsError} when the other files' owners renamed the classes differently. */
  checkLabelsWith(other: TrainingData): void {
    checkLabelKeys([...this.#files, ...other.#files].map(({ header }) => header));
  }

  get samples(): number {
    return this.batches * this.spec.batch;
  }

  /** Batch `index` over all files. @throws {DecodeError} {@link ParamsMismatchError} */
  async load(index: number): Promise<LoadedBatch> {
    const { file, at } = this.#place(index);
    const { spec } = this;
    const scheme = (axis: Parameters<SchemeFor>[1]) => this.#schemeFor(spec, axis);
    const { labels, encryptedLabels, samples, features } = readBatch(await file.batch(at), spec, scheme);
    const axis = spec.mode === 'faithful' ? 'forward' : 'projection';
    const keys = (wanted: AxisName, weights: Int32Array) => this.#keys(wanted, weights);
    const products = new EncryptedBatch(
      labels,
      axis,
      { scheme: scheme(axis), ciphertexts: samples },
      spec.mode === 'faithful' ? { scheme: scheme('gradient'), ciphertexts: features } : undefined,
      keys,
      encryptedLabels.length === 0
        ? undefined
        : new EncryptedLabels({ scheme: scheme('labels'), ciphertexts: encryptedLabels }, keys),
    );
    return {
      owner: file.header.owner,
      products,
      [Symbol.dispose]() {
        for (const ciphertext of [...samples, ...features, ...encryptedLabels]) ciphertext[Symbol.dispose]();
      },
    };
  }

  /** Keys of the projection are asked for once and kept; in faithful mode each step has new weights. */
  async #keys(axis: AxisName, weights: Int32Array): Promise<FunctionKeys> {
    const scheme = this.#schemeFor(this.spec, axis);
    if (this.#kept?.weights === weights) return scheme.functionKeysFromBytes(this.#kept.bytes);
    const keys = await this.#authority.issue(this.spec, axis, weights, scheme);
    if (axis === 'projection') this.#kept = { weights, bytes: keys.toBytes() };
    return keys;
  }

  /** The order of an epoch follows from seed and epoch alone. */
  order(seed: number, epoch: number): Uint32Array {
    const order = Uint32Array.from({ length: this.batches }, (_, i) => i);
    new SeededGenerator((seed ^ Math.imul(epoch + 1, 0x9e3779b1)) >>> 0).shuffle(order);
    return order;
  }

  /**
   * Compares first-layer results over the first batch of every file.
   * @throws {InvalidParamsError} naming two owners who scaled differently.
   */
  async checkScales(weights: Int32Array): Promise<void> {
    if (this.#files.length < 2) return;
    const seen: { owner: string; inputScale: number; products: Float32Array }[] = [];
    let first = 0;
    for (const { header } of this.#files) {
      using batch = await this.load(first);
      const products = await batch.products.forward(weights);
      seen.push({ owner: header.owner, inputScale: header.inputScale, products });
      first += header.batches;
    }
    checkOwnerScales(seen);
  }

  #place(index: number): { file: EncryptedFile; at: number } {
    let at = index;
    for (const file of this.#files) {
      if (at < file.header.batches) return { file, at };
      at -= file.header.batches;
    }
    throw new RangeError(`there is no batch ${index}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) await file[Symbol.asyncDispose]();
  }
}

/** Files of an earlier version do not say. @throws {InvalidParamsError} naming two owners with different label keys. */
function checkLabelKeys(headers: readonly EncryptedFileHeader[]): void {
  const known = headers.filter(({ labelKey }) => labelKey !== undefined);
  const [first] = known;
  const other = known.find(({ labelKey }) => labelKey !== first?.labelKey);
  if (first === undefined || other === undefined) return;
  throw new InvalidParamsError(
    `the owners "${first.owner}" and "${other.owner}" encrypted under different label keys, so that their classes do not match: one of them encrypts again with the other's --label-key`,
    {},
  );
}
