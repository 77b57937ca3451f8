/** ONNX files of the kinds that people train, through compile and infer with the real engine. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { interpret } from '../../src/nn/graph/clear-interpreter.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { DenseMap, WindowMap } from '../../src/nn/graph/linear-map.ts';
import type { ModelGraph } from '../../src/nn/graph/model-graph.ts';
import { exportOnnx } from '../../src/nn/onnx/export-onnx.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { randomInputs } from '../protocols/random-network.ts';
import { RecordingTerminal } from './fake-engine.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-onnx-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function run(...args: string[]) {
  const terminal = new RecordingTerminal({ SUBROSA_HOME: directory });
  const code = await runCommand(args, terminal, engineParts);
  return { code, out: terminal.output, err: terminal.errors };
}

function dense(generator: SeededGenerator, rows: number, cols: number): DenseMap {
  const matrix = Float32Array.from({ length: rows * cols }, () => generator.normal() / Math.sqrt(cols));
  return new DenseMap(
    rows,
    cols,
    matrix,
    Float64Array.from({ length: rows }, () => 0.2 * generator.normal()),
  );
}

/** 3 x 3 over 6 x 6 without a border, two channels. */
function convolution(generator: SeededGenerator): WindowMap {
  const inputs = Int32Array.from({ length: 16 * 9 }, (_, i) => {
    const [position, tap] = [Math.floor(i / 9), i % 9];
    return (Math.floor(position / 4) + Math.floor(tap / 3)) * 6 + (position % 4) + (tap % 3);
  });
  return new WindowMap({
    ...{ cols: 36, groups: 1, channels: 2, taps: 9, positions: 16, inputs },
    matrix: Float32Array.from({ length: 18 }, () => generator.normal() / 3),
    bias: new Float64Array(32).fill(0.1),
    geometry: {
      input: [1, 6, 6],
      output: [2, 4, 4],
      kernel: [3, 3],
      stride: [1, 1],
      dilation: [1, 1],
      padding: [
        [0, 0],
        [0, 0],
      ],
    },
  });
}

/** 2 x 2 of 4 x 4, per channel. */
const POOLED = Int32Array.from({ length: 8 * 4 }, (_, i) => {
  const [out, tap] = [Math.floor(i / 4), i % 4];
  const [channel, y, x] = [Math.floor(out / 4), Math.floor((out % 4) / 2), out % 2];
  return channel * 16 + (2 * y + Math.floor(tap / 2)) * 4 + 2 * x + (tap % 2);
});

const MODELS: Readonly<Record<string, () => ModelGraph>> = {
  'a logistic regression': () => {
    const builder = new GraphBuilder();
    const x = builder.input(tensorInput('x', [8]));
    return builder.build(builder.linear(x, dense(new SeededGenerator(1), 3, 8)));
  },
  'a perceptron with rectifiers': () => {
    const generator = new SeededGenerator(2);
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [8])), dense(generator, 12, 8));
    wire = builder.function(wire, 'relu');
    return builder.build(builder.linear(wire, dense(generator, 3, 12)));
  },
  'a convolution, rectifiers and a maximum pool': () => {
    const generator = new SeededGenerator(3);
    const builder = new GraphBuilder();
    let wire = builder.linear(builder.input(tensorInput('x', [1, 6, 6])), convolution(generator), {
      shape: [2, 4, 4],
    });
    wire = builder.function(wire, 'relu');
    wire = builder.maximum(
      wire,
      { taps: 4, inputs: POOLED, pool: { kernel: [2, 2], stride: [2, 2] } },
      [2, 2, 2],
    );
    return builder.build(builder.linear(wire, dense(generator, 3, 8)));
  },
};

const CASES = Object.entries(MODELS).flatMap(([name, make]) =>
  (['batch', 'packed'] as const).map((layout) => [name, layout, make] as const),
);

test.each(CASES)('%s, %s: exported, compiled, asked about', async (name, layout, make) => {
  const graph = make();
  const features = graph.wires[0]!.shape.reduce((a, b) => a * b, 1);
  const samples = 300;
  const inputs = randomInputs(samples, features, 11).map((value) => value / 2);
  const scores = interpret(graph, [inputs], samples);
  const decided = Array.from({ length: samples }, (_, t) =>
    [0, 1, 2].reduce((best, o) => (scores[3 * t + o]! > scores[3 * t + best]! ? o : best), 0),
  );
  const path = (file: string) => join(directory, `${name.replaceAll(/\W+/g, '-')}-${layout}${file}`);
  writeFileSync(path('.onnx'), exportOnnx(graph));
  const rows = Array.from({ length: samples }, (_, t) =>
    inputs.subarray(t * features, (t + 1) * features).join(','),
  );
  writeFileSync(path('.csv'), `${rows.join('\n')}\n`);
  writeFileSync(path('-labels.csv'), `${decided.join('\n')}\n`);
  const calibration = ['--calibrate', path('.csv'), '--calibrate-labels', path('-labels.csv')];
  const compiled = await run(
    'compile',
    path('.onnx'),
    '-o',
    path('.subrosa'),
    ...calibration,
    '--drop',
    '20%',
    ...['--layout', layout, '--json'],
  );
  expect(compiled.code, compiled.err).toBe(0);
  const { accuracy } = JSON.parse(compiled.out);
  const asked = await run(
    'infer',
    '--local',
    path('.subrosa'),
    path('.csv'),
    '--labels',
    path('-labels.csv'),
    // One by one.
    ...(layout === 'packed' ? ['--most', '30'] : []),
    '--json',
  );
  expect(asked.code, asked.err).toBe(0);
  const answer = JSON.parse(asked.out);
  // Encryption answers what the compiler said it would: the integers' decisions, but for ties within the error.
  expect(answer.clearAgreement).toBeGreaterThan(0.98);
  expect(Math.abs(answer.accuracy - accuracy.encrypted)).toBeLessThan(layout === 'packed' ? 0.25 : 0.1);
  expect(accuracy.encrypted).toBeGreaterThan(0.8);
});

test('a budget chooses among programs, and what keeps none is told by how much', async () => {
  const graph = MODELS['a perceptron with rectifiers']!();
  const path = (file: string) => join(directory, `budget${file}`);
  writeFileSync(path('.onnx'), exportOnnx(graph));
  const inputs = randomInputs(120, 8, 12).map((value) => value / 2);
  const rows = Array.from({ length: 120 }, (_, t) => inputs.subarray(8 * t, 8 * t + 8).join(','));
  writeFileSync(path('.csv'), `${rows.join('\n')}\n`);
  const compileFor = (budget: string, ...more: string[]) =>
    run('compile', path('.onnx'), '-o', path('.subrosa'), '--force', '--budget', budget, ...more);
  const measured = ['--calibrate', path('.csv'), '--drop', '20%'];
  const made = await compileFor('up=400KB,drop=30%', ...measured, '--json');
  expect(made.code, made.err).toBe(0);
  const { budget, program } = JSON.parse(made.out);
  expect(budget.chosen.up).toBeLessThanOrEqual(400e3);
  expect(budget.pareto.length).toBeLessThanOrEqual(12);
  expect(budget.pareto).toContainEqual(budget.chosen);
  expect(program.report.keyBytes).toBe(budget.chosen.keys);
  const shown = await compileFor('up=400KB', ...measured);
  expect(shown.out).toMatch(/> +batch +\d+ +\d+ +2\^13/);
  const impossible = await compileFor('up=1KB,keys=10B', ...measured);
  expect(impossible.code).toBe(1);
  expect(impossible.err).toMatch(
    /no program keeps the budget\n +up [\d.]+ kB at the least, [\d.]+ kB over: batch, degree/,
  );
  expect(impossible.err).toMatch(/keys [\d.]+ [kM]B at the least/);
  expect((await compileFor('drop=1%')).err).toContain('needs --calibrate');
  expect((await compileFor('speed=1')).err).toContain('--budget takes terms of latency');
});

test('a network is trained on with its polynomials in place', async () => {
  const graph = MODELS['a convolution, rectifiers and a maximum pool']!();
  const path = (file: string) => join(directory, `retrain${file}`);
  writeFileSync(path('.onnx'), exportOnnx(graph));
  const inputs = randomInputs(400, 36, 13).map((value) => value / 2);
  const rows = Array.from({ length: 400 }, (_, t) => inputs.subarray(36 * t, 36 * t + 36).join(','));
  writeFileSync(path('.csv'), `${rows.join('\n')}\n`);
  writeFileSync(path('-few.csv'), `${rows.slice(0, 200).join('\n')}\n`);
  const compiled = (...more: string[]) =>
    run('compile', path('.onnx'), '-o', path('.subrosa'), '--force', ...more);
  const measured = ['--calibrate', path('-few.csv'), '--drop', '50%', '--max-degree', '2'];
  const trained = ['--retrain', path('.csv'), '--epochs', '8'];
  const plain = JSON.parse((await compiled(...measured, '--json')).out);
  const learned = await compiled(...measured, ...trained, '--json');
  expect(learned.code, learned.err).toBe(0);
  const { retrained, accuracy } = JSON.parse(learned.out);
  expect(retrained).toHaveLength(8);
  expect(retrained[7].loss).toBeLessThan(retrained[0].loss);
  expect(accuracy.quantisedAgreement).toBeGreaterThan(plain.accuracy.quantisedAgreement);
  expect((await compiled(...trained)).err).toContain('give both');
  writeFileSync(path('-labels.csv'), '1\n2\n');
  const short = await compiled(...measured, ...trained, '--retrain-labels', path('-labels.csv'));
  expect(short.err).toContain('2 labels for 400 samples');
});
