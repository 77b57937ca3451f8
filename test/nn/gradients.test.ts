import { describe, expect, it } from 'vitest';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import type { Layer, LayerSpec } from '../../src/nn/layers/layer.ts';
import { buildLayer } from '../../src/nn/layers/layer-factory.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { sizeOf } from '../../src/nn/tensor/tensor.ts';

const PASS = { multiply: plainMatrixMultiply, training: true };
const EPSILON = 2 ** -7;

interface Row {
  readonly name: string;
  readonly spec: LayerSpec;
  readonly shape: readonly number[];
  readonly batch: number;
}

const ROWS: readonly Row[] = [
  { name: 'dense', spec: { kind: 'dense', outputs: 5 }, shape: [7], batch: 3 },
  {
    name: 'dense on maps, no bias',
    spec: { kind: 'dense', outputs: 4, bias: false },
    shape: [2, 3, 2],
    batch: 2,
  },
  { name: 'conv2d', spec: { kind: 'conv2d', filters: 3, size: [3, 2] }, shape: [2, 5, 4], batch: 2 },
  {
    name: 'conv2d, stride, padding, groups',
    spec: { kind: 'conv2d', filters: 4, size: [3, 3], stride: [2, 1], padding: [1, 2], groups: 2 },
    shape: [4, 5, 6],
    batch: 2,
  },
  {
    name: 'conv2d, dilation, stride, padding, groups',
    spec: {
      ...{ kind: 'conv2d', filters: 4, size: [2, 3], stride: [1, 2], padding: [1, 2] },
      ...{ dilation: [2, 3], groups: 2 },
    },
    shape: [2, 5, 6],
    batch: 2,
  },
  { name: 'batch norm of features', spec: { kind: 'batch-norm' }, shape: [4], batch: 6 },
  { name: 'batch norm of channels', spec: { kind: 'batch-norm' }, shape: [3, 2, 3], batch: 3 },
  { name: 'batch norm, shared', spec: { kind: 'batch-norm', shared: true }, shape: [4], batch: 6 },
  {
    name: 'batch norm of channels, shared',
    spec: { kind: 'batch-norm', shared: true },
    shape: [3, 2, 2],
    batch: 3,
  },
  { name: 'relu', spec: { kind: 'relu' }, shape: [9], batch: 2 },
  { name: 'sigmoid', spec: { kind: 'sigmoid' }, shape: [9], batch: 2 },
  { name: 'square', spec: { kind: 'square' }, shape: [9], batch: 2 },
  { name: 'square, penalised', spec: { kind: 'square', bound: 0.7, penalty: 0.3 }, shape: [9], batch: 2 },
  { name: 'quadratic', spec: { kind: 'quadratic' }, shape: [5], batch: 4 },
  {
    name: 'quadratic, penalised',
    spec: { kind: 'quadratic', bound: 0.7, penalty: 0.3 },
    shape: [2, 3, 2],
    batch: 2,
  },
  {
    name: 'polynomial',
    spec: { kind: 'polynomial', coefficients: [0.5, 0.25, 0, -1 / 48], bound: 0.8, penalty: 0.2 },
    shape: [8],
    batch: 2,
  },
  { name: 'max pool', spec: { kind: 'max-pool', size: [2, 2] }, shape: [2, 4, 6], batch: 2 },
  {
    name: 'max pool, overlapping',
    spec: { kind: 'max-pool', size: [3, 2], stride: [2, 1] },
    shape: [1, 5, 4],
    batch: 2,
  },
  { name: 'mean pool', spec: { kind: 'mean-pool', size: [2, 3], scale: 0.7 }, shape: [2, 4, 6], batch: 2 },
  {
    name: 'mean pool, overlapping',
    spec: { kind: 'mean-pool', size: [3, 2], stride: [1, 1] },
    shape: [2, 4, 3],
    batch: 2,
  },
];

/** Distinct values, none within EPSILON of a kink (0, the penalty bounds, another value of a pooling window). */
function distinctValues(count: number, generator: SeededGenerator): Float32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  generator.shuffle(order);
  return Float32Array.from(order, (rank) => ((rank + 0.5) / count - 0.5) * 0.04 * count + 0.003);
}

/** sum(readout * y) + penalty, in double precision. */
function objective(layer: Layer, x: Float32Array, batch: number, readout: Float32Array): number {
  const y = layer.forward(x, batch, PASS);
  let sum = 0;
  for (let i = 0; i < y.length; i++) sum += y[i] * readout[i];
  layer.backward(readout, batch, PASS, true);
  return sum + layer.penalty;
}

/** Largest difference between analytic and central-difference gradients, relative to the largest gradient. */
function gradientError(row: Row, tamper: (dx: Float32Array) => void = () => undefined): number {
  const generator = new SeededGenerator(17);
  const layer = buildLayer(row.spec, row.shape, generator);
  const x = distinctValues(row.batch * sizeOf(row.shape), generator);
  for (const parameter of layer.parameters) {
    for (let i = 0; i < parameter.value.length; i++) parameter.value[i] += 0.1 * generator.normal();
  }
  const outputs = layer.forward(x, row.batch, PASS).length;
  const readout = Float32Array.from({ length: outputs }, () => generator.normal());
  objective(layer, x, row.batch, readout);
  const dx = layer.backward(readout, row.batch, PASS, true).slice();
  tamper(dx);
  const pairs: [Float32Array, Float32Array][] = [[x, dx]];
  for (const parameter of layer.parameters) pairs.push([parameter.value, parameter.gradient.slice()]);
  let worst = 0;
  for (const [values, gradient] of pairs) {
    const largest = gradient.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-3);
    for (let i = 0; i < values.length; i++) {
      const kept = values[i];
      values[i] = kept + EPSILON;
      const above = objective(layer, x, row.batch, readout);
      const high = values[i];
      values[i] = kept - EPSILON;
      const slope = (above - objective(layer, x, row.batch, readout)) / (high - values[i]);
      values[i] = kept;
      worst = Math.max(worst, Math.abs(slope - gradient[i]) / largest);
    }
  }
  return worst;
}

describe('gradients against central differences', () => {
  for (const row of ROWS) {
    it(row.name, () => {
      expect(gradientError(row)).toBeLessThan(2e-3);
    });
  }

  it('notices one wrong entry', () => {
    expect(gradientError(ROWS[0], (dx) => (dx[4] *= 1.02))).toBeGreaterThan(2e-3);
  });
});
