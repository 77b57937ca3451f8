/** Weight manifests: values by hand, refusals, damage. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError, LimitError } from '../../src/base/errors.ts';
import { faceEmbedding, readWeightManifest, readWeightShards } from '../../src/nn/index.ts';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const TENSORS = [
  { name: 'plain', shape: [2], dtype: 'float32' },
  { name: 'bytes', shape: [1, 3], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.5, min: -1 } },
  { name: 'words', shape: [2], dtype: 'float32', quantization: { dtype: 'uint16', scale: 2, min: 3 } },
];
const manifest = (tensor: object = {}, paths: unknown = ['a.bin', 'b-1.bin']): Uint8Array =>
  encode([{ paths, weights: [{ ...TENSORS[0], ...tensor }, ...TENSORS.slice(1)] }]);

function shards(): Uint8Array[] {
  const all = new Uint8Array(15);
  new DataView(all.buffer).setFloat32(0, 1.5, true);
  new DataView(all.buffer).setFloat32(4, -2, true);
  all.set([0, 2, 255, 1, 0, 0, 1], 8);
  return [all.subarray(0, 9), all.subarray(9)];
}

describe('weight manifests', () => {
  test('name tensors whose values run through the shards', () => {
    const [group] = readWeightManifest(manifest());
    expect(group.paths).toEqual(['a.bin', 'b-1.bin']);
    expect(group.bytes).toBe(15);
    const tensors = readWeightShards(group, shards());
    expect([...tensors.keys()]).toEqual(['plain', 'bytes', 'words']);
    expect([...tensors.get('plain')!.data]).toEqual([1.5, -2]);
    expect(tensors.get('bytes')).toEqual({ shape: [1, 3], data: Float32Array.of(-1, 0, 126.5) });
    expect([...tensors.get('words')!.data]).toEqual([5, 515]);
  });

  test('are refused when they are not what they should be', () => {
    expect(() => readWeightManifest(new Uint8Array(2 ** 20 + 1))).toThrow(LimitError);
    expect(() => readWeightManifest(Uint8Array.of(0xff))).toThrow(DecodeError);
    expect(() => readWeightManifest(encode({}))).toThrow(DecodeError);
    expect(() => readWeightManifest(manifest({}, ['../secret']))).toThrow(DecodeError);
    expect(() => readWeightManifest(manifest({ name: 'bytes' }))).toThrow(DecodeError);
    expect(() => readWeightManifest(manifest({ shape: [2 ** 16, 2 ** 12] }))).toThrow(LimitError);
    for (const shape of [[], [0], [1.5], [2 ** 40], 'x', [1, 1, 1, 1, 1, 1, 1]])
      expect(() => readWeightManifest(manifest({ shape }))).toThrow(DecodeError);
    for (const wrong of [{ dtype: 'int32' }, { quantization: { dtype: 'uint4', scale: 1, min: 0 } }])
      expect(() => readWeightManifest(manifest(wrong))).toThrow(DecodeError);
  });

  test('with shards of another length are refused', () => {
    const [group] = readWeightManifest(manifest());
    expect(() => readWeightShards(group, shards().slice(1))).toThrow(DecodeError);
    expect(() => readWeightShards(group, [new Uint8Array(9), new Uint8Array(7)])).toThrow(DecodeError);
  });

  test('that are damaged are refused or read, with typed errors only', () => {
    const bytes = manifest();
    const property = fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
      try {
        readWeightManifest(Uint8Array.from(bytes, (byte, i) => (i === at ? value : byte)));
      } catch (error) {
        expect([DecodeError, LimitError].some((kind) => error instanceof kind)).toBe(true);
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('of another network are no face network', () => {
    const [group] = readWeightManifest(manifest());
    expect(() => faceEmbedding(readWeightShards(group, shards()))).toThrow(DecodeError);
  });
});
