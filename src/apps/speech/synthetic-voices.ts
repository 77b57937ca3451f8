/**
 * Training utterances spoken by espeak-ng in several English voices, so that synthesised recordings are recognised
 * besides human ones. Seeded: the same call gives the same texts, voices and noise.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { SeededGenerator } from '../../nn/index.ts';
import { readWav, resample } from '../../speech/index.ts';
import { audioCacheDirectory } from './corpus.ts';
import type { Utterance } from './corpus.ts';

const VOICES = [
  'en-us',
  'en-gb',
  'en-us+f3',
  'en-gb+f3',
  'en-us+f2',
  'en-us+m3',
  'en-gb+m2',
  'en-gb-scotland',
];

export interface SyntheticStyle {
  /** Words per minute, lowest and highest. */
  readonly speed: readonly [number, number];
  /** Pause between words in units of 10 ms, lowest and highest. */
  readonly gap: readonly [number, number];
}

/** Whether espeak-ng is installed. */
export function canSynthesise(): boolean {
  try {
    execFileSync('espeak-ng', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const between = (generator: SeededGenerator, [low, high]: readonly [number, number]): number =>
  low + generator.below(high - low + 1);

/** Speaks `words` once into the cache; the settings are in the file name. */
function speak(words: readonly string[], voice: string, speed: number, pitch: number, gap: number): string {
  const folder = join(audioCacheDirectory(), 'espeak-ng');
  mkdirSync(folder, { recursive: true });
  const text = words.join(' ').toLowerCase();
  const name = `${text.replaceAll(' ', '-')}.${voice}.${speed}.${pitch}.${gap}`;
  const path = join(folder, `${name}.wav`);
  if (!existsSync(path)) {
    const partial = join(folder, `${name}.${process.pid}.part`);
    const options = ['-v', voice, '-s', `${speed}`, '-p', `${pitch}`, '-g', `${gap}`, '-w', partial];
    execFileSync('espeak-ng', [...options, text], { stdio: 'ignore' });
    renameSync(partial, path);
  }
  return path;
}

/** Peak 0.6, a quarter of a second of quiet at both ends, and a noise floor between 46 and 66 dB below full scale. */
function inRoom(speech: Float32Array, rate: number, seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  const edge = rate >> 2;
  let peak = 1e-6;
  for (const sample of speech) peak = Math.max(peak, Math.abs(sample));
  const level = 10 ** -(2.3 + generator.uniform());
  const out = new Float32Array(speech.length + 2 * edge);
  for (let i = 0; i < out.length; i++) {
    const inside = i >= edge && i < edge + speech.length;
    out[i] = (inside ? (0.6 * speech[i - edge]) / peak : 0) + level * (generator.uniform() - 0.5);
  }
  return out;
}

/** One utterance per text, at `rate` Hz; voices, speeds, pitches and gaps vary. Needs espeak-ng on first use. */
export function synthesiseUtterances(
  texts: readonly (readonly string[])[],
  rate: number,
  style: SyntheticStyle,
  seed: number,
): Utterance[] {
  const generator = new SeededGenerator(seed);
  return texts.map((words, i) => {
    const voice = VOICES[generator.below(VOICES.length)];
    const path = speak(
      words,
      voice,
      between(generator, style.speed),
      between(generator, [25, 65]),
      between(generator, style.gap),
    );
    const noiseSeed = generator.word();
    return {
      id: `synthetic-${i}`,
      speaker: voice,
      words,
      samples: () => {
        const clip = readWav(readFileSync(path));
        return inRoom(resample(clip.samples, clip.rate, rate), rate, noiseSeed);
      },
    };
  });
}
