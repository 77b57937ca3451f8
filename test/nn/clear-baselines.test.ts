import { describe, expect, it } from 'vitest';
import { foldBatchNorms, withWeightBits } from '../../src/nn/layers/fold.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import type { LayerSpec } from '../../src/nn/layers/layer.ts';
import { buildLayer } from '../../src/nn/layers/layer-factory.ts';
import { plainMatrixMultiply as multiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';

const PASS = { multiply, training: true };

describe('quantised networks in the clear', () => {
  const specs: LayerSpec[] = [
    { kind: 'dense', outputs: 20, bias: false },
    { kind: 'batch-norm' },
    { kind: 'relu' },
    { kind: 'dense', outputs: 4 },
  ];
  const network = new Sequential([8], specs, { multiply, seed: 1 });
  const generator = new SeededGenerator(2);
  const x = Float32Array.from({ length: 8 * 50 }, () => generator.normal());
  for (let i = 0; i < 30; i++) network.forward(x, 50, true);
  const wanted = network.infer(x);

  function distance(bits: number): number {
    const got = withWeightBits(foldBatchNorms(network, multiply), bits, multiply).infer(x);
    return Math.sqrt(got.reduce((sum, value, i) => sum + (value - wanted[i]) ** 2, 0));
  }

  it('come closer to full precision with every bit', () => {
    const distances = [2, 4, 8, 16].map(distance);
    expect(distances[3]).toBeLessThan(0.01);
    for (let i = 0; i < 3; i++) expect(distances[i]).toBeGreaterThan(2 * distances[i + 1]);
  });

  it('go back to full precision', () => {
    const back = withWeightBits(withWeightBits(network, 4, multiply), undefined, multiply);
    expect(back.infer(x)).toEqual(wanted);
  });
});

describe('quantised activations', () => {
  it('take the steps of the largest value seen in training', () => {
    const layer = buildLayer({ kind: 'quantise-activations', bits: 3 }, [4], new SeededGenerator(1));
    layer.forward(Float32Array.of(-3, 1, 2, 0.4), 1, PASS);
    const y = layer.forward(Float32Array.of(1.4, -9, 0.6, -2.6), 1, { ...PASS, training: false });
    expect([...y]).toEqual([1, -3, 1, -3].map((v) => expect.closeTo(v, 6)));
    expect([...layer.backward(Float32Array.of(1, 1, 1, 1), 1, PASS, true)]).toEqual([1, 0, 1, 1]);
  });
});

describe('dropout', () => {
  const layer = buildLayer({ kind: 'dropout', rate: 0.25 }, [1001], new SeededGenerator(1));
  const ones = new Float32Array(10_010).fill(1);

  it('zeroes its share while training and keeps the mean', () => {
    const y = layer.forward(ones, 10, PASS);
    const dropped = y.filter((value) => value === 0).length / y.length;
    expect(dropped).toBeCloseTo(0.25, 1);
    expect(y.reduce((a, b) => a + b, 0) / y.length).toBeCloseTo(1, 1);
    expect(layer.backward(ones, 10, PASS, true)).toEqual(y);
  });

  it('does nothing at inference', () => {
    expect(layer.forward(ones, 10, { ...PASS, training: false })).toEqual(ones);
  });
});
