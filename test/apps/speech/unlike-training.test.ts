/** The shipped models: clean recordings give no warning, recordings that training never had do. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadClearNetworks, loadRecogniser } from '../../../src/apps/cli/speech/model-files.ts';
import { whiteNoise } from '../../../src/apps/speech/degradation.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { plainMatrixMultiply, SeededGenerator } from '../../../src/nn/index.ts';
import { readWav } from '../../../src/speech/index.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const models = join(root, 'models', 'digits');
const recordings = ['digits-1', 'digits-2', 'digits-3'].map((name) =>
  readWav(readFileSync(join(root, 'examples', 'audio', `${name}.wav`))),
);

/** What the client would say of samples at 8 kHz, and the layers of the polynomial network that left their intervals. */
async function looksOf(samples: Float32Array) {
  const recogniser = await loadRecogniser(models, plainMatrixMultiply);
  const clear = await loadClearNetworks(models, plainMatrixMultiply);
  const inputs = recogniser.inputsOf(recogniser.spokenPart({ samples, rate: 8000 }));
  const { scores, leaves } = clear.polynomial(inputs);
  const reasons = [...recogniser.unfamiliarInputs(inputs), ...recogniser.unfamiliarScores(scores)];
  return { reasons, leaves, words: recogniser.decode(scores).join(' ') };
}

const spoken = ['THREE ONE FOUR ONE FIVE', 'TWO SEVEN ZERO NINE', 'EIGHT SIX FIVE ZERO TWO FOUR'];

describe('clean speech', () => {
  it.each([0, 1, 2])('of recording %i gives no warning and the right words', async (i) => {
    const { reasons, words } = await looksOf(recordings[i].samples);
    expect(words).toBe(spoken[i]);
    expect(reasons).toEqual([]);
  });

  it('in five seconds of digital silence, in 8 bits or as quiet as can be is the same speech', async () => {
    for (const [i, { samples }] of recordings.entries()) {
      const padded = new Float32Array(samples.length + 80_000);
      padded.set(samples, 40_000);
      for (const variant of [
        padded,
        samples.map((sample) => Math.round(sample * 128) / 128),
        samples.map((sample) => (Math.abs(sample) < 0.01 ? 0 : sample)),
        samples.map((sample) => sample / 1000),
      ]) {
        expect((await looksOf(variant)).words).toBe(spoken[i]);
      }
    }
  });
});

describe('sentences', () => {
  const task = 'sentences';
  let kernel: Kernel;
  beforeAll(async () => {
    kernel = await openKernel();
  });
  afterAll(() => kernel[Symbol.dispose]());
  const said = JSON.parse(
    readFileSync(join(root, 'examples', 'audio', 'transcripts.json'), 'utf8'),
  ) as readonly { readonly file: string; readonly task: string; readonly text: string }[];
  const sentences = said
    .filter((each) => each.task === task)
    .map(({ file, text }) => ({ text, ...readWav(readFileSync(join(root, 'examples', 'audio', file))) }));

  async function sentenceLooks(samples: Float32Array) {
    const directory = join(root, 'models', task);
    const recogniser = await loadRecogniser(directory, kernel);
    const inputs = recogniser.inputsOf(recogniser.spokenPart({ samples, rate: 16_000 }));
    const { scores } = (await loadClearNetworks(directory, kernel)).polynomial(inputs);
    const reasons = [...recogniser.unfamiliarInputs(inputs), ...recogniser.unfamiliarScores(scores)];
    return { reasons, words: recogniser.decode(scores).join(' ') };
  }

  it('that are clean are right and give no warning', async () => {
    expect(sentences).toHaveLength(3);
    for (const { samples, text } of sentences) {
      expect(await sentenceLooks(samples)).toEqual({ reasons: [], words: text });
    }
  });

  it.each<[string, (samples: Float32Array) => Float32Array]>([
    ['drowned in noise', (samples) => whiteNoise(-5)(samples, 16_000, new SeededGenerator(1))],
    ['three times as fast', (samples) => samples.filter((_, i) => i % 3 === 0)],
    ['of which the signs are left', (samples) => samples.map((x) => 0.5 * Math.sign(Math.round(x * 50)))],
  ])('%s give one', async (_, change) => {
    for (const { samples } of sentences)
      expect((await sentenceLooks(change(samples))).reasons).not.toEqual([]);
  });
});

describe('what training never had', () => {
  const mirrored = (samples: Float32Array) => samples.map((sample, i) => (i % 2 === 0 ? sample : -sample));
  const chirps = () =>
    Float32Array.from({ length: 24_000 }, (_, i) => (i % 2000 < 1000 ? Math.sin((i % 2000) ** 2 * 1e-3) : 0));
  const variants: [string, (samples: Float32Array) => Float32Array][] = [
    ['speech drowned in noise', (samples) => whiteNoise(-5)(samples, 8000, new SeededGenerator(1))],
    ['speech three times as fast', (samples) => samples.filter((_, i) => i % 3 === 0)],
    ['the signs of speech', (samples) => samples.map((x) => 0.5 * Math.sign(Math.round(x * 50)))],
    ['speech with its spectrum mirrored', mirrored],
    ['chirps', chirps],
  ];
  it.each(variants)('gives a warning: %s', async (_, change) => {
    for (const { samples } of recordings) {
      const { reasons } = await looksOf(change(samples));
      expect(reasons).not.toEqual([]);
    }
  });

  it('makes the polynomial network leave its intervals, which clean speech does not', async () => {
    for (const { samples } of recordings) expect((await looksOf(samples)).leaves).toEqual([]);
    expect((await looksOf(chirps())).leaves).not.toEqual([]);
  });
});
