/** Integer networks by name or by file, and the inputs of one. */
import { readFile } from 'node:fs/promises';
import { DecodeError } from '../../base/errors.ts';
import { readIntegerNetwork } from '../../nn/integer-bytes.ts';
import { IntegerNetwork } from '../../nn/integer-network.ts';
import { alexNet, faceNetNn1 } from '../../nn/integer-topologies.ts';

const BUILDERS: Readonly<Record<string, () => IntegerNetwork>> = {
  alexnet: alexNet,
  'facenet-nn1': faceNetNn1,
};

export const NAMED_NETWORKS = Object.keys(BUILDERS);

/** @throws {DecodeError} for a file that is no integer network. */
export async function integerNetwork(name: string): Promise<IntegerNetwork> {
  const build = BUILDERS[name];
  if (build !== undefined) return build();
  return readIntegerNetwork(
    await readFile(name),
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
