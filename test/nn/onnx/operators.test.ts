/** Every operator against onnxruntime: attributes, operator sets, and the details that differ between them. */
import { describe, expect, test } from 'vitest';
import { importOnnx } from '../../../src/nn/onnx/import-onnx.ts';
import { OPERATORS } from '../../../src/nn/onnx/operator-table.ts';
import { RECOGNISED_DOMAIN } from '../../../src/nn/onnx/operators/norms.ts';
import { expectLikeOracle } from './onnx-files.ts';
import { OPERATOR_CASES } from './cases/all-cases.ts';
import { REFUSED_CASES, ZIP_MAP } from './cases/refused-cases.ts';

describe.each(OPERATOR_CASES.map((c) => [c.title, c] as const))('%s', (_, c) => {
  // Files that do not differ are compared in the last set here and in all sets in operators.slow.test.ts.
  test.each(c.differs ? [...new Set([c.opsets[0], c.opsets.at(-1)!])] : c.opsets.slice(-1))(
    'operator set %i',
    async (opset) => {
      await expectLikeOracle(c.file(opset), c.options);
    },
  );
});

test.each(REFUSED_CASES.map((c) => [c.title, c] as const))('%s is refused', (_, c) => {
  expect(() => importOnnx(c.file(c.opset ?? 17), c.options)).toThrow(c.reason);
});

test('a ZipMap, which gives maps, passes the scores on', () => {
  const graph = importOnnx(ZIP_MAP);
  expect(graph.tail.outputs).toEqual([{ name: 'y', shape: [4], value: 0 }]);
});

test('every operator of the table is compared or refused', () => {
  const seen = new Set([
    'ZipMap',
    ...[...OPERATOR_CASES, ...REFUSED_CASES].flatMap(({ operators }) => operators),
  ]);
  const missing = OPERATORS.filter(({ domain, name }) => domain !== RECOGNISED_DOMAIN && !seen.has(name));
  expect(missing.map(({ name }) => name)).toEqual([]);
});
