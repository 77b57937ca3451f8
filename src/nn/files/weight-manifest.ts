/**
 * The weight files of TensorFlow.js: a JSON manifest that names tensors and shards that hold them back to back, as float32 or
 * quantised to 8 or 16 bits with scale and minimum. [TensorFlow.js, "Model and layer saving", weights manifest]
 */
import * as arg from '../../base/arguments.ts';
import { DecodeError, LimitError } from '../../base/errors.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

const MAX_MANIFEST_BYTES = 2 ** 20;
const MAX_TENSORS = 4096;
const MAX_EXTENTS = 6;
/** Of all tensors of a manifest together: 1 GiB of float32. */
const MAX_VALUES = 2 ** 28;

interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** Bytes of a value in the shard. */
  readonly width: 1 | 2 | 4;
  readonly scale: number;
  readonly min: number;
}

/** Tensors that share shards. */
export interface WeightGroup {
  /** Names of the shards beside the manifest, in order; plain file names. */
  readonly paths: readonly string[];
  readonly entries: readonly TensorEntry[];
  /** What the shards must hold together. */
  readonly bytes: number;
}

const refuse = (reason: string): DecodeError => new DecodeError('a weight manifest', reason);

/** Allocates in proportion to the manifest only. @throws {DecodeError} {@link LimitError} */
export function readWeightManifest(bytes: Uint8Array): WeightGroup[] {
  arg.checkArguments('readWeightManifest', [bytes], { bytes: arg.bytes });
  if (bytes.length > MAX_MANIFEST_BYTES)
    throw new LimitError('the bytes of a weight manifest', MAX_MANIFEST_BYTES, bytes.length);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw refuse('it is not JSON');
  }
  const groups = listOf(value, 'the manifest').map(readGroup);
  const entries = groups.flatMap((group) => group.entries);
  const values = entries.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  if (!(values <= MAX_VALUES)) throw new LimitError('the values of a weight manifest', MAX_VALUES, values);
  if (new Set(entries.map(({ name }) => name)).size !== entries.length) throw refuse('a name comes twice');
  return groups;
}

function listOf(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value) || value.length > MAX_TENSORS)
    throw refuse(`${what} is not a list of at most ${MAX_TENSORS}`);
  return value;
}

function fieldsOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw refuse(`${what} is not an object`);
  return { ...value };
}

function readGroup(value: unknown): WeightGroup {
  const { weights, paths } = fieldsOf(value, 'a group');
  const names = listOf(paths, 'the shards').map((path) => {
    if (typeof path !== 'string' || !/^[\w-][\w.-]*$/.test(path))
      throw refuse('a shard is no plain file name');
    return path;
  });
  const entries = listOf(weights, 'the weights').map(readEntry);
  return {
    paths: names,
    entries,
    bytes: entries.reduce((sum, { shape, width }) => sum + width * sizeOf(shape), 0),
  };
}

function readEntry(value: unknown): TensorEntry {
  const { name, shape, dtype, quantization } = fieldsOf(value, 'a tensor');
  if (typeof name !== 'string') throw refuse('a tensor has no name');
  if (dtype !== 'float32') throw refuse(`${name} is not float32`);
  const extents = listOf(shape, `the shape of ${name}`).map(Number);
  const sound = extents.every((extent) => Number.isSafeInteger(extent) && extent >= 1);
  if (!sound || extents.length < 1 || extents.length > MAX_EXTENTS || sizeOf(extents) > MAX_VALUES)
    throw refuse(`the shape of ${name} is out of range`);
  if (quantization === undefined) return { name, shape: extents, width: 4, scale: 1, min: 0 };
  const { dtype: stored, scale, min } = fieldsOf(quantization, `the quantisation of ${name}`);
  const width = stored === 'uint8' ? 1 : stored === 'uint16' ? 2 : undefined;
  if (width === undefined || !Number.isFinite(scale) || !Number.isFinite(min))
    throw refuse(`the quantisation of ${name} is not understood`);
  return { name, shape: extents, width, scale: Number(scale), min: Number(min) };
}

/** The tensors of a group by name. `shards` are the files of its paths, in order. @throws {DecodeError} on another length. */
export function readWeightShards(group: WeightGroup, shards: readonly Uint8Array[]): Map<string, Tensor> {
  arg.checkArguments('readWeightShards', [group, shards], {
    group: arg.like('a WeightGroup', 'paths', 'entries'),
    shards: arg.list,
  });
  const { entries, paths, bytes } = group;
  const length = shards.reduce((sum, shard) => sum + shard.length, 0);
  if (shards.length !== paths.length || length !== bytes)
    throw new DecodeError('weight shards', `${length} bytes in ${shards.length}, ${bytes} needed`);
  const all = new Uint8Array(bytes);
  let end = 0;
  for (const shard of shards) {
    all.set(shard, end);
    end += shard.length;
  }
  const view = new DataView(all.buffer);
  let at = 0;
  const tensors = entries.map(({ name, shape, width, scale, min }): [string, Tensor] => {
    const data = new Float32Array(sizeOf(shape));
    for (let i = 0; i < data.length; i++, at += width) {
      if (width === 4) data[i] = view.getFloat32(at, true);
      else data[i] = (width === 1 ? all[at] : view.getUint16(at, true)) * scale + min;
    }
    return [name, { shape, data }];
  });
  return new Map(tensors);
}
