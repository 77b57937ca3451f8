/** Two owners encrypt samples; a trainer learns P x of each, for one public P, and no more: the authority sees to that. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Authority,
  AuthorityFiles,
  DataOwner,
  DatasetSchemes,
  EncryptedBatch,
  type KeySource,
  LabelPermutation,
  MasterKeyring,
  parseDatasetSpec,
  projectionKeys,
  systemRandom,
} from '../src/apps/cryptonn/index.ts';
import { KeyRefusedError, openKernel } from '../src/index.ts';

const [features, batch] = [36, 4];
const spec = parseDatasetSpec({
  ...{ id: 'example', scheme: 'lattice', mode: 'projected', features, batch, classes: 2 },
  ...{ inputScale: 100, inputBound: 100 },
  projection: { rank: 2, seed: '22'.repeat(32), budgetShare: 0.25, approvedBy: [] },
});
using kernel = await openKernel();
using schemes = new DatasetSchemes(kernel);
const scheme = schemes.schemeFor(spec, 'projection');

// The authority: master keys and a log, here in a directory of its own.
const directory = await mkdtemp(join(tmpdir(), 'subrosa-example-'));
const files = await AuthorityFiles.open(directory, 'a passphrase');
using keyring = new MasterKeyring(schemes.schemeFor);
using authority = await Authority.open(files, keyring, systemRandom, kernel);
await authority.createDataset('example', spec);

// Owners share the secret names of the classes.
using publicKey = scheme.publicKeyFromBytes(authority.masterPublicKey(spec.id, 'projection'));
const names = new LabelPermutation(systemRandom.seed(), spec.classes);
const owner = (name: string) =>
  new DataOwner(name, spec, { projection: { scheme, publicKey } }, names, systemRandom);
const images = Float32Array.from({ length: batch * features }, (_, i) => (i % 7) / 10);
const owned = ['ann', 'bob'].map((name) => owner(name).encrypt(images, [0, 1, 1, 0]));

// The trainer: keys for the rows of P open P x; a key for a single value is refused.
const keys: KeySource = async (axis, weights) =>
  (await authority.issue({ requester: 'trainer', dataset: spec.id, axis, weights })).keys;
for (const { labels, samples } of owned) {
  const encrypted = new EncryptedBatch(
    labels,
    'projection',
    { scheme, ciphertexts: samples },
    undefined,
    keys,
  );
  console.log([...(await encrypted.forward(projectionKeys(spec)))].join(' '));
}
const single = new Int32Array(features);
single[0] = 1;
await keys('projection', single).catch((error: unknown) => {
  if (!(error instanceof KeyRefusedError)) throw error;
  console.log(error.details.reason);
});

for (const { samples } of owned) for (const ciphertext of samples) ciphertext[Symbol.dispose]();
await files[Symbol.asyncDispose]();
await rm(directory, { recursive: true });
