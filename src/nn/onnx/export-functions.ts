/** Element functions as ONNX nodes. */
import { UnsupportedOpError } from '../../base/errors.ts';
import type { FunctionName } from '../graph/element-functions.ts';
import type { OnnxWriter } from './onnx-writer.ts';

const PLAIN: Readonly<Partial<Record<FunctionName, string>>> = {
  relu: 'Relu',
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
  softplus: 'Softplus',
  softsign: 'Softsign',
  'hard-swish': 'HardSwish',
  abs: 'Abs',
  exp: 'Exp',
  log: 'Log',
  sqrt: 'Sqrt',
  reciprocal: 'Reciprocal',
  erf: 'Erf',
  sign: 'Sign',
  floor: 'Floor',
  ceil: 'Ceil',
  round: 'Round',
};

/** With their parameters as attributes. */
const PARAMETRISED: Readonly<Partial<Record<FunctionName, readonly [opType: string, ...names: string[]]>>> = {
  'leaky-relu': ['LeakyRelu', 'alpha'],
  'thresholded-relu': ['ThresholdedRelu', 'alpha'],
  'hard-sigmoid': ['HardSigmoid', 'alpha', 'beta'],
  elu: ['Elu', 'alpha'],
  celu: ['Celu', 'alpha'],
  selu: ['Selu', 'alpha', 'gamma'],
};

/**
 * `first` is the name of a constant that takes the place of the first parameter: one value per channel or element, shaped to
 * broadcast.
 */
export function exportFunction(
  writer: OnnxWriter,
  fn: FunctionName,
  parameters: readonly number[],
  x: string,
  out: string,
  first?: string,
): void {
  const plain = PLAIN[fn];
  if (plain !== undefined) {
    writer.node(plain, [x], out);
    return;
  }
  const [opType, ...names] = PARAMETRISED[fn] ?? [];
  if (opType !== undefined && first === undefined) {
    writer.node(
      opType,
      [x],
      out,
      Object.fromEntries(names.map((name, i) => [name, { float: parameters[i] }])),
    );
    return;
  }
  const parameter = (i: number): string =>
    i === 0 && first !== undefined ? first : writer.scalar(parameters[i]);
  switch (fn) {
    case 'prelu':
    case 'leaky-relu':
      writer.node('PRelu', [x, parameter(0)], out);
      break;
    case 'clip':
      writer.node('Min', [writer.node('Max', [x, parameter(0)]), parameter(1)], out);
      break;
    case 'power':
      writer.node('Pow', [x, parameter(0)], out);
      break;
    case 'swish':
      writer.node('Mul', [x, writer.node('Sigmoid', [writer.node('Mul', [x, parameter(0)])])], out);
      break;
    case 'mish':
      writer.node('Mul', [x, writer.node('Tanh', [writer.node('Softplus', [x])])], out);
      break;
    case 'gelu': {
      const erf = writer.node('Erf', [writer.node('Mul', [x, writer.scalar(Math.SQRT1_2)])]);
      const half = writer.node('Mul', [x, writer.scalar(0.5)]);
      writer.node('Mul', [half, writer.node('Add', [erf, writer.scalar(1)])], out);
      break;
    }
    case 'gelu-tanh': {
      const cube = writer.node('Mul', [writer.node('Pow', [x, writer.scalar(3)]), writer.scalar(0.044715)]);
      const inner = writer.node('Mul', [
        writer.node('Add', [x, cube]),
        writer.scalar(Math.sqrt(2 / Math.PI)),
      ]);
      const half = writer.node('Mul', [x, writer.scalar(0.5)]);
      writer.node('Mul', [half, writer.node('Add', [writer.node('Tanh', [inner]), writer.scalar(1)])], out);
      break;
    }
    case 'truncate':
      writer.node('Cast', [writer.node('Cast', [x], undefined, { to: 7 })], out, { to: 1 });
      break;
    case 'fake-quantise': {
      const steps = writer.node('Round', [writer.node('Div', [x, parameter(0)])]);
      const rounded = writer.node('Mul', [steps, parameter(0)]);
      writer.node('Min', [writer.node('Max', [rounded, parameter(1)]), parameter(2)], out);
      break;
    }
    case 'thresholded-relu':
      writer.node('Where', [writer.node('Greater', [x, parameter(0)]), x, writer.scalar(0)], out);
      break;
    default:
      throw new UnsupportedOpError([`${fn} with a parameter per channel (${out}) has no ONNX form`]);
  }
}
