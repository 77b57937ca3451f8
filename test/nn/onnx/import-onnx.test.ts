/** What an import says and refuses: limits, cuts, names, forms of constants. */
import { describe, expect, test } from 'vitest';
import { DecodeError, LimitError, UnsupportedOpError } from '../../../src/base/errors.ts';
import { interpretWithTail } from '../../../src/nn/graph/clear-interpreter.ts';
import { importOnnx } from '../../../src/nn/onnx/import-onnx.ts';
import type { OnnxFunction, OnnxTensor } from '../../../src/nn/onnx/onnx-schema.ts';
import { numberList, readOnnxModel, scanWire, writeOnnxModel } from '../../../src/nn/onnx/wire-format.ts';
import {
  attribute,
  expectLikeOracle,
  float,
  node,
  onnxFile,
  onnxModel,
  tensor,
  valueInfo,
} from './onnx-files.ts';
import type { FileParts } from './onnx-files.ts';

const x = valueInfo('x', ['N', 4]);
const relu: FileParts = { inputs: [x], outputs: ['y'], nodes: [node('Relu', ['x'], ['y'])] };

describe('shapes of exporters', () => {
  test('a PyTorch-shaped network: Conv, BatchNormalization, Relu, MaxPool, Flatten, Gemm', async () => {
    const weights = (name: string, shape: readonly number[]) =>
      tensor(
        name,
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + name.length)),
      );
    const graph = await expectLikeOracle(
      onnxFile({
        inputs: [valueInfo('input', ['batch', 1, 8, 8])],
        outputs: ['output'],
        initializers: [
          weights('conv.weight', [4, 1, 3, 3]),
          weights('conv.bias', [4]),
          weights('bn.weight', [4]),
          weights('bn.bias', [4]),
          weights('bn.mean', [4]),
          tensor('bn.var', [4], [1, 2, 0.5, 1]),
          weights('fc.weight', [3, 36]),
          weights('fc.bias', [3]),
        ],
        nodes: [
          node('Conv', ['input', 'conv.weight', 'conv.bias'], ['a'], {
            kernel_shape: [3, 3],
            pads: [0, 0, 0, 0],
            strides: [1, 1],
            dilations: [1, 1],
            group: 1,
          }),
          node('BatchNormalization', ['a', 'bn.weight', 'bn.bias', 'bn.mean', 'bn.var'], ['b'], {
            epsilon: float(1e-5),
            momentum: float(0.9),
          }),
          node('Relu', ['b'], ['c']),
          node('MaxPool', ['c'], ['d'], { kernel_shape: [2, 2], strides: [2, 2] }),
          node('Flatten', ['d'], ['e'], { axis: 1 }),
          node('Gemm', ['e', 'fc.weight', 'fc.bias'], ['output'], { transB: 1 }),
        ],
      }),
    );
    expect(graph.nodes.map(({ op }) => op)).toEqual(['linear', 'function', 'maximum', 'linear']);
    expect(graph.nodes[0]).toMatchObject({ map: { kind: 'window' } });
    expect(graph.inputs[0]).toMatchObject({ kind: 'image', image: { channels: 1, size: [8, 8] } });
  });

  test('a Keras-shaped network: channels last, Transpose around everything, Reshape, Softmax', async () => {
    const weights = (name: string, shape: readonly number[]) =>
      tensor(
        name,
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.cos(i * 1.3 + name.length)),
      );
    const graph = await expectLikeOracle(
      onnxFile({
        opset: 13,
        inputs: [valueInfo('input', ['unk__1', 6, 6, 1])],
        outputs: ['dense'],
        initializers: [
          weights('k', [2, 1, 3, 3]),
          weights('b', [2]),
          tensor('new_shape', [2], [-1, 8], 'int64'),
          weights('w', [8, 3]),
          weights('c', [3]),
        ],
        nodes: [
          node('Transpose', ['input'], ['t0'], { perm: [0, 3, 1, 2] }),
          node('Conv', ['t0', 'k', 'b'], ['t1'], { kernel_shape: [3, 3] }),
          node('Relu', ['t1'], ['t2']),
          node('AveragePool', ['t2'], ['t3'], { kernel_shape: [2, 2], strides: [2, 2] }),
          node('Transpose', ['t3'], ['t4'], { perm: [0, 2, 3, 1] }),
          node('Reshape', ['t4', 'new_shape'], ['t5']),
          node('MatMul', ['t5', 'w'], ['t6']),
          node('Add', ['t6', 'c'], ['t7']),
          node('Softmax', ['t7'], ['dense']),
        ],
      }),
    );
    expect(graph.nodes.map(({ op }) => op)).toEqual(['linear', 'function', 'linear', 'linear']);
    expect(graph.tail.nodes.map(({ op }) => op)).toEqual(['softmax']);
  });

  test('layer normalisation spelt out, with 1 / x and powers', async () => {
    for (const inverse of ['Div', 'Reciprocal', 'Pow']) {
      const root =
        inverse === 'Pow'
          ? [node('Pow', ['ve', 'minus'], ['r'])]
          : inverse === 'Div'
            ? [node('Sqrt', ['ve'], ['r'])]
            : [node('Sqrt', ['ve'], ['s']), node('Reciprocal', ['s'], ['r'])];
      const graph = await expectLikeOracle(
        onnxFile({
          opset: 13,
          inputs: [valueInfo('x', ['N', 5, 6])],
          outputs: ['y'],
          initializers: [
            tensor('eps', [1], [1e-4]),
            tensor('minus', [], [-0.5]),
            tensor('two', [], [2]),
            tensor('g', [6], [1, 2, 3, 4, 5, 6]),
          ],
          nodes: [
            node('ReduceMean', ['x'], ['m'], { axes: [-1] }),
            node('Sub', ['x', 'm'], ['d']),
            inverse === 'Div' ? node('Pow', ['d', 'two'], ['q']) : node('Mul', ['d', 'd'], ['q']),
            node('ReduceMean', ['q'], ['v'], { axes: [-1] }),
            node('Add', ['eps', 'v'], ['ve']),
            ...root,
            inverse === 'Div' ? node('Div', ['d', 'r'], ['n']) : node('Mul', ['r', 'd'], ['n']),
            node('Mul', ['n', 'g'], ['y']),
          ],
        }),
      );
      expect(graph.nodes.map(({ op }) => op)).toEqual(['norm']);
    }
  });

  test.each([
    ['swish', [node('Sigmoid', ['x'], ['s']), node('Mul', ['x', 's'], ['y'])], []],
    [
      'swish',
      [node('Mul', ['x', 'k'], ['a']), node('Sigmoid', ['a'], ['s']), node('Mul', ['x', 's'], ['y'])],
      [tensor('k', [], [1.702])],
    ],
    [
      'gelu',
      [
        node('Div', ['x', 'r'], ['a']),
        node('Erf', ['a'], ['e']),
        node('Add', ['e', 'one'], ['p']),
        node('Mul', ['x', 'p'], ['m']),
        node('Mul', ['m', 'h'], ['y']),
      ],
      [tensor('r', [], [Math.SQRT2]), tensor('one', [], [1]), tensor('h', [], [0.5])],
    ],
    [
      'gelu',
      [
        node('Mul', ['x', 'h'], ['m']),
        node('Div', ['x', 'r'], ['a']),
        node('Erf', ['a'], ['e']),
        node('Add', ['e', 'one'], ['p']),
        node('Mul', ['m', 'p'], ['y']),
      ],
      [tensor('r', [], [Math.SQRT2]), tensor('one', [], [1]), tensor('h', [], [0.5])],
    ],
    [
      'hard-swish',
      [
        node('HardSigmoid', ['x'], ['s'], { alpha: float(1 / 6), beta: float(0.5) }),
        node('Mul', ['x', 's'], ['y']),
      ],
      [],
    ],
    [
      'mish',
      [node('Softplus', ['x'], ['p']), node('Tanh', ['p'], ['t']), node('Mul', ['x', 't'], ['y'])],
      [],
    ],
  ] as const)('%s is recognised', async (fn, nodes, initializers) => {
    const graph = await expectLikeOracle(onnxFile({ inputs: [x], outputs: ['y'], nodes, initializers }));
    expect(graph.tail.nodes.some((n) => n.op === 'function' && n.fn === fn)).toBe(true);
  });
});

describe('everything that is wrong is named at once', () => {
  const bad = onnxFile({
    inputs: [x],
    outputs: ['y'],
    valueInfo: [valueInfo('e', ['N', 4])],
    nodes: [
      node('Relu', ['x'], ['a']),
      node('LRN', ['a'], ['b'], { size: 3 }),
      node('FusedGelu', ['b'], ['c'], {}, 'com.microsoft'),
      node('LSTM', ['c'], ['e']),
      node('Tanh', ['e'], ['y']),
    ],
  });

  test('nodes, reasons, remedies, and cuts that work', () => {
    let caught: unknown;
    try {
      importOnnx(bad);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(UnsupportedOpError);
    const { ops, remedies } = (caught as UnsupportedOpError).details;
    expect(ops.map((op) => op.split(' at ')[0])).toEqual(['LRN', 'com.microsoft.FusedGelu', 'LSTM']);
    expect(ops[2]).toMatch(/"LSTM_e": a recurrent layer \(/);
    expect(remedies.map((text) => text.split(':')[0])).toEqual(['--to a', '--from e']);
    expect(importOnnx(bad, { to: ['a'] }).tail.outputs[0].name).toBe('a');
    expect(importOnnx(bad, { from: ['e'] }).inputs[0].shape).toEqual([4]);
  });

  test('cuts by the names of nodes', () => {
    expect(importOnnx(bad, { to: ['Relu_a'] }).tail.outputs[0].name).toBe('a');
    expect(importOnnx(bad, { from: ['Tanh_y'] }).inputs[0].name).toBe('e');
    expect(() => importOnnx(bad, { to: ['nowhere'] })).toThrow(/no value and no node "nowhere"/);
  });

  test('an output that is an inner value, too', async () => {
    const graph = await expectLikeOracle(
      onnxFile({
        inputs: [x],
        outputs: ['a', 'y', 'b'],
        initializers: [tensor('w', [4, 2], [1, 2, 3, 4, 5, 6, 7, 8])],
        nodes: [
          node('Sigmoid', ['x'], ['a']),
          node('MatMul', ['a', 'w'], ['b']),
          node('Softmax', ['b'], ['y']),
        ],
      }),
    );
    expect(graph.tail.outputs.map(({ name }) => name)).toEqual(['a', 'y', 'b']);
  });
});

describe('inputs', () => {
  const open = onnxFile({ inputs: [valueInfo('x', ['N', 'features'])], outputs: ['y'], nodes: relu.nodes });
  test('open extents are asked for, and may be stated', () => {
    expect(() => importOnnx(open)).toThrow(/extent 1 is open \(features\); state it: --shape x=1x/);
    expect(importOnnx(open, { shapes: { x: [1, 6] } }).inputs[0].shape).toEqual([6]);
    expect(() => importOnnx(onnxFile({ ...relu, inputs: [valueInfo('x', [5])] }))).toThrow(
      /no axis for the samples/,
    );
    expect(() => importOnnx(onnxFile({ ...relu, inputs: [valueInfo('x', ['N', -3])] }))).toThrow(
      /extent 1 is -3/,
    );
    expect(() => importOnnx(onnxFile({ ...relu, inputs: [valueInfo('x', ['N', 2 ** 40])] }))).toThrow(
      DecodeError,
    );
  });

  test('two inputs, one of them an initialiser as old files list it', async () => {
    await expectLikeOracle(
      onnxFile({
        irVersion: 3,
        opset: 8,
        inputs: [x, valueInfo('w', [4, 2]), valueInfo('z', ['N', 2])],
        outputs: ['y'],
        initializers: [tensor('w', [4, 2], [1, 2, 3, 4, 5, 6, 7, 8])],
        nodes: [node('MatMul', ['x', 'w'], ['a']), node('Add', ['a', 'z'], ['y'])],
      }),
    );
  });
});

describe('forms of constants', () => {
  const through = (t: OnnxTensor): number[] => {
    const graph = importOnnx(
      onnxFile({ inputs: [x], outputs: ['y'], initializers: [t], nodes: [node('Add', ['x', 'k'], ['y'])] }),
    );
    return Array.from(interpretWithTail(graph, [new Float32Array(4)]).get('y')!.data);
  };
  const raw = (dataType: number, bytes: readonly number[]): OnnxTensor => ({
    name: 'k',
    dims: numberList('int', [4]),
    dataType,
    rawData: Uint8Array.from(bytes),
  });

  test('half precision, as integers and raw; bfloat16; double', () => {
    expect(
      through({
        name: 'k',
        dims: numberList('int', [4]),
        dataType: 10,
        int32Data: numberList('int', [0x3c00, 0xc000, 0x0001, 0x3555]),
      }),
    ).toEqual([1, -2, 2 ** -24, 0.333251953125]);
    expect(through(raw(10, [0, 0x3c, 0, 0xc0, 1, 0, 0x55, 0x35]))).toEqual([1, -2, 2 ** -24, 0.333251953125]);
    expect(through(raw(16, [0x80, 0x3f, 0x00, 0xc0, 0x40, 0x40, 0, 0]))).toEqual([1, -2, 3, 0]);
    expect(through(tensor('k', [4], [0.1, 1e300, -1, 0], 'float64'))).toEqual([0.1, 1e300, -1, 0]);
  });

  test('wrong sizes and types are named', () => {
    expect(() => through(raw(1, [0, 0, 0]))).toThrow(/tensor "k": 3 bytes, its extents and type say 16/);
    expect(() => through(tensor('k', [4], [1, 2, 3]))).toThrow(/3 elements, its extents say 4/);
    expect(() => through({ ...tensor('k', [4], []), dims: numberList('int', [-1]) })).toThrow(
      /an extent of -1/,
    );
    expect(() => through(raw(14, []))).toThrow(/data type 14/);
    expect(() => through({ ...tensor('k', [4], []), dims: numberList('int', [2 ** 20, 2 ** 20]) })).toThrow(
      LimitError,
    );
  });

  test('data in other files only with permission', () => {
    const t: OnnxTensor = {
      name: 'k',
      dims: numberList('int', [4]),
      dataType: 2,
      dataLocation: 1,
      externalData: [
        { key: 'location', value: '../../secret' },
        { key: 'offset', value: '2' },
      ],
    };
    const bytes = onnxFile({
      inputs: [x],
      outputs: ['y'],
      initializers: [t],
      nodes: [node('Add', ['x', 'k'], ['y'])],
    });
    expect(() => importOnnx(bytes)).toThrow(/--external-data DIR/);
    const asked: unknown[] = [];
    const graph = importOnnx(bytes, {
      external: (...request) => (asked.push(request), Uint8Array.of(1, 2, 3, 4)),
    });
    expect(asked).toEqual([['../../secret', 2, undefined]]);
    expect(Array.from(interpretWithTail(graph, [new Float32Array(4)]).get('y')!.data)).toEqual([1, 2, 3, 4]);
  });

  test('sparse initialisers, flat and by coordinates', () => {
    const model = onnxModel({ inputs: [x], outputs: ['y'], nodes: [node('MatMul', ['x', 'w'], ['y'])] });
    const read = (indices: OnnxTensor): number[] => {
      const sparse = { values: tensor('w', [2], [5, 7]), indices, dims: numberList('int', [4, 2]) };
      const graph = importOnnx(
        writeOnnxModel({ ...model, graph: { ...model.graph, sparseInitializers: [sparse] } }),
      );
      return Array.from(interpretWithTail(graph, [[1, 10, 100, 1000]]).get('y')!.data);
    };
    expect(read(tensor('', [2], [1, 6], 'int64'))).toEqual([7000, 5]);
    expect(read(tensor('', [2, 2], [0, 1, 3, 0], 'int64'))).toEqual([7000, 5]);
    expect(() => read(tensor('', [2], [1, 8], 'int64'))).toThrow(/index 8/);
  });

  test('functions of the file, with attributes handed down', async () => {
    const leaky: OnnxFunction = {
      name: 'Leaky',
      domain: 'own',
      inputs: ['a'],
      outputs: ['b'],
      nodes: [
        {
          ...node('LeakyRelu', ['a'], ['b']),
          attributes: [{ name: 'alpha', type: 1, refAttrName: 'slope' }],
        },
      ],
      opsetImport: [{ domain: '', version: 17 }],
      attributeDefaults: [attribute('slope', float(0.5))],
    };
    const graph = await expectLikeOracle(
      onnxFile({
        inputs: [x],
        outputs: ['y'],
        domains: { own: 1 },
        functions: [leaky],
        nodes: [
          node('Leaky', ['x'], ['h'], {}, 'own'),
          node('Leaky', ['h'], ['y'], { slope: float(0.25) }, 'own'),
        ],
      }),
    );
    expect(graph.tail.nodes.map((n) => n.op === 'function' && n.parameters[0])).toEqual([0.5, 0.25]);
    const endless = { ...leaky, nodes: [node('Leaky', ['a'], ['b'], {}, 'own')] };
    expect(() =>
      importOnnx(
        onnxFile({
          inputs: [x],
          outputs: ['y'],
          domains: { own: 1 },
          functions: [endless],
          nodes: [node('Leaky', ['x'], ['y'], {}, 'own')],
        }),
      ),
    ).toThrow(/functions inside functions/);
  });
});

describe('graphs that are none', () => {
  test.each([
    [
      'a value that nothing writes',
      { ...relu, nodes: [node('Relu', ['z'], ['y'])] },
      /reads "z", which nothing before it writes/,
    ],
    [
      'a circle',
      {
        ...relu,
        nodes: [node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['a'], ['y'])],
      },
      /reads "b"/,
    ],
    [
      'a value written twice',
      { ...relu, nodes: [node('Relu', ['x'], ['y']), node('Tanh', ['x'], ['y'])] },
      /"y" is written twice/,
    ],
    ['an output that nothing writes', { ...relu, outputs: ['z'] }, /nothing writes its output "z"/],
    [
      'an output that is constant',
      { ...relu, nodes: [node('Constant', [], ['y'], { value_float: float(1) })] },
      /does not depend on its inputs/,
    ],
    ['no inputs', { ...relu, inputs: [] }, /no inputs/],
    ['an operator set from the future', { ...relu, opset: 24 }, /operator set 24; 7 to 23/],
    [
      'too many nodes',
      {
        ...relu,
        nodes: Array.from({ length: 4097 }, (_, i) =>
          node('Relu', [i === 0 ? 'x' : `v${i}`], [i === 4096 ? 'y' : `v${i + 1}`]),
        ),
      },
      /nodes of an ONNX model/,
    ],
    [
      'a fill of gigabytes',
      {
        ...relu,
        initializers: [tensor('s', [2], [2 ** 20, 2 ** 20], 'int64')],
        nodes: [node('ConstantOfShape', ['s'], ['f']), node('Add', ['x', 'f'], ['y'])],
      },
      /limit of/,
    ],
    [
      'an expansion of gigabytes',
      {
        ...relu,
        initializers: [tensor('s', [3], [1, 2 ** 26, 4], 'int64')],
        nodes: [node('Expand', ['x', 's'], ['y'])],
      },
      /batch axis|limit of|elements/,
    ],
  ] as const)('%s', (_, parts, reason) => {
    expect(() => importOnnx(onnxFile(parts as FileParts))).toThrow(reason);
  });
});

describe('the wire', () => {
  const bytes = onnxFile(relu);

  test('what is written is read', () => {
    expect(writeOnnxModel(readOnnxModel(bytes))).toEqual(bytes);
    expect(readOnnxModel(bytes).graph!.nodes![0]).toMatchObject({
      opType: 'Relu',
      inputs: ['x'],
      outputs: ['y'],
    });
  });

  test('limits, before anything is built', () => {
    expect(() => scanWire(bytes, { bytes: 10 })).toThrow(/limit of 10 bytes/);
    expect(() => scanWire(bytes, { fields: 5 })).toThrow(/fields of an ONNX file/);
    expect(() => scanWire(bytes, { depth: 2 })).toThrow(/depth of an ONNX file/);
    expect(() => scanWire(bytes, { stringBytes: 3 })).toThrow(/text producerName/);
    expect(() => scanWire(new Uint8Array())).toThrow(/it is empty/);
  });

  test.each([
    ['a group', [0x3b], /a group/],
    ['a length beyond the end', [0x3a, 0x7f], /beyond the end/],
    ['a number that does not end', [0x08, 0xff, 0xff], /ends inside a number/],
    ['a number of eleven bytes', [0x08, ...new Array(10).fill(0xff), 1], /64 bits|ten bytes/],
    ['a string where a number must be', [0x0a, 0x00], /irVersion is of another kind/],
    ['field 0', [0x00], /number 0/],
    ['text that is not UTF-8', [0x12, 0x01, 0xff], /not UTF-8/],
  ])('%s', (_, list, reason) => {
    expect(() => readOnnxModel(Uint8Array.from(list))).toThrow(reason);
  });

  test('fields that nobody knows are skipped', () => {
    const longer = Uint8Array.from([...bytes, 0x98, 0x06, 0x05, 0x92, 0x06, 0x01, 0x00]);
    expect(importOnnx(longer).inputs[0].name).toBe('x');
  });
});
