import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { addNoise, perturbSpeed } from '../../../src/apps/speech/augmentation.ts';
import { readClientPart, writeClientPart } from '../../../src/apps/speech/client-part.ts';
import { readDigitsCorpus } from '../../../src/apps/speech/digits-corpus.ts';
import { INPUT_FACTS, SCORE_FACTS } from '../../../src/apps/speech/familiarity.ts';
import { CLIP, FrontEnd } from '../../../src/apps/speech/front-end.ts';
import { CLIENT_FILE, DEFAULT_POLYNOMIAL, SpeechModel } from '../../../src/apps/speech/speech-model.ts';
import { readSentencesCorpus } from '../../../src/apps/speech/sentences-corpus.ts';
import { DEFAULT_DECODER_SETTINGS, WordDecoder } from '../../../src/apps/speech/word-decoder.ts';
import { DataError, DecodeError } from '../../../src/base/errors.ts';
import { plainMatrixMultiply, PolynomialNetwork, SeededGenerator } from '../../../src/nn/index.ts';
import {
  DecodingGraph,
  DIGIT_LEXICON,
  NgramModel,
  StateInventory,
  uniformTransitions,
  writeWav,
} from '../../../src/speech/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'subrosa-speech-'));
afterAll(() => rmSync(folder, { recursive: true }));

const RATE = 8000;
const inventory = new StateInventory(DIGIT_LEXICON, 'word', 3);
const graph = new DecodingGraph(inventory, uniformTransitions(inventory.stateCount), NgramModel.uniform(10));
const logPriors = new Float32Array(inventory.stateCount).fill(-Math.log(inventory.stateCount));
const decoder = new WordDecoder(graph, logPriors, DEFAULT_DECODER_SETTINGS);
const normalization = { mean: new Float32Array(80), inverseDeviation: new Float32Array(80).fill(100) };
const frontEnd = new FrontEnd(RATE, { left: 2, right: 2, coefficients: 2 }, normalization);

function noise(seconds: number, seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: seconds * RATE }, () => 0.1 * generator.normal());
}

/** Logits that are sure of the states of `word`, one after the other, between silences. */
function spoken(word: number, states: number): { logits: Float32Array; frames: number } {
  const units = [0, ...inventory.pronunciations[word][0], 0];
  const path = units.flatMap((unit) => [0, 1, 2].flatMap((p) => [3 * unit + p, 3 * unit + p]));
  const logits = new Float32Array(path.length * states);
  for (const [t, state] of path.entries()) logits[t * states + state] = 20;
  return { logits, frames: path.length };
}

function toyNetwork(outputs: number): PolynomialNetwork {
  const weights = Int32Array.from({ length: outputs * 80 }, (_, i) => (i % 15) - 7);
  const layer = {
    weights,
    rows: outputs,
    cols: 80,
    step: 0.1,
    offset: new Float64Array(outputs),
    square: false,
  };
  return new PolynomialNetwork([layer], 80, 4);
}

describe('front end', () => {
  it('clips, whatever the audio', () => {
    const { data, frames } = frontEnd.inputsOf({ samples: noise(0.5, 1), rate: RATE });
    expect(data.length).toBe(frames * frontEnd.inputs);
    expect(Math.max(...data)).toBe(CLIP);
    expect(Math.min(...data)).toBe(-CLIP);
  });

  it('resamples other rates to its own', () => {
    const samples = new Float32Array(16_000).map((_, i) => Math.sin(i / 20) * Math.sin(i / 500) ** 2);
    expect(frontEnd.inputsOf({ samples, rate: 16_000 }).frames).toBe(98);
  });
});

describe('client part', () => {
  const bytes = writeClientPart({ task: 'digits', frontEnd, decoder });

  it('survives writing and reading', () => {
    const read = readClientPart(bytes);
    expect(read.task).toBe('digits');
    expect(read.frontEnd).toEqual(frontEnd);
    expect(read.decoder.settings).toEqual(DEFAULT_DECODER_SETTINGS);
    expect(writeClientPart(read)).toEqual(bytes);
  });

  it('keeps the feature method and the familiar ranges', () => {
    const other = new FrontEnd(RATE, { left: 2, right: 2, coefficients: 2 }, normalization, 'speech');
    const familiar = {
      inputs: INPUT_FACTS.map(() => [0, 1] as const),
      scores: SCORE_FACTS.map(() => [-1, 2] as const),
    };
    const read = readClientPart(writeClientPart({ task: 'digits', frontEnd: other, decoder, familiar }));
    expect(read.frontEnd.method).toBe('speech');
    expect(read.familiar).toEqual(familiar);
  });

  it('of the first format version is read with the features that its network was trained on', () => {
    const file = join(import.meta.dirname, '..', '..', 'golden', 'sentences-v1', 'client.bin');
    const old = readFileSync(file);
    expect(old.readUInt32LE(4)).toBe(1);
    const read = readClientPart(old);
    expect(read.frontEnd.method).toBe('utterance');
    expect(read.familiar).toBeUndefined();
  });

  it('refuses every damaged or truncated copy', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = bytes.slice();
        damaged[at] ^= flip;
        expect(() => readClientPart(damaged)).toThrow(DecodeError);
        expect(() => readClientPart(bytes.subarray(0, at))).toThrow(DecodeError);
      }),
      { numRuns: 60 },
    );
  });
});

describe('speech model on disk', () => {
  const directory = join(folder, 'model');
  mkdirSync(directory);

  it('names the file that is missing', async () => {
    await expect(SpeechModel.load(directory, plainMatrixMultiply)).rejects.toThrow(CLIENT_FILE);
    writeFileSync(join(directory, CLIENT_FILE), writeClientPart({ task: 'digits', frontEnd, decoder }));
    await expect(SpeechModel.load(directory, plainMatrixMultiply)).rejects.toThrow(
      `${DEFAULT_POLYNOMIAL}.bin`,
    );
  });

  it('takes the only network that a directory has', async () => {
    const network = toyNetwork(inventory.stateCount);
    writeFileSync(join(directory, 'polynomial-cnn-4bit.bin'), network.toBytes());
    const model = await SpeechModel.load(directory, plainMatrixMultiply);
    expect(model.polynomial().toBytes()).toEqual(network.toBytes());
    expect(() => model.polynomial(DEFAULT_POLYNOMIAL)).toThrow(DataError);
    rmSync(join(directory, 'polynomial-cnn-4bit.bin'));
  });

  it('computes features and decodes', async () => {
    writeFileSync(join(directory, `${DEFAULT_POLYNOMIAL}.bin`), toyNetwork(inventory.stateCount).toBytes());
    const model = await SpeechModel.load(directory, plainMatrixMultiply);
    const syllables = noise(1, 2).map((sample, i) => sample * Math.sin(i / 250) ** 2);
    expect(model.features({ samples: syllables, rate: RATE }).frames).toBe(98);
    // Of digital silence half a second is enough.
    expect(model.features({ samples: new Float32Array(2 * RATE), rate: RATE }).frames).toBe(48);
    for (let word = 0; word < 10; word++) {
      const { logits, frames } = spoken(word, model.outputs);
      expect(model.decode(logits, frames).words).toEqual([DIGIT_LEXICON.words[word]]);
    }
    expect(() => model.decode(new Float32Array(5), 1)).toThrow('scores must be');
    expect(() => model.polynomial('other')).toThrow(DataError);
    expect(() => model.float).toThrow(DataError);
  });

  it('refuses a network of another shape', async () => {
    writeFileSync(join(directory, `${DEFAULT_POLYNOMIAL}.bin`), toyNetwork(5).toBytes());
    await expect(SpeechModel.load(directory, plainMatrixMultiply)).rejects.toThrow('80 to 96');
  });
});

describe('corpora', () => {
  it('say what is missing and where', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    expect(() => readDigitsCorpus(empty, { train: 1, tuning: 1, test: 1 }, 1)).toThrow(join(empty, 'fsdd'));
    await expect(readSentencesCorpus(empty)).rejects.toThrow(join(empty, 'speechocean762'));
  });

  it('joins digits to the same strings for the same seed', () => {
    const fsdd = join(folder, 'fsdd');
    mkdirSync(fsdd);
    for (const speaker of ['ann', 'bob']) {
      for (const digit of [0, 1, 2]) {
        for (const index of [5, 10, 14]) {
          const clip = { samples: noise(0.2, 100 * digit + index), rate: RATE };
          writeFileSync(join(fsdd, `${digit}_${speaker}_${index}.wav`), writeWav(clip));
        }
      }
    }
    const read = () => readDigitsCorpus(folder, { train: 8, tuning: 4, test: 6 }, 1);
    const corpus = read();
    expect([corpus.train.length, corpus.tuning.length, corpus.test.length]).toEqual([8, 4, 6]);
    for (const { words } of corpus.test) expect(words.length).toBeGreaterThanOrEqual(3);
    expect(read().test.map((u) => u.samples())).toEqual(corpus.test.map((u) => u.samples()));
    expect(read().train.map((u) => u.words)).toEqual(corpus.train.map((u) => u.words));
    expect(
      readDigitsCorpus(folder, { train: 8, tuning: 4, test: 6 }, 2).train.map((u) => u.words),
    ).not.toEqual(corpus.train.map((u) => u.words));
  });
});

describe('augmentation', () => {
  const utterance = { id: 'u', speaker: 's', words: ['ONE'], samples: () => noise(1, 3) };

  it('changes the length with the speed', () => {
    expect(perturbSpeed(utterance, 1.25, RATE).samples().length).toBe(6400);
    expect(perturbSpeed(utterance, 1, RATE)).toBe(utterance);
  });

  it('adds the same noise for the same seed, and little of it', () => {
    const clean = utterance.samples();
    const noisy = addNoise(utterance, 9).samples();
    expect(addNoise(utterance, 9).samples()).toEqual(noisy);
    expect(addNoise(utterance, 10).samples()).not.toEqual(noisy);
    const power = (samples: Float32Array) => samples.reduce((sum, x) => sum + x * x, 0);
    const difference = noisy.map((x, i) => x - clean[i]);
    expect(power(difference) / power(clean)).toBeLessThan(0.05);
    expect(power(difference) / power(clean)).toBeGreaterThan(5e-5);
  });
});
