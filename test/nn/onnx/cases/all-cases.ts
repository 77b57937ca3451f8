/** One small graph for every operator and every detail of it. */
import { BINARY, FUNCTIONS } from './arithmetic-cases.ts';
import { CONTROL, FOLDED } from './folded-cases.ts';
import { CONVOLUTIONS, NORMS, POOLS, PRODUCTS } from './linear-cases.ts';
import type { OperatorCase } from './operator-case.ts';
import { QUANTISED, SKLEARN } from './quantised-cases.ts';
import { REDUCTIONS, RESIZES, VIEWS } from './view-cases.ts';

export const OPERATOR_CASES: readonly OperatorCase[] = [
  ...CONVOLUTIONS,
  ...POOLS,
  ...PRODUCTS,
  ...NORMS,
  ...BINARY,
  ...FUNCTIONS,
  ...VIEWS,
  ...REDUCTIONS,
  ...FOLDED,
  ...RESIZES,
  ...CONTROL,
  ...QUANTISED,
  ...SKLEARN,
];
