/** The long lists of a program: weights packed to their bits, the ciphertexts that columns read, offsets, constants. */
import { ModelReader, ModelWriter } from '../nn/files/model-bytes.ts';
import type { IntegerMap, MapBlock } from './integer-map.ts';
import type { Program } from './program.ts';
import type { ProgramHeader } from './program-header.ts';

const MAGIC = 'SRPL';
const VERSION = 1;
/** Of all maps; unpacked they take four bytes each. */
const MAX_WEIGHTS = 2 ** 27;

export interface ProgramLists {
  readonly maps: readonly IntegerMap[];
  readonly constants: readonly Float64Array[];
}

export function writeLists({ maps, constants }: Pick<Program, 'maps' | 'constants'>): Uint8Array {
  const writer = new ModelWriter(MAGIC, VERSION);
  for (const { bits, matrices, blocks, offsets } of maps) {
    for (const { weights } of matrices) writer.packed(weights, bits);
    writer.words(Uint32Array.from(blocks, ({ matrix }) => matrix));
    // The number of columns of a block, or 0 where it reads the first ciphertexts.
    writer.words(Uint32Array.from(blocks, ({ inputs }) => inputs?.length ?? 0));
    for (const { inputs } of blocks) if (inputs !== undefined) writer.words(inputs);
    writer.doubles(offsets);
  }
  for (const row of constants) writer.doubles(row);
  return writer.finish();
}

/** @throws {DecodeError} */
export function readLists(bytes: Uint8Array, header: ProgramHeader): ProgramLists {
  const reader = new ModelReader('the lists of a program', bytes, MAGIC, VERSION);
  const weights = header.maps
    .flatMap(({ matrices }) => matrices)
    .reduce((sum, [rows, cols]) => sum + rows * cols, 0);
  if (weights > MAX_WEIGHTS)
    throw reader.error(`it has ${weights} weights, at most ${MAX_WEIGHTS} are possible`);
  const maps = header.maps.map((map): IntegerMap => {
    const { name, inputs, outputs, step, bits } = map;
    const matrices = map.matrices.map(([rows, cols]) => ({
      rows,
      cols,
      weights: reader.packed('the weights', rows * cols, bits),
    }));
    const numbers = reader.words('the matrices of the blocks', map.blocks);
    const lengths = reader.words('the columns of the blocks', map.blocks);
    let first = 0;
    const blocks = Array.from(numbers, (matrix, i): MapBlock => {
      const columns = lengths[i]!;
      const start = first;
      first += matrices[matrix]?.rows ?? 0;
      if (columns === 0) return { matrix, first: start };
      return { matrix, first: start, inputs: reader.words('the columns of a block', columns) };
    });
    return {
      name,
      inputs,
      outputs,
      step,
      bits,
      matrices,
      blocks,
      offsets: reader.doubles('the offsets', outputs),
    };
  });
  const constants = header.constants.map((length) => reader.doubles('a list of constants', length));
  reader.finish();
  return { maps, constants };
}
