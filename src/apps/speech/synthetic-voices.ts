/**
 * Utterances spoken by synthesisers that a system may have: training material besides human recordings, and voices to
 * measure with that training has not met. Seeded: the same call gives the same texts, voices and noise.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededGenerator } from '../../nn/index.ts';
import { readWav, resample } from '../../speech/index.ts';
import { audioCacheDirectory } from './corpus.ts';
import type { Utterance } from './corpus.ts';

export type Synthesiser = 'espeak-ng' | 'festival' | 'flite';

export interface SyntheticVoice {
  readonly engine: Synthesiser;
  readonly name: string;
}

const espeak = (names: readonly string[]): SyntheticVoice[] =>
  names.map((name) => ({ engine: 'espeak-ng', name }));
const crossed = (accents: readonly string[], variants: readonly string[]): string[] =>
  accents.flatMap((accent) => variants.map((variant) => (variant === '' ? accent : `${accent}+${variant}`)));

/** A few voices near those of the demonstration recordings. */
export const BASIC_VOICES: readonly SyntheticVoice[] = espeak([
  'en-us',
  'en-gb',
  'en-us+f3',
  'en-gb+f3',
  'en-us+f2',
  'en-us+m3',
  'en-gb+m2',
  'en-gb-scotland',
]);

/** Many voices of two synthesisers. Shares no accent and no speaker with the voices that are kept for measuring. */
export const TRAINING_VOICES: readonly SyntheticVoice[] = [
  ...BASIC_VOICES,
  ...espeak(
    crossed(
      ['en-us', 'en-gb', 'en-gb-scotland', 'en-gb-x-gbclan', 'en-gb-x-rp'],
      [
        '',
        'f1',
        'f2',
        'f3',
        'f5',
        'm1',
        'm2',
        'm3',
        'm4',
        'm7',
        'klatt2',
        'klatt4',
        'belinda',
        'edward',
        'linda',
        'rob',
      ],
    ),
  ),
  // Three speakers by two methods: twenty times each, so that they have a share beside eighty voices of espeak-ng.
  ...Array.from({ length: 20 }, () => ['kal_diphone', 'ked_diphone', 'cmu_us_slt_arctic_hts'])
    .flat()
    .map((name): SyntheticVoice => ({ engine: 'festival', name })),
];

/** For the choice of decoder settings: an accent and variants of espeak-ng that training has not met. */
export const TUNING_VOICES: readonly SyntheticVoice[] = espeak(
  crossed(['en-us-nyc'], ['anika', 'steph', 'max', 'paul']),
);

/** To measure with: two accents and eight variants of espeak-ng that neither training nor tuning has met. */
export const TEST_ACCENTS: readonly SyntheticVoice[] = espeak(
  crossed(['en-029', 'en-gb-x-gbcwmd'], ['', 'f4', 'm5', 'm6', 'm8', 'klatt', 'Gene', 'zac']),
);

/** To measure with: a synthesiser and two speakers of it that neither training nor tuning has met. */
export const TEST_SYNTHESISER: readonly SyntheticVoice[] = ['awb', 'rms'].map((name) => ({
  engine: 'flite',
  name,
}));

export interface SyntheticStyle {
  /** Words per minute, lowest and highest; 145 is what an engine without such a setting speaks. */
  readonly speed: readonly [number, number];
  /** Pause between words in units of 10 ms, lowest and highest; engines without such a setting pause at commas. */
  readonly gap: readonly [number, number];
  /** Played faster or slower by up to this factor, which also makes the voice another one; absent means never. */
  readonly playback?: number;
}

/** Whether a synthesiser is installed. */
export function canSynthesise(engine: Synthesiser = 'espeak-ng'): boolean {
  try {
    execFileSync(engine, ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // flite has no such option and ends with an error of its own.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

/** The nearest multiple of 100 Hz: resampling between odd rates takes a hundred times as long. */
export const evenRate = (hertz: number): number => 100 * Math.round(hertz / 100);

const between = (generator: SeededGenerator, [low, high]: readonly [number, number]): number =>
  low + generator.below(high - low + 1);

/** One text to speak and the file where it goes. */
interface Request {
  readonly voice: SyntheticVoice;
  readonly text: string;
  readonly speed: number;
  readonly pitch: number;
  readonly gap: number;
  readonly path: string;
}

const NEUTRAL_SPEED = 145;
const NEUTRAL_PITCH = 45;

function requestOf(
  words: readonly string[],
  voice: SyntheticVoice,
  speed: number,
  pitch: number,
  gap: number,
): Request {
  const folder = join(audioCacheDirectory(), voice.engine);
  const pausing = voice.engine !== 'espeak-ng' && gap > 8;
  const text = words.join(pausing ? ', ' : ' ').toLowerCase();
  const settings = `${voice.name}.${speed}.${pitch}.${gap}`;
  return {
    voice,
    text,
    speed,
    pitch,
    gap,
    path: join(folder, `${words.join('-').toLowerCase()}.${settings}.wav`),
  };
}

/** Speaks what the cache lacks; the settings are in the file names. */
function speakAll(requests: readonly Request[]): void {
  const missing = requests.filter(({ path }) => !existsSync(path));
  for (const { voice } of missing) mkdirSync(join(audioCacheDirectory(), voice.engine), { recursive: true });
  const scheme: string[] = [];
  const spoken: Request[] = [];
  for (const request of missing) {
    const { voice, text, speed, pitch, gap, path } = request;
    const partial = `${path}.${process.pid}.part`;
    if (voice.engine === 'festival') {
      // One process for all: it takes longer to start than to speak.
      const stretch = (NEUTRAL_SPEED / speed).toFixed(3);
      scheme.push(
        `(voice_${voice.name}) (Parameter.set 'Duration_Stretch ${stretch})`,
        `(utt.save.wave (utt.synth (Utterance Text "${text}")) "${partial}" 'riff)`,
      );
      spoken.push(request);
      continue;
    }
    const options =
      voice.engine === 'espeak-ng'
        ? ['-v', voice.name, '-s', `${speed}`, '-p', `${pitch}`, '-g', `${gap}`, '-w', partial, text]
        : [
            '-voice',
            voice.name,
            '--setf',
            `duration_stretch=${(NEUTRAL_SPEED / speed).toFixed(3)}`,
            '-t',
            text,
            partial,
          ];
    execFileSync(voice.engine, options, { stdio: 'ignore' });
    renameSync(partial, path);
  }
  if (scheme.length === 0) return;
  const program = join(audioCacheDirectory(), 'festival', `program.${process.pid}.scm`);
  writeFileSync(program, scheme.join('\n'));
  execFileSync('festival', ['-b', program], { stdio: 'ignore' });
  rmSync(program);
  for (const { path } of spoken) {
    const partial = `${path}.${process.pid}.part`;
    if (existsSync(partial)) renameSync(partial, path);
  }
}

/** Peak 0.6, a quarter of a second of quiet at both ends, and a noise floor between 46 and 66 dB below full scale. */
function inQuietRoom(speech: Float32Array, rate: number, seed: number): Float32Array {
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

/**
 * One utterance per text, at `rate` Hz; voices, speeds, pitches and gaps vary. Needs the synthesisers of the voices on first
 * use.
 */
export function synthesiseUtterances(
  texts: readonly (readonly string[])[],
  rate: number,
  style: SyntheticStyle,
  seed: number,
  voices: readonly SyntheticVoice[] = BASIC_VOICES,
): Utterance[] {
  const generator = new SeededGenerator(seed);
  const plans = texts.map((words) => {
    const voice = voices[generator.below(voices.length)];
    const speed = between(generator, style.speed);
    const pitch = between(generator, [25, 65]);
    const gap = between(generator, style.gap);
    const request =
      voice.engine === 'espeak-ng'
        ? requestOf(words, voice, speed, pitch, gap)
        : requestOf(words, voice, speed, NEUTRAL_PITCH, gap);
    const noiseSeed = generator.word();
    const factor =
      style.playback === undefined ? undefined : 1 + style.playback * (2 * generator.uniform() - 1);
    return {
      words,
      voice,
      request,
      noiseSeed,
      playedRate: (from: number) => (factor === undefined ? from : evenRate(from * factor)),
    };
  });
  speakAll(plans.map(({ request }) => request));
  return plans.map(({ words, voice, request, noiseSeed, playedRate }, i) => ({
    id: `synthetic-${i}`,
    speaker: `${voice.engine} ${voice.name}`,
    words,
    samples: () => {
      const clip = readWav(readFileSync(request.path));
      return inQuietRoom(resample(clip.samples, playedRate(clip.rate), rate), rate, noiseSeed);
    },
  }));
}
