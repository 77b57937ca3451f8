/** What device and edges agree on about the linear layers: shapes, ring widths and, through a hash over everything, the weights. */
import * as arg from '../../base/arguments.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import {
  checkIntegerLinearMap,
  type ImageShape,
  type IntegerLinearMap,
  inputSize,
  outputBound,
  outputSize,
} from '../../kernel/integer-linear-map.ts';
import type { IntegerNetwork, OutsourcedLinear } from '../../nn/integer/integer-network.ts';
import { MESSAGE_OVERHEAD } from './messages.ts';
import { packedShareBytes, shareBits } from './share-ring.ts';

/** One outsourced layer. */
export interface PlannedLayer {
  readonly map: IntegerLinearMap;
  readonly inputs: number;
  readonly outputs: number;
  /** Largest |x_i| that the network ever feeds in. */
  readonly inputBound: number;
  /** Proven largest |y_j|: the largest row L1 norm times `inputBound`. */
  readonly outputBound: number;
  /** Width k of the ring, 1 + ceil(log2(outputBound + 1)). */
  readonly bits: number;
}

export interface LayerPlan {
  readonly layers: readonly PlannedLayer[];
  /** SHA-256 of {@link planBytes}: the model version that every request and every handshake is bound to. */
  readonly modelId: Uint8Array;
}

const MAGIC = 0x314c4553;
const MAX_LAYERS = 1024;
/** More than a hello, a welcome, a proof or the beginning of a request takes. */
const LONGEST_HANDSHAKE = 512;

/** @throws {InvalidParamsError} when a layer's outputs cannot be bounded below 2^31. */
export function planLayers(network: Pick<IntegerNetwork, 'linears'>): Promise<LayerPlan> {
  arg.checkArguments('planLayers', [network], { network: arg.options });
  const { linears } = network;
  return planOf(linears, planBytes(linears));
}

async function planOf(
  linears: readonly OutsourcedLinear[],
  bytes: Uint8Array<ArrayBuffer>,
): Promise<LayerPlan> {
  const layers = linears.map(({ map, inputBound }): PlannedLayer => {
    const bound = outputBound(map, inputBound);
    const [inputs, outputs] = [inputSize(map), outputSize(map)];
    return { map, inputs, outputs, inputBound, outputBound: bound, bits: shareBits(bound) };
  });
  // By the platform: networks of tens of megabytes take seconds in plain JavaScript.
  const modelId = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes));
  return { layers, modelId };
}

/** Bytes of the longest message about `batch` inputs in either direction. */
export function longestMessage(plan: LayerPlan, batch: number): number {
  arg.checkArguments('longestMessage', [plan, batch], { plan: arg.options, batch: arg.number });
  const { layers } = plan;
  return layers.reduce(
    (longest, { inputs, outputs, bits }) =>
      Math.max(longest, MESSAGE_OVERHEAD + packedShareBytes(batch * Math.max(inputs, outputs), bits)),
    LONGEST_HANDSHAKE,
  );
}

function mapBytes(map: IntegerLinearMap): number {
  return 4 + 4 * extents(map).length + 4 + map.weights.length;
}

function extents(map: IntegerLinearMap): number[] {
  if (map.kind === 'dense') return [map.inputs, map.outputs];
  const { input, output, kernel, stride, padding, dilation, groups } = map;
  const shapes = [input, output].flatMap(({ channels, height, width }) => [channels, height, width]);
  return [...shapes, ...kernel, ...stride, ...padding, ...dilation, groups];
}

/** The linear layers alone: all that an edge ever holds. 'SEL1', count, per layer input bound, kind, extents, weights. */
export function planBytes(layers: readonly OutsourcedLinear[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(8 + layers.reduce((sum, { map }) => sum + 4 + mapBytes(map), 0));
  writer.u32(MAGIC);
  writer.u32(layers.length);
  for (const { map, inputBound } of layers) {
    writer.u32(inputBound);
    writer.u32(map.kind === 'dense' ? 0 : 1);
    for (const extent of extents(map)) writer.u32(extent);
    writer.u32(map.weights.length);
    writer.bytes(new Uint8Array(map.weights.buffer, map.weights.byteOffset, map.weights.length));
  }
  return writer.finish();
}

/** @throws {DecodeError} on anything but the bytes of a plan; {@link ShapeError} when a map's extents do not fit its weights. */
export async function readPlan(bytes: Uint8Array): Promise<LayerPlan> {
  const reader = new ByteReader('the linear layers', bytes);
  if (reader.u32() !== MAGIC) throw reader.error('bad magic');
  const count = reader.u32();
  if (count < 1 || count > MAX_LAYERS) throw reader.error(`1 to ${MAX_LAYERS} layers are possible`);
  const linears: OutsourcedLinear[] = [];
  for (let i = 0; i < count; i++) {
    const inputBound = reader.u32();
    const map = readMap(reader);
    checkIntegerLinearMap(map);
    linears.push({ map, inputBound });
  }
  reader.end();
  // Every field has one width, so these are the bytes that the owner hashed.
  return await planOf(linears, Uint8Array.from(bytes));
}

function readMap(reader: ByteReader): IntegerLinearMap {
  const weights = () => {
    const length = reader.u32();
    const view = reader.bytes(length);
    reader.budget.charge('the linear layers', length);
    // Element by element: `slice` of a Buffer would share its memory.
    return new Int8Array(view);
  };
  const kind = reader.u32();
  if (kind === 0) return { kind: 'dense', inputs: reader.u32(), outputs: reader.u32(), weights: weights() };
  if (kind !== 1) throw reader.error('no such kind of layer');
  const image = (): ImageShape => ({ channels: reader.u32(), height: reader.u32(), width: reader.u32() });
  const pair = (): [number, number] => [reader.u32(), reader.u32()];
  return {
    kind: 'convolution',
    input: image(),
    output: image(),
    kernel: pair(),
    stride: pair(),
    padding: pair(),
    dilation: pair(),
    groups: reader.u32(),
    weights: weights(),
  };
}
