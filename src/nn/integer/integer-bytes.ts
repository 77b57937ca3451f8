/** The file of an integer network, magic word SRIN. Arrays are read as views first, so nothing is allocated on a claim alone. */
import { SubrosaError } from '../../base/errors.ts';
import { MAX_INTEGER_ELEMENTS, weightRows } from '../../kernel/integer-linear-map.ts';
import type { ImageShape, IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import type { InputNormalisation, IntegerInput, IntegerOutput } from './integer-input-output.ts';
import { HIGHEST_INT8, LOWEST_INT8 } from './integer-step.ts';
import type { IntegerStep } from './integer-step.ts';
import { ModelReader, ModelWriter } from '../files/model-bytes.ts';

const MAGIC = 'SRIN';
/** 2 has the normalisation of the input, 3 also names of classes; a network is written as the least that holds it. */
const VERSION = 3;
/** The order is the format; 0 is none. */
const NORMALISATIONS = ['drawing'] as const satisfies readonly InputNormalisation[];
const MAX_STEPS = 4096;
const MAX_LABELS = 2 ** 16;
const MAX_EXTENTS = 4;
const MAX_MULTIPLIERS = 2 ** 20;
const MAX_COUNT = 2 ** 32 - 1;
/** The order is the format: a kind is written as its place. */
const KINDS = [
  'linear',
  'relu',
  'max-pool',
  'sum-pool',
  'requantise',
  'add',
  'zero-extend',
  'flatten',
  'square',
] as const satisfies readonly IntegerStep['kind'][];

type Pair = readonly [number, number];

/** What the file holds of a network. */
export interface IntegerNetworkContent {
  readonly input: IntegerInput;
  readonly steps: readonly IntegerStep[];
  readonly output: IntegerOutput;
}

export function writeIntegerNetwork({ input, steps, output }: IntegerNetworkContent): Uint8Array {
  const { normalisation } = input;
  const { labels } = output;
  const version = labels !== undefined ? VERSION : normalisation !== undefined ? 2 : 1;
  const writer = new ModelWriter(MAGIC, version);
  writer.words(Uint32Array.from(input.shape));
  writer.doubles([input.scale, input.offset, input.low, input.high, output.scale]);
  writer.u32(output.softmax ? 1 : 0);
  if (version > 1) writer.u32(normalisation === undefined ? 0 : NORMALISATIONS.indexOf(normalisation) + 1);
  if (labels !== undefined) {
    writer.u32(labels.length);
    for (const label of labels) writer.text(label);
  }
  writer.u32(steps.length);
  steps.forEach((step, i) => {
    writer.u32(KINDS.indexOf(step.kind));
    // Shifted by one, so that the input of the network is 0.
    writer.u32((step.from ?? i - 1) + 1);
    writeFields(writer, step);
  });
  return writer.finish();
}

function writeFields(writer: ModelWriter, step: IntegerStep): void {
  switch (step.kind) {
    case 'linear':
      writeMap(writer, step.map);
      writer.words(new Uint32Array(step.bias.buffer, step.bias.byteOffset, step.bias.length));
      return;
    case 'max-pool':
      for (const v of [...step.size, ...step.stride, ...(step.padding ?? [0, 0])]) writer.u32(v);
      return;
    case 'sum-pool':
      for (const v of [...step.size, ...step.stride, step.divisor]) writer.u32(v);
      return;
    case 'requantise':
      writer.doubles(step.multipliers);
      writer.doubles([step.shift, step.low ?? LOWEST_INT8, step.high ?? HIGHEST_INT8]);
      return;
    case 'add':
      writer.u32(step.other + 1);
      writer.doubles(step.multipliers);
      writer.doubles(step.otherMultipliers);
      writer.doubles([step.shift, step.low ?? LOWEST_INT8, step.high ?? HIGHEST_INT8]);
      return;
    case 'zero-extend':
      writeImage(writer, step.to);
      return;
    default:
      return;
  }
}

function writeMap(writer: ModelWriter, map: IntegerLinearMap): void {
  writer.u32(map.kind === 'dense' ? 0 : 1);
  if (map.kind === 'dense') {
    writer.u32(map.inputs);
    writer.u32(map.outputs);
  } else {
    writeImage(writer, map.input);
    writeImage(writer, map.output);
    for (const v of [...map.kernel, ...map.stride, ...map.padding, ...map.dilation, map.groups])
      writer.u32(v);
  }
  writer.u32(map.weights.length);
  writer.raw(new Uint8Array(map.weights.buffer, map.weights.byteOffset, map.weights.length));
}

function writeImage(writer: ModelWriter, { channels, height, width }: ImageShape): void {
  for (const extent of [channels, height, width]) writer.u32(extent);
}

/** `build` makes the network and checks how the steps fit together. @throws {DecodeError} */
export function readIntegerNetwork<N>(
  bytes: Uint8Array,
  build: (input: IntegerInput, steps: IntegerStep[], output: IntegerOutput) => N,
): N {
  const reader = new ModelReader('integer network', bytes, MAGIC, VERSION);
  const extents = reader.count('the input extents', MAX_EXTENTS);
  const shape = Array.from({ length: extents }, () => reader.count('an extent', MAX_INTEGER_ELEMENTS));
  const [scale, offset, low, high, outputScale] = reader.doubles('the scales', 5);
  const softmax = reader.count('the softmax flag', 1) === 1;
  const normalisation =
    reader.version < 2
      ? undefined
      : NORMALISATIONS[reader.count('the normalisation', NORMALISATIONS.length) - 1];
  const labels =
    reader.version < 3
      ? undefined
      : Array.from({ length: reader.count('the labels', MAX_LABELS) }, () => reader.text());
  const steps: IntegerStep[] = [];
  for (let left = reader.count('the steps', MAX_STEPS); left > 0; left--) {
    const kind = KINDS[reader.count('a kind', KINDS.length - 1)];
    const from = reader.count('a source', MAX_STEPS) - 1;
    steps.push(readStep(reader, kind, from));
  }
  reader.finish();
  try {
    const input = { shape, scale, offset, low, high, ...(normalisation !== undefined && { normalisation }) };
    return build(input, steps, { scale: outputScale, softmax, ...(labels && { labels }) });
  } catch (error) {
    if (error instanceof SubrosaError) throw reader.error(error.message);
    throw error;
  }
}

function readStep(reader: ModelReader, kind: (typeof KINDS)[number], from: number): IntegerStep {
  switch (kind) {
    case 'linear': {
      const map = readMap(reader);
      return { kind, from, map, bias: new Int32Array(reader.words('the bias', weightRows(map)).buffer) };
    }
    case 'relu':
    case 'square':
    case 'flatten':
      return { kind, from };
    case 'max-pool':
      return { kind, from, size: readPair(reader), stride: readPair(reader), padding: readPair(reader) };
    case 'sum-pool':
      return { kind, from, size: readPair(reader), stride: readPair(reader), divisor: reader.u32() };
    case 'requantise': {
      const multipliers = readMultipliers(reader);
      return { kind, from, multipliers, ...readFixedPoint(reader) };
    }
    case 'add': {
      const other = reader.count('a source', MAX_STEPS) - 1;
      const [multipliers, otherMultipliers] = [readMultipliers(reader), readMultipliers(reader)];
      return { kind, from, other, multipliers, otherMultipliers, ...readFixedPoint(reader) };
    }
    case 'zero-extend':
      return { kind, from, to: readImage(reader) };
  }
}

function readMultipliers(reader: ModelReader): Float64Array {
  return reader.announcedDoubles('the multipliers', MAX_MULTIPLIERS);
}

function readFixedPoint(reader: ModelReader): { shift: number; low: number; high: number } {
  const [shift, low, high] = reader.doubles('a fixed point', 3);
  return { shift, low, high };
}

function readPair(reader: ModelReader): Pair {
  return [reader.count('an extent', MAX_INTEGER_ELEMENTS), reader.count('an extent', MAX_INTEGER_ELEMENTS)];
}

function readImage(reader: ModelReader): ImageShape {
  const [channels, height] = readPair(reader);
  return { channels, height, width: reader.count('an extent', MAX_INTEGER_ELEMENTS) };
}

function readMap(reader: ModelReader): IntegerLinearMap {
  if (reader.count('a kind of map', 1) === 0) {
    const [inputs, outputs] = readPair(reader);
    return { kind: 'dense', inputs, outputs, weights: readWeights(reader) };
  }
  const [input, output] = [readImage(reader), readImage(reader)];
  const [kernel, stride, padding, dilation] = [0, 1, 2, 3].map(() => readPair(reader));
  const groups = reader.count('the groups', MAX_COUNT);
  const weights = readWeights(reader);
  return { kind: 'convolution', input, output, kernel, stride, padding, dilation, groups, weights };
}

function readWeights(reader: ModelReader): Int8Array {
  // Element by element: `slice` of a Buffer would share its memory.
  return new Int8Array(reader.bytes());
}
