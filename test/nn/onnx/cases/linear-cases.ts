/** Convolutions, pools, products, normalisation. */
import { float, node } from '../onnx-files.ts';
import { single, from, IMAGE, statistics } from './operator-case.ts';
import type { OperatorCase } from './operator-case.ts';

export const CONVOLUTIONS: readonly OperatorCase[] = [
  single('Conv with padding and stride', from(7), {
    op: 'Conv',
    shape: IMAGE,
    constants: [[[4, 3, 3, 2]], [[4]]],
    attributes: { pads: [1, 0, 2, 1], strides: [2, 1] },
  }),
  single('Conv without bias, dilated', [11], {
    op: 'Conv',
    shape: IMAGE,
    constants: [[[2, 3, 2, 3]]],
    attributes: { dilations: [3, 2], kernel_shape: [2, 3] },
  }),
  single('Conv in groups', [11], {
    op: 'Conv',
    shape: ['N', 4, 5, 5],
    constants: [[[6, 2, 3, 3]], [[6]]],
    attributes: { group: 2, auto_pad: 'SAME_UPPER', strides: [2, 2] },
  }),
  single('Conv depthwise, SAME_LOWER', [11], {
    op: 'Conv',
    shape: ['N', 4, 6, 5],
    constants: [[[4, 1, 2, 2]]],
    attributes: { group: 4, auto_pad: 'SAME_LOWER' },
  }),
  single('Conv VALID', [11], {
    op: 'Conv',
    shape: ['N', 2, 6, 5],
    constants: [[[4, 2, 3, 3]]],
    attributes: { auto_pad: 'VALID' },
  }),
  single('Conv in one dimension', [9, 21], {
    op: 'Conv',
    shape: ['N', 3, 11],
    constants: [[[4, 3, 4]], [[4]]],
    attributes: { strides: [3], pads: [2, 1] },
  }),
  single('Conv in three dimensions', [11], {
    op: 'Conv',
    shape: ['N', 2, 4, 3, 4],
    constants: [[[3, 2, 2, 2, 2]]],
    attributes: { pads: [1, 0, 0, 0, 1, 0] },
  }),
  single('ConvTranspose', from(7), {
    op: 'ConvTranspose',
    shape: ['N', 3, 4, 3],
    constants: [[[3, 2, 3, 2]], [[2]]],
    attributes: { strides: [2, 3], pads: [1, 0, 0, 1], output_padding: [1, 0] },
  }),
  single('ConvTranspose in groups, dilated', [11], {
    op: 'ConvTranspose',
    shape: ['N', 4, 4, 3],
    constants: [[[4, 2, 2, 2]]],
    attributes: { group: 2, dilations: [2, 1] },
  }),
  ...['SAME_UPPER', 'SAME_LOWER', 'VALID'].map((auto_pad) =>
    single(`ConvTranspose ${auto_pad}`, [7, 11], {
      op: 'ConvTranspose',
      shape: ['N', 2, 4, 3],
      constants: [[[2, 2, 3, 4]]],
      attributes: { auto_pad, strides: [2, 1] },
    }),
  ),
  single('ConvTranspose with an output shape', [11], {
    op: 'ConvTranspose',
    shape: ['N', 2, 4, 3],
    constants: [[[2, 2, 3, 3]]],
    attributes: { output_shape: [8, 6], strides: [2, 2] },
  }),
];

export const POOLS: readonly OperatorCase[] = [
  single('MaxPool', from(7), {
    op: 'MaxPool',
    shape: IMAGE,
    attributes: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] },
  }),
  single('MaxPool dilated', [10, 12], {
    op: 'MaxPool',
    shape: IMAGE,
    attributes: { kernel_shape: [2, 2], dilations: [3, 2] },
  }),
  single('MaxPool of negative values', [11], {
    op: 'MaxPool',
    shape: IMAGE,
    attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
    before: [node('Abs', ['x'], ['a']), node('Neg', ['a'], ['b'])],
  }),
  single('MaxPool SAME', [11], {
    op: 'MaxPool',
    shape: IMAGE,
    attributes: { kernel_shape: [3, 3], strides: [2, 2], auto_pad: 'SAME_UPPER' },
  }),
  ...[2, 3].map((stride) =>
    single(`MaxPool with ceil_mode, stride ${stride}`, [10, 17, 22], {
      op: 'MaxPool',
      shape: ['N', 2, 8, 6],
      attributes: { kernel_shape: [3, 2], strides: [stride, stride], pads: [1, 1, 1, 1], ceil_mode: 1 },
    }),
  ),
  single('AveragePool', from(7), {
    op: 'AveragePool',
    shape: IMAGE,
    attributes: { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] },
  }),
  single('AveragePool with padding counted', from(7), {
    op: 'AveragePool',
    shape: IMAGE,
    attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 },
  }),
  single('AveragePool with ceil_mode', [10, 19, 22], {
    op: 'AveragePool',
    shape: ['N', 2, 8, 6],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 },
  }),
  single('AveragePool with ceil_mode, padding counted', [19, 22], {
    op: 'AveragePool',
    shape: ['N', 2, 8, 6],
    attributes: {
      kernel_shape: [3, 3],
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      ceil_mode: 1,
      count_include_pad: 1,
    },
  }),
  single('AveragePool dilated', [19, 22], {
    op: 'AveragePool',
    shape: IMAGE,
    attributes: { kernel_shape: [2, 2], dilations: [2, 3] },
  }),
  single('AveragePool SAME', [11], {
    op: 'AveragePool',
    shape: IMAGE,
    attributes: { kernel_shape: [2, 3], strides: [2, 2], auto_pad: 'SAME_LOWER' },
  }),
  single('GlobalAveragePool', [7, 22], { op: 'GlobalAveragePool', shape: IMAGE }),
  single('GlobalMaxPool', [7, 22], { op: 'GlobalMaxPool', shape: IMAGE }),
];

export const PRODUCTS: readonly OperatorCase[] = [
  single('Gemm', from(7), { op: 'Gemm', shape: ['N', 5], constants: [[[5, 3]], [[3]]] }),
  single('Gemm transposed, scaled', from(7), {
    op: 'Gemm',
    shape: ['N', 5],
    constants: [[[3, 5]], [[1, 3]]],
    attributes: { transB: 1, alpha: float(0.5), beta: float(-2) },
  }),
  single('Gemm without C', [11, 13], { op: 'Gemm', shape: ['N', 5], constants: [[[5, 3]]] }),
  single('Gemm with C a number', [11], { op: 'Gemm', shape: ['N', 5], constants: [[[5, 3]], [[]]] }),
  single('Gemm with C [1, 1]', [11], { op: 'Gemm', shape: ['N', 5], constants: [[[5, 3]], [[1, 1]]] }),
  single('MatMul', from(7), { op: 'MatMul', shape: ['N', 5], constants: [[[5, 3]]] }),
  single('MatMul by a vector', [13], { op: 'MatMul', shape: ['N', 5], constants: [[[5]]] }),
  single('MatMul shared by the rows', [13], { op: 'MatMul', shape: ['N', 4, 5], constants: [[[5, 3]]] }),
  single('MatMul of rows by a vector', [13], { op: 'MatMul', shape: ['N', 4, 5], constants: [[[5]]] }),
  single('MatMul with a matrix for each block', [13], {
    op: 'MatMul',
    shape: ['N', 2, 4, 5],
    constants: [[[1, 2, 5, 3]]],
  }),
  single('MatMul with a shared matrix of more axes', [13], {
    op: 'MatMul',
    shape: ['N', 2, 4, 5],
    constants: [[[1, 1, 5, 3]]],
  }),
  single('MatMul from the left', [13], {
    op: 'MatMul',
    shape: ['N', 4, 5],
    constants: [[[3, 4]]],
    dataAt: 1,
  }),
  single('MatMul from the left, blocks', [13], {
    op: 'MatMul',
    shape: ['N', 2, 4, 5],
    constants: [[[3, 4]]],
    dataAt: 1,
  }),
  single('MatMul of a vector from the left', [13], {
    op: 'MatMul',
    shape: ['N', 4, 5],
    constants: [[[4]]],
    dataAt: 1,
  }),
];

export const NORMS: readonly OperatorCase[] = [
  single('BatchNormalization', from(7), {
    op: 'BatchNormalization',
    shape: IMAGE,
    constants: statistics(3),
    attributes: { epsilon: float(0.01) },
  }),
  single('BatchNormalization of features', [9, 15], {
    op: 'BatchNormalization',
    shape: ['N', 5],
    constants: statistics(5),
  }),
  single('BatchNormalization per element', [7], {
    op: 'BatchNormalization',
    shape: ['N', 2, 3],
    constants: [
      [[2, 3]],
      [[2, 3]],
      [[2, 3]],
      [
        [2, 3],
        [1, 2, 3, 4, 5, 6],
      ],
    ],
    attributes: { spatial: 0 },
  }),
  single('LayerNormalization', [17, 23], {
    op: 'LayerNormalization',
    shape: ['N', 4, 6],
    constants: [[[6]], [[6]]],
    attributes: { epsilon: float(0.001) },
  }),
  single('LayerNormalization over two axes, without shift', [17], {
    op: 'LayerNormalization',
    shape: ['N', 4, 6],
    constants: [[[4, 6]]],
    attributes: { axis: 1 },
  }),
  single('InstanceNormalization', [7, 22], {
    op: 'InstanceNormalization',
    shape: IMAGE,
    constants: [[[3]], [[3]]],
  }),
  single('GroupNormalization', [21], {
    op: 'GroupNormalization',
    shape: ['N', 4, 3, 3],
    constants: [[[4]], [[4]]],
    attributes: { num_groups: 2 },
  }),
  single('GroupNormalization with gains per group', [18], {
    op: 'GroupNormalization',
    shape: ['N', 4, 3, 3],
    constants: [[[2]], [[2]]],
    attributes: { num_groups: 2 },
  }),
];
