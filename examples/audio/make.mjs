/**
 * Synthesises the recordings of this folder with espeak-ng: `node examples/audio/make.mjs`.
 *
 * The output is committed, so that nobody needs espeak-ng; this file says how it was made. Each recording is
 * resampled to the rate of its task and gets a quarter of a second of quiet room noise at both ends.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

const recordings = [
  {
    file: 'digits-1.wav',
    task: 'digits',
    text: 'THREE ONE FOUR ONE FIVE',
    voice: 'en-us',
    speed: 145,
    pitch: 45,
    gap: 14,
  },
  {
    file: 'digits-2.wav',
    task: 'digits',
    text: 'TWO SEVEN ZERO NINE',
    voice: 'en-us+f3',
    speed: 150,
    pitch: 55,
    gap: 14,
  },
  {
    file: 'digits-3.wav',
    task: 'digits',
    text: 'EIGHT SIX FIVE ZERO TWO FOUR',
    voice: 'en-gb',
    speed: 140,
    pitch: 35,
    gap: 12,
  },
  {
    file: 'sentence-1.wav',
    task: 'sentences',
    text: 'I WANT TO GO TO THE BEACH WITH MY FRIENDS',
    voice: 'en-us',
    speed: 125,
    pitch: 45,
    gap: 2,
  },
  {
    file: 'sentence-2.wav',
    task: 'sentences',
    text: 'SHE LIKES TO READ A BOOK IN THE GARDEN',
    voice: 'en-us+f3',
    speed: 125,
    pitch: 55,
    gap: 2,
  },
  {
    file: 'sentence-3.wav',
    task: 'sentences',
    text: 'HE TURNED AROUND AND WALKED BACK TO THE HOUSE',
    voice: 'en-gb',
    speed: 130,
    pitch: 40,
    gap: 2,
  },
];

/** Samples in [-1, 1) of a 16-bit mono WAV as espeak-ng writes it: a 44-byte header. */
function readSpeech(path) {
  const bytes = readFileSync(path);
  const rate = bytes.readUInt32LE(24);
  const samples = new Float64Array((bytes.length - 44) >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(44 + 2 * i) / 32768;
  return { rate, samples };
}

/** Windowed-sinc resampling, 32 zero crossings, cut off at 0.45 of the lower rate. */
function resample(samples, from, to) {
  const cutoff = (0.9 * Math.min(from, to)) / from;
  const half = 32 / cutoff;
  return Float64Array.from({ length: Math.floor((samples.length * to) / from) }, (_, i) => {
    const centre = (i * from) / to;
    let sum = 0;
    for (
      let j = Math.max(0, Math.ceil(centre - half));
      j <= Math.min(samples.length - 1, centre + half);
      j++
    ) {
      const x = j - centre;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / half);
      const t = Math.PI * cutoff * x;
      sum += samples[j] * cutoff * (t === 0 ? 1 : Math.sin(t) / t) * window;
    }
    return sum;
  });
}

/** Quiet at both ends and a noise floor some 60 dB down, from a fixed generator so that the files are reproducible. */
function inRoom(samples, rate) {
  const edge = rate >> 2;
  const peak = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  let state = 0x2545f491;
  const out = new Float64Array(samples.length + 2 * edge);
  for (let i = 0; i < out.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const speech = i >= edge && i < edge + samples.length ? (samples[i - edge] * 0.6) / peak : 0;
    out[i] = speech + (state / 2 ** 32 - 0.5) * 0.001;
  }
  return out;
}

function writeWav(path, samples, rate) {
  const bytes = Buffer.alloc(44 + 2 * samples.length);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(2 * rate, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(2 * samples.length, 40);
  for (let i = 0; i < samples.length; i++) bytes.writeInt16LE(Math.round(samples[i] * 32767), 44 + 2 * i);
  writeFileSync(path, bytes);
}

const work = mkdtempSync(join(tmpdir(), 'subrosa-audio-'));
for (const { file, task, text, voice, speed, pitch, gap } of recordings) {
  const raw = join(work, file);
  const options = ['-v', voice, '-s', String(speed), '-p', String(pitch), '-g', String(gap), '-w', raw];
  execFileSync('espeak-ng', [...options, text.toLowerCase()]);
  const spoken = readSpeech(raw);
  const rate = task === 'digits' ? 8000 : 16000;
  writeWav(join(here, file), inRoom(resample(spoken.samples, spoken.rate, rate), rate), rate);
}
rmSync(work, { recursive: true });
const transcripts = recordings.map(({ file, task, text, voice }) => ({
  file,
  task,
  text,
  voice: `espeak-ng ${voice}`,
}));
writeFileSync(join(here, 'transcripts.json'), `${JSON.stringify(transcripts, null, 2)}\n`);
