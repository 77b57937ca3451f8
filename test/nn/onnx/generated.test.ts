/** Random files: the same numbers as onnxruntime, and after being written and read once more. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { interpretWithTail } from '../../../src/nn/graph/clear-interpreter.ts';
import { exportOnnx } from '../../../src/nn/onnx/export-onnx.ts';
import { importOnnx } from '../../../src/nn/onnx/import-onnx.ts';
import { sizeOf } from '../../../src/nn/tensor/tensor.ts';
import { expectLikeOracle, sampleValues } from './onnx-files.ts';
import { randomOnnx } from './random-onnx.ts';

test('200 random files', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      await expectLikeOracle(randomOnnx(seed));
    }),
    { numRuns: 200 },
  );
});

test('40 random files written and read again, and 10 of these in onnxruntime', async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const graph = importOnnx(randomOnnx(seed));
      const bytes = exportOnnx(graph);
      const x = sampleValues(sizeOf(graph.inputs[0].shape), seed);
      const needed = interpretWithTail(graph, [x]).get('y')!;
      const again = interpretWithTail(importOnnx(bytes), [x]).get('y')!;
      expect(again.shape).toEqual(needed.shape);
      const range = Math.max(1e-30, ...needed.data.map(Math.abs));
      again.data.forEach((value, i) => expect(Math.abs(value - needed.data[i])).toBeLessThan(1e-5 * range));
      if (count++ < 10) await expectLikeOracle(bytes, { tolerance: 2 ** -16 });
    }),
    { numRuns: 40 },
  );
});
