/** What must be refused, and a file without an oracle. */
import { node, onnxFile, tensor, valueInfo } from '../onnx-files.ts';
import { singleFile, ints, IMAGE, statistics } from './operator-case.ts';
import type { RefusedCase, Single } from './operator-case.ts';

function refused(title: string, opset: number, of: Single, reason: RegExp): RefusedCase {
  return { title, operators: [of.op], opset, reason, file: (o) => singleFile(o, of) };
}

const BATCH = /batch axis/;

export const REFUSED_CASES: readonly RefusedCase[] = [
  refused(
    'Dropout in training mode',
    13,
    {
      op: 'Dropout',
      shape: ['N', 4],
      constants: [
        [[], [0.5]],
        [[], [1], 'bool'],
      ],
    },
    /training mode/,
  ),
  refused(
    'BatchNormalization with the outputs of training',
    9,
    { op: 'BatchNormalization', shape: IMAGE, constants: statistics(3), outputs: ['y', 'm', 'v'] },
    /training mode/,
  ),
  refused(
    'BatchNormalization in training mode',
    15,
    { op: 'BatchNormalization', shape: IMAGE, constants: statistics(3), attributes: { training_mode: 1 } },
    /training mode/,
  ),
  refused(
    'Gemm with the data transposed',
    13,
    { op: 'Gemm', shape: [5, 5], constants: [[[5, 3]], [[3]]], attributes: { transA: 1 } },
    BATCH,
  ),
  refused('Gemm without C before 11', 9, { op: 'Gemm', shape: ['N', 5], constants: [[[5, 3]]] }, /lacks C/),
  refused(
    'Gemm with a row of C per sample',
    13,
    { op: 'Gemm', shape: [4, 5], constants: [[[5, 3]], [[4, 1]]] },
    BATCH,
  ),
  refused(
    'Gemm with the data on the right',
    13,
    { op: 'Gemm', shape: [5, 4], constants: [[[3, 5]]], dataAt: 1 },
    /mixes the samples/,
  ),
  refused('MatMul of samples', 13, { op: 'MatMul', shape: [4, 5], constants: [[[3, 4]]], dataAt: 1 }, BATCH),
  refused(
    'MatMul of data by data',
    13,
    { op: 'MatMul', shape: ['N', 5, 5], constants: ['x'] },
    /both factors/,
  ),
  refused('Transpose without perm', 13, { op: 'Transpose', shape: ['N', 4, 5] }, BATCH),
  refused('Flatten from axis 0', 13, { op: 'Flatten', shape: ['N', 4, 5], attributes: { axis: 0 } }, BATCH),
  refused('Squeeze without axes', 13, { op: 'Squeeze', shape: ['N', 1, 4] }, BATCH),
  refused('Squeeze of the samples', 11, { op: 'Squeeze', shape: [1, 4], attributes: { axes: [0] } }, BATCH),
  refused(
    'Concat of samples',
    13,
    { op: 'Concat', shape: ['N', 4], constants: ['x'], attributes: { axis: 0 } },
    BATCH,
  ),
  refused(
    'Gather of samples',
    13,
    { op: 'Gather', shape: ['N', 4], constants: [[[1], [0], 'int64']] },
    BATCH,
  ),
  refused('ReduceMean of everything', 13, { op: 'ReduceMean', shape: ['N', 4] }, BATCH),
  refused('Softmax over the samples', 13, { op: 'Softmax', shape: ['N', 4], attributes: { axis: 0 } }, BATCH),
  refused(
    'Reshape across samples',
    13,
    { op: 'Reshape', shape: ['N', 4, 6], constants: [ints([-1, 6])] },
    BATCH,
  ),
  refused('Slice of samples', 13, { op: 'Slice', shape: ['N', 4], constants: [ints([0]), ints([1])] }, BATCH),
  refused(
    'a step for every block',
    21,
    { op: 'QuantizeLinear', shape: ['N', 4], constants: [[[1], [0.1]]], attributes: { block_size: 2 } },
    /steps per block/,
  ),
  refused(
    'several steps of a value',
    13,
    { op: 'QuantizeLinear', shape: ['N', 4], constants: [[[4], [0.1, 0.2, 0.3, 0.4]]] },
    /several steps/,
  ),
  refused('LRN', 13, { op: 'LRN', shape: IMAGE, attributes: { size: 3 } }, /batch normalisation instead/),
  refused(
    'PRelu whose slope is larger than the data',
    13,
    { op: 'PRelu', shape: ['N', 3, 1], constants: [[[3, 4]]] },
    /do not broadcast/,
  ),
  refused(
    'division by a constant zero',
    13,
    { op: 'Div', shape: ['N', 3], constants: [[[3], [1, 0, 2]]] },
    /constant zero/,
  ),
  refused(
    'weights that are not numbers',
    13,
    {
      op: 'Gemm',
      shape: ['N', 2],
      constants: [
        [
          [2, 1],
          [1, Number.NaN],
        ],
        [[1]],
      ],
    },
    /weight of NaN/,
  ),
  refused(
    'an attribute that is not known',
    13,
    { op: 'Relu', shape: ['N', 2], attributes: { strange: 1 } },
    /attribute strange/,
  ),
  refused(
    'an operator before its time',
    10,
    { op: 'Round', shape: ['N', 2] },
    /does not exist in operator set 10/,
  ),
  refused(
    'MaxPool with its indices',
    13,
    { op: 'MaxPool', shape: IMAGE, attributes: { kernel_shape: [2, 2] }, outputs: ['y', 'i'] },
    /indices/,
  ),
  refused('a data-dependent reshape', 13, { op: 'Reshape', shape: ['N', 4], constants: [] }, /lacks input 1/),
  refused(
    'a softmax inside the network',
    13,
    {
      op: 'Softmax',
      shape: ['N', 3],
      constants: [],
      after: [node('MatMul', ['y', 'w'], ['z'])],
      before: [
        node('Constant', [], ['w'], { value: { tensor: tensor('', [3, 2], [1, 2, 3, 4, 5, 6]) } }),
        node('Identity', ['x'], ['b']),
      ],
    },
    /--to y/,
  ),
];

const ML = 'ai.onnx.ml';

/** Its output is a list of maps, which the interface of the oracle does not give out. */
export const ZIP_MAP = onnxFile({
  domains: { [ML]: 1 },
  inputs: [valueInfo('X', ['N', 4])],
  outputs: ['y'],
  nodes: [node('ZipMap', ['X'], ['y'], { classlabels_int64s: [0, 1, 2, 3] }, ML)],
});
