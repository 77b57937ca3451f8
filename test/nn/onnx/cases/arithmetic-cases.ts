/** Arithmetic of data with constants and data, element functions. */
import { float, node, tensor } from '../onnx-files.ts';
import { single, IMAGE } from './operator-case.ts';
import type { OperatorCase, Constant } from './operator-case.ts';

const BINARY_CONSTANTS: readonly (readonly [string, readonly number[]])[] = [
  ['a number', []],
  ['channels', [3, 1, 1]],
  ['a row', [6]],
  ['everything', [1, 3, 7, 6]],
];
const awayFromZero = (size: number): number[] =>
  Array.from({ length: size }, (_, i) => (i % 2 === 0 ? 1 : -1) * (0.5 + i / size));

export const BINARY: readonly OperatorCase[] = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min'].flatMap((op) =>
    BINARY_CONSTANTS.flatMap(([what, shape]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const constants: Constant[] = [[shape, awayFromZero(size)]];
      // Max and Min of one shape only below 8.
      const opsets = op === 'Max' || op === 'Min' ? [8, 13] : [7, 14];
      return [
        single(`${op} with ${what}`, opsets, { op, shape: IMAGE, constants }),
        single(`${op} of ${what} and data`, [13], { op, shape: IMAGE, constants, dataAt: 1 }),
      ];
    }),
  ),
  ...['Add', 'Sub', 'Mul', 'Max', 'Min', 'Sum', 'Mean'].map((op) =>
    single(`${op} of data and data`, [8, 13], {
      op,
      shape: IMAGE,
      constants: ['x'],
    }),
  ),
  single('Div of data by data', [13], {
    op: 'Div',
    shape: ['N', 4],
    before: [node('Exp', ['x'], ['b'])],
    constants: ['x'],
  }),
  single('Sum of three', [8], { op: 'Sum', shape: IMAGE, constants: ['x', [[3, 1, 1]]] }),
  single('Mean of three', [8], { op: 'Mean', shape: IMAGE, constants: ['x', [[3, 1, 1]]] }),
  single('Neg', [7, 13], { op: 'Neg', shape: ['N', 4] }),
  single('data that a constant expands', [13], {
    op: 'Add',
    shape: ['N', 3, 1, 2],
    constants: [[[1, 3, 4, 1]]],
  }),
  ...[2, 3, 0, 1, 5].map((n) =>
    single(`Pow ${n}`, [7, 13, 15], { op: 'Pow', shape: ['N', 6], constants: [[[], [n]]] }),
  ),
  ...[0.5, -1, 1.7].map((n) =>
    single(`Pow ${n}`, [13], {
      op: 'Pow',
      shape: ['N', 6],
      constants: [[[1], [n]]],
      before: [node('Exp', ['x'], ['b'])],
    }),
  ),
  single('Pow of constants', [13], {
    op: 'Pow',
    shape: ['N', 3],
    constants: [[[3], [0.5, 1, 2]]],
    dataAt: 1,
  }),
];

const UNARY = [
  'Relu',
  'Sigmoid',
  'Tanh',
  'Softplus',
  'Softsign',
  'Abs',
  'Exp',
  'Selu',
  'Elu',
  'LeakyRelu',
  'HardSigmoid',
  'Floor',
  'Ceil',
];
export const FUNCTIONS: readonly OperatorCase[] = [
  ...UNARY.map((op) => single(op, [7, 13, 22], { op, shape: ['N', 9] })),
  single('Erf', [9, 13], { op: 'Erf', shape: ['N', 9] }),
  single('Sign', [9, 13], { op: 'Sign', shape: ['N', 9] }),
  single('Round', [11, 22], {
    op: 'Round',
    shape: ['N', 9],
    before: [
      node('Constant', [], ['h'], { value: { tensor: tensor('', [], [0.5]) } }),
      node('Floor', ['x'], ['f']),
      node('Add', ['f', 'h'], ['b']),
    ],
  }),
  single('HardSwish', [14, 22], { op: 'HardSwish', shape: ['N', 9] }),
  single('Mish', [18, 22], { op: 'Mish', shape: ['N', 9] }),
  single('Gelu', [20], { op: 'Gelu', shape: ['N', 9] }),
  single('Gelu by tanh', [20], { op: 'Gelu', shape: ['N', 9], attributes: { approximate: 'tanh' } }),
  single('Celu', [12, 13], { op: 'Celu', shape: ['N', 9], attributes: { alpha: float(0.7) } }),
  single('ThresholdedRelu', [10, 22], {
    op: 'ThresholdedRelu',
    shape: ['N', 9],
    attributes: { alpha: float(0.4) },
  }),
  single('LeakyRelu with a slope', [7, 16], {
    op: 'LeakyRelu',
    shape: ['N', 9],
    attributes: { alpha: float(0.3) },
  }),
  single('HardSigmoid with numbers', [7], {
    op: 'HardSigmoid',
    shape: ['N', 9],
    attributes: { alpha: float(0.4), beta: float(0.1) },
  }),
  single('Elu with a number', [7], { op: 'Elu', shape: ['N', 9], attributes: { alpha: float(0.4) } }),
  ...['Log', 'Sqrt', 'Reciprocal'].map((op) =>
    single(op, [7, 13], { op, shape: ['N', 9], before: [node('Exp', ['x'], ['b'])] }),
  ),
  single('Clip', [7, 10, 11, 13], (opset) => ({
    op: 'Clip',
    shape: ['N', 9],
    ...(opset < 11
      ? { attributes: { min: float(-0.5), max: float(0.7) } }
      : {
          constants: [
            [[], [-0.5]],
            [[], [0.7]],
          ],
        }),
  })),
  single('Clip above only', [11, 13], { op: 'Clip', shape: ['N', 9], constants: ['', [[], [0.7]]] }),
  single('Clip below 0 only', [7, 11], (opset) => ({
    op: 'Clip',
    shape: ['N', 9],
    ...(opset < 11 ? { attributes: { min: float(0) } } : { constants: [[[], [0]]] }),
  })),
  single('Clip with min above max', [13], {
    op: 'Clip',
    shape: ['N', 9],
    constants: [
      [[], [1]],
      [[], [-1]],
    ],
  }),
  single('PRelu', [7, 9, 16], { op: 'PRelu', shape: IMAGE, constants: [[[3, 1, 1]]] }),
  single('PRelu with one slope', [9], { op: 'PRelu', shape: IMAGE, constants: [[[1]]] }),
  single('PRelu per element', [9], { op: 'PRelu', shape: IMAGE, constants: [[[3, 7, 6]]] }),
];
