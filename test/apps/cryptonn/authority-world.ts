/** An authority on loopback with one projected and one faithful data set of small size, in this process. */
import { shake256 } from '@noble/hashes/sha3.js';
import { type AuthorityAppOptions, buildAuthorityApp } from '../../../src/apps/cryptonn/authority-app.ts';
import { type AuthorityPolicy, type PartyRole, withParty } from '../../../src/apps/cryptonn/policy-file.ts';
import { RemoteAuthority } from '../../../src/apps/cryptonn/remote-authority.ts';
import { listenApp } from '../../../src/apps/server/index.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { Authority } from '../../../src/protocols/cryptonn/authority/authority.ts';
import type { AuthorityStorage } from '../../../src/protocols/cryptonn/authority/authority-storage.ts';
import { vectorLength } from '../../../src/protocols/cryptonn/agreement/axis-sizes.ts';
import { type AxisName, type DatasetSpec } from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { MasterKeyring } from '../../../src/protocols/cryptonn/authority/master-keyring.ts';
import type { SchemeFor } from '../../../src/protocols/cryptonn/agreement/dataset-schemes.ts';
import { InsecureScheme } from '../../protocols/cryptonn/insecure-scheme.ts';

export const [FEATURES, BATCH, CLASSES, RANK] = [36, 8, 3, 4];
export const PROJECTION_SEED = '22'.repeat(32);

const base = {
  scheme: 'lattice',
  features: FEATURES,
  inputScale: 100,
  inputBound: 100,
  classes: CLASSES,
  batch: BATCH,
} as const;

export const PROJECTED: DatasetSpec = {
  ...base,
  id: 'projected',
  mode: 'projected',
  projection: { rank: RANK, seed: PROJECTION_SEED, budgetShare: 0.25, approvedBy: [] },
};

export const FAITHFUL: DatasetSpec = {
  ...base,
  id: 'faithful',
  mode: 'faithful',
  faithful: { acknowledged: 'I understand what leaks', weightBound: 127, gradientBound: 127 },
};

export const TOKENS: Readonly<Record<'tom' | 'ann' | 'bob', Uint8Array>> = {
  tom: shake256(Uint8Array.of(1), { dkLen: 32 }),
  ann: shake256(Uint8Array.of(2), { dkLen: 32 }),
  bob: shake256(Uint8Array.of(3), { dkLen: 32 }),
};

export function smallPolicy(): AuthorityPolicy {
  const parties: [keyof typeof TOKENS, PartyRole][] = [
    ['tom', 'trainer'],
    ['ann', 'owner'],
    ['bob', 'owner'],
  ];
  return parties.reduce<AuthorityPolicy>(
    (policy, [name, role]) => withParty(policy, name, role, TOKENS[name]),
    { datasets: [PROJECTED, FAITHFUL], parties: [] },
  );
}

/** The roles are under test here, not the encryption; the packing divides neither samples nor features. */
export const insecureSchemeFor = (spec: DatasetSpec, axis: AxisName) =>
  new InsecureScheme({ length: vectorLength(spec, axis), inputBound: spec.inputBound, weightBound: 127 }, 5);

export async function openAuthorityWorld(
  storage: AuthorityStorage,
  options: AuthorityAppOptions = {},
  schemeFor: SchemeFor = insecureSchemeFor,
) {
  const keyring = new MasterKeyring(schemeFor);
  const authority = await Authority.open(storage, keyring, systemRandom);
  const policy = smallPolicy();
  for (const spec of policy.datasets) await authority.createDataset('policy', spec);
  const server = await listenApp(buildAuthorityApp(authority, policy, options), {});
  return {
    authority,
    server,
    as: (name: keyof typeof TOKENS, url = server.url) =>
      new RemoteAuthority(url, { token: TOKENS[name], retries: 0 }),
    async [Symbol.asyncDispose]() {
      await server.close();
      for (const part of [authority, keyring]) part[Symbol.dispose]();
    },
  };
}
