/** A data owner at work: public keys from the authority, batches into a file. */
import { writeFileSync } from 'node:fs';
import { DataError, ShapeError, UsageError } from '../../base/errors.ts';
import { seedFromBytes, systemRandom } from '../../base/random.ts';
import type { LabelledImages } from '../../nn/index.ts';
import { batchAxes, writeBatch } from '../../protocols/cryptonn/agreement/batch-bytes.ts';
import { DataOwner, type OwnerAxis } from '../../protocols/cryptonn/owner/data-owner.ts';
import type { AxisName, DatasetSpec } from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import { LabelPermutation } from '../../protocols/cryptonn/owner/label-permutation.ts';
import type { SchemeFor } from '../../protocols/cryptonn/agreement/dataset-schemes.ts';
import { assertConsent, type OwnerConsent } from '../../protocols/cryptonn/owner/owner-consent.ts';
import type { NoiseSampler } from '../../protocols/cryptonn/agreement/projection-noise.ts';
import { fileWriteError } from '../keystore/file-errors.ts';
import { readPrivateFile } from '../keystore/private-file.ts';
import { writeEncryptedFile } from './encrypted-file.ts';
import type { RemoteAuthority } from './remote-authority.ts';

/** The seed of the secret renaming of classes: owners of one training share the file; the trainer must not have it. */
export function labelKey(path: string, classes: number): LabelPermutation {
  try {
    writeFileSync(path, systemRandom.seed(), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileWriteError(path, error);
  }
  return readLabelKey(path, classes);
}

/** @throws {UsageError} when the file is no key of labels. {@link KeyFileError} when others can read it. */
export function readLabelKey(path: string, classes: number): LabelPermutation {
  const bytes = readPrivateFile(path);
  if (bytes.length !== 32)
    throw new UsageError(`${path} is no label key: it has ${bytes.length} bytes, not 32`);
  return new LabelPermutation(seedFromBytes(Uint8Array.from(bytes)), classes);
}

/** Images as reals, `[count, features]`; a pixel of `white` is 1. */
export function scaledPixels({ pixels }: LabelledImages, white: number): Float32Array {
  // A loop: TypedArray.from with a function makes a list of numbers first, which takes minutes for a data set.
  const out = new Float32Array(pixels.length);
  for (let i = 0; i < out.length; i++) out[i] = (pixels[i] as number) / white;
  return out;
}

export interface OwnerTask {
  readonly owner: string;
  readonly spec: DatasetSpec;
  readonly images: LabelledImages;
  /** The pixel value that becomes 1. */
  readonly white: number;
  readonly permutation: LabelPermutation;
  /** Draws the noise, where the data set has some. */
  readonly sampler: NoiseSampler;
  readonly out: string;
  /** What the owner said yes to; see {@link risksOf}. Whoever keeps a ledger notes all samples in it before. */
  readonly consent?: OwnerConsent;
  progress(done: number): void;
}

/**
 * Encrypts whole batches into `out`; returns how many samples that are. Pixels over the bound of the data set are cut to it.
 * @throws {OutOfRangeError} naming a label. {@link ShapeError} {@link DataError} {@link TransportError} {@link ProtocolError}
 */
export async function encryptImages(
  task: OwnerTask,
  authority: RemoteAuthority,
  schemeFor: SchemeFor,
): Promise<number> {
  const { spec, images, permutation } = task;
  const { features, batch } = spec;
  assertConsent(spec, task.consent ?? {});
  if (images.height * images.width !== features)
    throw new ShapeError('the images', `${features} pixels large`, images.height * images.width);
  const batches = Math.floor(images.count / batch);
  if (batches < 1) throw new DataError(`one batch has ${batch} samples, there are ${images.count}`);
  const inputs = scaledPixels(images, task.white);
  permutation.rename(images.labels);
  const axes: Partial<Record<AxisName, OwnerAxis>> = {};
  try {
    for (const axis of batchAxes(spec)) {
      const scheme = schemeFor(spec, axis);
      axes[axis] = { scheme, publicKey: await authority.publicKey(spec, axis, scheme) };
    }
    const owner = new DataOwner(
      task.owner,
      spec,
      axes,
      permutation,
      systemRandom,
      task.sampler,
      task.consent,
    );
    const encrypted = (i: number) => {
      const owned = owner.encrypt(
        inputs.subarray(i * batch * features, (i + 1) * batch * features),
        images.labels.subarray(i * batch, (i + 1) * batch),
      );
      const bytes = writeBatch(owned);
      for (const ciphertext of [...owned.samples, ...owned.features, ...owned.encryptedLabels])
        ciphertext[Symbol.dispose]();
      task.progress((i + 1) / batches);
      return bytes;
    };
    await writeEncryptedFile(task.out, spec, task.owner, batches, encrypted, undefined, permutation.identity);
  } finally {
    for (const { publicKey } of Object.values(axes)) publicKey[Symbol.dispose]();
  }
  return batches * batch;
}
