/** The file of a polynomial network, magic word SRPN. */
import { SubrosaError } from '../../base/errors.ts';
import { ModelReader, ModelWriter } from '../files/model-bytes.ts';
import type { DrawingInput } from '../images/drawing-normalisation.ts';
import type { ActivationRange, PolynomialLayer } from './polynomial-layer.ts';

const MAGIC = 'SRPN';
/** 2 has what the inputs are; a network without that is written as 1. */
const VERSION = 2;
const MAX_LAYERS = 64;
const MAX_INPUTS = 2 ** 20;
const MAX_ROWS = 2 ** 16;
const MAX_POSITIONS = 2 ** 20;
const SQUARE = 1;
const GATHER = 2;
/** Kinds of described inputs. */
const DRAWING = 1;

/** What the file holds of a network. */
export interface PolynomialNetworkContent {
  readonly layers: readonly PolynomialLayer[];
  readonly inputs: number;
  readonly bits: number;
  /** One per layer. */
  readonly ranges: readonly ActivationRange[];
  readonly input: DrawingInput | undefined;
}

export function writePolynomialNetwork(network: PolynomialNetworkContent): Uint8Array {
  const { input } = network;
  const writer = new ModelWriter(MAGIC, input === undefined ? 1 : VERSION);
  writer.u32(network.bits);
  writer.u32(network.inputs);
  if (input !== undefined) for (const value of [DRAWING, ...input.size]) writer.u32(value);
  writer.u32(network.layers.length);
  network.layers.forEach((layer, i) => {
    writer.u32((layer.square ? SQUARE : 0) | (layer.gather === undefined ? 0 : GATHER));
    writer.u32(layer.rows);
    writer.u32(layer.cols);
    writer.f64(layer.step);
    writer.doubles(network.ranges[i]);
    writer.packed(layer.weights, network.bits);
    if (layer.gather !== undefined) {
      writer.u32(layer.gather.positions);
      writer.words(layer.gather.rowIndex);
    }
    writer.doubles(layer.offset);
  });
  return writer.finish();
}

function readLayer(reader: ModelReader, bits: number): { layer: PolynomialLayer; range: ActivationRange } {
  const flags = reader.count('a layer flag', SQUARE | GATHER);
  const rows = reader.count('the rows', MAX_ROWS);
  const cols = reader.count('the columns', MAX_INPUTS);
  const step = reader.f64('a step');
  const [low, high] = reader.doubles('a range', 2, false);
  const weights = reader.packed('the weights', rows * cols, bits);
  let gather: PolynomialLayer['gather'];
  if (flags & GATHER) {
    const positions = reader.count('the positions', MAX_POSITIONS);
    gather = { positions, rowIndex: reader.words('the gather', positions * cols) };
  }
  const offset = reader.doubles('the offsets', rows * (gather?.positions ?? 1));
  const square = (flags & SQUARE) !== 0;
  const layer = { weights, rows, cols, step, offset, square, ...(gather === undefined ? {} : { gather }) };
  return { layer, range: [low, high] };
}

function readDrawing(reader: ModelReader): DrawingInput {
  const kind = reader.u32();
  if (kind !== DRAWING) throw reader.error(`the kind of its inputs, ${kind}, is unknown`);
  const [height, width] = [reader.count('a height', MAX_INPUTS), reader.count('a width', MAX_INPUTS)];
  return { kind: 'drawing', size: [height, width] };
}

/** `build` makes the network and checks how the layers fit together. @throws {DecodeError} */
export function readPolynomialNetwork<N>(
  bytes: Uint8Array,
  build: (content: PolynomialNetworkContent) => N,
): N {
  const reader = new ModelReader('polynomial network', bytes, MAGIC, VERSION);
  const bits = reader.count('the bits', 16);
  if (bits < 2) throw reader.error(`the bits are ${bits}, at least 2 are needed`);
  const inputs = reader.count('the inputs', MAX_INPUTS);
  const input = reader.version < 2 ? undefined : readDrawing(reader);
  const parts = Array.from({ length: reader.count('the layers', MAX_LAYERS) }, () => readLayer(reader, bits));
  reader.finish();
  const layers = parts.map((part) => part.layer);
  const ranges = parts.map((part) => part.range);
  try {
    return build({ layers, inputs, bits, ranges, input });
  } catch (error) {
    if (error instanceof SubrosaError) throw reader.error(error.message);
    throw error;
  }
}
