/** Element functions: approximated by polynomials later, or run by the client when nothing follows. */
import { evaluateFunction } from '../../graph/element-functions.ts';
import type { FunctionName } from '../../graph/element-functions.ts';
import { mappedConstant } from '../draft.ts';
import type { Value } from '../draft.ts';
import type { Operator, OperatorCall } from './operator.ts';

function apply(call: OperatorCall, fn: FunctionName, parameters: readonly number[]): Value[] {
  const value = call.input(0);
  if (value.kind === 'wire') return [call.draft.function(value, fn, parameters)];
  return [mappedConstant(value.tensor, (x) => evaluateFunction(fn, x, parameters))];
}

interface FunctionEntry {
  readonly fn: FunctionName;
  readonly since?: number;
  readonly attributes?: readonly (readonly [name: string, otherwise: number])[];
}

const FUNCTIONS: Readonly<Record<string, FunctionEntry>> = {
  Relu: { fn: 'relu' },
  LeakyRelu: { fn: 'leaky-relu', attributes: [['alpha', 0.01]] },
  ThresholdedRelu: { fn: 'thresholded-relu', since: 10, attributes: [['alpha', 1]] },
  Sigmoid: { fn: 'sigmoid' },
  HardSigmoid: {
    fn: 'hard-sigmoid',
    attributes: [
      ['alpha', 0.2],
      ['beta', 0.5],
    ],
  },
  HardSwish: { fn: 'hard-swish', since: 14 },
  Tanh: { fn: 'tanh' },
  Softplus: { fn: 'softplus' },
  Softsign: { fn: 'softsign' },
  Elu: { fn: 'elu', attributes: [['alpha', 1]] },
  Celu: { fn: 'celu', since: 12, attributes: [['alpha', 1]] },
  Selu: {
    fn: 'selu',
    attributes: [
      ['alpha', 1.67326319217681884765625],
      ['gamma', 1.05070102214813232421875],
    ],
  },
  Mish: { fn: 'mish', since: 18 },
  Abs: { fn: 'abs' },
  Exp: { fn: 'exp' },
  Log: { fn: 'log' },
  Sqrt: { fn: 'sqrt' },
  Reciprocal: { fn: 'reciprocal' },
  Erf: { fn: 'erf', since: 9 },
  Sign: { fn: 'sign', since: 9 },
  Floor: { fn: 'floor' },
  Ceil: { fn: 'ceil' },
  Round: { fn: 'round', since: 11 },
};

export const FUNCTION_OPERATORS: readonly Operator[] = [
  ...Object.entries(FUNCTIONS).map(
    ([name, { fn, since, attributes = [] }]): Operator => ({
      name,
      opsets: [since ?? 7, 23],
      becomes: 'function',
      attributes: attributes.map(([attribute]) => attribute),
      read: (call) =>
        apply(
          call,
          fn,
          attributes.map(([attribute, otherwise]) => call.attributes.float(attribute, otherwise)),
        ),
    }),
  ),
  {
    name: 'Gelu',
    opsets: [20, 23],
    becomes: 'function',
    attributes: ['approximate'],
    note: 'also recognised when written with Erf',
    read: (call) =>
      apply(call, call.attributes.text('approximate', 'none') === 'tanh' ? 'gelu-tanh' : 'gelu', []),
  },
];
