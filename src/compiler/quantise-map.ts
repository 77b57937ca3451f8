/**
 * Linear maps between wires to integer maps between ciphertexts. The order of the ciphertexts is the map's own: a convolution writes
 * position by position, so that every position is one run; where an element went is told by `places`.
 */
import { OutOfRangeError } from '../base/errors.ts';
import { type LinearMap, type SparseMap, toSparse, type WindowMap } from '../nn/graph/linear-map.ts';
import type { QuantisedWeights } from '../nn/graph/model-graph.ts';
import type { IntegerMap, IntegerMatrix, MapBlock } from './integer-map.ts';

/** Where the elements of a wire are: element e is factor[e] * (ciphertext places[e]) + offset[e]. */
export interface WireView {
  /** Identity when absent. */
  readonly places?: Uint32Array;
  /** 1 when absent. */
  readonly factor?: Float64Array;
  /** 0 when absent. */
  readonly offset?: Float64Array;
}

export interface QuantisedMap {
  readonly map: IntegerMap;
  /** The ciphertext of each output element; identity when absent. */
  readonly places: Uint32Array | undefined;
  /** Of a map of windows: the ciphertext that each position stands at, group after group, where a tap of all of them is inside. */
  readonly anchors?: Uint32Array;
}

interface MapSubject {
  readonly name: string;
  readonly map: LinearMap;
  readonly quantised?: QuantisedWeights | undefined;
  readonly view: WireView;
  /** Ciphertexts of the input. */
  readonly inputs: number;
  /** Bits per weight, sign included, where the model does not bring integers. */
  readonly bits: number;
}

/** Real weights in the order of the blocks, before they are rounded. */
interface RealBlock {
  readonly rows: number;
  readonly cols: number;
  readonly inputs: Uint32Array | undefined;
  /** Blocks of one key have the same weights. */
  readonly key: string;
  readonly weights: () => Float64Array;
}

/**
 * The integers of a model that brings them are kept when nothing rescales its columns; all rows must share one step. Other
 * weights are rounded to the nearest multiple of max |w| / (2^(bits-1) - 1).
 */
export function quantiseMap(subject: MapSubject): QuantisedMap {
  const { map, view, name } = subject;
  const own = ownIntegers(subject);
  const { blocks, places } = blocksOf(map, view, own);
  const [step, bits] =
    own === undefined ? [stepOf(blocks, subject.bits), subject.bits] : [own.step, own.bits];
  const numbers = new Map<string, number>();
  const matrices: IntegerMatrix[] = [];
  const placed: MapBlock[] = [];
  let first = 0;
  for (const block of blocks) {
    let matrix = numbers.get(block.key);
    if (matrix === undefined) {
      matrix = matrices.length;
      numbers.set(block.key, matrix);
      const divisor = own === undefined ? step : 1;
      const weights = Int32Array.from(block.weights(), (weight) => Math.round(weight / divisor));
      matrices.push({ rows: block.rows, cols: block.cols, weights });
    }
    placed.push({ matrix, first, ...(block.inputs === undefined ? {} : { inputs: block.inputs }) });
    first += block.rows;
  }
  const offsets = offsetsOf(map, view, places);
  const anchors = map.kind === 'window' ? anchorsOf(map, view) : undefined;
  return {
    ...(anchors && { anchors }),
    map: { name, inputs: subject.inputs, outputs: first, step, bits, matrices, blocks: placed, offsets },
    places,
  };
}

interface OwnIntegers {
  readonly step: number;
  readonly bits: number;
  readonly integers: Int32Array;
}

/** What of a model's own integers can be used as they are. */
function ownIntegers({ map, quantised, view }: MapSubject): OwnIntegers | undefined {
  if (quantised === undefined || view.factor !== undefined) return undefined;
  if (map.kind !== 'dense' && map.kind !== 'window') return undefined;
  const step = quantised.rowStep[0]!;
  if (!(step > 0) || quantised.rowStep.some((other) => other !== step)) return undefined;
  const largest = quantised.integers.reduce((most, weight) => Math.max(most, Math.abs(weight)), 1);
  return { step, bits: Math.floor(Math.log2(largest)) + 2, integers: quantised.integers };
}

/** Weights that are whole multiples of one number to this relative precision are taken as such. */
const EXACT = 1e-9;
/** Only so few different sizes are tried to be multiples of the smallest. */
const MAX_SIZES = 256;

/**
 * The smallest size, where all are small multiples of it: sums and differences then cost no scale. Else the largest over the most
 * that the bits hold. @throws {OutOfRangeError} for weights that are not finite.
 */
function stepOf(blocks: readonly RealBlock[], bits: number): number {
  const most = 2 ** (bits - 1) - 1;
  let largest = 0;
  const sizes = new Set<number>();
  const seen = new Set<string>();
  for (const { key, weights } of blocks) {
    if (seen.has(key)) continue;
    seen.add(key);
    for (const weight of weights()) {
      const size = Math.abs(weight);
      if (!Number.isFinite(size)) throw new OutOfRangeError('a weight', 'finite', String(weight));
      largest = Math.max(largest, size);
      if (size > 0 && sizes.size <= MAX_SIZES) sizes.add(size);
    }
  }
  if (largest === 0) return 1;
  const smallest = Math.min(...sizes);
  const isMultiple = (size: number): boolean =>
    Math.abs(size / smallest - Math.round(size / smallest)) <= EXACT * (size / smallest);
  if (sizes.size <= MAX_SIZES && largest / smallest <= most && [...sizes].every(isMultiple)) return smallest;
  return largest / most;
}

/** bias + W offset, in the order of the ciphertexts. */
function offsetsOf(map: LinearMap, { offset }: WireView, places: Uint32Array | undefined): Float64Array {
  const values = offset === undefined ? map.bias : map.applyFloat64(offset);
  if (places === undefined) return Float64Array.from(values);
  const out = new Float64Array(values.length);
  places.forEach((ciphertext, element) => {
    out[ciphertext] = values[element]!;
  });
  return out;
}

function blocksOf(
  map: LinearMap,
  view: WireView,
  own: OwnIntegers | undefined,
): { blocks: RealBlock[]; places: Uint32Array | undefined } {
  if (map.kind === 'window') return windowBlocks(map, view, own?.integers ?? map.matrix);
  if (map.kind === 'dense')
    return { blocks: [denseBlock(map.rows, map.cols, view, own?.integers ?? map.matrix)], places: undefined };
  return { blocks: sparseBlocks(toSparse(map), view), places: undefined };
}

/** All rows read all columns; where the ciphertexts stand in another order, the columns are put into theirs. */
function denseBlock(rows: number, cols: number, view: WireView, matrix: ArrayLike<number>): RealBlock {
  const { places, factor } = view;
  const isPermuted = places !== undefined && isPermutation(places);
  return {
    rows,
    cols,
    inputs: isPermuted ? undefined : places,
    key: 'dense',
    weights: () => {
      const out = new Float64Array(rows * cols);
      for (let row = 0; row < rows; row++) {
        for (let col = 0; col < cols; col++) {
          const at = row * cols + (isPermuted ? places[col]! : col);
          out[at] = matrix[row * cols + col]! * (factor?.[col] ?? 1);
        }
      }
      return out;
    },
  };
}

/** One block per group and position; taps on the padding are left out. */
function windowBlocks(
  map: WindowMap,
  { places, factor }: WireView,
  matrix: ArrayLike<number>,
): { blocks: RealBlock[]; places: Uint32Array | undefined } {
  const { groups, channels, taps, positions, inputs } = map;
  const rows = channels / groups;
  const blocks: RealBlock[] = [];
  const placed = new Uint32Array(map.rows);
  for (let group = 0; group < groups; group++) {
    for (let position = 0; position < positions; position++) {
      const from = (group * positions + position) * taps;
      const used = Array.from({ length: taps }, (_, tap) => tap).filter((tap) => inputs[from + tap]! >= 0);
      const elements = used.map((tap) => inputs[from + tap]!);
      const factors = factor === undefined ? undefined : elements.map((element) => factor[element]!);
      for (let row = 0; row < rows; row++) {
        const flat = (group * rows + row) * positions + position;
        placed[map.places?.[flat] ?? flat] = blocks.length * rows + row;
      }
      // A row without inputs is its offset alone: nothing times some ciphertext.
      const reads = elements.length === 0 ? [0] : elements;
      blocks.push({
        rows,
        cols: reads.length,
        inputs: Uint32Array.from(reads, (element) => places?.[element] ?? element),
        key: `${group}:${used.join()}:${factors?.join() ?? ''}`,
        weights: () => {
          const out = new Float64Array(rows * reads.length);
          for (let row = 0; row < rows; row++)
            used.forEach((tap, col) => {
              out[row * reads.length + col] =
                matrix[(group * rows + row) * taps + tap]! * (factors?.[col] ?? 1);
            });
          return out;
        },
      });
    }
  }
  const isIdentity = placed.every((ciphertext, element) => ciphertext === element);
  return { blocks, places: isIdentity ? undefined : placed };
}

/** What one tap reads at every position: the first that never reads the padding. */
function anchorsOf(
  { groups, taps, positions, inputs }: WindowMap,
  { places }: WireView,
): Uint32Array | undefined {
  for (let tap = 0; tap < taps; tap++) {
    const read = Int32Array.from({ length: groups * positions }, (_, at) => inputs[at * taps + tap]!);
    if (read.every((input) => input >= 0)) return Uint32Array.from(read, (input) => places?.[input] ?? input);
  }
  return undefined;
}

/** Larger blocks of single entries are not compared with one another. */
const LONGEST_KEY = 1024;

/** Neighbouring rows that read the same ciphertexts share a block. */
function sparseBlocks(
  { rows, starts, columns, weights }: SparseMap,
  { places, factor }: WireView,
): RealBlock[] {
  const blocks: RealBlock[] = [];
  const columnsOf = (row: number) => columns.subarray(starts[row], starts[row + 1]);
  for (let row = 0; row < rows; ) {
    const elements = columnsOf(row);
    let end = row + 1;
    while (end < rows && isSame(columnsOf(end), elements)) end++;
    const reads = elements.length === 0 ? Int32Array.of(0) : elements;
    const values = new Float64Array((end - row) * reads.length);
    for (let r = row; r < end; r++)
      elements.forEach((element, col) => {
        values[(r - row) * reads.length + col] = weights[starts[r]! + col]! * (factor?.[element] ?? 1);
      });
    blocks.push({
      rows: end - row,
      cols: reads.length,
      inputs: Uint32Array.from(reads, (element) => places?.[element] ?? element),
      key: values.length > LONGEST_KEY ? `rows ${row}` : `${end - row}x${reads.length}:${values.join()}`,
      weights: () => values,
    });
    row = end;
  }
  return blocks;
}

function isPermutation(places: Uint32Array): boolean {
  const seen = new Uint8Array(places.length);
  for (const place of places) if (place < seen.length) seen[place] = 1;
  return seen.every((mark) => mark === 1);
}

function isSame(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
