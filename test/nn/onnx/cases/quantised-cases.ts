/** Quantised layers, and what scikit-learn exporters write. */
import type { DataTypeName, OnnxNode, OnnxTensor } from '../../../../src/nn/onnx/onnx-schema.ts';
import { node, onnxFile, tensor, valueInfo } from '../onnx-files.ts';
import { folded, i64 } from './operator-case.ts';
import type { OperatorCase } from './operator-case.ts';

const bytes = (
  name: string,
  shape: readonly number[],
  values: Iterable<number>,
  type: DataTypeName = 'uint8',
): OnnxTensor => tensor(name, shape, values, type);
const scalar = (name: string, value: number, type: DataTypeName = 'float32'): OnnxTensor =>
  tensor(name, [], [value], type);
const spread = (size: number, low: number, high: number): number[] =>
  Array.from({ length: size }, (_, i) => low + ((i * 37) % (high - low + 1)));

export const QUANTISED: readonly OperatorCase[] = [
  folded(
    'quantise and back, saturating',
    [10, 13, 19],
    ['QuantizeLinear', 'DequantizeLinear'],
    [node('QuantizeLinear', ['x', 's', 'z'], ['q']), node('DequantizeLinear', ['q', 's', 'z'], ['y'])],
    { constants: [scalar('s', 0.02), scalar('z', 100, 'uint8')] },
  ),
  folded(
    'quantise without a zero point, integers out',
    [10, 13],
    ['QuantizeLinear'],
    [node('QuantizeLinear', ['x', 's'], ['y'])],
    {
      constants: [scalar('s', 0.25)],
    },
  ),
  folded(
    'a QDQ layer with a step per channel',
    [13, 21],
    ['QuantizeLinear', 'DequantizeLinear', 'Gemm', 'Relu'],
    [
      node('QuantizeLinear', ['x', 's', 'z'], ['q']),
      node('DequantizeLinear', ['q', 's', 'z'], ['d']),
      node('DequantizeLinear', ['w', 'ws', 'wz'], ['wd'], { axis: 0 }),
      node('DequantizeLinear', ['b', 'bs'], ['bd'], { axis: 0 }),
      node('Gemm', ['d', 'wd', 'bd'], ['g'], { transB: 1 }),
      node('Relu', ['g'], ['r']),
      node('QuantizeLinear', ['r', 's2', 'z2'], ['q2']),
      node('DequantizeLinear', ['q2', 's2', 'z2'], ['y']),
    ],
    {
      shape: ['N', 8],
      constants: [
        scalar('s', 0.03),
        scalar('z', -3, 'int8'),
        bytes('w', [4, 8], spread(32, -100, 100), 'int8'),
        tensor('ws', [4], [0.01, 0.02, 0.005, 0.03]),
        bytes('wz', [4], [0, 0, 0, 0], 'int8'),
        tensor('b', [4], [100, -50, 3, 0], 'int32'),
        tensor(
          'bs',
          [4],
          [0.01, 0.02, 0.005, 0.03].map((step) => 0.03 * step),
        ),
        scalar('s2', 0.02),
        scalar('z2', 0, 'uint8'),
      ],
    },
  ),
  folded(
    'weights quantised by constants',
    [13],
    ['QuantizeLinear'],
    [
      node('QuantizeLinear', ['w', 'ws', 'wz'], ['wq'], { axis: 1 }),
      node('DequantizeLinear', ['wq', 'ws', 'wz'], ['wd'], { axis: 1 }),
      node('MatMul', ['x', 'wd'], ['y']),
    ],
    {
      shape: ['N', 4],
      constants: [
        tensor('w', [4, 2], spread(8, -2, 3)),
        tensor('ws', [2], [0.3, 0.7]),
        bytes('wz', [2], [0, 5], 'int8'),
      ],
    },
  ),
  folded(
    'QLinearConv between views',
    [12, 13],
    ['QLinearConv'],
    [
      node('QuantizeLinear', ['x', 's', 'z'], ['q']),
      node('MaxPool', ['q'], ['m'], { kernel_shape: [2, 2] }),
      node('QLinearConv', ['m', 's', 'z', 'w', 'ws', 'wz', 's2', 'z2', 'b'], ['c'], { pads: [1, 1, 0, 0] }),
      node('Flatten', ['c'], ['f']),
      node('DequantizeLinear', ['f', 's2', 'z2'], ['y']),
    ],
    {
      shape: ['N', 2, 5, 5],
      constants: [
        scalar('s', 0.03),
        scalar('z', 120, 'uint8'),
        bytes('w', [3, 2, 2, 2], spread(24, 0, 255)),
        scalar('ws', 0.01),
        scalar('wz', 128, 'uint8'),
        scalar('s2', 0.04),
        scalar('z2', 128, 'uint8'),
        tensor('b', [3], [40, -70, 9], 'int32'),
      ],
    },
  ),
  folded(
    'QLinearMatMul',
    [10, 21],
    ['QLinearMatMul'],
    [
      node('QuantizeLinear', ['x', 's', 'z'], ['q']),
      node('QLinearMatMul', ['q', 's', 'z', 'w', 'ws', 'wz', 's2', 'z2'], ['c']),
      node('DequantizeLinear', ['c', 's2', 'z2'], ['y']),
    ],
    {
      shape: ['N', 6],
      constants: [
        scalar('s', 0.03),
        scalar('z', 120, 'uint8'),
        bytes('w', [6, 3], spread(18, 0, 255)),
        scalar('ws', 0.01),
        scalar('wz', 128, 'uint8'),
        scalar('s2', 0.04),
        scalar('z2', 128, 'uint8'),
      ],
    },
  ),
  folded(
    'integer products, as dynamic quantisation leaves them',
    [10],
    ['ConvInteger', 'MatMulInteger', 'Cast'],
    [
      node('QuantizeLinear', ['x', 's', 'z'], ['q']),
      node('ConvInteger', ['q', 'w', 'z', 'wz'], ['c']),
      node('Cast', ['c'], ['f'], { to: 1 }),
      node('Mul', ['f', 'k'], ['y']),
      node('Flatten', ['q'], ['l']),
      node('MatMulInteger', ['l', 'v', 'z', 'wz'], ['m']),
      node('Cast', ['m'], ['n'], { to: 1 }),
    ],
    {
      shape: ['N', 1, 3, 3],
      constants: [
        scalar('s', 0.03),
        scalar('z', 120, 'uint8'),
        bytes('w', [2, 1, 2, 2], spread(8, 0, 255)),
        bytes('v', [9, 2], spread(18, 0, 255)),
        scalar('wz', 128, 'uint8'),
        scalar('k', 0.0003),
      ],
    },
  ),
];

const ML = 'ai.onnx.ml';

function sklearn(
  title: string,
  operators: readonly string[],
  nodes: readonly OnnxNode[],
  outputs: readonly string[],
  initializers: readonly OnnxTensor[] = [],
): OperatorCase {
  return {
    title,
    operators,
    opsets: [9, 15],
    differs: false,
    file: (opset) =>
      onnxFile({
        opset,
        domains: { [ML]: 1 },
        inputs: [valueInfo('X', ['N', 4])],
        outputs,
        nodes,
        initializers,
      }),
  };
}

const coefficients = { floats: [0.5, -1, 0.3, 0.8, -0.2, 0.7, 0.1, -0.6, 0.9, 0.4, -0.3, 0.2] };
export const SKLEARN: readonly OperatorCase[] = [
  sklearn(
    'scaled logistic regression with named classes',
    ['Scaler', 'LinearClassifier', 'Normalizer'],
    [
      node(
        'Scaler',
        ['X'],
        ['s'],
        { offset: { floats: [0.1, 0.2, -0.3, 0] }, scale: { floats: [1, 2, 0.5, 3] } },
        ML,
      ),
      node(
        'LinearClassifier',
        ['s'],
        ['label', 'raw'],
        {
          classlabels_strings: { texts: ['setosa', 'versicolor', 'virginica'] },
          coefficients,
          intercepts: { floats: [0.1, -0.2, 0.3] },
          multi_class: 0,
          post_transform: 'SOFTMAX',
        },
        ML,
      ),
      node('Normalizer', ['raw'], ['p'], { norm: 'L1' }, ML),
    ],
    ['label', 'p'],
  ),
  sklearn(
    'binary logistic regression with numbered classes',
    ['LinearClassifier'],
    [
      node(
        'LinearClassifier',
        ['X'],
        ['label', 'p'],
        {
          classlabels_ints: [3, 8],
          coefficients: { floats: [0.5, -1, 0.3, 0.8, -0.5, 1, -0.3, -0.8] },
          intercepts: { floats: [0.1, -0.1] },
          multi_class: 1,
          post_transform: 'LOGISTIC',
        },
        ML,
      ),
    ],
    ['label', 'p'],
  ),
  sklearn(
    'linear regression',
    ['LinearRegressor'],
    [
      node(
        'LinearRegressor',
        ['X'],
        ['y'],
        { coefficients: { floats: [0.5, -1, 0.3, 0.8] }, intercepts: { floats: [2] } },
        ML,
      ),
    ],
    ['y'],
  ),
  ...['L2', 'MAX'].map((norm) =>
    sklearn(
      `Normalizer ${norm}`,
      ['Normalizer'],
      [node('Abs', ['X'], ['a']), node('Normalizer', ['a'], ['y'], { norm }, ML)],
      ['y'],
    ),
  ),
  sklearn(
    'a multi-layer classifier with its labels',
    ['ArrayFeatureExtractor', 'FeatureVectorizer'],
    [
      node('FeatureVectorizer', ['X'], ['v'], { inputdimensions: [4] }, ML),
      node('MatMul', ['v', 'w'], ['m']),
      node('Add', ['m', 'b'], ['a']),
      node('Softmax', ['a'], ['p'], { axis: 1 }),
      node('ArgMax', ['p'], ['i'], { axis: 1 }),
      node('ArrayFeatureExtractor', ['classes', 'i'], ['l'], {}, ML),
      node('Reshape', ['l', 'flat'], ['label']),
    ],
    ['label', 'p'],
    [
      tensor('w', [4, 3], coefficients.floats),
      tensor('b', [1, 3], [0.1, 0.2, -0.1]),
      tensor('classes', [3], [7, 5, 9], 'int64'),
      i64('flat', [-1]),
    ],
  ),
  sklearn(
    'chosen features',
    ['ArrayFeatureExtractor'],
    [node('ArrayFeatureExtractor', ['X', 'k'], ['y'], {}, ML)],
    ['y'],
    [i64('k', [2, 0])],
  ),
];
