/**
 * Sums, differences and products of encrypted numbers with a public one as inner products of length 2: (x, 1) with (1, y), (1, -y)
 * and (y, 0). With the lattice scheme one key does it for all vectors of a ciphertext. Quotients are no integer combinations:
 * see DdhBasicOperations.
 */
import * as arg from '../base/arguments.ts';
import { ShapeError } from '../base/errors.ts';
import type { InnerProductScheme } from './inner-product-scheme.ts';

export type ScalarOperation = '+' | '-' | '*';

const LENGTH = 2;

/** @throws {ShapeError} for a scheme of other vectors. */
function checkPairs(scheme: InnerProductScheme): void {
  if (scheme.length !== LENGTH)
    throw new ShapeError('the vectors of a scheme for scalars', LENGTH, scheme.length);
}

/** The columns to encrypt, up to `packing` values. @throws {ShapeError} */
export function scalarColumns(scheme: InnerProductScheme, values: Int32Array): Int32Array {
  arg.checkArguments('scalarColumns', [scheme, values], {
    scheme: arg.like('an InnerProductScheme', 'setup', 'encrypt'),
    values: arg.typed('an Int32Array', Int32Array),
  });
  checkPairs(scheme);
  const columns = new Int32Array(LENGTH * values.length).fill(1);
  columns.set(values);
  return columns;
}

/** The weight vectors, one per operand, whose keys turn every x into x + y, x - y or x * y. @throws {ShapeError} */
export function scalarWeights(
  scheme: InnerProductScheme,
  operation: ScalarOperation,
  operands: Int32Array,
): Int32Array {
  arg.checkArguments('scalarWeights', [scheme, operation, operands], {
    scheme: arg.like('an InnerProductScheme', 'setup', 'encrypt'),
    operation: arg.oneOf('+', '-', '*'),
    operands: arg.typed('an Int32Array', Int32Array),
  });
  checkPairs(scheme);
  return Int32Array.from(operands).reduce(
    (weights, y, i) => {
      weights.set(operation === '*' ? [y, 0] : [1, operation === '+' ? y : -y], LENGTH * i);
      return weights;
    },
    new Int32Array(LENGTH * operands.length),
  );
}
