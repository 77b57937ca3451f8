/** Inputs of a network from files of every kind. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { readNetworkInput } from '../../../src/apps/edge/network-input.ts';
import { DataError, DecodeError } from '../../../src/base/errors.ts';
import { IntegerNetwork } from '../../../src/nn/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'subrosa-input-'));
afterAll(() => rmSync(folder, { recursive: true }));

function stored(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const network = (low: number, shape = [1, 2, 2]): IntegerNetwork =>
  new IntegerNetwork({ shape, scale: 1, offset: 0, low, high: low + 255 }, [{ kind: 'relu' }], {
    scale: 1,
    softmax: false,
  });
const ARRAY = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 255);

test('maps, arrays by number, compressed arrays, raw elements', () => {
  const map = stored('a.ppm', Buffer.concat([Buffer.from('P5 2 2 255\n'), Uint8Array.of(0, 9, 200, 255)]));
  expect([...readNetworkInput(map, network(0))]).toEqual([0, 9, 200, 255]);
  expect([...readNetworkInput(map, network(-128))]).toEqual([-128, -119, 72, 127]);
  expect([...readNetworkInput(map, network(0, [3, 1, 1]))]).toEqual([116, 116, 116]);
  const array = stored('images#1-idx', ARRAY);
  expect([...readNetworkInput(`${array}#1`, network(0))]).toEqual([5, 6, 7, 255]);
  const packed = stored('images.gz', gzipSync(ARRAY));
  expect([...readNetworkInput(`${packed}#0`, network(0))]).toEqual([1, 2, 3, 4]);
  const raw = stored('raw', Uint8Array.of(1, 2, 3, 255, 5, 6, 7, 128));
  expect([...readNetworkInput(raw, network(-128))]).toEqual([1, 2, 3, -1, 5, 6, 7, -128]);
  expect([...readNetworkInput(raw, network(0))]).toEqual([1, 2, 3, 255, 5, 6, 7, 128]);
});

test('what is none of these is refused', () => {
  expect(() => readNetworkInput(join(folder, 'none'), network(0))).toThrow(DataError);
  expect(() => readNetworkInput(folder, network(0))).toThrow(DataError);
  expect(() => readNetworkInput(stored('odd', Uint8Array.of(1, 2, 3)), network(0))).toThrow(DecodeError);
  expect(() => readNetworkInput(`${stored('array', ARRAY)}#2`, network(0))).toThrow(DecodeError);
  expect(() => readNetworkInput(stored('bad.gz', Uint8Array.of(0x1f, 0x8b, 0)), network(0))).toThrow(
    DecodeError,
  );
});
