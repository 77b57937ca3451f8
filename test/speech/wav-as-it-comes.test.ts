/** WAV files as recorders, pipes, editors and crashes leave them: every one gives its samples, and a warning where it lies. */
import { describe, expect, test } from 'vitest';
import { AudioError } from '../../src/base/errors.ts';
import { readWav } from '../../src/speech/audio/wav.ts';

const RATE = 8000;
const SAMPLES = Int16Array.from({ length: 3000 }, (_, i) => Math.round(9000 * Math.sin(i / 7)));
const PCM = Buffer.from(SAMPLES.buffer);
const EXPECTED = Array.from(SAMPLES, (value) => value / 0x8000);

const u16 = (value: number): Buffer => Buffer.of(value & 255, value >> 8);
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
};
const chunk = (id: string, body: Uint8Array, length = body.length): Buffer =>
  Buffer.concat([Buffer.from(id), u32(length), body]);
const format = (tag = 1, bits = 16, block = 2, channels = 1): Buffer =>
  Buffer.concat([u16(tag), u16(channels), u32(RATE), u32(RATE * block), u16(block), u16(bits)]);
const FMT = chunk('fmt ', format());
const riff = (chunks: readonly Uint8Array[], id = 'RIFF', length?: number): Buffer => {
  const body = Buffer.concat([Buffer.from('WAVE'), ...chunks]);
  return Buffer.concat([Buffer.from(id), u32(length ?? body.length), body]);
};
const PLAIN = riff([FMT, chunk('data', PCM)]);
const ds64 = (dataSize: bigint): Buffer =>
  chunk('ds64', Buffer.concat([u64(dataSize + 72n), u64(dataSize), u64(dataSize / 2n), u32(0)]));
const id3 = (length: number): Buffer =>
  Buffer.concat([
    Buffer.from('ID3'),
    Buffer.of(4, 0, 0, 0, 0, length >> 7, length & 127),
    Buffer.alloc(length),
  ]);

/** Wave64: GUIDs, 64-bit lengths that count their header, padding to eight. */
const guid = (id: string, tail: string): Buffer => Buffer.concat([Buffer.from(id), Buffer.from(tail, 'hex')]);
const OTHER = 'f3acd3118cd100c04f8edb8a';
const chunk64 = (id: string, body: Uint8Array, length = BigInt(body.length + 24)): Buffer =>
  Buffer.concat([guid(id, OTHER), u64(length), body, Buffer.alloc(-body.length & 7)]);
const wave64 = (chunks: readonly Uint8Array[], length?: bigint): Buffer => {
  const body = Buffer.concat([guid('wave', OTHER), ...chunks]);
  return Buffer.concat([
    guid('riff', '2e91cf11a5d628db04c10000'),
    u64(length ?? BigInt(body.length + 24)),
    body,
  ]);
};

const ODD = Buffer.of(1, 2, 3);
const LIST = chunk('LIST', Buffer.from('INFOISFT'));
const STEREO = Buffer.concat(
  Array.from(SAMPLES, (value) => {
    const pair = Buffer.alloc(4);
    pair.writeInt16LE(value);
    pair.writeInt16LE(value, 2);
    return pair;
  }),
);

describe('files that are as they should be: no warning', () => {
  const files: Record<string, Uint8Array> = {
    plain: PLAIN,
    'RF64 with its sizes in ds64': riff(
      [ds64(6000n), FMT, chunk('data', PCM, 0xffffffff)],
      'RF64',
      0xffffffff,
    ),
    'BW64 the same': riff([ds64(6000n), FMT, chunk('data', PCM, 0xffffffff)], 'BW64', 0xffffffff),
    'RF64 whose data are short enough for 32 bits': riff([ds64(0n), FMT, chunk('data', PCM)], 'RF64'),
    'RF64 with chunks after the data': riff([ds64(6000n), FMT, chunk('data', PCM, 0xffffffff), LIST], 'RF64'),
    'a place kept for ds64': riff([chunk('JUNK', Buffer.alloc(28)), FMT, chunk('data', PCM)]),
    Wave64: wave64([chunk64('fmt ', format()), chunk64('data', PCM)]),
    'Wave64 with a chunk of odd length': wave64([
      chunk64('junk', ODD),
      chunk64('fmt ', format()),
      chunk64('data', PCM),
    ]),
    'an odd chunk with padding': riff([
      chunk('note', Buffer.concat([ODD, Buffer.of(0)]), 3),
      FMT,
      chunk('data', PCM),
    ]),
    'an odd chunk without': riff([chunk('note', ODD), FMT, chunk('data', PCM)]),
    'an odd chunk without, after the format': riff([FMT, chunk('note', ODD), chunk('data', PCM)]),
    'chunks after the data': riff([FMT, chunk('data', PCM), LIST, chunk('id3 ', ODD)]),
    'the data before the format': riff([chunk('data', PCM), FMT]),
    'a wrong RIFF length': riff([FMT, chunk('data', PCM)], 'RIFF', 0),
    'tags of MP3 programs at the end': Buffer.concat([PLAIN, Buffer.from('TAG'), Buffer.alloc(125)]),
    'large tags at the end': Buffer.concat([PLAIN, id3(9000)]),
    stereo: riff([chunk('fmt ', format(1, 16, 4, 2)), chunk('data', STEREO)]),
    '16 bits declared as 12': riff([chunk('fmt ', format(1, 12, 2)), chunk('data', PCM)]),
  };
  test.each(Object.entries(files))('%s', (_name, bytes) => {
    const { samples, rate, warnings } = readWav(bytes);
    expect(warnings).toEqual([]);
    expect(rate).toBe(RATE);
    expect(Array.from(samples)).toEqual(EXPECTED);
  });
});

describe('files that are not: their samples and one warning', () => {
  const pipe = /does not say how long the audio is/;
  const stopped = /recorder that was stopped/;
  const files: Record<string, [Uint8Array, RegExp]> = {
    'a pipe of ffmpeg': [riff([FMT, chunk('data', PCM, 0xffffffff)], 'RIFF', 0xffffffff), pipe],
    'a pipe of sox': [riff([FMT, chunk('data', PCM, 0x7fffffff - 36)], 'RIFF', 0x7fffffff), pipe],
    'a pipe of arecord': [riff([FMT, chunk('data', PCM, 0x80000000)], 'RIFF', 0x80000024), pipe],
    'a recorder that crashed': [riff([FMT, chunk('data', PCM, 0)], 'RIFF', 0), stopped],
    'a recorder that wrote its lengths once, early': [
      riff([FMT, chunk('data', PCM, 400)], 'RIFF', 436),
      stopped,
    ],
    'RF64 of a pipe': [riff([ds64(0n), FMT, chunk('data', PCM, 0xffffffff)], 'RF64'), stopped],
    'RF64 with all ones': [riff([ds64(2n ** 64n - 1n), FMT, chunk('data', PCM, 0xffffffff)], 'RF64'), pipe],
    'RF64 without ds64': [riff([FMT, chunk('data', PCM, 0xffffffff)], 'RF64'), pipe],
    'Wave64 of a pipe': [wave64([chunk64('fmt ', format()), chunk64('data', PCM, 2n ** 63n)]), pipe],
    'Wave64 that crashed': [wave64([chunk64('fmt ', format()), chunk64('data', PCM, 24n)], 0n), stopped],
    'tags before the header': [Buffer.concat([id3(301), PLAIN]), /311 bytes of ID3 tags/],
    'a wrong block size': [riff([chunk('fmt ', format(1, 16, 3)), chunk('data', PCM)]), /3 bytes per block/],
    'half a sample at the end': [
      riff([FMT, chunk('data', Buffer.concat([PCM, Buffer.of(7)]))]),
      /the last 1 bytes are no whole sample of 2 bytes/,
    ],
  };
  test.each(Object.entries(files))('%s', (_name, [bytes, warning]) => {
    const { samples, warnings } = readWav(bytes);
    expect(warnings).toEqual([expect.stringMatching(warning)]);
    expect(Array.from(samples)).toEqual(EXPECTED);
  });

  test('cut short anywhere: what is left, or the reason why nothing is', () => {
    const header = PLAIN.length - PCM.length;
    for (const left of [2, 3, 1000, 5999]) {
      const { samples, warnings } = readWav(PLAIN.subarray(0, header + left));
      expect(Array.from(samples)).toEqual(EXPECTED.slice(0, left >> 1));
      expect(warnings[0]).toMatch(new RegExp(`promises 6000 bytes of audio, ${left} are there`));
    }
    for (let length = 0; length <= header; length++)
      expect(() => readWav(PLAIN.subarray(0, length))).toThrow(AudioError);
  });

  test('a length that a header claims is not allocated', () => {
    const before = process.memoryUsage().arrayBuffers;
    const { samples } = readWav(riff([ds64(2n ** 40n), FMT, chunk('data', PCM, 0xffffffff)], 'RF64'));
    expect(samples.buffer.byteLength).toBe(4 * SAMPLES.length);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  test('data that are honestly empty stay empty', () => {
    expect(() => readWav(riff([FMT, chunk('data', Buffer.alloc(0)), LIST]))).toThrow(/no samples/);
  });
});

describe('companded telephone audio (ITU-T G.711)', () => {
  const decoded = (tag: number, codes: readonly number[]): number[] =>
    Array.from(
      readWav(riff([chunk('fmt ', format(tag, 8, 1)), chunk('data', Uint8Array.from(codes))])).samples,
      (value) => value * 0x8000 || 0,
    );

  test('values of the tables of the standard', () => {
    // Smallest and largest of both signs, and one in between.
    expect(decoded(7, [0xff, 0x7f, 0x80, 0x00, 0xef])).toEqual([0, 0, 32124, -32124, 132]);
    expect(decoded(6, [0xd5, 0x55, 0xaa, 0x2a, 0xc5])).toEqual([8, -8, 32256, -32256, 264]);
  });

  test('both laws rise with their code, and differ by sign only', () => {
    for (const [tag, order] of [
      [7, (i: number) => 0xff - i],
      [6, (i: number) => (0x80 + i) ^ 0x55],
    ] as const) {
      const values = decoded(
        tag,
        Array.from({ length: 128 }, (_, i) => order(i)),
      );
      expect(values).toEqual(values.toSorted((a, b) => a - b));
      expect(
        decoded(
          tag,
          Array.from({ length: 128 }, (_, i) => order(i) ^ 0x80),
        ),
      ).toEqual(values.map((value) => -value || 0));
    }
  });
});
