/** Five seconds of digital silence around the shipped sentences change no word of their transcripts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadClearNetworks, loadRecogniser } from '../../../src/apps/cli/speech/model-files.ts';
import { plainMatrixMultiply } from '../../../src/nn/index.ts';
import { readWav } from '../../../src/speech/index.ts';

const root = join(import.meta.dirname, '..', '..', '..');

it.each(['sentence-1', 'sentence-2'])(
  '%s says the same with five seconds of zeros on either side',
  async (name) => {
    const models = join(root, 'models', 'sentences');
    const recogniser = await loadRecogniser(models, plainMatrixMultiply);
    const clear = await loadClearNetworks(models, plainMatrixMultiply);
    const { samples, rate } = readWav(readFileSync(join(root, 'examples', 'audio', `${name}.wav`)));
    const padded = new Float32Array(samples.length + 10 * rate);
    padded.set(samples, 5 * rate);
    const [alone, surrounded] = [samples, padded].map((each) => {
      const inputs = recogniser.inputsOf(recogniser.spokenPart({ samples: each, rate }));
      return { frames: inputs.frames, words: recogniser.decode(clear.polynomial(inputs).scores).join(' ') };
    });
    expect(surrounded.words).toBe(alone.words);
    expect(alone.words).not.toBe('');
    expect(surrounded.frames - alone.frames).toBeLessThan(20);
  },
);
