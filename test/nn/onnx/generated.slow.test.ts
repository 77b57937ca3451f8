/** More random files than the default suite has time for. */
import fc from 'fast-check';
import { test } from 'vitest';
import { exportOnnx } from '../../../src/nn/onnx/export-onnx.ts';
import { expectLikeOracle } from './onnx-files.ts';
import { randomOnnx } from './random-onnx.ts';

test('2,000 random files, read and, once written, read again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const graph = await expectLikeOracle(randomOnnx(seed));
      await expectLikeOracle(exportOnnx(graph), { tolerance: 2 ** -16 });
    }),
    { numRuns: 2000 },
  );
});
