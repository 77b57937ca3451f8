/** No parser without a fuzz target or a reason: whoever adds one adds it here. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { declaredParsers, parsersOfSources } from './parser-list.ts';
import { type FuzzBench, openFuzzTargets } from './targets.ts';

/** The fuzz target that feeds a parser. */
const FUZZED: Readonly<Record<string, string>> = {
  'AuthoritySecrets.fromBytes': "authority's secrets",
  'BgvCiphertext.fromBytes': 'BGV ciphertext',
  'BgvCiphertextBatch.fromBytes': 'BGV batch',
  'BgvCiphertext.fromRoundedBytes': 'rounded BGV ciphertext of several moduli',
  'BgvCiphertextBatch.fromRoundedBytes': 'rounded BGV batch',
  'BgvCrtCiphertext.fromRoundedBytes': 'rounded BGV ciphertext of several moduli',
  'BgvCrtCiphertext.fromBytes': 'BGV ciphertext of several moduli',
  'BgvCrtParams.fromBytes': 'BGV parameters of several moduli',
  'BgvParams.fromBytes': 'BGV parameters',
  'CiphertextBatch.fromBytes': 'batch',
  'CiphertextBatch.fromRoundedBytes': 'rounded batch',
  'CiphertextBatch.fromTracedBytes': 'traced reply',
  'CkksCiphertext.fromBytes': 'ciphertext',
  'CkksParams.fromBytes': 'parameters',
  'DdhBasicOperations.ciphertextFromBytes': 'ciphertext of basic operations',
  'DdhBasicOperations.commitmentsFromBytes': 'commitments of basic operations',
  'DdhBasicOperations.keysFromBytes': 'keys of basic operations',
  'DdhBasicOperations.publicKeyFromBytes': 'public key of basic operations',
  'DdhBasicOperations.secretKeyFromBytes': 'secret key of basic operations',
  'DdhInnerProduct.ciphertextFromBytes': 'ciphertext of ddh-selective',
  'DdhInnerProduct.functionKeysFromBytes': 'function keys of ddh-selective',
  'DdhInnerProduct.publicKeyFromBytes': 'public key of ddh-selective',
  'DdhInnerProduct.secretKeyFromBytes': 'secret key of ddh-selective',
  'DecodingGraph.fromBytes': 'decoding graph',
  'EncapsulationKeys.fromBytes': 'encapsulation keys',
  'EvaluationKeys.fromBytes': 'evaluation keys',
  'FixedPointTrainer.fromBytes': 'checkpoint of training on encrypted data',
  'IntegerNetwork.fromBytes': 'integer network',
  'JointInvitation.fromBytes': 'invitation to a joint training',
  'LatticeInnerProduct.ciphertextFromBytes': 'ciphertext of lattice',
  'LatticeInnerProduct.functionKeysFromBytes': 'function keys of lattice',
  'LatticeInnerProduct.publicKeyFromBytes': 'public key of lattice',
  'LatticeInnerProduct.secretKeyFromBytes': 'secret key of lattice',
  'PolynomialNetwork.fromBytes': 'polynomial network',
  'PublicKey.fromBytes': 'public key',
  'SecretKey.fromSecretBytes': 'secret key',
  'Sequential.fromBytes': 'network in training',
  'TfheCiphertext.fromBytes': 'TFHE ciphertext',
  'TfheEvaluationKeys.fromBytes': 'TFHE evaluation keys',
  'TfheExitKey.fromBytes': 'TFHE exit key',
  'TfhePackedCiphertext.fromBytes': 'packed TFHE ciphertext',
  'TfheSecretKey.fromSecretBytes': 'TFHE secret key',
  'Trainer.fromBytes': 'checkpoint of training',
  parseAnchor: 'anchor of a log',
  parseCatalogue: 'catalogue',
  parseCheckpoint: 'stopped training on encrypted data',
  parseCsvTable: 'CSV table',
  parseDatasetSpec: 'data set',
  parseProgramText: 'text of a program',
  readProgram: 'program',
  parseUnapprovedSpec: 'data set',
  parseLexicon: 'lexicon',
  parseLogisticProgram: 'training program',
  parseCategoryProgram: 'program of categories',
  parseTableProgram: 'program of categories',
  parsePerceptronProgram: 'program of a network',
  readCheckpoint: 'checkpoint of encrypted training',
  parseOffer: 'offer',
  parseS3Listing: 'list of blobs',
  parseSentenceTable: 'table of sentences',
  parseTranscript: 'transcript',
  readBatch: 'encrypted batch',
  readBundle: 'messages of a round',
  readHostInvitation: "host's invitation",
  readJointMessage: 'message of a joint training',
  readPartyInvitation: "party's invitation",
  readSealedWeights: 'sealed weights',
  readClientPart: 'client part of a speech model',
  readDevice: "device's file",
  readDone: 'end of a job',
  readEdge: "edge's file",
  readCsvNumbers: 'CSV',
  readEdgeMessage: 'edge message',
  readEnrolment: 'readEnrolment',
  readHello: 'hello of a device',
  readIdx: 'IDX',
  readJob: 'job',
  readJobVersion: 'version of a job',
  readWorkerBeat: 'beat of a worker',
  readInputFile: 'input file',
  readKeyAnswer: 'key answer',
  readKeyRequest: 'key request',
  readLabelledImages: 'labelled images',
  readNpy: 'NPY',
  readNpz: 'NPZ',
  readOnnxModel: 'ONNX',
  readPlan: 'linear layers',
  readPortableMap: 'portable map',
  readPng: 'PNG',
  readQuery: 'readQuery',
  readReply: 'readReply',
  readTrainingFile: 'file of encrypted training',
  readWav: 'WAV',
  readWavFormat: 'WAV',
  readWeightManifest: 'weight manifest',
  readWeightShards: 'weight shards',
  // Parts of messages, reached through what contains them.
  readCiphertext: 'ciphertext of lattice',
  readFeHeader: 'public key of lattice',
  readHeader: 'ciphertext',
  readIntegerNetwork: 'integer network',
  readLists: 'program',
  readProgramHeader: 'program',
  readLogHead: 'key answer',
  readNgram: 'decoding graph',
  readNumbers: 'decoding graph',
  readObjectStart: 'ciphertext',
  readParams: 'parameters',
  readPoly: 'ciphertext',
  readPolynomialNetwork: 'polynomial network',
  readResidues: 'packed TFHE ciphertext',
  readPolynomials: 'public key of lattice',
  readRlweCiphertexts: 'batch',
  readSparseTensor: 'ONNX',
  readTensor: 'ONNX',
  readRounded: 'rounded batch',
  readTraced: 'traced reply',
  readTfheHeader: 'TFHE ciphertext',
  readWords: 'ciphertext',
};

const ON_OWN_DISK = 'reads a path that the user of the command names; the bytes go through parsers above';
/** Why a parser is not fuzzed. */
const EXEMPT: Readonly<Record<string, string>> = {
  parseDigitFileName: 'a file name against one regular expression',
  'OwnerLedger.fromBytes': `${ON_OWN_DISK}: JSON against a schema, written by the owner alone`,
  parseS3Address: 'an option of the operator, against regular expressions',
  parseBudget: 'an option of the user, against regular expressions',
  parsePrincipalRule: 'an option of the operator, and lines of his own file against one regular expression',
  parseTimings: 'at most 16 KiB against one regular expression, unknown text is skipped',
  readKeyStream: 'reads no bytes: squeezes a key stream',
  readAudio:
    'chooses between readWav and decoders of libraries; damaged files go through all of them in audio-file.test.ts',
  readCorpus: ON_OWN_DISK,
  readCsvTable: ON_OWN_DISK,
  readDigitsCorpus: ON_OWN_DISK,
  readFaceNetwork: ON_OWN_DISK,
  readLabelKey: `${ON_OWN_DISK}: 32 bytes or none`,
  readLexiconText: ON_OWN_DISK,
  readIdxFile: ON_OWN_DISK,
  readLabelFile: ON_OWN_DISK,
  readModelFile: ON_OWN_DISK,
  readProgramFile: ON_OWN_DISK,
  readSamples: ON_OWN_DISK,
  readJpeg: 'a library, which allocates by a size that is bounded first: mutants in picture-files.test.ts',
  readIdxImages: ON_OWN_DISK,
  readMnist: ON_OWN_DISK,
  readModelCard: ON_OWN_DISK,
  readNetworkInput: ON_OWN_DISK,
  readPassphrase: 'a line that the user types',
  readPolicy: `${ON_OWN_DISK}: JSON against a schema`,
  readUnapprovedPolicy: `${ON_OWN_DISK}: JSON against a schema`,
  readPrivateFile: ON_OWN_DISK,
  readPrivateText: ON_OWN_DISK,
  readRecording: ON_OWN_DISK,
  readResults: ON_OWN_DISK,
  readSentencesCorpus: ON_OWN_DISK,
  readStandardInput: 'reads what the user pipes up to a limit; the bytes go through parsers above',
  readToken: `${ON_OWN_DISK}: 32 bytes or none`,
};

let kernel: Kernel;
let bench: FuzzBench;

beforeAll(async () => {
  kernel = await openKernel({ onFallback: () => undefined });
  bench = await openFuzzTargets(kernel);
});
afterAll(() => {
  bench[Symbol.dispose]();
  kernel[Symbol.dispose]();
});

test('every parser of the sources has a fuzz target or a reason', () => {
  const listed = [...Object.keys(FUZZED), ...Object.keys(EXEMPT)];
  expect(parsersOfSources().sort()).toEqual(listed.sort());
});

test('every fuzz target that is named exists, and there is none beyond them but other forms of the same', () => {
  const names = bench.targets.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const used = new Set(Object.values(FUZZED));
  expect([...used].filter((name) => !names.includes(name))).toEqual([]);
  expect(names.filter((name) => !used.has(name))).toEqual([
    'seeded ciphertext',
    'three-part ciphertext',
    'ciphertext at level 0',
    'seeded batch',
  ]);
});

test('parsers are found where they are declared (positive control)', () => {
  const text = [
    'export function readThing(bytes: Uint8Array): Thing {',
    'export async function parseThing(',
    'function readPart(bytes: Uint8Array) {}',
    'export class Thing extends Other {',
    '  static fromBytes(bytes: Uint8Array): Thing {',
    '  partFromBytes(',
    '}',
    'export interface Reader {',
    '  keyFromBytes(bytes: Uint8Array): Key;',
  ].join('\n');
  expect(declaredParsers(text)).toEqual([
    'readThing',
    'parseThing',
    'Thing.fromBytes',
    'Thing.partFromBytes',
  ]);
});
