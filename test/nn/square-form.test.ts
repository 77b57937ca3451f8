import { describe, expect, it } from 'vitest';
import { UnsupportedOpError } from '../../src/base/errors.ts';
import { balanceStages } from '../../src/nn/polynomial/balance.ts';
import { normaliseRanges, quantiseStages } from '../../src/nn/polynomial/convert.ts';
import { exportPolynomial, measureRanges, prepareFineTuning } from '../../src/nn/polynomial/fine-tuning.ts';
import { foldBatchNorms } from '../../src/nn/layers/fold.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import type { LayerSpec } from '../../src/nn/layers/layer.ts';
import { plainMatrixMultiply as multiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';
import { toSquareForm } from '../../src/nn/polynomial/square-form.ts';
import { sizeOf } from '../../src/nn/tensor/tensor.ts';
import { Trainer, arrayExamples } from '../../src/nn/training/trainer.ts';

const DENSE: LayerSpec[] = [
  { kind: 'batch-norm' },
  { kind: 'dense', outputs: 9, bias: false },
  { kind: 'batch-norm' },
  { kind: 'quadratic' },
  { kind: 'dropout', rate: 0.1 },
  { kind: 'dense', outputs: 8 },
  { kind: 'batch-norm' },
  { kind: 'square' },
  { kind: 'batch-norm' },
  { kind: 'dense', outputs: 7 },
  { kind: 'polynomial', coefficients: [0.2, 0.5, -0.3] },
  { kind: 'dense', outputs: 3 },
];

const CONVOLUTIONAL: LayerSpec[] = [
  { kind: 'conv2d', filters: 4, size: [3, 2] },
  { kind: 'batch-norm' },
  { kind: 'quadratic' },
  { kind: 'mean-pool', size: [2, 2] },
  { kind: 'conv2d', filters: 6, size: [2, 2], groups: 2, bias: false },
  { kind: 'batch-norm', shared: true },
  { kind: 'square' },
  { kind: 'mean-pool', size: [1, 2], stride: [1, 1], scale: 0.3 },
  { kind: 'dense', outputs: 5 },
  { kind: 'batch-norm' },
  { kind: 'quadratic' },
  { kind: 'dense', outputs: 3 },
];

const CASES: [string, readonly number[], LayerSpec[]][] = [
  ['dense', [6], DENSE],
  ['convolutional', [2, 8, 7], CONVOLUTIONAL],
  [
    'grouped, strided',
    [4, 9, 5],
    [
      { kind: 'conv2d', filters: 4, size: [3, 3], stride: [2, 1], groups: 2 },
      ...CONVOLUTIONAL.slice(1, 4),
      ...CONVOLUTIONAL.slice(8),
    ],
  ],
];

function samples(shape: readonly number[], count: number, seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: count * sizeOf(shape) }, () => generator.normal());
}

/** A network whose parameters and statistics are all away from their initial values. */
function shaken(shape: readonly number[], specs: readonly LayerSpec[], seed = 5): Sequential {
  const network = new Sequential(shape, specs, { multiply, seed });
  const generator = new SeededGenerator(seed + 1);
  for (const parameter of network.parameters) {
    for (let i = 0; i < parameter.value.length; i++) parameter.value[i] += 0.1 * generator.normal();
  }
  for (let i = 0; i < 20; i++) network.forward(samples(shape, 40, 100 + i), 40, true);
  return network;
}

/** Largest |difference| over the largest |value|. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let worst = 0;
  let largest = 1e-9;
  for (let i = 0; i < a.length; i++) {
    worst = Math.max(worst, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return worst / largest;
}

describe.each(CASES)('square form of a %s network', (_name, shape, specs) => {
  const network = shaken(shape, specs);
  const x = samples(shape, 30, 9);
  const wanted = network.infer(x);

  it('computes the same at 16 bits', () => {
    const converted = quantiseStages(toSquareForm(network), 16);
    expect(converted.layers.map((layer) => layer.square)).toEqual(
      converted.layers.map((_, i) => i < converted.layers.length - 1),
    );
    expect(difference(converted.run(x), wanted)).toBeLessThan(2e-3);
    expect(difference(converted.run(x), wanted)).toBeGreaterThan(0);
  });

  it.each(['rows', 'cross'] as const)('is the same network after balancing by %s', (method) => {
    const balanced = balanceStages(toSquareForm(network), method);
    expect(difference(quantiseStages(balanced, 16).run(x), wanted)).toBeLessThan(2e-3);
  });

  it('keeps outputs and bounds hidden values when ranges are normalised', () => {
    const converted = measureRanges(quantiseStages(toSquareForm(network), 8), x, multiply);
    const normalised = normaliseRanges(converted);
    expect(difference(normalised.run(x), converted.run(x))).toBeLessThan(1e-9);
    for (const [low, high] of normalised.ranges.slice(0, -1)) {
      expect(Math.max(Math.abs(low), Math.abs(high))).toBeCloseTo(1, 9);
    }
  });

  it('starts fine-tuning as the quantised network and keeps the trained integers', () => {
    const stages = toSquareForm(network);
    const trainee = prepareFineTuning(stages, x, { bits: 4, multiply, seed: 1 });
    const quantised = quantiseStages(balanceStages(stages, 'cross'), 4);
    expect(difference(trainee.infer(x), quantised.run(x))).toBeLessThan(1e-4);

    const labels = Int32Array.from({ length: 30 }, (_, i) => i % 3);
    const trainer = new Trainer(trainee, { batch: 10, schedule: { kind: 'constant', rate: 3e-3 }, seed: 2 });
    for (let epoch = 0; epoch < 3; epoch++) trainer.train(arrayExamples(x, labels));
    const shipped = exportPolynomial(trainee, 4, x, multiply);
    expect(shipped.bits).toBe(4);
    expect(difference(shipped.run(x), trainee.infer(x))).toBeLessThan(1e-4);
  });
});

describe('square form', () => {
  it('names every layer without a polynomial form', () => {
    const specs: LayerSpec[] = [
      { kind: 'conv2d', filters: 2, size: [3, 3], padding: [1, 1] },
      { kind: 'relu' },
      { kind: 'max-pool', size: [2, 2] },
      { kind: 'dense', outputs: 2 },
      { kind: 'square' },
    ];
    const network = new Sequential([1, 4, 4], specs, { multiply, seed: 1 });
    expect(() => toSquareForm(network)).toThrow(UnsupportedOpError);
    expect(() => toSquareForm(network)).toThrow(/padding.*relu.*max-pool.*last layer/s);
    const dilated: LayerSpec = { kind: 'conv2d', filters: 2, size: [2, 2], dilation: [2, 1] };
    const wide = new Sequential([1, 4, 4], [dilated, { kind: 'dense', outputs: 2 }], { multiply, seed: 1 });
    expect(() => toSquareForm(wide)).toThrow(/dilation/);
  });
});

describe('folding batch norms', () => {
  it.each<[string, readonly number[], LayerSpec[]]>([
    [
      'before and after dense layers',
      [6],
      [
        { kind: 'batch-norm' },
        { kind: 'dense', outputs: 5, bias: false },
        { kind: 'batch-norm' },
        { kind: 'relu' },
        { kind: 'batch-norm' },
        { kind: 'dense', outputs: 3 },
      ],
    ],
    [
      'around convolutions',
      [2, 6, 6],
      [
        { kind: 'batch-norm' },
        { kind: 'conv2d', filters: 4, size: [3, 3], groups: 2 },
        { kind: 'batch-norm', shared: true },
        { kind: 'relu' },
        { kind: 'max-pool', size: [2, 2] },
        { kind: 'batch-norm' },
        { kind: 'dense', outputs: 3 },
      ],
    ],
  ])('%s changes nothing in inference', (_name, shape, specs) => {
    const network = shaken(shape, specs);
    const x = samples(shape, 20, 4);
    const folded = foldBatchNorms(network, multiply);
    expect(folded.specs.some((spec) => spec.kind === 'batch-norm')).toBe(false);
    expect(difference(folded.infer(x), network.infer(x))).toBeLessThan(1e-5);
  });

  it('refuses a batch norm between activations', () => {
    const specs: LayerSpec[] = [
      { kind: 'dense', outputs: 3 },
      { kind: 'relu' },
      { kind: 'batch-norm' },
      { kind: 'relu' },
    ];
    const network = new Sequential([3], specs, { multiply, seed: 1 });
    expect(() => foldBatchNorms(network, multiply)).toThrow(UnsupportedOpError);
  });
});
