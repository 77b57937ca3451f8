/** Shapes that are computed, constants, branches. */
import type { OnnxGraph, OnnxNode } from '../../../../src/nn/onnx/onnx-schema.ts';
import { float, node, tensor, valueInfo } from '../onnx-files.ts';
import { folded, i64 } from './operator-case.ts';
import type { OperatorCase } from './operator-case.ts';

export const FOLDED: readonly OperatorCase[] = [
  folded(
    'a Reshape from Shape, Gather, Mul, Concat, as PyTorch writes it',
    [9, 13, 17],
    ['Shape', 'Gather', 'Mul', 'Concat', 'Unsqueeze'],
    [
      node('Shape', ['x'], ['s']),
      node('Gather', ['s', 'zero'], ['n'], { axis: 0 }),
      node('Gather', ['s', 'one'], ['h'], { axis: 0 }),
      node('Gather', ['s', 'two'], ['w'], { axis: 0 }),
      node('Mul', ['h', 'w'], ['hw']),
      node('Concat', ['n', 'hw'], ['t'], { axis: 0 }),
      node('Reshape', ['x', 't'], ['y']),
    ],
    { constants: [i64('zero', [0]), i64('one', [1]), i64('two', [2])] },
  ),
  folded(
    'integer division truncates, Mod, Range, Size',
    [13],
    ['Div', 'Mod', 'Range', 'Size'],
    [
      node('Size', ['k'], ['n']),
      node('Div', ['minus', 'n'], ['q']),
      node('Mod', ['minus', 'n'], ['m']),
      node('Mul', ['q', 'm'], ['p']),
      node('Range', ['zero', 'n', 'step'], ['r']),
      node('Cast', ['r'], ['rf'], { to: 1 }),
      node('Cast', ['p'], ['pf'], { to: 1 }),
      node('Mul', ['rf', 'pf'], ['c']),
      node('Mul', ['x', 'c'], ['y']),
    ],
    {
      constants: [
        tensor('k', [6], [1, 2, 3, 4, 5, 6]),
        tensor('minus', [], [-20], 'int64'),
        tensor('zero', [], [0], 'int64'),
        tensor('step', [], [1], 'int64'),
      ],
    },
  ),
  folded(
    'Shape of a part, ConstantOfShape',
    [15, 21],
    ['Shape', 'ConstantOfShape'],
    [
      node('Shape', ['x'], ['s'], { start: 1, end: -1 }),
      node('ConstantOfShape', ['s'], ['c'], { value: { tensor: tensor('', [1], [2.5]) } }),
      node('Unsqueeze', ['c', 'last'], ['u']),
      node('Mul', ['x', 'u'], ['y']),
    ],
    { constants: [i64('last', [1])] },
  ),
  folded(
    'comparisons and logic on constants, Where',
    [13, 16],
    ['Less', 'Greater', 'Equal', 'LessOrEqual', 'GreaterOrEqual', 'And', 'Or', 'Xor', 'Not', 'Where'],
    [
      node('Less', ['k', 'three'], ['a']),
      node('GreaterOrEqual', ['k', 'three'], ['b']),
      node('Equal', ['k', 'three'], ['e']),
      node('Greater', ['k', 'three'], ['g']),
      node('LessOrEqual', ['k', 'three'], ['l']),
      node('Or', ['a', 'e'], ['o']),
      node('And', ['o', 'l'], ['d']),
      node('Xor', ['d', 'b'], ['f']),
      node('Not', ['f'], ['h']),
      node('Or', ['h', 'g'], ['q']),
      node('Where', ['q', 'k', 'negative'], ['w']),
      node('Mul', ['x', 'w'], ['y']),
    ],
    {
      constants: [
        tensor('k', [6], [1, 2, 3, 4, 5, 6]),
        tensor('three', [], [3]),
        tensor('negative', [1], [-1]),
      ],
    },
  ),
  folded(
    'constants of every attribute',
    [13],
    ['Constant'],
    [
      node('Constant', [], ['a'], { value_float: float(0.5) }),
      node('Constant', [], ['b'], { value_floats: { floats: [1, 2, 3, 4, 5, 6] } }),
      node('Constant', [], ['c'], { value_ints: [0, -1] }),
      node('Constant', [], ['d'], { value_int: 1 }),
      node('Cast', ['d'], ['e'], { to: 1 }),
      node('Mul', ['x', 'b'], ['f']),
      node('Add', ['f', 'a'], ['g']),
      node('Add', ['g', 'e'], ['h']),
      node('Reshape', ['h', 'c'], ['y']),
    ],
  ),
  folded(
    'views, sums and functions of constants',
    [13],
    ['ReduceProd'],
    [
      node('ReduceMax', ['k'], ['m'], { axes: [0], keepdims: 0 }),
      node('ReduceMean', ['k'], ['n'], { axes: [0], keepdims: 0 }),
      node('ReduceProd', ['k'], ['p'], { axes: [0], keepdims: 0 }),
      node('Sqrt', ['m'], ['s']),
      node('Div', ['s', 'n'], ['t']),
      node('Neg', ['t'], ['u']),
      node('Max', ['u', 'p'], ['v']),
      node('Clip', ['v', 'low'], ['w']),
      node('Mul', ['x', 'w'], ['y']),
    ],
    { constants: [tensor('k', [3], [1, 2, 4]), tensor('low', [], [-1])] },
  ),
  folded(
    'thresholds of data at the end',
    [9, 13, 16],
    ['Greater', 'Less'],
    [
      node('Greater', ['x', 'half'], ['g']),
      node('Less', ['half', 'x'], ['l']),
      node('And', ['g', 'l'], ['a']),
      node('Not', ['a'], ['n']),
      node('Where', ['n', 'half', 'x'], ['y']),
    ],
    { constants: [tensor('half', [], [0.5])] },
  ),
  folded(
    'thresholds of data by data at the end',
    [16],
    ['GreaterOrEqual', 'LessOrEqual', 'Equal', 'Or', 'Xor'],
    [
      node('Relu', ['x'], ['r']),
      node('GreaterOrEqual', ['r', 'x'], ['g']),
      node('Equal', ['r', 'x'], ['e']),
      node('LessOrEqual', ['x', 'half'], ['l']),
      node('Xor', ['g', 'e'], ['a']),
      node('Or', ['a', 'l'], ['o']),
      node('Cast', ['o'], ['y'], { to: 1 }),
    ],
    { constants: [tensor('half', [], [0.5])] },
  ),
];

function branch(name: string, nodes: readonly OnnxNode[]): OnnxGraph {
  return { name, nodes, outputs: [valueInfo(`${name}_out`, undefined)] };
}

export const CONTROL: readonly OperatorCase[] = [
  folded(
    'an If whose condition is constant',
    [11, 13],
    ['If'],
    [
      node('Shape', ['x'], ['s']),
      node('Gather', ['s', 'one'], ['h']),
      node('Equal', ['h', 'four'], ['c']),
      node('If', ['c'], ['y'], {
        then_branch: { graph: branch('then', [node('Relu', ['x'], ['then_out'])]) },
        else_branch: { graph: branch('else', [node('Neg', ['x'], ['else_out'])]) },
      }),
    ],
    { constants: [i64('one', [1]), i64('four', [4])] },
  ),
  folded(
    'an If that a threshold decides',
    [13],
    ['If'],
    [
      node('Sigmoid', ['x'], ['p']),
      node('Greater', ['p', 'half'], ['g']),
      node('If', ['g'], ['y'], {
        then_branch: { graph: branch('then', [node('Exp', ['x'], ['then_out'])]) },
        else_branch: { graph: branch('else', [node('Identity', ['p'], ['else_out'])]) },
      }),
    ],
    { shape: [1, 1], constants: [tensor('half', [], [0.5])] },
  ),
];
