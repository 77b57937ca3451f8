/** Pools: means are linear maps, maxima are maximum nodes. */
import { composeLinear } from '../../graph/linear-composition.ts';
import { DiagonalMap } from '../../graph/linear-map.ts';
import { channelPlaces, paddedCounts, windowMap, windowPlaces } from '../../graph/window-places.ts';
import type { Windows } from '../../graph/window-places.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { NodeProblem } from '../draft.ts';
import type { Value } from '../draft.ts';
import type { Operator, OperatorCall } from './operator.ts';
import { windowsOfCall, WINDOW_ATTRIBUTES } from './windows.ts';

function pooledWindows(call: OperatorCall, isGlobal: boolean): { channels: number; windows: Windows } {
  const [channels, ...input] = call.wire(0).shape;
  if (input.length === 0) throw new NodeProblem('its input has no spatial axes');
  if (!isGlobal) return { channels, windows: windowsOfCall(call, input) };
  const ones = input.map(() => 1);
  const padding = input.map(() => [0, 0] as const);
  return { channels, windows: { input, output: ones, kernel: input, stride: ones, dilation: ones, padding } };
}

function readMean(call: OperatorCall, isGlobal: boolean): Value[] {
  const x = call.wire(0);
  const { channels, windows } = pooledWindows(call, isGlobal);
  const positions = sizeOf(windows.output);
  const taps = sizeOf(windows.kernel);
  call.draft.allow(channels * positions * taps);
  const places = windowPlaces(windows);
  const counts =
    call.attributes.int('count_include_pad', 0) === 0 ? insideCounts(places, taps) : paddedCounts(windows);
  const isEven = counts.every((count) => count === counts[0]);
  const shape = [channels, ...windows.output];
  const sum = windowMap(windows, {
    inChannels: channels,
    outChannels: channels,
    groups: channels,
    matrix: new Float64Array(channels * taps).fill(isEven ? 1 / counts[0] : 1),
    bias: new Float64Array(channels * positions),
    places,
  });
  if (isEven) return [call.draft.linear(x, sum, shape)];
  const shares = Float64Array.from({ length: channels * positions }, (_, i) => 1 / counts[i % positions]);
  return [call.draft.linear(x, composeLinear(new DiagonalMap(shares), sum), shape)];
}

function insideCounts(places: Int32Array, taps: number): Int32Array {
  const counts = new Int32Array(places.length / taps);
  places.forEach((place, i) => {
    if (place >= 0) counts[Math.floor(i / taps)]++;
  });
  return counts;
}

function readMaximum(call: OperatorCall, isGlobal: boolean): Value[] {
  if (call.wanted[1] === true) throw new NodeProblem('its second result, the indices, is used');
  const x = call.wire(0);
  const { channels, windows } = pooledWindows(call, isGlobal);
  const { kernel, stride, dilation, padding } = windows;
  const positions = sizeOf(windows.output);
  call.draft.allow(channels * positions * sizeOf(kernel));
  const inputs = channelPlaces(windowPlaces(windows), positions, channels, 1, sizeOf(windows.input));
  const isPlain =
    dilation.every((d) => d === 1) && padding.every(([a, b]) => a === 0 && b === 0) && !inputs.includes(-1);
  const pool = isPlain ? { pool: { kernel, stride } } : {};
  return [call.draft.maximum(x, { taps: sizeOf(kernel), inputs, ...pool }, [channels, ...windows.output])];
}

export const POOL_OPERATORS: readonly Operator[] = [
  {
    name: 'AveragePool',
    becomes: 'linear map',
    attributes: [...WINDOW_ATTRIBUTES, 'ceil_mode', 'count_include_pad'],
    read: (call) => readMean(call, false),
  },
  { name: 'GlobalAveragePool', becomes: 'linear map', attributes: [], read: (call) => readMean(call, true) },
  {
    name: 'MaxPool',
    becomes: 'maximum',
    attributes: [...WINDOW_ATTRIBUTES, 'ceil_mode', 'storage_order'],
    note: 'without the indices',
    read: (call) => readMaximum(call, false),
  },
  { name: 'GlobalMaxPool', becomes: 'maximum', attributes: [], read: (call) => readMaximum(call, true) },
];
