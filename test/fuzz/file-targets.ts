/** Files that people bring along: images, weights of other programs, models and checkpoints, word lists. */
import { readFileSync } from 'node:fs';
import { LearningCurve } from '../../src/apps/cryptonn/learning-curve.ts';
import {
  checkpointBytes,
  parseCheckpoint,
  type TrainingCheckpoint,
} from '../../src/apps/cryptonn/training-checkpoint.ts';
import { readClientPart } from '../../src/apps/speech/client-part.ts';
import { readIdx, readLabelledImages } from '../../src/nn/files/idx.ts';
import { IntegerNetwork } from '../../src/nn/integer/integer-network.ts';
import { plainMatrixMultiply as multiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { crc32 } from '../../src/nn/files/model-bytes.ts';
import { readPortableMap } from '../../src/nn/images/pixel-image.ts';
import { readPng } from '../../src/apps/inputs/picture-files.ts';
import { readCsvNumbers } from '../../src/apps/inputs/csv-numbers.ts';
import { readInputFile } from '../../src/apps/inputs/input-file.ts';
import { readNpy, readNpz } from '../../src/apps/inputs/npy.ts';
import { tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { importOnnx } from '../../src/nn/onnx/import-onnx.ts';
import { npyBytes, npzBytes } from '../apps/inputs/array-files.ts';
import { OPERATOR_CASES } from '../nn/onnx/cases/all-cases.ts';
import { randomOnnx } from '../nn/onnx/random-onnx.ts';
import { encode as encodePng } from 'fast-png';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';
import { Trainer, type TrainerOptions } from '../../src/nn/training/trainer.ts';
import {
  readWeightManifest,
  readWeightShards,
  type WeightGroup,
} from '../../src/nn/files/weight-manifest.ts';
import {
  type FixedPointOptions,
  FixedPointTrainer,
} from '../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { parseSentenceTable } from '../../src/speech/alignment/corpora.ts';
import { uniformTransitions } from '../../src/speech/alignment/align.ts';
import { DecodingGraph } from '../../src/speech/decoding/decoding-graph.ts';
import { DIGIT_LEXICON, formatLexicon, parseLexicon } from '../../src/speech/language/lexicon.ts';
import { NgramModel } from '../../src/speech/language/ngram.ts';
import { StateInventory } from '../../src/speech/decoding/state-inventory.ts';
import { readWav } from '../../src/speech/audio/wav.ts';
import { mixedNetwork } from '../protocols/edge/edge-pair.ts';
import { randomConvolution, randomNetwork } from '../protocols/random-network.ts';
import type { FuzzTarget } from './harness.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** One channel of 16-bit samples at 8 kHz. */
export function wavBytes(samples: number): Uint8Array {
  const bytes = new Uint8Array(44 + 2 * samples);
  const view = new DataView(bytes.buffer);
  const text = (at: number, value: string) => bytes.set(utf8(value), at);
  text(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 8000, true);
  view.setUint32(28, 16_000, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples, true);
  for (let i = 0; i < samples; i++) view.setInt16(44 + 2 * i, Math.round(8000 * Math.sin(i / 5)), true);
  return bytes;
}

/** Plain, from a pipe behind tags, companded, RF64 with its sizes, and Wave64. */
function wavCorpus(): Uint8Array[] {
  const plain = wavBytes(400);
  const piped = plain.slice().fill(0xff, 40, 44);
  const tags = Uint8Array.of(0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0);
  const companded = plain.slice();
  companded.set([7, 0], 20);
  companded.set([1, 0, 8, 0], 32);
  const sizes = new Uint8Array(36);
  const view = new DataView(sizes.buffer);
  sizes.set(utf8('ds64'));
  view.setUint32(4, 28, true);
  view.setBigUint64(16, 800n, true);
  const rf64 = joined(utf8('RF64'), piped.subarray(4, 12), sizes, piped.subarray(12));
  const tail = Uint8Array.of(0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a);
  const chunk = (id: string, body: Uint8Array): Uint8Array => {
    const size = new Uint8Array(8);
    new DataView(size.buffer).setBigUint64(0, BigInt(24 + body.length), true);
    return joined(utf8(id), tail, size, body);
  };
  const riff = Uint8Array.of(0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 0x04, 0xc1, 0, 0);
  const head = joined(utf8('riff'), riff, new Uint8Array(8), utf8('wave'), tail);
  const wave64 = joined(head, chunk('fmt ', plain.subarray(20, 36)), chunk('data', plain.subarray(44)));
  return [plain, joined(tags, piped), companded, rf64, wave64];
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** The checksum at the end of a model is made right, or no mutant would get past it. */
function sealed(name: string, corpus: Uint8Array[], parse: (bytes: Uint8Array) => unknown): FuzzTarget {
  return {
    name,
    corpus,
    parse(bytes) {
      const end = bytes.length - 4;
      if (end >= 0)
        new DataView(bytes.buffer, bytes.byteOffset).setUint32(end, crc32(bytes.subarray(0, end)), true);
      return parse(bytes);
    },
  };
}

const OPTIONS: TrainerOptions = {
  batch: 2,
  schedule: { kind: 'cosine', rate: 0.01, steps: 4, warmup: 1 },
  clipNorm: 5,
  seed: 4,
};
const FIXED_POINT: FixedPointOptions = {
  ...{ features: 3, inputScale: 10, inputBound: 10, batch: 2, units: 2, weightBound: 7, weightScale: 10 },
  ...{ gradientBound: 7, learningRate: 0.1, momentum: 0.9, seed: 2, multiply },
  upper: [{ kind: 'relu' }, { kind: 'dense', outputs: 2 }],
};

function modelTargets(): FuzzTarget[] {
  const network = () =>
    new Sequential(
      [1, 4, 4],
      [
        { kind: 'conv2d', filters: 2, size: [3, 3] },
        { kind: 'batch-norm' },
        { kind: 'relu' },
        { kind: 'dense', outputs: 3, bits: 8 },
      ],
      { multiply, seed: 3 },
    );
  const client = readFileSync(new URL('../../models/digits/client.bin', import.meta.url));
  return [
    sealed(
      'polynomial network',
      [randomNetwork([6, 5, 4], 4, 11).toBytes(), randomConvolution(4, 4).toBytes()],
      (bytes) => PolynomialNetwork.fromBytes(bytes),
    ),
    sealed('integer network', [mixedNetwork(5).toBytes()], (bytes) => IntegerNetwork.fromBytes(bytes)),
    sealed('client part of a speech model', [Uint8Array.from(client)], readClientPart),
    sealed('network in training', [network().toBytes()], (bytes) => Sequential.fromBytes(bytes, multiply)),
    sealed('checkpoint of training', [new Trainer(network(), OPTIONS).toBytes()], (bytes) =>
      Trainer.fromBytes(bytes, multiply, OPTIONS),
    ),
    sealed(
      'checkpoint of training on encrypted data',
      [new FixedPointTrainer(FIXED_POINT).toBytes()],
      (bytes) => FixedPointTrainer.fromBytes(bytes, FIXED_POINT),
    ),
    {
      name: 'stopped training on encrypted data',
      corpus: [3, 2500].map((step) => checkpointBytes(stoppedTraining(step))),
      parse: parseCheckpoint,
    },
  ];
}

/** After so many steps of a training that measures the same at each. */
function stoppedTraining(step: number): TrainingCheckpoint {
  const curve = new LearningCurve();
  for (let i = 0; i < step; i++) curve.note({ loss: 2, accuracy: 0.5 });
  const seen = { entries: 7, hash: '5c'.repeat(32) };
  return { plan: 'a1'.repeat(32), step, keys: 9, seen, curve, trainer: new Uint8Array(40) };
}

function weightTargets(): FuzzTarget[] {
  const quantization = { dtype: 'uint8', scale: 0.5, min: -1 };
  const weights = [
    { name: 'w', shape: [2, 3], dtype: 'float32' },
    { name: 'b', shape: [3], dtype: 'float32', quantization },
  ];
  const manifest = utf8(JSON.stringify([{ paths: ['a.bin'], weights }]));
  const [group] = readWeightManifest(manifest) as [WeightGroup];
  return [
    { name: 'weight manifest', corpus: [manifest], parse: readWeightManifest },
    {
      name: 'weight shards',
      corpus: [new Uint8Array(group.bytes)],
      parse: (bytes) => readWeightShards(group, [bytes]),
    },
  ];
}

const LEXICON = utf8(formatLexicon(DIGIT_LEXICON));
const SENTENCES = utf8('utterance\tspeaker\tage\tgender\ttext\n000010011\t0001\t6\tm\tWE CALL IT BEAR\n');

function speechTargets(): FuzzTarget[] {
  const inventory = new StateInventory(DIGIT_LEXICON, 'word', 3);
  const transitions = uniformTransitions(inventory.stateCount);
  const graph = new DecodingGraph(inventory, transitions, NgramModel.uniform(DIGIT_LEXICON.words.length));
  return [
    { name: 'decoding graph', corpus: [graph.toBytes()], parse: (bytes) => DecodingGraph.fromBytes(bytes) },
    { name: 'lexicon', corpus: [LEXICON], parse: (bytes) => parseLexicon(textOf(bytes)) },
    { name: 'table of sentences', corpus: [SENTENCES], parse: (bytes) => parseSentenceTable(textOf(bytes)) },
    { name: 'WAV', corpus: wavCorpus(), parse: (bytes) => readWav(bytes) },
  ];
}

const IDX = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8, 9, 255);
const IDX_LABELS = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 3, 9);
const PNG = encodePng({
  width: 4,
  height: 4,
  data: Uint8Array.from({ length: 16 }, (_, i) => 16 * i),
  channels: 1,
});
const MAP = Uint8Array.from([...utf8('P6 # drawn\n2 2\n255\n'), ...new Uint8Array(12).fill(99)]);

const NPY = npyBytes('<f4', [2, 2], [1, 2, 3, 4]);
const INPUT = tensorInput('x', [2]);

/** A convolution network, a quantised layer, one with branches, and random ones. */
function onnxTargets(): FuzzTarget[] {
  const chosen = [
    'Conv with padding',
    'a QDQ layer',
    'an If whose condition',
    'scaled logistic',
    'a Reshape from Shape',
  ];
  const cases = OPERATOR_CASES.filter(({ title }) => chosen.some((start) => title.startsWith(start)));
  const corpus = [...cases.map((c) => c.file(c.opsets.at(-1)!)), ...[1, 2, 3, 4].map(randomOnnx)];
  // A few hundred bytes name extents whose maps take megabytes: the importer has a budget of its own, and what is refused late was built.
  return [{ name: 'ONNX', corpus, parse: importOnnx, allowance: 16 * 2 ** 20 }];
}

function imageTargets(): FuzzTarget[] {
  return [
    { name: 'IDX', corpus: [IDX, IDX_LABELS], parse: readIdx },
    { name: 'labelled images', corpus: [IDX], parse: (bytes) => readLabelledImages(bytes, IDX_LABELS) },
    { name: 'portable map', corpus: [MAP], parse: readPortableMap },
    { name: 'PNG', corpus: [PNG], parse: readPng },
    { name: 'NPY', corpus: [NPY, npyBytes('<i8', [2], [7, -1])], parse: readNpy },
    { name: 'NPZ', corpus: [npzBytes({ x: NPY }), npzBytes({ x: NPY, y: NPY }, true)], parse: readNpz },
    { name: 'CSV', corpus: [utf8('a,b\n1,2\n-3e1,.5\n')], parse: (bytes) => readCsvNumbers(textOf(bytes)) },
    { name: 'input file', corpus: [NPY, utf8('1,2\n3,4\n')], parse: (bytes) => readInputFile(bytes, INPUT) },
  ];
}

export function fileTargets(): FuzzTarget[] {
  return [...modelTargets(), ...weightTargets(), ...speechTargets(), ...imageTargets(), ...onnxTargets()];
}
