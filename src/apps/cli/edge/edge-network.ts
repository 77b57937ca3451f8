/** Integer networks by name or by file, and the inputs of one. */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, UsageError } from '../../../base/errors.ts';
import { openKernel } from '../../../kernel/open.ts';
import { readIntegerNetwork } from '../../../nn/integer/integer-bytes.ts';
import { IntegerNetwork, normaliseInput } from '../../../nn/integer/integer-network.ts';
import { alexNet, faceNetNn1 } from '../../../nn/published/integer-topologies.ts';
import { quantisedFaceNetwork, readFaceNetwork } from '../../edge/face-network.ts';
import { readNetworkInput } from '../../edge/network-input.ts';
import { installation } from '../installation.ts';

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

const FACE = 'face';

export const NAMED_NETWORKS = [...Object.keys(SEEDED), ...Object.keys(TRAINED), FACE];

/**
 * `weights` is where the files of the face network are.
 * @throws {DataError} for a trained network that is not installed. @throws {DecodeError} for a file that is no integer network.
 * @throws {UsageError} for the face network without `weights`.
 */
export async function integerNetwork(name: string, weights?: string): Promise<IntegerNetwork> {
  const build = SEEDED[name];
  if (build !== undefined) return build();
  if (name === FACE) {
    if (weights === undefined)
      throw new UsageError('the face network needs --weights, the model folder of @vladmandic/face-api');
    using kernel = await openKernel();
    return quantisedFaceNetwork(readFaceNetwork(weights), kernel);
  }
  const trained = TRAINED[name];
  const path = trained === undefined ? name : join(installation.models, 'mnist', trained);
  if (trained !== undefined && !existsSync(path))
    throw new DataError(`the models hold no ${name}: \`subrosa train mnist\` makes it`);
  return readIntegerNetwork(
    await readFile(path),
    (input, steps, output) => new IntegerNetwork(input, steps, output),
  );
}

/** One name a line. @throws {DataError} */
export function labelsOf(path: string): string[] {
  if (!existsSync(path)) throw new DataError(`there is no file ${path}`);
  return readFileSync(path, 'utf8').trimEnd().split(/\r?\n/);
}

/** `[batch, inputs]` integers of all sources, one after another, normalised as the network wants it. @throws {DataError} {@link DecodeError} {@link LimitError} */
export function networkInputs(sources: readonly string[], network: IntegerNetwork): Int32Array {
  const parts = sources.map((source) => normaliseInput(network, readNetworkInput(source, network)));
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
