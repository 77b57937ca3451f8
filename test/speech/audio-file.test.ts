/**
 * Files of every kind, told apart by content. The tones in audio/ are 0.25 s of 440 Hz at half of full scale, 16 kHz, made with
 * sox and opusenc.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { AudioError } from '../../src/base/errors.ts';
import { SeededGenerator } from '../../src/nn/index.ts';
import { readAudio, recogniseAudio, writeWav } from '../../src/speech/index.ts';

const LIMITS = { maxSeconds: 10 };
const file = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`./audio/${name}`, import.meta.url)));
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const TONES = ['tone.mp3', 'tone.flac', 'tone.opus', 'tone.ogg'];
const ID3 = Uint8Array.of(0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0, 20, ...new Uint8Array(20));

/** The amplitude of 440 Hz in the middle half of the samples. */
function toneAmplitude(samples: Float32Array, rate: number): number {
  const part = samples.subarray(samples.length >> 2, samples.length - (samples.length >> 2));
  let [cosine, sine] = [0, 0];
  part.forEach((value, i) => {
    cosine += value * Math.cos((2 * Math.PI * 440 * i) / rate);
    sine += value * Math.sin((2 * Math.PI * 440 * i) / rate);
  });
  return (2 * Math.hypot(cosine, sine)) / part.length;
}

describe('compressed audio', () => {
  test.each(TONES)('%s gives its tone', async (name) => {
    const { samples, rate, warnings } = await readAudio(file(name), LIMITS);
    expect(warnings).toEqual([]);
    expect(samples.length / rate).toBeGreaterThan(0.24);
    expect(samples.length / rate).toBeLessThan(0.36);
    expect(toneAmplitude(samples, rate)).toBeCloseTo(0.5, 1);
  });

  test('MP3 behind tags is no WAV, WAV behind tags is', async () => {
    const mp3 = await readAudio(Buffer.concat([ID3, file('tone.mp3')]), LIMITS);
    expect(toneAmplitude(mp3.samples, mp3.rate)).toBeCloseTo(0.5, 1);
    const clip = { samples: Float32Array.of(0.5, -0.5), rate: 8000 };
    const wav = await readAudio(Buffer.concat([ID3, writeWav(clip)]), LIMITS);
    expect(wav).toMatchObject({ ...clip, warnings: [expect.stringMatching(/30 bytes of ID3/)] });
  });

  test.each(TONES)('%s is refused once it is longer than the limit', async (name) => {
    await expect(readAudio(file(name), { maxSeconds: 0.1 })).rejects.toThrow(/over the limit of 0\.1 s/);
  });

  test('damaged files give finite audio or an AudioError, nothing else', async () => {
    const generator = new SeededGenerator(4);
    let refused = 0;
    for (const name of TONES) {
      const good = file(name);
      for (let round = 0; round < 6; round++) {
        const bytes = good.slice(0, 1 + generator.below(good.length));
        for (let edits = generator.below(6); edits > 0; edits--)
          bytes[generator.below(bytes.length)] = generator.below(256);
        try {
          const { samples, rate } = await readAudio(bytes, LIMITS);
          expect(samples.every(Number.isFinite)).toBe(true);
          expect(samples.length / rate).toBeLessThanOrEqual(LIMITS.maxSeconds);
        } catch (error) {
          expect([name, round, error]).toEqual([name, round, expect.any(AudioError)]);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(2);
  });

  test('a decoder that is not installed is named, and the file can be converted', async () => {
    vi.resetModules();
    vi.doMock('mpg123-decoder', () => {
      throw new Error('Cannot find package');
    });
    const fresh = await import('../../src/speech/audio/audio-file.ts');
    await expect(fresh.readAudio(file('tone.mp3'), LIMITS)).rejects.toMatchObject({
      message: 'this is MP3, which needs the package mpg123-decoder: npm install mpg123-decoder',
      details: { convertible: true },
    });
    vi.doUnmock('mpg123-decoder');
  });
});

describe('what is not read', () => {
  const convertible: Record<string, string> = {
    AIFF: 'FORM\0\0\x10\0AIFF',
    CAF: 'caff\0\x01\0\0',
    'M4A or MP4': '\0\0\0\x20ftypM4A ',
    'WebM or Matroska': '\x1a\x45\xdf\xa3\x01',
    'Windows Media': '\x30\x26\xb2\x75\x8e\x66',
    AMR: '#!AMR\n',
    AU: '.snd\0\0\0\x18',
    AAC: '\xff\xf1\x50\x80',
    'WAV with the other byte order': 'RIFX\0\0\0\0WAVE',
    'Ogg Speex': `OggS${'\0'.repeat(22)}\x01\x50Speex   `,
    'FLAC in Ogg': `OggS${'\0'.repeat(22)}\x01\x33\x7fFLAC`,
  };
  test.each(Object.entries(convertible))('%s is named and can be converted', async (name, start) => {
    await expect(readAudio(bytesOf(start + '\0'.repeat(64)), LIMITS)).rejects.toMatchObject({
      message: expect.stringContaining(`this is ${name}`),
      details: { convertible: true },
    });
  });

  test.each([
    ['nothing', '', /the file is empty: 0 bytes/],
    ['text', 'Dear diary,\nno audio today.', /not a WAV file but text/],
    ['text in UTF-8', 'Gr\xc3\xbc\xc3\x9fe', /not a WAV file but text/],
    ['a picture', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR', /not a WAV file, nor/],
    ['two bytes', '\0\0', /not a WAV file, nor/],
  ])('%s is no audio', async (_name, text, reason) => {
    const refusal = readAudio(bytesOf(text), LIMITS);
    await expect(refusal).rejects.toThrow(reason);
    await expect(refusal).rejects.toMatchObject({ details: { convertible: false } });
  });

  test('any short start is recognised as something or nothing', () => {
    for (const name of TONES)
      for (let length = 0; length < 64; length++)
        expect(recogniseAudio(file(name).subarray(0, length)).name).not.toBe('');
  });
});
