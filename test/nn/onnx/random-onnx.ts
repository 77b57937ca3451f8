/** ONNX files of random chains with residual sums and branches, from a seed. */
import type { OnnxNode, OnnxTensor } from '../../../src/nn/onnx/onnx-schema.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { sizeOf } from '../../../src/nn/tensor/tensor.ts';
import { float, node, onnxFile, tensor, valueInfo } from './onnx-files.ts';
import type { AttributeValue } from './onnx-files.ts';

const OPSETS = [7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];

/** Builds one file; every step reads the last value and writes the next. */
class RandomChain {
  readonly opset: number;
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  readonly #generator: SeededGenerator;
  value = 'x';
  shape: readonly number[];
  #next = 0;

  constructor(seed: number) {
    this.#generator = new SeededGenerator(seed);
    this.opset = this.pick(OPSETS);
    this.shape = this.pick([[12], [3, 8, 6], [4, 10], [2, 6, 6], [5]]);
  }

  below(n: number): number {
    return Math.floor(n * this.#generator.uniform());
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  constant(shape: readonly number[], scale = 0.6): string {
    return this.fixed(
      shape,
      Array.from({ length: sizeOf(shape) }, () => scale * this.#generator.normal()),
    );
  }

  fixed(shape: readonly number[], values: readonly number[], type: 'float32' | 'int64' = 'float32'): string {
    const name = `c${this.constants.length}`;
    this.constants.push(tensor(name, shape, values, type));
    return name;
  }

  add(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    shape = this.shape,
  ): string {
    const out = `v${this.#next++}`;
    this.nodes.push(node(opType, inputs, [out], attributes));
    [this.value, this.shape] = [out, shape];
    return out;
  }

  /** The axes of a reduction, as the operator set has them. */
  axes(
    since: number,
    axes: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>>,
  ): [string[], Record<string, AttributeValue>] {
    return this.opset < since
      ? [[], { ...attributes, axes }]
      : [[this.fixed([axes.length], axes, 'int64')], { ...attributes }];
  }

  step(): void {
    const isImage = this.shape.length === 3;
    const isFlat = this.shape.length === 1;
    this.pick([
      ...(isImage ? IMAGE_STEPS : []),
      ...(isFlat ? FLAT_STEPS : [...ARRAY_STEPS]),
      ...COMMON_STEPS,
    ])(this);
  }
}

type Step = (chain: RandomChain) => void;

const IMAGE_STEPS: readonly Step[] = [
  (c) => {
    const [channels, height, width] = c.shape;
    const kernel = [1 + c.below(Math.min(3, height)), 1 + c.below(Math.min(3, width))];
    const strides = [1 + c.below(2), 1 + c.below(2)];
    const pads = [c.below(2), c.below(2), c.below(2), c.below(2)];
    const filters = 1 + c.below(4);
    const places = [height, width].map(
      (e, i) => Math.floor((e + pads[i] + pads[i + 2] - kernel[i]) / strides[i]) + 1,
    );
    const inputs = [
      c.value,
      c.constant([filters, channels, ...kernel]),
      ...(c.below(2) === 0 ? [c.constant([filters])] : []),
    ];
    c.add('Conv', inputs, { kernel_shape: kernel, strides, pads }, [filters, ...places]);
  },
  (c) => {
    const [channels, height, width] = c.shape;
    const strides = [1 + c.below(2), 1 + c.below(2)];
    const kernel = [Math.min(2, height), Math.min(2, width)];
    const places = [height, width].map((e, i) => Math.floor((e - kernel[i]) / strides[i]) + 1);
    c.add(c.pick(['MaxPool', 'AveragePool']), [c.value], { kernel_shape: kernel, strides }, [
      channels,
      ...places,
    ]);
  },
  (c) => c.add(c.pick(['GlobalAveragePool', 'GlobalMaxPool']), [c.value], {}, [c.shape[0], 1, 1]),
  (c) => {
    const [channels] = c.shape;
    const variance = c.fixed(
      [channels],
      Array.from({ length: channels }, () => 0.5 + c.below(10) / 10),
    );
    c.add('BatchNormalization', [
      c.value,
      c.constant([channels]),
      c.constant([channels]),
      c.constant([channels]),
      variance,
    ]);
  },
  (c) => c.add('Transpose', [c.value], { perm: [0, 2, 3, 1] }, [c.shape[1], c.shape[2], c.shape[0]]),
  (c) => c.add('Mul', [c.value, c.constant([c.shape[0], 1, 1])]),
];

const ARRAY_STEPS: readonly Step[] = [
  (c) => c.add('Flatten', [c.value], {}, [sizeOf(c.shape)]),
  (c) =>
    c.add('Reshape', [c.value, c.fixed([3], [-1, c.shape[0], sizeOf(c.shape.slice(1))], 'int64')], {}, [
      c.shape[0],
      sizeOf(c.shape.slice(1)),
    ]),
  (c) => {
    const width = 1 + c.below(5);
    c.add('MatMul', [c.value, c.constant([c.shape.at(-1)!, width])], {}, [...c.shape.slice(0, -1), width]);
  },
  (c) => {
    const [op, since] = c.pick([
      ['ReduceMean', 18],
      ['ReduceSum', 13],
      ['ReduceMax', 18],
    ] as const);
    const [inputs, attributes] = c.axes(since, [c.shape.length], { keepdims: 0 });
    c.add(op, [c.value, ...inputs], attributes, c.shape.slice(0, -1));
  },
  (c) => {
    const other = c.value;
    c.add('Concat', [other, c.add('Tanh', [other])], { axis: 1 }, [2 * c.shape[0], ...c.shape.slice(1)]);
  },
  (c) => {
    const order = [0, ...c.shape.map((_, i) => c.shape.length - i)];
    c.add('Transpose', [c.value], { perm: order }, [...c.shape].reverse());
  },
];

const FLAT_STEPS: readonly Step[] = [
  (c) => {
    const width = 2 + c.below(8);
    c.add('Gemm', [c.value, c.constant([width, c.shape[0]]), c.constant([width])], { transB: 1 }, [width]);
  },
  (c) => {
    const width = 2 + c.below(8);
    c.add('MatMul', [c.value, c.constant([c.shape[0], width])], {}, [width]);
  },
  (c) =>
    c.add(
      'Gather',
      [c.value, c.fixed([3], [c.below(c.shape[0]), 0, c.shape[0] - 1], 'int64')],
      { axis: 1 },
      [3],
    ),
];

const COMMON_STEPS: readonly Step[] = [
  ...['Relu', 'Tanh', 'Sigmoid', 'Softplus', 'Abs', 'Elu', 'LeakyRelu', 'Neg'].map(
    (op): Step =>
      (c) =>
        c.add(op, [c.value]),
  ),
  (c) => c.add('Mul', [c.value, c.value]),
  (c) => c.add(c.pick(['Add', 'Sub', 'Mul']), [c.value, c.constant(c.shape.slice(-1))]),
  (c) => c.add('Sub', [c.constant([]), c.value]),
  (c) => {
    const before = c.value;
    c.add('Sigmoid', [before]);
    c.add('Mul', [before, c.value]);
  },
  (c) => {
    const before = c.value;
    c.add('LeakyRelu', [before], { alpha: float(0.2) });
    c.add('Add', [c.value, before]);
  },
  (c) => c.add('Identity', [c.value]),
];

/** The file, with a softmax or nothing at its end. */
export function randomOnnx(seed: number): Uint8Array {
  const chain = new RandomChain(seed);
  const input = valueInfo('x', ['N', ...chain.shape]);
  const steps = 2 + chain.below(6);
  for (let i = 0; i < steps; i++) if (chain.shape.length > 0) chain.step();
  if (chain.shape.length > 0 && chain.below(2) === 0)
    chain.add('Softmax', [chain.value], { axis: chain.shape.length });
  chain.nodes.push(node('Identity', [chain.value], ['y']));
  return onnxFile({
    opset: chain.opset,
    inputs: [input],
    outputs: ['y'],
    nodes: chain.nodes,
    initializers: chain.constants,
  });
}
