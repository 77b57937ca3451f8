/** What travels and is kept in functional encryption and training on encrypted data. */
import { seededRandom } from '../../src/base/testing.ts';
import { DdhBasicOperations } from '../../src/fe/ddh/basic-operations.ts';
import type { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';
import type { InnerProductScheme } from '../../src/fe/inner-product-scheme.ts';
import type { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { AuthoritySecrets } from '../../src/protocols/cryptonn/authority/authority-secrets.ts';
import { readBatch, writeBatch } from '../../src/protocols/cryptonn/agreement/batch-bytes.ts';
import type { DatasetSpec } from '../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import {
  readKeyAnswer,
  readKeyRequest,
  writeKeyAnswer,
  writeKeyRequest,
} from '../../src/protocols/cryptonn/agreement/key-messages.ts';
import {
  parseTranscript,
  transcriptBytes,
  TranscriptRecorder,
} from '../../src/protocols/cryptonn/trainer/training-transcript.ts';
import type { FrozenObject } from './frozen-object.ts';

const FEATURES = 1;
/** Of both schemes: one weight and one input are enough for every object. */
export const FROZEN_INNER_PRODUCT = { length: FEATURES, inputBound: 4, weightBound: 4 };
/** The lattice scheme's; the other holds one vector. */
export const FROZEN_PACKING = 32;
export const FROZEN_WEIGHTS = Int32Array.of(-3);
export const FROZEN_INPUTS = Int32Array.of(2);

const SPEC: DatasetSpec = {
  ...{ id: 'golden', scheme: 'ddh', mode: 'projected', features: FEATURES, classes: 2, batch: 2 },
  ...{ inputScale: 1, inputBound: 4 },
  projection: { rank: 1, seed: 'ab'.repeat(32), budgetShare: 0.2, approvedBy: [] },
};

interface Written extends Disposable {
  toBytes(): Uint8Array;
}

/** Objects of the lattice scheme live in a kernel. */
function bytesOf(object: Written): Uint8Array {
  using held = object;
  return held.toBytes();
}

/** Objects of the lattice scheme are at their second version. */
export function frozenName(scheme: InnerProductScheme, object: string): string {
  return `${scheme.name}-${object}.${scheme.name === 'lattice' ? 'v2' : 'v1'}`;
}

function schemeObjects(scheme: InnerProductScheme): FrozenObject[] {
  const random = seededRandom(`golden ${scheme.name}`);
  const keys = scheme.setup(random);
  using publicKey = keys.publicKey;
  using secretKey = keys.secretKey;
  using ciphertext = scheme.encrypt(publicKey, FROZEN_INPUTS, random);
  using functionKeys = scheme.deriveKeys(secretKey, FROZEN_WEIGHTS);
  const made: [string, Written, (bytes: Uint8Array) => Written][] = [
    ['public-key', publicKey, (bytes) => scheme.publicKeyFromBytes(bytes)],
    ['secret-key', secretKey, (bytes) => scheme.secretKeyFromBytes(bytes)],
    ['ciphertext', ciphertext, (bytes) => scheme.ciphertextFromBytes(bytes)],
    ['function-keys', functionKeys, (bytes) => scheme.functionKeysFromBytes(bytes)],
  ];
  return made.map(([name, object, read]) => {
    const bytes = object.toBytes();
    return {
      name: frozenName(scheme, name),
      make: () => bytes,
      roundTrip: (frozen) => bytesOf(read(frozen)),
    };
  });
}

function basicObjects(): FrozenObject[] {
  const scheme = new DdhBasicOperations({ inputBound: 4, operandBound: 4 });
  const random = seededRandom('golden basic');
  const { publicKey, secretKey } = scheme.setup(random);
  const ciphertext = scheme.encrypt(publicKey, Int32Array.of(3, -1), random);
  const commitments = scheme.commitmentsOf(ciphertext);
  const keys = scheme.deriveKeys(secretKey, commitments, '*', Int32Array.of(2, 4));
  type Read = (bytes: Uint8Array) => { toBytes(): Uint8Array };
  const made: [string, Uint8Array, Read][] = [
    ['public-key', publicKey.toBytes(), (bytes) => scheme.publicKeyFromBytes(bytes)],
    ['secret-key', secretKey.toBytes(), (bytes) => scheme.secretKeyFromBytes(bytes)],
    ['ciphertext', ciphertext.toBytes(), (bytes) => scheme.ciphertextFromBytes(bytes)],
    ['commitments', commitments.toBytes(), (bytes) => scheme.commitmentsFromBytes(bytes)],
    ['keys', keys.toBytes(), (bytes) => scheme.keysFromBytes(bytes)],
  ];
  return made.map(([name, bytes, read]) => ({
    name: `basic-${name}.v1`,
    make: () => bytes,
    roundTrip: (frozen) => read(frozen).toBytes(),
  }));
}

function trainingObjects(ddh: DdhInnerProduct): FrozenObject[] {
  const random = seededRandom('golden training');
  const { publicKey } = ddh.setup(random);
  const samples = [1, 2].map((value) => ddh.encrypt(publicKey, Int32Array.of(value), random));
  const { transcript } = new TranscriptRecorder(SPEC, 1);
  transcript.steps.push({ batch: 0, axis: 'forward', weights: [-3], products: [-3, -6] });
  return [
    {
      name: 'encrypted-batch.v1',
      make: () => writeBatch({ labels: Int32Array.of(0, 1), samples, features: [] }),
      roundTrip: (bytes) => writeBatch(readBatch(bytes, SPEC, () => ddh)),
    },
    {
      name: 'authority-secrets.v1',
      make: () => {
        using secrets = AuthoritySecrets.create(random);
        secrets.open('cd'.repeat(32), random);
        return secrets.toBytes();
      },
      roundTrip: (bytes) => bytesOf(AuthoritySecrets.fromBytes(bytes)),
    },
    {
      name: 'transcript.v1',
      make: () => transcriptBytes(transcript),
      roundTrip: (bytes) => transcriptBytes(parseTranscript(bytes)),
    },
  ];
}

function keyMessages(): FrozenObject[] {
  const head = { entries: 3, hash: 'ab'.repeat(32) };
  return [
    {
      name: 'key-request.v1',
      make: () => writeKeyRequest({ weights: Int32Array.of(1, -2, 3, 400), seen: head }, 2),
      roundTrip: (bytes) => writeKeyRequest(readKeyRequest(bytes, 2), 2),
    },
    {
      name: 'key-answer.v1',
      make: () => writeKeyAnswer({ keyBytes: Uint8Array.from({ length: 48 }, (_, i) => i), rank: 2, head }),
      roundTrip: (bytes) => writeKeyAnswer(readKeyAnswer(bytes)),
    },
  ];
}

export function learningObjects(lattice: LatticeInnerProduct, ddh: DdhInnerProduct): FrozenObject[] {
  return [
    ...schemeObjects(lattice),
    ...schemeObjects(ddh),
    ...basicObjects(),
    ...trainingObjects(ddh),
    ...keyMessages(),
  ];
}
