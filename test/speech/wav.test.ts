import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AudioError } from '../../src/base/errors.ts';
import { readWav } from '../../src/speech/audio/wav.ts';
import { writeWav } from '../../src/speech/audio/wav-writer.ts';

interface WavParts {
  tag?: number;
  channels?: number;
  rate?: number;
  bits?: number;
  extensible?: boolean;
  chunksBefore?: readonly (readonly [id: string, body: Uint8Array])[];
  dataLength?: number;
}

/** A WAV file of `frames` blocks whose samples `put` writes; every part can be set wrong. */
function makeWav(
  parts: WavParts,
  blocks: number,
  put: (view: DataView, at: number, sample: number) => void,
): Uint8Array {
  const { tag = 1, channels = 1, rate = 8000, bits = 16, extensible = false, chunksBefore = [] } = parts;
  const width = bits / 8;
  const dataLength = blocks * channels * width;
  const fmtLength = extensible ? 40 : 16;
  const extra = chunksBefore.reduce((sum, [, body]) => sum + 8 + body.length + (body.length & 1), 0);
  const bytes = new Uint8Array(12 + 8 + fmtLength + extra + 8 + dataLength);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const text = (id: string): void => {
    for (const c of id) view.setUint8(at++, c.charCodeAt(0));
  };
  const u16 = (value: number): void => {
    view.setUint16(at, value, true);
    at += 2;
  };
  const u32 = (value: number): void => {
    view.setUint32(at, value, true);
    at += 4;
  };
  text('RIFF');
  u32(bytes.length - 8);
  text('WAVE');
  for (const [id, body] of chunksBefore) {
    text(id);
    u32(body.length);
    bytes.set(body, at);
    at += body.length + (body.length & 1);
  }
  text('fmt ');
  u32(fmtLength);
  u16(extensible ? 0xfffe : tag);
  u16(channels);
  u32(rate);
  u32(rate * channels * width);
  u16(channels * width);
  u16(bits);
  if (extensible) {
    u16(22);
    u16(bits);
    u32(0);
    u16(tag);
    bytes.set([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71], at);
    at += 14;
  }
  text('data');
  u32(parts.dataLength ?? dataLength);
  for (let i = 0; i < blocks * channels; i++) put(view, at + i * width, i);
  return bytes;
}

const wave = [0, 0.5, -0.5, 0.25, -1, 0.75];
const put16 = (view: DataView, at: number, i: number): void => view.setInt16(at, wave[i] * 32768, true);

function problem(bytes: Uint8Array, maxSeconds?: number): string {
  try {
    readWav(bytes, maxSeconds === undefined ? {} : { maxSeconds });
  } catch (error) {
    expect(error).toBeInstanceOf(AudioError);
    return (error as AudioError).message;
  }
  throw new Error('the file was accepted');
}

describe('every sample format gives the same samples', () => {
  const formats: Record<string, [WavParts, (view: DataView, at: number, i: number) => void]> = {
    'int 8': [{ bits: 8 }, (view, at, i) => view.setUint8(at, wave[i] * 128 + 128)],
    'int 16': [{}, put16],
    'int 24': [
      { bits: 24 },
      (view, at, i) => {
        const value = wave[i] * 0x800000;
        view.setUint8(at, value & 0xff);
        view.setInt16(at + 1, value >> 8, true);
      },
    ],
    'int 32': [{ bits: 32 }, (view, at, i) => view.setInt32(at, wave[i] * 0x80000000, true)],
    'float 32': [{ tag: 3, bits: 32 }, (view, at, i) => view.setFloat32(at, wave[i], true)],
    'float 64': [{ tag: 3, bits: 64 }, (view, at, i) => view.setFloat64(at, wave[i], true)],
    'extensible int 16': [{ extensible: true }, put16],
    'extensible float 32': [
      { tag: 3, bits: 32, extensible: true },
      (view, at, i) => view.setFloat32(at, wave[i], true),
    ],
  };
  for (const [name, [parts, put]] of Object.entries(formats)) {
    test(name, () => {
      const clip = readWav(makeWav(parts, wave.length, put));
      expect(clip.rate).toBe(8000);
      expect([...clip.samples]).toEqual(wave);
    });
  }

  test('24-bit samples below one step of 16 bits keep their sign', () => {
    const bytes = makeWav({ bits: 24 }, 2, (view, at, i) => {
      view.setUint8(at, i === 0 ? 1 : 0xff);
      view.setInt16(at + 1, i === 0 ? 0 : -1, true);
    });
    expect([...readWav(bytes).samples]).toEqual([2 ** -23, -(2 ** -23)]);
  });
});

test('channels are averaged', () => {
  const clip = readWav(makeWav({ channels: 2 }, 3, put16));
  expect([...clip.samples]).toEqual([0.25, -0.125, -0.125]);
  expect(readWav(makeWav({ channels: 6 }, 1, put16)).samples).toHaveLength(1);
});

test('unknown chunks of odd length are skipped with their padding', () => {
  const list = new Uint8Array([1, 2, 3]);
  const bytes = makeWav(
    {
      chunksBefore: [
        ['LIST', list],
        ['junk', new Uint8Array(0)],
      ],
    },
    wave.length,
    put16,
  );
  expect([...readWav(bytes).samples]).toEqual(wave);
});

test('a view into a larger buffer is read at its own offset', () => {
  const bytes = makeWav({}, wave.length, put16);
  const larger = new Uint8Array(bytes.length + 10);
  larger.set(bytes, 7);
  expect([...readWav(larger.subarray(7, 7 + bytes.length)).samples]).toEqual(wave);
});

describe('what is not usable audio is refused with a reason', () => {
  const good = makeWav({}, wave.length, put16);
  const cases: [name: string, bytes: Uint8Array, reason: RegExp][] = [
    ['nothing', new Uint8Array(0), /0 bytes/],
    ['text', new TextEncoder().encode('this is not audio at all'), /starts with 'this'/],
    ['another RIFF', makeWav({}, 1, put16).map((b, i) => (i === 8 ? 65 : b)), /kind 'AAVE'/],
    ['a header alone', good.subarray(0, 36), /no 'data' chunk/],
    ['no samples', makeWav({}, 0, put16), /no samples/],
    ['zero channels', good.map((b, i) => (i === 22 ? 0 : b)), /zero channels/],
    ['33 bits', good.map((b, i) => (i === 34 ? 33 : b)), /33 bits/],
    ['24-bit floats', makeWav({ tag: 3, bits: 24 }, 1, () => undefined), /float samples of 24 bits/],
    ['16-bit mu-law', makeWav({ tag: 7 }, wave.length, put16), /mu-law samples of 16 bits/],
    ['IMA ADPCM', makeWav({ tag: 17 }, wave.length, put16), /holds IMA ADPCM; PCM/],
    ['MP3 in WAV', makeWav({ tag: 0x55 }, wave.length, put16), /holds MP3/],
    ['nobody knows', makeWav({ tag: 0x7abc }, wave.length, put16), /encoding 0x7abc/],
    ['a rate of 0', makeWav({ rate: 0 }, wave.length, put16), /sample rate is 0 Hz/],
    [
      'not a number',
      makeWav({ tag: 3, bits: 32 }, 1, (view, at) => view.setFloat32(at, Number.NaN, true)),
      /sample 0 is not a finite/,
    ],
    [
      'huge floats',
      makeWav({ tag: 3, bits: 64 }, 1, (view, at) => view.setFloat64(at, 1e300, true)),
      /not a finite/,
    ],
  ];
  for (const [name, bytes, reason] of cases) {
    test(name, () => expect(problem(bytes)).toMatch(reason));
  }

  test('too long, with the limit named', () => {
    const long = makeWav({}, 4000, (view, at) => view.setInt16(at, 1, true));
    expect(readWav(long, { maxSeconds: 0.5 }).samples).toHaveLength(4000);
    expect(problem(long, 0.49)).toMatch(/0\.5 s long, over the limit of 0\.49 s/);
  });
});

test('damaged files give audio or an AudioError, nothing else', () => {
  const good = makeWav(
    { tag: 3, bits: 32, extensible: true, chunksBefore: [['LIST', new Uint8Array(5)]] },
    6,
    (view, at, i) => view.setFloat32(at, wave[i], true),
  );
  const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), {
    maxLength: 6,
  });
  let refused = 0;
  fc.assert(
    fc.property(edits, fc.nat(good.length), (changes, length) => {
      const bytes = good.slice(0, length);
      for (const [at, value] of changes) if (at < length) bytes[at] = value;
      try {
        const clip = readWav(bytes);
        expect(clip.samples.length).toBeLessThanOrEqual(bytes.length);
        expect(clip.samples.every(Number.isFinite)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(AudioError);
        refused++;
      }
    }),
    { numRuns: 3000, seed: 1 },
  );
  expect(refused).toBeGreaterThan(100);
});

test('writeWav is read back within half a 16-bit step, clipped at full scale', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1.5, max: 1.5, noNaN: true }), { minLength: 1 }), (values) => {
      const clip = readWav(writeWav({ samples: Float32Array.from(values), rate: 44_100 }));
      expect(clip.rate).toBe(44_100);
      values.forEach((value, i) => {
        const clipped = Math.max(-1, Math.min(32767 / 32768, value));
        expect(Math.abs(clip.samples[i] - clipped)).toBeLessThanOrEqual(0.5001 / 32768);
      });
    }),
    { numRuns: 100, seed: 2 },
  );
  expect(() => writeWav({ samples: new Float32Array(0), rate: 8000 })).toThrow(AudioError);
  expect(() => writeWav({ samples: new Float32Array(1), rate: 3 })).toThrow(AudioError);
});
