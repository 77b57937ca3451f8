/** Integer linear maps of the WebAssembly kernel: weights stay packed in its memory; see assembly/integer.ts. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError } from '../../base/errors.ts';
import { checkIntegerLinearMap, imageSize } from '../integer-linear-map.ts';
import type { IntegerConvolution, IntegerLinearMap } from '../integer-linear-map.ts';
import type { IntegerLinearWeights } from '../kernel.ts';
import type { WasmExports } from './wasm-exports.ts';
import type { WasmMemory } from './wasm-memory.ts';

/** The instance and its memory. */
export interface WasmEngine {
  readonly exports: WasmExports;
  readonly memory: WasmMemory;
}

const TILE_ROWS = 4;
const COLUMNS = 4;
const DOT_TERMS = 8;

const roundedUp = (count: number, to: number): number => Math.ceil(count / to) * to;

/** Dense: rows of int8, zeros to a multiple of 8. Convolution: strips of four rows, pairs of int16. */
export class WasmIntegerWeights implements IntegerLinearWeights {
  readonly map: IntegerLinearMap;
  readonly #memory: WasmMemory;
  #address: number | undefined;

  constructor(memory: WasmMemory, map: IntegerLinearMap) {
    checkIntegerLinearMap(map);
    this.map = map;
    this.#memory = memory;
    const packed = map.kind === 'dense' ? paddedRows(map) : pairedStrips(map);
    this.#address = memory.allocate(packed.byteLength);
    memory.bytes(this.#address, packed.byteLength).set(packed);
  }

  get address(): number {
    if (this.#address === undefined) throw new DisposedError('an integer map');
    return this.#address;
  }

  [Symbol.dispose](): void {
    if (this.#address !== undefined) this.#memory.release(this.#address);
    this.#address = undefined;
  }
}

function paddedRows(map: IntegerLinearMap & { kind: 'dense' }): Uint8Array {
  const terms = roundedUp(map.inputs, DOT_TERMS);
  const packed = new Int8Array(map.outputs * terms);
  for (let row = 0; row < map.outputs; row++)
    packed.set(map.weights.subarray(row * map.inputs, (row + 1) * map.inputs), row * terms);
  return new Uint8Array(packed.buffer);
}

/** Terms of one output channel. */
function termsOf(map: IntegerConvolution): number {
  return map.weights.length / map.output.channels;
}

function stripBytes(map: IntegerConvolution): number {
  return roundedUp(map.output.channels / map.groups, TILE_ROWS) * Math.ceil(termsOf(map) / 2) * 4;
}

function pairedStrips(map: IntegerConvolution): Uint8Array {
  const [terms, rows] = [termsOf(map), map.output.channels / map.groups];
  const pairs = Math.ceil(terms / 2);
  const packed = new Int16Array((map.groups * stripBytes(map)) / 2);
  for (let channel = 0; channel < map.output.channels; channel++) {
    const row = channel % rows;
    const strip = Math.floor(channel / rows) * roundedUp(rows, TILE_ROWS) + row - (row % TILE_ROWS);
    for (let k = 0; k < terms; k++) {
      const word = strip * pairs + (k >> 1) * TILE_ROWS + (row % TILE_ROWS);
      packed[2 * word + (k & 1)] = map.weights[channel * terms + k];
    }
  }
  return new Uint8Array(packed.buffer);
}

/** out = W x modulo 2^32; lengths have been checked. */
export function multiplyIntegers(
  engine: WasmEngine,
  out: Int32Array,
  weights: WasmIntegerWeights,
  x: Int32Array,
  batch: number,
): void {
  const [inputs, outputs] = [x.length / batch, out.length / batch];
  const multiply = weights.map.kind === 'dense' ? multiplyDense : multiplyImage;
  for (let row = 0; row < batch; row++) {
    const from = x.subarray(row * inputs, (row + 1) * inputs);
    multiply(engine, out.subarray(row * outputs, (row + 1) * outputs), weights, from);
  }
}

function bytesOf(values: Int32Array | Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function multiplyDense(
  { exports, memory }: WasmEngine,
  out: Int32Array,
  weights: WasmIntegerWeights,
  x: Int32Array,
): void {
  const terms = roundedUp(x.length, DOT_TERMS);
  memory.borrow(4 * x.length + 4 * terms + 4 * out.length, (high) => {
    const low = high + 2 * terms;
    const result = low + 2 * terms;
    const source = result + 4 * out.length;
    memory.bytes(source, 4 * x.length).set(bytesOf(x));
    exports.splitHalves(low, high, source, x.length, terms);
    exports.integerDots(result, weights.address, out.length, terms, low, high);
    bytesOf(out).set(memory.bytes(result, 4 * out.length));
  });
}

/** The image with its zeros around it. */
function paddedImage({ input, padding }: IntegerConvolution, x: Int32Array): Int32Array {
  if (padding[0] + padding[1] === 0) return x;
  const [height, width] = [input.height + 2 * padding[0], input.width + 2 * padding[1]];
  const padded = new Int32Array(input.channels * height * width);
  for (let channel = 0; channel < input.channels; channel++) {
    for (let y = 0; y < input.height; y++) {
      const from = (channel * input.height + y) * input.width;
      const to = (channel * height + y + padding[0]) * width + padding[1];
      padded.set(x.subarray(from, from + input.width), to);
    }
  }
  return padded;
}

/** Per term its place relative to the window's first value; the last is repeated when their number is odd. */
function termOffsets(map: IntegerConvolution): Uint32Array {
  const { input, kernel, dilation, padding, groups } = map;
  const [height, width] = [input.height + 2 * padding[0], input.width + 2 * padding[1]];
  const offsets: number[] = [];
  for (let channel = 0; channel < input.channels / groups; channel++) {
    for (let ky = 0; ky < kernel[0]; ky++) {
      for (let kx = 0; kx < kernel[1]; kx++)
        offsets.push((channel * height + ky * dilation[0]) * width + kx * dilation[1]);
    }
  }
  if (offsets.length % 2 === 1) offsets.push(offsets[offsets.length - 1]);
  return Uint32Array.from(offsets);
}

/** Per output position the first value of its window; the last is repeated up to a whole strip. */
function windowBases({ input, output, stride, padding }: IntegerConvolution): Uint32Array {
  const width = input.width + 2 * padding[1];
  const positions = output.height * output.width;
  return Uint32Array.from({ length: roundedUp(positions, COLUMNS) }, (_, i) => {
    const position = Math.min(i, positions - 1);
    const [y, x] = [Math.floor(position / output.width), position % output.width];
    return y * stride[0] * width + x * stride[1];
  });
}

function multiplyImage(
  { exports, memory }: WasmEngine,
  out: Int32Array,
  weights: WasmIntegerWeights,
  x: Int32Array,
): void {
  const map = weights.map as IntegerConvolution;
  const [image, offsets, bases] = [paddedImage(map, x), termOffsets(map), windowBases(map)];
  const pairs = offsets.length / 2;
  const rows = map.output.channels / map.groups;
  const positions = imageSize(map.output) / map.output.channels;
  const panelBytes = 8 * COLUMNS * pairs;
  const parts = [panelBytes, 16, 4 * out.length, 4 * image.length, 4 * offsets.length, 4 * bases.length];
  memory.borrow(
    parts.reduce((a, b) => a + b),
    (panel) => {
      const buffer = panel + panelBytes;
      const result = buffer + 16;
      const [source, terms] = [result + 4 * out.length, result + 4 * (out.length + image.length)];
      const base = terms + 4 * offsets.length;
      memory.bytes(source, 4 * image.length).set(bytesOf(image));
      memory.bytes(terms, 4 * offsets.length).set(bytesOf(offsets));
      memory.bytes(base, 4 * bases.length).set(bytesOf(bases));
      for (let group = 0; group < map.groups; group++) {
        const from = source + (4 * image.length * group) / map.groups;
        const strips = weights.address + group * stripBytes(map);
        for (let first = 0; first < positions; first += COLUMNS) {
          exports.integerPanel(panel, from, base + 4 * first, terms, pairs);
          const to = result + 4 * (group * rows * positions + first);
          const width = Math.min(COLUMNS, positions - first);
          exports.integerStrip(to, 4 * positions, width, strips, rows, panel, pairs, buffer);
        }
      }
      bytesOf(out).set(memory.bytes(result, 4 * out.length));
    },
  );
}

printOnOneLine(WasmIntegerWeights);
