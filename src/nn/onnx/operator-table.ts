/** All operators that are read, by domain and name. */
import { ARITHMETIC_OPERATORS } from './operators/arithmetic.ts';
import { FUNCTION_OPERATORS } from './operators/functions.ts';
import { LINEAR_OPERATORS } from './operators/linear.ts';
import { NORM_OPERATORS } from './operators/norms.ts';
import type { Operator } from './operators/operator.ts';
import { POOL_OPERATORS } from './operators/pools.ts';
import { QUANTISED_OPERATORS } from './operators/quantised.ts';
import { REDUCTION_OPERATORS } from './operators/reductions.ts';
import { RESIZE_OPERATORS } from './operators/resize.ts';
import { SHAPE_OPERATORS } from './operators/shapes.ts';
import { SKLEARN_OPERATORS } from './operators/sklearn.ts';
import { VIEW_OPERATORS } from './operators/views.ts';

export const OPERATORS: readonly Operator[] = [
  ...LINEAR_OPERATORS,
  ...POOL_OPERATORS,
  ...ARITHMETIC_OPERATORS,
  ...FUNCTION_OPERATORS,
  ...NORM_OPERATORS,
  ...REDUCTION_OPERATORS,
  ...VIEW_OPERATORS,
  ...RESIZE_OPERATORS,
  ...SHAPE_OPERATORS,
  ...QUANTISED_OPERATORS,
  ...SKLEARN_OPERATORS,
];

/** Operator sets of the default domain that are read. */
export const FIRST_OPSET = 7;
export const LAST_OPSET = 23;

const byName = new Map(OPERATORS.map((operator) => [`${operator.domain ?? ''}/${operator.name}`, operator]));

/** The domain `ai.onnx` is the default one. */
export function findOperator(domain: string, name: string): Operator | undefined {
  return byName.get(`${domain === 'ai.onnx' ? '' : domain}/${name}`);
}
