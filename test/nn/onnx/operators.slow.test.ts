/** Every operator against onnxruntime in every operator set in which it exists. */
import { describe, test } from 'vitest';
import { expectLikeOracle } from './onnx-files.ts';
import { OPERATOR_CASES } from './cases/all-cases.ts';

describe.each(OPERATOR_CASES.map((c) => [c.title, c] as const))('%s', (_, c) => {
  test.each(c.opsets)('operator set %i', async (opset) => {
    await expectLikeOracle(c.file(opset), c.options);
  });
});
