/** Functional encryption, what owners, trainer and authority send each other, and the data that owners read. */
import { seededRandom } from '../../src/base/testing.ts';
import { DdhBasicOperations } from '../../src/fe/ddh/basic-operations.ts';
import { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';
import type { InnerProductScheme } from '../../src/fe/inner-product-scheme.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { AuthoritySecrets } from '../../src/protocols/cryptonn/authority/authority-secrets.ts';
import { readBatch, writeBatch } from '../../src/protocols/cryptonn/agreement/batch-bytes.ts';
import { type DatasetSpec, parseDatasetSpec } from '../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import {
  readKeyAnswer,
  readKeyRequest,
  writeKeyAnswer,
  writeKeyRequest,
} from '../../src/protocols/cryptonn/agreement/key-messages.ts';
import { parseAnchor } from '../../src/protocols/cryptonn/agreement/log-head.ts';
import {
  parseTranscript,
  transcriptBytes,
  TranscriptRecorder,
} from '../../src/protocols/cryptonn/trainer/training-transcript.ts';
import { type FuzzTarget, parsedJson } from './harness.ts';

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

/** The five objects of the basic operations. */
function basicTargets(kernel: Kernel): FuzzTarget[] {
  const scheme = new DdhBasicOperations({ inputBound: 4, operandBound: 4 }, kernel);
  const random = seededRandom('basic');
  const { publicKey, secretKey } = scheme.setup(random);
  const ciphertext = scheme.encrypt(publicKey, Int32Array.of(1, 2), random);
  const commitments = scheme.commitmentsOf(ciphertext);
  const keys = scheme.deriveKeys(secretKey, commitments, '*', Int32Array.of(2, 3));
  const objects = [publicKey, secretKey, ciphertext, commitments, keys].map((object) => object.toBytes());
  const parsers = [
    (bytes: Uint8Array) => scheme.publicKeyFromBytes(bytes),
    (bytes: Uint8Array) => scheme.secretKeyFromBytes(bytes),
    (bytes: Uint8Array) => scheme.ciphertextFromBytes(bytes),
    (bytes: Uint8Array) => scheme.commitmentsFromBytes(bytes),
    (bytes: Uint8Array) => scheme.keysFromBytes(bytes),
  ];
  const names = ['public key', 'secret key', 'ciphertext', 'commitments', 'keys'];
  return parsers.map((parse, i) => ({
    name: `${names[i]} of basic operations`,
    corpus: [objects[i]!, objects[i]!, ...objects],
    parse,
  }));
}

/** JSON that a stranger may send: the text, then what it says. */
function jsonTargets(): FuzzTarget[] {
  const { transcript } = new TranscriptRecorder(SPEC, 1);
  const projection = { rank: 8, seed: 'ab'.repeat(32), budgetShare: 0.2, approvedBy: [] };
  const sets = [
    { ...SPEC, features: 784, projection },
    {
      ...{ ...SPEC, mode: 'faithful', projection: undefined },
      faithful: { acknowledged: 'I understand what leaks', weightBound: 7, gradientBound: 7 },
    },
  ];
  transcript.steps.push({ batch: 0, axis: 'forward', weights: [1, -2, 3], products: [4, 5] });
  return [
    { name: 'transcript', corpus: [transcriptBytes(transcript)], parse: parseTranscript },
    {
      name: 'data set',
      corpus: sets.map((set) => new TextEncoder().encode(JSON.stringify(set))),
      parse: (bytes) => parseDatasetSpec(parsedJson('a data set', bytes)),
    },
  ];
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
      ...basicTargets(kernel),
      batchTarget(ddh),
      ...jsonTargets(),
      ...authorityTargets(),
    ],
  };
}
