/** All roles of training on encrypted MNIST in one process: authority in memory, one owner, and the trainer's key source. */
import { systemRandom } from '../src/base/random.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { Authority } from '../src/protocols/cryptonn/authority.ts';
import type { AuthorityStorage } from '../src/protocols/cryptonn/authority-storage.ts';
import type { KeySource } from '../src/protocols/cryptonn/batch-products.ts';
import { DataOwner } from '../src/protocols/cryptonn/data-owner.ts';
import type { AxisName, DatasetSpec } from '../src/protocols/cryptonn/dataset-spec.ts';
import { LabelPermutation } from '../src/protocols/cryptonn/label-permutation.ts';
import { LatticeSchemes } from '../src/protocols/cryptonn/lattice-schemes.ts';
import { MasterKeyring } from '../src/protocols/cryptonn/master-keyring.ts';

/** Forgets everything: a bench measures the protocol, not a disk. */
function noStorage(): AuthorityStorage {
  return {
    readSecrets: async () => null,
    writeSecrets: async () => {},
    readLog: async () => new Uint8Array(0),
    appendLog: async () => {},
    truncateLog: async () => {},
    readAnchor: async () => null,
    writeAnchor: async () => {},
  };
}

export async function openCryptonnWorld(spec: DatasetSpec, kernel: Kernel) {
  const schemes = new LatticeSchemes(kernel);
  const keyring = new MasterKeyring(schemes.schemeFor);
  const authority = await Authority.open(noStorage(), keyring, systemRandom);
  await authority.createDataset('owner', spec);
  const publicKeys: Disposable[] = [];
  const names: AxisName[] = spec.mode === 'faithful' ? ['forward', 'gradient'] : ['projection'];
  const axes = Object.fromEntries(
    names.map((axis) => {
      const scheme = schemes.schemeFor(spec, axis);
      const publicKey = scheme.publicKeyFromBytes(authority.masterPublicKey(spec.id, axis));
      publicKeys.push(publicKey);
      return [axis, { scheme, publicKey }];
    }),
  );
  const permutation = new LabelPermutation(systemRandom.seed(), spec.classes);
  const issued = { keys: 0 };
  const keys: KeySource = async (axis, weights) => {
    const answer = await authority.issue({ requester: 'trainer', dataset: spec.id, axis, weights });
    issued.keys += answer.keys.count;
    return answer.keys;
  };
  return {
    authority,
    schemes,
    permutation,
    keys,
    issued,
    owner: new DataOwner('owner', spec, axes, permutation, systemRandom),
    [Symbol.dispose]() {
      for (const part of [...publicKeys, authority, keyring, schemes]) part[Symbol.dispose]();
    },
  };
}
