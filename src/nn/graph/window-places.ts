/** Where the windows of convolutions and pools read, in any number of spatial axes. */
import { sizeOf } from '../tensor/tensor.ts';
import { forEachPlace, stridesOf } from './index-maps.ts';
import { type WeightArray, type WindowGeometry, WindowMap } from './linear-map.ts';

/** A geometry whose input and output are spatial extents alone. */
export type Windows = WindowGeometry;

/** positions x taps of input places of one channel, -1 outside. */
export function windowPlaces({ input, output, kernel, stride, dilation, padding }: Windows): Int32Array {
  const taps = sizeOf(kernel);
  const places = new Int32Array(sizeOf(output) * taps);
  const strides = stridesOf(input);
  forEachPlace(output, (position, row) => {
    forEachPlace(kernel, (tap, column) => {
      let at = 0;
      for (let axis = 0; axis < input.length && at >= 0; axis++) {
        const coordinate = position[axis] * stride[axis] + tap[axis] * dilation[axis] - padding[axis][0];
        at = coordinate < 0 || coordinate >= input[axis] ? -1 : at + coordinate * strides[axis];
      }
      places[row * taps + column] = at;
    });
  });
  return places;
}

/** Per position, the window's cells inside the input and its padding: what an average with `count_include_pad` divides by. */
export function paddedCounts({ input, output, kernel, stride, dilation, padding }: Windows): Int32Array {
  const counts = new Int32Array(sizeOf(output));
  forEachPlace(output, (position, row) => {
    let count = 1;
    for (let axis = 0; axis < input.length; axis++) {
      let inside = 0;
      for (let tap = 0; tap < kernel[axis]; tap++) {
        const coordinate = position[axis] * stride[axis] + tap * dilation[axis] - padding[axis][0];
        if (coordinate < input[axis] + padding[axis][1]) inside++;
      }
      count *= inside;
    }
    counts[row] = count;
  });
  return counts;
}

/** The places of one channel repeated for `channels` of every group: groups x positions x (channels x taps). */
export function channelPlaces(
  places: Int32Array,
  positions: number,
  groups: number,
  channels: number,
  plane: number,
): Int32Array {
  const taps = places.length / positions;
  const inputs = new Int32Array(groups * positions * channels * taps);
  let at = 0;
  for (let group = 0; group < groups; group++)
    for (let position = 0; position < positions; position++)
      for (let channel = 0; channel < channels; channel++)
        for (let tap = 0; tap < taps; tap++) {
          const place = places[position * taps + tap];
          inputs[at++] = place < 0 ? -1 : (group * channels + channel) * plane + place;
        }
  return inputs;
}

/** For layouts. */
export function geometryOf(windows: Windows, inChannels: number, outChannels: number): WindowGeometry {
  return {
    ...windows,
    input: [inChannels, ...windows.input],
    output: [outChannels, ...windows.output],
  };
}

/** What a convolution or pool is made of besides its windows. */
export interface WindowMapParts {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  /** outChannels x (inChannels / groups x taps of the kernel). */
  readonly matrix: WeightArray;
  /** One per output element. */
  readonly bias: Float64Array;
  /** {@link windowPlaces} where they are known already. */
  readonly places?: Int32Array;
}

/** The map of a convolution or pool over `[inChannels, ...input]`. */
export function windowMap(windows: Windows, parts: WindowMapParts): WindowMap {
  const { inChannels, outChannels, groups, matrix, bias, places = windowPlaces(windows) } = parts;
  const positions = sizeOf(windows.output);
  const perGroup = inChannels / groups;
  const plane = sizeOf(windows.input);
  return new WindowMap({
    cols: inChannels * plane,
    groups,
    channels: outChannels,
    taps: perGroup * sizeOf(windows.kernel),
    positions,
    matrix,
    inputs: channelPlaces(places, positions, groups, perGroup, plane),
    bias,
    geometry: geometryOf(windows, inChannels, outChannels),
  });
}
