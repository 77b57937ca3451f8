/** All roles of training on encrypted data in one process: authority in memory, one owner, and what the trainer receives. */
import { seedFromBytes, systemRandom } from '../../src/base/random.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { Authority } from '../../src/protocols/cryptonn/authority/authority.ts';
import type { AuthorityStorage } from '../../src/protocols/cryptonn/authority/authority-storage.ts';
import { axisSizes } from '../../src/protocols/cryptonn/agreement/axis-sizes.ts';
import { batchAxes } from '../../src/protocols/cryptonn/agreement/batch-bytes.ts';
import { ClearBatch, EncryptedBatch } from '../../src/protocols/cryptonn/trainer/batch-products.ts';
import type { KeySource } from '../../src/protocols/cryptonn/trainer/axis-ciphertexts.ts';
import { DataOwner, encryptedVectors, fixedPoint } from '../../src/protocols/cryptonn/owner/data-owner.ts';
import type { DatasetSpec } from '../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { EncryptedLabels } from '../../src/protocols/cryptonn/trainer/encrypted-labels.ts';
import { LabelPermutation } from '../../src/protocols/cryptonn/owner/label-permutation.ts';
import { LatticeSchemes } from '../../src/protocols/cryptonn/agreement/lattice-schemes.ts';
import { MasterKeyring } from '../../src/protocols/cryptonn/authority/master-keyring.ts';
import type { SchemeFor } from '../../src/protocols/cryptonn/agreement/dataset-schemes.ts';
import { benchApprovers } from './cryptonn-data.ts';
import type { BenchClock } from '../in-turn.ts';

/** The same names in every run: a run that continues another must not meet other classes. Nothing here is a secret. */
const LABEL_SEED = new Uint8Array(32).fill(0x5b);

/** Forgets everything: a bench measures the protocol, not a disk. */
function noStorage(): AuthorityStorage {
  return {
    readSecrets: async () => null,
    writeSecrets: async () => {},
    readLog: async () => new Uint8Array(0),
    appendLog: async () => {},
    truncateLog: async () => {},
    rotateLog: async () => {},
    archivedLogs: async () => [],
    readArchivedLog: async () => new Uint8Array(0),
    readAnchor: async () => null,
    writeAnchor: async () => {},
  };
}

export type CryptonnWorld = Awaited<ReturnType<typeof openCryptonnWorld>>;

/** One batch as the trainer holds it. Disposing frees its ciphertexts. */
export interface OpenedBatch extends Disposable {
  readonly batch: EncryptedBatch;
  readonly bytes: number;
}

/** Under the lattice scheme unless another is given. */
export async function openCryptonnWorld(
  spec: DatasetSpec,
  kernel: Kernel,
  clock: BenchClock,
  otherScheme?: SchemeFor,
) {
  const schemes = new LatticeSchemes(kernel);
  const schemeFor = otherScheme ?? schemes.schemeFor;
  const keyring = new MasterKeyring(schemeFor);
  const authority = await Authority.open(noStorage(), keyring, systemRandom, kernel, {
    approvers: benchApprovers,
  });
  await authority.createDataset('owner', spec);
  const publicKeys: Disposable[] = [];
  const axes = Object.fromEntries(
    batchAxes(spec).map((axis) => {
      const scheme = schemeFor(spec, axis);
      const publicKey = scheme.publicKeyFromBytes(authority.masterPublicKey(spec.id, axis));
      publicKeys.push(publicKey);
      return [axis, { scheme, publicKey }];
    }),
  );
  const permutation = new LabelPermutation(seedFromBytes(LABEL_SEED), spec.classes);
  const owner = new DataOwner('owner', spec, axes, permutation, systemRandom, kernel, {
    understandsWhatLeaks: true,
  });
  const issued = { keys: 0, seconds: 0 };
  const keys: KeySource = async (axis, weights) => {
    const started = clock();
    const answer = await authority.issue({ requester: 'trainer', dataset: spec.id, axis, weights });
    issued.keys += answer.keys.count;
    issued.seconds += (clock() - started) / 1000;
    return answer.keys;
  };
  return {
    ...{ spec, authority, permutation, issued, owner, schemeFor },
    /** `[batch, features]` reals with their true labels. */
    encrypted(inputs: Float32Array, labels: ArrayLike<number>): OpenedBatch {
      const owned = owner.encrypt(inputs, labels);
      const axis = spec.mode === 'faithful' ? 'forward' : 'projection';
      const samples = { scheme: schemeFor(spec, axis), ciphertexts: owned.samples };
      const along =
        spec.mode === 'faithful'
          ? { scheme: schemeFor(spec, 'gradient'), ciphertexts: owned.features }
          : undefined;
      const all = [...owned.samples, ...owned.features, ...owned.encryptedLabels];
      const hidden = owned.encryptedLabels.length > 0;
      const labelAxis = () => ({
        scheme: schemeFor(spec, 'labels'),
        ciphertexts: owned.encryptedLabels,
      });
      const encryptedLabels = hidden ? new EncryptedLabels(labelAxis(), keys) : undefined;
      return {
        batch: new EncryptedBatch(owned.labels, axis, samples, along, keys, encryptedLabels),
        bytes: all.reduce((sum, { byteLength }) => sum + byteLength, 0),
        [Symbol.dispose]() {
          for (const ciphertext of all) ciphertext[Symbol.dispose]();
        },
      };
    },
    /** The same batch in the clear, or any number of samples for an evaluation. */
    clear(inputs: Float32Array, labels: ArrayLike<number>): ClearBatch {
      const integers = fixedPoint(inputs, spec.inputScale, spec.inputBound);
      const renamed = permutation.rename(labels);
      const vectors = encryptedVectors(spec, integers);
      if (spec.mode === 'projected') return new ClearBatch(vectors, renamed, kernel);
      const { length } = axisSizes(spec, 'forward');
      if (labels.length !== spec.batch) return new ClearBatch(vectors, renamed, kernel, { length });
      const partVectors = axisSizes(spec, 'gradient').length;
      return new ClearBatch(vectors, renamed, kernel, { length, partVectors });
    },
    [Symbol.dispose]() {
      for (const part of [...publicKeys, authority, keyring, schemes]) part[Symbol.dispose]();
    },
  };
}
