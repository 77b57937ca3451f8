/** Rearrangement, resizing, reductions, what ends a classifier. */
import { float, node } from '../onnx-files.ts';
import { single, axesBy, ints, IMAGE } from './operator-case.ts';
import type { OperatorCase } from './operator-case.ts';

export const VIEWS: readonly OperatorCase[] = [
  single('Identity', [7, 21], { op: 'Identity', shape: ['N', 4] }),
  single('Reshape', [7, 14, 21], { op: 'Reshape', shape: IMAGE, constants: [ints([-1, 9, 14])] }),
  single('Reshape with copied extents', [7], { op: 'Reshape', shape: IMAGE, constants: [ints([0, 0, -1])] }),
  single('Reshape of a model exported with one sample', [13], {
    op: 'Reshape',
    shape: [1, 3, 7, 6],
    constants: [ints([1, 126])],
  }),
  single('Reshape of one sample, the rest worked out', [13], {
    op: 'Reshape',
    shape: [1, 3, 7, 6],
    constants: [ints([1, -1])],
  }),
  single('Flatten', [7, 13, 21], { op: 'Flatten', shape: IMAGE }),
  single('Flatten with a negative axis', [11], {
    op: 'Flatten',
    shape: ['N', 4, 5],
    attributes: { axis: -2 },
  }),
  single('Transpose', [7, 13], { op: 'Transpose', shape: IMAGE, attributes: { perm: [0, 2, 3, 1] } }),
  single('Squeeze', [7, 11, 13, 21], (opset) => ({
    op: 'Squeeze',
    shape: ['N', 1, 4, 1],
    ...axesBy(opset, 13, [1, 3]),
  })),
  single('Squeeze with a negative axis', [11, 13], (opset) => ({
    op: 'Squeeze',
    shape: ['N', 1, 4, 1],
    ...axesBy(opset, 13, [-1]),
  })),
  single('Unsqueeze', [7, 11, 13, 21], (opset) => ({
    op: 'Unsqueeze',
    shape: ['N', 4, 5],
    ...axesBy(opset, 13, [1, 4]),
  })),
  single('Unsqueeze with a negative axis', [11, 13], (opset) => ({
    op: 'Unsqueeze',
    shape: ['N', 4],
    ...axesBy(opset, 13, [-1]),
  })),
  single('Concat of data', [7, 13], {
    op: 'Concat',
    shape: ['N', 2, 3],
    constants: ['x', 'x'],
    attributes: { axis: 1 },
  }),
  single('Concat with constants', [11], {
    op: 'Concat',
    shape: [1, 2, 3],
    constants: [[[1, 2, 2]], 'x'],
    attributes: { axis: -1 },
  }),
  single('Split', [7, 11, 13], (opset) => ({
    op: 'Split',
    shape: ['N', 7, 2],
    outputs: ['u', 'y'],
    ...(opset < 13
      ? { attributes: { axis: 1, split: [3, 4] } }
      : { attributes: { axis: 1 }, constants: [ints([3, 4])] }),
  })),
  single('Split evenly', [7, 13], {
    op: 'Split',
    shape: ['N', 6, 2],
    outputs: ['u', 'v', 'y'],
    attributes: { axis: 1 },
  }),
  single('Split unevenly', [18], {
    op: 'Split',
    shape: ['N', 7, 2],
    outputs: ['u', 'v', 'y'],
    attributes: { axis: 1, num_outputs: 3 },
  }),
  single('Slice by attributes', [7, 9], {
    op: 'Slice',
    shape: ['N', 7, 5],
    attributes: { starts: [1, -3], ends: [6, 2 ** 62], axes: [1, 2] },
  }),
  single('Slice to the end, backwards', [10, 13], {
    op: 'Slice',
    shape: ['N', 7, 5],
    constants: [ints([1, -1]), ints([2 ** 53, -2147483648]), ints([1, 2]), ints([2, -2])],
  }),
  single('Slice of the whole batch', [10], {
    op: 'Slice',
    shape: ['N', 7],
    constants: [ints([0, 2]), ints([2 ** 40, 6]), ints([0, 1])],
  }),
  single('Gather', [7, 11], {
    op: 'Gather',
    shape: ['N', 7, 3],
    constants: [[[2, 2], [0, 6, 3, 3], 'int64']],
    attributes: { axis: 1 },
  }),
  single('Gather from the end', [11], {
    op: 'Gather',
    shape: ['N', 7, 3],
    constants: [[[], [-2], 'int64']],
    attributes: { axis: 1 },
  }),
  single('Expand', [8, 13], { op: 'Expand', shape: ['N', 3, 1], constants: [ints([1, 3, 4])] }),
  single('Tile', [7, 13], { op: 'Tile', shape: ['N', 3, 2], constants: [ints([1, 2, 3])] }),
  single('DepthToSpace', [7, 13], {
    op: 'DepthToSpace',
    shape: ['N', 8, 2, 3],
    attributes: { blocksize: 2 },
  }),
  single('DepthToSpace CRD', [11], {
    op: 'DepthToSpace',
    shape: ['N', 8, 2, 3],
    attributes: { blocksize: 2, mode: 'CRD' },
  }),
  single('SpaceToDepth', [7, 13], {
    op: 'SpaceToDepth',
    shape: ['N', 2, 4, 6],
    attributes: { blocksize: 2 },
  }),
  single('Pad by attributes', [7], {
    op: 'Pad',
    shape: ['N', 2, 4, 5],
    attributes: { pads: [0, 0, 1, 2, 0, 1, 0, 1], value: float(0.5) },
  }),
  ...['constant', 'reflect', 'edge'].map((mode) =>
    single(`Pad ${mode}`, [11, 13, 18], {
      op: 'Pad',
      shape: ['N', 2, 4, 5],
      attributes: { mode },
      constants: [ints([0, 0, 1, 2, 0, 0, 3, 1]), ...(mode === 'constant' ? [[[], [1.5]] as const] : [])],
    }),
  ),
  single('Pad wrap', [19], {
    op: 'Pad',
    shape: ['N', 2, 4, 5],
    attributes: { mode: 'wrap' },
    constants: [ints([0, 0, 1, 2, 0, 0, 3, 1])],
  }),
  single('Pad of some axes, negative', [18], {
    op: 'Pad',
    shape: ['N', 2, 4, 5],
    constants: [ints([1, -1, 0, -2]), '', ints([2, -1])],
  }),
  single('Dropout', [7, 10, 12, 13, 22], { op: 'Dropout', shape: ['N', 4] }),
  single('Dropout with its ratio as input', [12, 13], {
    op: 'Dropout',
    shape: ['N', 4],
    constants: [[[], [0.3]]],
  }),
  single('Cast', [7, 13], { op: 'Cast', shape: ['N', 4], attributes: { to: 11 } }),
  single('Cast to integers at the end', [9], { op: 'Cast', shape: ['N', 4], attributes: { to: 7 } }),
];

export const REDUCTIONS: readonly OperatorCase[] = [
  ...[
    ['ReduceSum', 13],
    ['ReduceMean', 18],
    ['ReduceMax', 18],
    ['ReduceMin', 18],
    ['ReduceSumSquare', 18],
  ].flatMap(([op, since]) => [
    single(`${op}`, [7, 11, 13, 18, 20], (opset) => ({
      op: op as string,
      shape: IMAGE,
      ...axesBy(opset, since as number, [2, 3], { keepdims: 0 }),
    })),
    single(`${op} kept, negative axis`, [11, 18], (opset) => ({
      op: op as string,
      shape: IMAGE,
      ...axesBy(opset, since as number, [-3]),
    })),
    single(`${op} of nothing`, [18], {
      op: op as string,
      shape: ['N', 3],
      attributes: { noop_with_empty_axes: 1 },
    }),
  ]),
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op) => [
    single(`${op} by default`, [7, 11, 13], { op, shape: ['N', 3, 4] }),
    single(`${op} along an axis`, [11, 13], { op, shape: ['N', 3, 2, 4], attributes: { axis: 2 } }),
    single(`${op} along an axis from the end`, [11, 13], {
      op,
      shape: ['N', 3, 4],
      attributes: { axis: -2 },
    }),
  ]),
  ...['ArgMax', 'ArgMin'].flatMap((op) => [
    single(op, [7, 11, 13], { op, shape: ['N', 3, 4], attributes: { axis: 1 } }),
    single(`${op}, the last of equal ones`, [12, 13], {
      op,
      shape: ['N', 6],
      attributes: { axis: -1, keepdims: 0, select_last_index: 1 },
      before: [node('Sign', ['x'], ['b'])],
    }),
  ]),
  single('TopK', [7, 10, 11], (opset) => ({
    op: 'TopK',
    shape: ['N', 5, 2],
    outputs: ['y', 'i'],
    attributes: { axis: 1, ...(opset < 10 ? { k: 2 } : {}) },
    constants: opset < 10 ? [] : [ints([2])],
  })),
  single('TopK smallest', [11], {
    op: 'TopK',
    shape: ['N', 6],
    outputs: ['y', 'i'],
    attributes: { largest: 0 },
    constants: [ints([3])],
  }),
];

const resizeModes = ['half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel'];
export const RESIZES: readonly OperatorCase[] = [
  single('Upsample', [7, 9], (opset) => ({
    op: 'Upsample',
    shape: ['N', 2, 3, 4],
    attributes: { mode: 'nearest', ...(opset < 9 ? { scales: { floats: [1, 1, 2, 3] } } : {}) },
    constants: opset < 9 ? [] : [[[4], [1, 1, 2, 3]]],
  })),
  single('Resize of 10', [10], {
    op: 'Resize',
    shape: ['N', 2, 3, 4],
    constants: [[[4], [1, 1, 2, 0.5]]],
    attributes: { mode: 'nearest' },
  }),
  ...resizeModes.flatMap((coordinate_transformation_mode) =>
    ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'].map((nearest_mode) =>
      single(`Resize ${coordinate_transformation_mode} ${nearest_mode}`, [11, 19], {
        op: 'Resize',
        shape: ['N', 2, 3, 4],
        constants: [[[0]], [[4], [1, 1, 3, 2]]],
        attributes: { mode: 'nearest', coordinate_transformation_mode, nearest_mode },
      }),
    ),
  ),
  ...resizeModes.map((coordinate_transformation_mode) =>
    single(`Resize linear ${coordinate_transformation_mode}`, [13], {
      op: 'Resize',
      shape: ['N', 2, 3, 4],
      constants: ['', '', ints([1, 2, 7, 3])],
      attributes: { mode: 'linear', coordinate_transformation_mode },
    }),
  ),
  single('Resize of some axes', [18], {
    op: 'Resize',
    shape: ['N', 2, 3, 4],
    constants: ['', [[2], [2, 3]]],
    attributes: { mode: 'nearest', axes: [2, 3] },
  }),
];
