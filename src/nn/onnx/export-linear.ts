/** Linear maps as ONNX nodes. */
import { UnsupportedOpError } from '../../base/errors.ts';
import type { DenseMap, LinearMap, WindowMap } from '../graph/linear-map.ts';
import { toSparse } from '../graph/linear-map.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { OnnxWriter } from './onnx-writer.ts';

interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A sparse map is written as a matrix of at most so many numbers. */
const MAX_DENSE = 2 ** 24;

export function exportLinear(writer: OnnxWriter, map: LinearMap, from: Value, to: Value): void {
  switch (map.kind) {
    case 'dense':
      exportMatrix(writer, map, from, to);
      break;
    case 'window':
      if (isConvolution(map, from.shape, to.shape)) exportConvolution(writer, map, from.name, to.name);
      else exportWindows(writer, map, from, to);
      break;
    case 'diagonal': {
      const flat = writer.reshape(from.name, [map.rows]);
      const scaled = writer.node('Mul', [flat, writer.floats([map.rows], map.factors)]);
      writer.reshape(writer.node('Add', [scaled, writer.floats([map.rows], map.bias)]), to.shape, to.name);
      break;
    }
    case 'gather': {
      const hasGaps = map.from.includes(-1);
      const flat = writer.padded(writer.reshape(from.name, [map.cols]), hasGaps ? 0 : undefined);
      const index = writer.integers(
        [map.rows],
        map.from.map((at) => (at < 0 ? map.cols : at)),
      );
      const gathered = writer.node('Gather', [flat, index], undefined, { axis: 1 });
      writer.reshape(withBias(writer, gathered, map.bias), to.shape, to.name);
      break;
    }
    default: {
      if (map.rows * map.cols > MAX_DENSE)
        throw new UnsupportedOpError([
          `a sparse map of ${map.rows} x ${map.cols} (${to.name}) has no ONNX form of reasonable size`,
        ]);
      const matrix = new Float32Array(map.rows * map.cols);
      toSparse(map).forEachEntry((row, col, weight) => (matrix[row * map.cols + col] += weight));
      exportMatrix(writer, { rows: map.rows, cols: map.cols, matrix, bias: map.bias }, from, to);
    }
  }
}

function withBias(writer: OnnxWriter, value: string, bias: Float64Array): string {
  return bias.every((b) => b === 0) ? value : writer.node('Add', [value, writer.floats([bias.length], bias)]);
}

function exportMatrix(
  writer: OnnxWriter,
  { rows, cols, matrix, bias }: Pick<DenseMap, 'rows' | 'cols' | 'matrix' | 'bias'>,
  from: Value,
  to: Value,
): void {
  const flat = from.shape.length === 1 ? from.name : writer.reshape(from.name, [cols]);
  const constants = [writer.floats([rows, cols], matrix), writer.floats([rows], bias)];
  const isFlat = to.shape.length === 1;
  const product = writer.node('Gemm', [flat, ...constants], isFlat ? to.name : undefined, { transB: 1 });
  if (!isFlat) writer.reshape(product, to.shape, to.name);
}

/** Whether its geometry is still that of the wires, and its bias one number per channel. */
function isConvolution(map: WindowMap, from: readonly number[], to: readonly number[]): boolean {
  const { geometry, places, positions, bias } = map;
  return (
    geometry !== undefined &&
    places === undefined &&
    geometry.input.join() === from.join() &&
    geometry.output.join() === to.join() &&
    bias.every((value, i) => value === bias[i - (i % positions)])
  );
}

function exportConvolution(writer: OnnxWriter, map: WindowMap, from: string, to: string): void {
  const { geometry, groups, channels, taps, positions, matrix, bias } = map;
  const { kernel, stride, dilation, padding } = geometry!;
  const weights = writer.floats([channels, taps / sizeOf(kernel), ...kernel], matrix);
  const perChannel = Float64Array.from({ length: channels }, (_, channel) => bias[channel * positions]);
  writer.node('Conv', [from, weights, writer.floats([channels], perChannel)], to, {
    kernel_shape: [...kernel],
    strides: [...stride],
    dilations: [...dilation],
    pads: [...padding.map(([before]) => before), ...padding.map(([, after]) => after)],
    group: groups,
  });
}

/** Windows gathered, then a product with the matrix of each group, then the places and the bias. */
function exportWindows(writer: OnnxWriter, map: WindowMap, from: Value, to: Value): void {
  const { groups, channels, taps, positions, matrix, inputs, places, bias, cols, rows } = map;
  const perGroup = channels / groups;
  const flat = writer.padded(writer.reshape(from.name, [cols]), inputs.includes(-1) ? 0 : undefined);
  const index = writer.integers(
    [groups, positions, taps],
    inputs.map((at) => (at < 0 ? cols : at)),
  );
  const windows = writer.node('Gather', [flat, index], undefined, { axis: 1 });
  const turned = Float32Array.from({ length: matrix.length }, (_, i) => {
    const [group, tap, channel] = [
      Math.floor(i / (taps * perGroup)),
      Math.floor(i / perGroup) % taps,
      i % perGroup,
    ];
    return matrix[(group * perGroup + channel) * taps + tap];
  });
  const product = writer.node('MatMul', [windows, writer.floats([1, groups, taps, perGroup], turned)]);
  const channelsFirst = writer.node('Transpose', [product], undefined, { perm: [0, 1, 3, 2] });
  let result = writer.reshape(channelsFirst, [rows]);
  if (places !== undefined) {
    const inverse = new Int32Array(rows);
    places.forEach((place, i) => (inverse[place] = i));
    result = writer.node('Gather', [result, writer.integers([rows], inverse)], undefined, { axis: 1 });
  }
  writer.reshape(withBias(writer, result, bias), to.shape, to.name);
}
