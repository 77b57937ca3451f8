/** Functional encryption, what owners, trainer and authority send each other, and the data that owners read. */
import { seededRandom } from '../../src/base/testing.ts';
import { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';
import type { InnerProductScheme } from '../../src/fe/inner-product-scheme.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { readIdx } from '../../src/nn/idx.ts';
import { AuthoritySecrets } from '../../src/protocols/cryptonn/authority-secrets.ts';
import { readBatch, writeBatch } from '../../src/protocols/cryptonn/batch-bytes.ts';
import type { DatasetSpec } from '../../src/protocols/cryptonn/dataset-spec.ts';
import {
  readKeyAnswer,
  readKeyRequest,
  writeKeyAnswer,
  writeKeyRequest,
} from '../../src/protocols/cryptonn/key-messages.ts';
import { parseAnchor } from '../../src/protocols/cryptonn/log-head.ts';
import type { FuzzTarget } from './harness.ts';

const FEATURES = 3;
const SPEC: DatasetSpec = {
  id: 'fuzz',
  scheme: 'ddh-selective',
  mode: 'projected',
  features: FEATURES,
  inputScale: 1,
  inputBound: 4,
  classes: 2,
  batch: 2,
  projection: { rank: 1, seed: 'ab'.repeat(32), budgetShare: 0.2, approvedBy: [] },
};

/** The four objects of a scheme; the ciphertext serves the batches as well. */
function schemeTargets(scheme: InnerProductScheme): FuzzTarget[] {
  const random = seededRandom(scheme.name);
  const { publicKey, secretKey } = scheme.setup(random);
  using open = publicKey;
  using secret = secretKey;
  using ciphertext = scheme.encrypt(open, new Int32Array(scheme.length).fill(1), random);
  using keys = scheme.deriveKeys(secret, new Int32Array(scheme.length).fill(2));
  const objects = [open, secret, ciphertext, keys].map((object) => object.toBytes());
  const parsers = [
    (bytes: Uint8Array) => scheme.publicKeyFromBytes(bytes),
    (bytes: Uint8Array) => scheme.secretKeyFromBytes(bytes),
    (bytes: Uint8Array) => scheme.ciphertextFromBytes(bytes),
    (bytes: Uint8Array) => scheme.functionKeysFromBytes(bytes),
  ];
  const names = ['public key', 'secret key', 'ciphertext', 'function keys'];
  return parsers.map((parse, i) => ({
    name: `${names[i]} of ${scheme.name}`,
    corpus: [objects[i]!, objects[i]!, ...objects],
    parse: (bytes) => parse(bytes)[Symbol.dispose](),
  }));
}

function batchTarget(scheme: InnerProductScheme): FuzzTarget {
  const random = seededRandom('batch');
  const { publicKey, secretKey } = scheme.setup(random);
  const samples = [1, 2].map((value) =>
    scheme.encrypt(publicKey, new Int32Array(FEATURES).fill(value), random),
  );
  const bytes = writeBatch({ labels: Int32Array.of(0, 1), samples, features: [] });
  for (const object of [publicKey, secretKey, ...samples]) object[Symbol.dispose]();
  return {
    name: 'encrypted batch',
    corpus: [bytes],
    parse: (mutant) => {
      for (const ciphertext of readBatch(mutant, SPEC, () => scheme).samples) ciphertext[Symbol.dispose]();
    },
  };
}

function authorityTargets(): FuzzTarget[] {
  const head = { entries: 3, hash: 'cd'.repeat(32) };
  const weights = Int32Array.of(1, -2, 3, 4, 5, -6);
  const secrets = AuthoritySecrets.create(seededRandom('authority'));
  const anchor = new TextEncoder().encode(JSON.stringify(head));
  return [
    {
      name: 'key request',
      corpus: [writeKeyRequest({ weights }, FEATURES), writeKeyRequest({ weights, seen: head }, FEATURES)],
      parse: (bytes) => readKeyRequest(bytes, FEATURES),
    },
    {
      name: 'key answer',
      corpus: [writeKeyAnswer({ keyBytes: new Uint8Array(50), rank: 2, head })],
      parse: (bytes) => readKeyAnswer(bytes),
    },
    {
      name: "authority's secrets",
      corpus: [secrets.toBytes()],
      parse: (bytes) => AuthoritySecrets.fromBytes(bytes)[Symbol.dispose](),
    },
    { name: 'anchor of a log', corpus: [anchor], parse: parseAnchor },
  ];
}

const IDX = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8, 9, 255);

/** The schemes are the caller's to dispose. */
export function learningTargets(kernel: Kernel): { targets: FuzzTarget[]; schemes: InnerProductScheme[] } {
  const spec = { length: FEATURES, inputBound: 4, weightBound: 4 };
  const lattice = new LatticeInnerProduct(kernel, { ...spec, packing: 32 });
  const ddh = new DdhInnerProduct(spec, 'selective');
  return {
    schemes: [lattice, ddh],
    targets: [
      ...schemeTargets(lattice),
      ...schemeTargets(ddh),
      batchTarget(ddh),
      ...authorityTargets(),
      { name: 'IDX', corpus: [IDX], parse: readIdx },
    ],
  };
}
