/** Integer networks by name or by file, and the inputs of one. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, DecodeError } from '../../base/errors.ts';
import { readIntegerNetwork } from '../../nn/integer-bytes.ts';
import { IntegerNetwork } from '../../nn/integer-network.ts';
import { alexNet, faceNetNn1 } from '../../nn/integer-topologies.ts';
import { installation } from './installation.ts';

/** Published topologies with weights from a seed: right for cost, good for nothing else. */
const SEEDED: Readonly<Record<string, () => IntegerNetwork>> = {
  alexnet: alexNet,
  'facenet-nn1': faceNetNn1,
};
/** Trained networks of models/mnist. */
const TRAINED: Readonly<Record<string, string>> = {
  lenet: 'lenet5-int8.bin',
  cryptonets: 'cryptonets-int8.bin',
};

export const NAMED_NETWORKS = [...Object.keys(SEEDED), ...Object.keys(TRAINED)];

/** @throws {DataError} for a trained network that is not installed; {@link DecodeError} for a file that is no integer network. */
export async function integerNetwork(name: string): Promise<IntegerNetwork> {
  const build = SEEDED[name];
  if (build !== undefined) return build();
  const trained = TRAINED[name];
  const path = trained === undefined ? name : join(installation.models, 'mnist', trained);
  if (trained !== undefined && !existsSync(path))
    throw new DataError(`the models hold no ${name}: \`subrosa train mnist\` makes it`);
  return readIntegerNetwork(
    await readFile(path),
    (input, steps, output) => new IntegerNetwork(input, steps, output),
  );
}

/** `[batch, inputs]` integers of all files, one after another. @throws {DecodeError} */
export async function networkInputs(paths: readonly string[], network: IntegerNetwork): Promise<Int32Array> {
  const parts = await Promise.all(paths.map(async (path) => rawInput(await readFile(path), network)));
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** int8, or bytes from 0 for a network whose inputs have no sign. */
function rawInput(bytes: Uint8Array, { input, inputs }: IntegerNetwork): Int32Array {
  if (bytes.length === 0 || bytes.length % inputs !== 0)
    throw new DecodeError('the input', `${bytes.length} bytes are no multiple of ${inputs} elements`);
  const view = input.low < 0 ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
  return Int32Array.from(view);
}
