/** Where the windows of convolutions and pools lie: padding, strides, dilation, rounding, in any number of spatial axes. */
import { forEachPlace, stridesOf } from '../../graph/index-maps.ts';
import type { Windows } from '../../graph/window-places.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { NodeProblem } from '../draft.ts';
import type { OperatorCall } from './operator.ts';

/** The attributes that all of them share. */
export const WINDOW_ATTRIBUTES = ['kernel_shape', 'strides', 'pads', 'dilations', 'auto_pad'] as const;

function spatialInts(
  call: OperatorCall,
  name: string,
  axes: number,
  otherwise: number,
  least: number,
): number[] {
  const values = call.attributes.ints(name) ?? new Array<number>(axes).fill(otherwise);
  if (
    values.length !== axes ||
    !values.every((value) => Number.isSafeInteger(value) && value >= least && value < 2 ** 20)
  )
    throw new NodeProblem(`${name} is [${values.join(', ')}], ${axes} integers from ${least} are needed`);
  return values;
}

/** Extent of a dilated kernel. */
function reach(kernel: number, dilation: number): number {
  return (kernel - 1) * dilation + 1;
}

/** @throws {NodeProblem} when no window fits. */
export function windowsOfCall(
  call: OperatorCall,
  input: readonly number[],
  ownKernel?: readonly number[],
): Windows {
  const axes = input.length;
  const kernel = ownKernel ?? spatialInts(call, 'kernel_shape', axes, 1, 1);
  const stated = call.attributes.ints('kernel_shape');
  if (stated !== undefined && stated.join() !== kernel.join())
    throw new NodeProblem(`kernel_shape is [${stated.join(', ')}], its weights say [${kernel.join(', ')}]`);
  const stride = spatialInts(call, 'strides', axes, 1, 1);
  const dilation = spatialInts(call, 'dilations', axes, 1, 1);
  const auto = call.attributes.text('auto_pad', 'NOTSET');
  const isCeil = call.attributes.int('ceil_mode', 0) !== 0;
  const pads = spatialInts(call, 'pads', 2 * axes, 0, 0);
  const output: number[] = [];
  const padding = input.map((extent, axis): readonly [number, number] => {
    const span = reach(kernel[axis], dilation[axis]);
    let pair: readonly [number, number] = [pads[axis], pads[axis + axes]];
    if (auto === 'VALID') pair = [0, 0];
    else if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
      const places = Math.ceil(extent / stride[axis]);
      const total = Math.max(0, (places - 1) * stride[axis] + span - extent);
      const less = Math.floor(total / 2);
      pair = auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
    } else if (auto !== 'NOTSET') throw new NodeProblem(`auto_pad is ${auto}`);
    const room = extent + pair[0] + pair[1] - span;
    let places = (isCeil && auto === 'NOTSET' ? Math.ceil : Math.floor)(room / stride[axis]) + 1;
    // A window must start inside the input or its padding before.
    if (isCeil && (places - 1) * stride[axis] >= extent + pair[0]) places--;
    if (!(room >= 0 && places >= 1))
      throw new NodeProblem(`its window of ${span} does not fit into ${extent} with padding`);
    output.push(places);
    return pair;
  });
  return { input, output, kernel, stride, dilation, padding };
}

/** Windows of a transposed convolution, as reads: positions x taps of input places. */
export function transposedWindows(
  call: OperatorCall,
  input: readonly number[],
  kernel: readonly number[],
): { readonly output: readonly number[]; readonly places: Int32Array } {
  const axes = input.length;
  const stride = spatialInts(call, 'strides', axes, 1, 1);
  const dilation = spatialInts(call, 'dilations', axes, 1, 1);
  const extra = spatialInts(call, 'output_padding', axes, 0, 0);
  const pads = spatialInts(call, 'pads', 2 * axes, 0, 0);
  const auto = call.attributes.text('auto_pad', 'NOTSET');
  let asked = call.attributes.ints('output_shape');
  if (asked !== undefined && asked.length === axes + 2) asked = asked.slice(2);
  if (asked === undefined && auto.startsWith('SAME'))
    asked = input.map((extent, axis) => extent * stride[axis]);
  if (asked !== undefined && asked.length !== axes)
    throw new NodeProblem(`output_shape has ${asked.length} extents, ${axes} are needed`);
  const before: number[] = [];
  const output = input.map((extent, axis) => {
    const whole = stride[axis] * (extent - 1) + extra[axis] + reach(kernel[axis], dilation[axis]);
    if (asked === undefined) {
      const [first, last] = auto === 'VALID' ? [0, 0] : [pads[axis], pads[axis + axes]];
      before.push(first);
      return whole - first - last;
    }
    const total = Math.max(0, whole - asked[axis]);
    // The odd one goes to the end for SAME_UPPER only (operator set 11; the text of set 1 has it the other way round).
    before.push(auto === 'SAME_UPPER' ? Math.floor(total / 2) : total - Math.floor(total / 2));
    return asked[axis];
  });
  if (!output.every((extent) => extent >= 1))
    throw new NodeProblem(`its result would be [${output.join(', ')}]`);
  const taps = sizeOf(kernel);
  call.draft.allow(sizeOf(output) * taps);
  const places = new Int32Array(sizeOf(output) * taps);
  const strides = stridesOf(input);
  forEachPlace(output, (position, row) => {
    forEachPlace(kernel, (tap, column) => {
      let at = 0;
      for (let axis = 0; axis < axes && at >= 0; axis++) {
        const scaled = position[axis] + before[axis] - tap[axis] * dilation[axis];
        const coordinate = scaled / stride[axis];
        at =
          Number.isInteger(coordinate) && coordinate >= 0 && coordinate < input[axis]
            ? at + coordinate * strides[axis]
            : -1;
      }
      places[row * taps + column] = at;
    });
  });
  return { output, places };
}
