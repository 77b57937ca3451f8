/** Upsample and Resize: nearest and linear interpolation, by the formulas of the operators. */
import { composeLinear } from '../../graph/linear-composition.ts';
import { GatherMap, sparseFromRows } from '../../graph/linear-map.ts';
import type { LinearMap } from '../../graph/linear-map.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { NodeProblem } from '../draft.ts';
import type { Value } from '../draft.ts';
import { chosen } from '../../graph/index-maps.ts';
import { batchProblem, optionalIntegers } from './operator.ts';
import type { Operator, OperatorCall } from './operator.ts';

interface Resizing {
  readonly mode: string;
  readonly coordinates: string;
  readonly nearest: string;
}

/** Where a place of the result lies in the source. */
function sourceOf(at: number, scale: number, from: number, to: number, coordinates: string): number {
  switch (coordinates) {
    case 'asymmetric':
      return at / scale;
    case 'half_pixel':
      return (at + 0.5) / scale - 0.5;
    case 'half_pixel_symmetric': {
      const adjusted = to / (from * scale);
      const offset = (from / 2) * (1 - adjusted);
      return offset + (at + 0.5) / scale - 0.5;
    }
    case 'pytorch_half_pixel':
      return to > 1 ? (at + 0.5) / scale - 0.5 : 0;
    case 'align_corners':
      return to === 1 ? 0 : (at * (from - 1)) / (to - 1);
    default:
      throw new NodeProblem(`coordinate_transformation_mode is ${coordinates}`);
  }
}

function nearestTo(x: number, rounding: string): number {
  switch (rounding) {
    case 'floor':
      return Math.floor(x);
    case 'ceil':
      return Math.ceil(x);
    case 'round_prefer_floor':
      return Math.ceil(x - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5);
    default:
      throw new NodeProblem(`nearest_mode is ${rounding}`);
  }
}

function readResize(call: OperatorCall): Value[] {
  const x = call.wire(0);
  const shape = [1, ...x.shape];
  const isUpsample = call.opset < 10;
  const { attributes } = call;
  const before11: Resizing = {
    mode: attributes.text('mode', 'nearest'),
    coordinates: 'asymmetric',
    nearest: 'floor',
  };
  const resizing: Resizing =
    call.opset < 11
      ? before11
      : {
          mode: before11.mode,
          coordinates: attributes.text('coordinate_transformation_mode', 'half_pixel'),
          nearest: attributes.text('nearest_mode', 'round_prefer_floor'),
        };
  const axes =
    attributes.ints('axes')?.map((axis) => call.axis(axis, shape.length)) ?? shape.map((_, i) => i);
  const scales =
    isUpsample && call.opset < 9
      ? attributes.floats('scales')
      : given(call, call.opset < 11 ? 1 : 2, 'the scales');
  const sizes = call.opset < 11 ? undefined : optionalIntegers(call.optionalConstant(3, 'the sizes'));
  const list = scales ?? sizes;
  if (list === undefined || list.length !== axes.length)
    throw new NodeProblem('it has neither scales nor sizes for its axes');
  const policy = attributes.text('keep_aspect_ratio_policy', 'stretch');
  if (policy !== 'stretch') throw new NodeProblem(`keep_aspect_ratio_policy is ${policy}`);
  if (attributes.int('antialias', 0) !== 0) throw new NodeProblem('it is anti-aliased');
  let map: LinearMap | undefined;
  let own: readonly number[] = shape;
  axes.forEach((axis, i) => {
    const extent = own[axis];
    const to = scales === undefined ? sizes![i] : Math.floor(extent * scales[i]);
    const scale = scales === undefined ? to / extent : scales[i];
    // The samples may be stated as any number, when the scale of their axis is given as a size.
    if (axis === 0) {
      if (scales !== undefined ? scale !== 1 : to !== call.declaredBatch && to !== 1) throw batchProblem();
      return;
    }
    if (!(Number.isSafeInteger(to) && to >= 1)) throw new NodeProblem(`an extent of ${to}`);
    if (to === extent && scale === 1) return;
    call.draft.allow((sizeOf(own) / extent) * to);
    const step = axisMap(own, axis, to, scale, resizing);
    map = map === undefined ? step : composeLinear(step, map);
    own = own.map((e, a) => (a === axis ? to : e));
  });
  return [map === undefined ? x : call.draft.linear(x, map, own.slice(1))];
}

function given(call: OperatorCall, input: number, what: string): number[] | undefined {
  const tensor = call.optionalConstant(input, what);
  return tensor === undefined || tensor.data.length === 0 ? undefined : [...tensor.data];
}

function axisMap(
  shape: readonly number[],
  axis: number,
  to: number,
  scale: number,
  how: Resizing,
): LinearMap {
  const extent = shape[axis];
  const places = Array.from({ length: to }, (_, at) => sourceOf(at, scale, extent, to, how.coordinates));
  const inside = (at: number): number => Math.min(Math.max(at, 0), extent - 1);
  if (how.mode === 'nearest') {
    const view = chosen(
      shape,
      axis,
      places.map((x) => inside(nearestTo(x, how.nearest))),
    );
    return new GatherMap(view.from, sizeOf(shape));
  }
  if (how.mode !== 'linear') throw new NodeProblem(`mode is ${how.mode}`);
  const clamped = places.map(inside);
  const low = chosen(shape, axis, clamped.map(Math.floor)).from;
  const high = chosen(
    shape,
    axis,
    clamped.map((x) => inside(Math.floor(x) + 1)),
  ).from;
  const after = sizeOf(shape.slice(axis + 1));
  return sparseFromRows(sizeOf(shape), new Float64Array(low.length), (row) => {
    const x = clamped[Math.floor(row / after) % to];
    const share = x - Math.floor(x);
    return { columns: [low[row], high[row]], weights: [1 - share, share] };
  });
}

export const RESIZE_OPERATORS: readonly Operator[] = [
  {
    name: 'Resize',
    opsets: [10, 23],
    becomes: 'linear map',
    attributes: [
      'mode',
      'coordinate_transformation_mode',
      'nearest_mode',
      'axes',
      'antialias',
      'keep_aspect_ratio_policy',
      'cubic_coeff_a',
      'exclude_outside',
      'extrapolation_value',
    ],
    note: 'nearest and linear; before 11 asymmetric and floor',
    read: readResize,
  },
  {
    name: 'Upsample',
    opsets: [7, 9],
    becomes: 'linear map',
    attributes: ['mode', 'scales'],
    read: readResize,
  },
];
