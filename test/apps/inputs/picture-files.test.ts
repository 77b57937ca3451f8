/** Pictures as they come: every kind of PNG, JPEG and portable map gives the same pixels; claims and unknown files are refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { encode as encodeJpeg } from 'jpeg-js';
import { afterAll, describe, expect, test } from 'vitest';
import { readNetworkInput } from '../../../src/apps/edge/network-input.ts';
import { readJpeg, readPng } from '../../../src/apps/inputs/picture-files.ts';
import { DecodeError, LimitError, SubrosaError } from '../../../src/base/errors.ts';
import { IntegerNetwork, readPortableMap } from '../../../src/nn/index.ts';
import { mutants } from '../../fuzz/mutations.ts';

const folder = mkdtempSync(join(tmpdir(), 'subrosa-pictures-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Of PNG, bit by bit; Node has one since 22 only. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function chunk(name: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length);
  out.write(name, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

interface Png {
  width: number;
  height: number;
  depth: number;
  type: number;
  rows: number[][];
  more?: Buffer[];
}
function png({ width, height, depth, type, rows, more = [] }: Png): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, type, 0, 0, 0], 8);
  const data = deflateSync(Buffer.from(rows.flatMap((row) => [0, ...row])));
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const end = chunk('IEND', Buffer.alloc(0));
  return Buffer.concat([signature, chunk('IHDR', header), ...more, chunk('IDAT', data), end]);
}
const size = { width: 3, height: 2 };
const pixelsOf = (bytes: Uint8Array) => {
  const { channels, width, height, pixels } = readPng(bytes);
  expect([width, height]).toEqual([3, 2]);
  return [channels, ...pixels];
};

describe('PNG', () => {
  test('grey of 1, 2, 4, 8 and 16 bits', () => {
    expect(pixelsOf(png({ ...size, depth: 1, type: 0, rows: [[0b10100000], [0b01000000]] }))).toEqual([
      ...[1, 255, 0, 255, 0, 255, 0],
    ]);
    expect(pixelsOf(png({ ...size, depth: 2, type: 0, rows: [[0b00011000], [0b11000000]] }))).toEqual([
      ...[1, 0, 85, 170, 255, 0, 0],
    ]);
    expect(
      pixelsOf(
        png({
          ...size,
          depth: 4,
          type: 0,
          rows: [
            [0x0f, 0x10],
            [0x20, 0x30],
          ],
        }),
      ),
    ).toEqual([...[1, 0, 255, 17, 34, 0, 51]]);
    expect(
      pixelsOf(
        png({
          ...size,
          depth: 8,
          type: 0,
          rows: [
            [1, 2, 3],
            [4, 5, 255],
          ],
        }),
      ),
    ).toEqual([...[1, 1, 2, 3, 4, 5, 255]]);
    const wide = [
      [255, 255, 128, 0, 0, 0],
      [1, 0, 2, 0, 3, 0],
    ];
    expect(pixelsOf(png({ ...size, depth: 16, type: 0, rows: wide }))).toEqual([1, 255, 128, 0, 1, 2, 3]);
  });

  test('colours, with and without a palette; what is transparent lies on white', () => {
    const rgb = [
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
      [11, 12, 13, 14, 15, 16, 17, 18, 19],
    ];
    const planes = [3, 1, 4, 7, 11, 14, 17, 2, 5, 8, 12, 15, 18, 3, 6, 9, 13, 16, 19];
    expect(pixelsOf(png({ ...size, depth: 8, type: 2, rows: rgb }))).toEqual(planes);
    const clear = [
      [0, 0, 9, 255, 8, 0],
      [0, 0, 0, 0, 0, 0],
    ];
    expect(pixelsOf(png({ ...size, depth: 8, type: 4, rows: clear }))).toEqual([
      1, 255, 9, 255, 255, 255, 255,
    ]);
    const palette = chunk('PLTE', Buffer.from([10, 20, 30, 40, 50, 60]));
    const alpha = chunk('tRNS', Buffer.from([255, 0]));
    const indexed = { ...size, depth: 1, type: 3, rows: [[0b01000000], [0b00000000]] };
    expect(pixelsOf(png({ ...indexed, more: [palette] })).slice(0, 4)).toEqual([3, 10, 40, 10]);
    expect(pixelsOf(png({ ...indexed, more: [palette, alpha] })).slice(0, 4)).toEqual([3, 10, 255, 10]);
  });

  test('claims: sizes, bombs, cut and damaged files', () => {
    const good = png({
      ...size,
      depth: 8,
      type: 0,
      rows: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    });
    const huge = Buffer.from(good);
    huge.writeUInt32BE(2 ** 30, 16);
    expect(() => readPng(huge)).toThrow(LimitError);
    const bomb = png({ ...size, depth: 8, type: 0, rows: [Array.from({ length: 100_000 }, () => 0)] });
    expect(() => readPng(bomb)).toThrow(/more than its size says/);
    const note = chunk('zTXt', deflateSync(Buffer.alloc(10_000_000)));
    expect(
      pixelsOf(
        png({
          ...size,
          depth: 8,
          type: 0,
          rows: [
            [1, 2, 3],
            [4, 5, 6],
          ],
          more: [note],
        }),
      ),
    ).toHaveLength(7);
    for (let length = 8; length < good.length; length++)
      expect(() => readPng(good.subarray(0, length))).toThrow(DecodeError);
    for (let at = 8; at < good.length; at++) {
      const changed = Buffer.from(good);
      changed[at]! ^= 0x55;
      expect(() => readPng(changed)).toThrow(/PNG|limit/);
    }
  });
});

test('JPEG: close to what was drawn; claims and damage are refused', () => {
  const [width, height] = [16, 8];
  const data = Buffer.from(Array.from({ length: width * height }, (_, i) => [200, i % 100, 50, 255]).flat());
  const bytes = encodeJpeg({ width, height, data }, 95).data;
  const image = readJpeg(bytes);
  expect([image.channels, image.width, image.height]).toEqual([3, 16, 8]);
  for (let i = 0; i < width * height; i++) expect(Math.abs(image.pixels[i]! - 200)).toBeLessThan(25);
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  const huge = Buffer.from(bytes);
  huge.writeUInt16BE(65_535, frame + 5);
  huge.writeUInt16BE(65_535, frame + 7);
  expect(() => readJpeg(huge)).toThrow(LimitError);
  const empty = Buffer.from(bytes);
  empty.writeUInt16BE(4000, frame + 5);
  empty.writeUInt16BE(4000, frame + 7);
  expect(() => readJpeg(empty)).toThrow(/too short for its size/);
  for (const length of [4, 20, frame, frame + 5])
    expect(() => readJpeg(bytes.subarray(0, length))).toThrow(DecodeError);
});

test('JPEG: whatever bytes change, there is a picture or a typed error', () => {
  const whole = encodeJpeg({ width: 8, height: 8, data: Buffer.alloc(256, 99) }, 90).data;
  let [refused, made] = [0, 0];
  for (const bytes of mutants([whole], 1)) {
    if (made++ === 1000) break;
    try {
      readJpeg(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(SubrosaError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(100);
});

test('portable maps: bits, greys and colours, as text and binary, one and two bytes a value', () => {
  const read = (text: string, ...more: number[]) => {
    const { channels, pixels } = readPortableMap(Buffer.concat([Buffer.from(text), Buffer.from(more)]));
    return [channels, ...pixels];
  };
  expect(read('P1 # a comment\n3 2\n101\n0 1 0\n')).toEqual([1, 0, 255, 0, 255, 0, 255]);
  expect(read('P4 3 2\n', 0b10100000, 0b01000000)).toEqual([1, 0, 255, 0, 255, 0, 255]);
  expect(read('P2 2 2 4\n0 1\n2 4')).toEqual([1, 0, 64, 128, 255]);
  expect(read('P5 2 1 65535\n', 255, 255, 128, 0)).toEqual([1, 255, 128]);
  expect(read('P3 2 1 255\n1 2 3  4 5 6\n')).toEqual([3, 1, 4, 2, 5, 3, 6]);
  expect(read('P6 2 1 255\n', 1, 2, 3, 4, 5, 6)).toEqual([3, 1, 4, 2, 5, 3, 6]);
  for (const bad of [
    'P1 2 1 1',
    'P1 2 1 1 2',
    'P2 1 1 9 10',
    'P2 2 1 9 1',
    'P2 1 1 9 1 1',
    'P2 1 1 70000 1',
    'P4 9 1\nx',
  ])
    expect(() => read(bad)).toThrow(DecodeError);
  expect(() => read('P1 99999 99999 1')).toThrow(LimitError);
});

describe('files', () => {
  const network = new IntegerNetwork(
    { shape: [1, 28, 28], scale: 1, offset: 0, low: 0, high: 255 },
    [{ kind: 'relu' }],
    { scale: 1, softmax: false },
  );
  const stored = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  test('a picture that has as many bytes as the network has inputs is still a picture', () => {
    const rows = Array.from({ length: 28 }, (_, y) =>
      Array.from({ length: 28 }, (_, x) => (9 * y + x) & 255),
    );
    const bare = png({ width: 28, height: 28, depth: 8, type: 0, rows });
    const padding = chunk('tEXt', Buffer.alloc(Math.max(0, 784 - bare.length - 12)));
    const picture = png({ width: 28, height: 28, depth: 8, type: 0, rows, more: [padding] });
    if (bare.length < 772) expect(picture.length).toBe(784);
    expect([...readNetworkInput(stored('seven784.png', picture), network)]).toEqual(rows.flat());
    expect([...readNetworkInput(stored('x.raw', new Uint8Array(784)), network)]).toEqual(Array(784).fill(0));
  });

  test.each([
    ['GIF89a', 'x.gif', /a GIF image/],
    ['RIFF\0\0\0\0WEBPVP8 ', 'x.bin', /a WebP image/],
    ['%PDF-1.7', 'x', /a PDF document/],
    ['\0\0\x08\x03\0\0\0\x01', 'x.raw', /IDX array: say which image with FILE#n/],
    ['whatever', 'x.tga', /of no kind that is known; PNG, JPEG, P1 to P6/],
    ['\x89PNG but not quite', 'x.png', /of no kind that is known/],
  ])('%j in %s is refused, though it has the right length', (start, name, sentence) => {
    const bytes = Buffer.alloc(784);
    bytes.write(start, 'latin1');
    const read = () => readNetworkInput(stored(name, bytes), network);
    expect(read).toThrow(DecodeError);
    expect(read).toThrow(sentence);
  });
});
