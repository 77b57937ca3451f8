import { describe, expect, test } from 'vitest';
import { alexNet, faceNetNn1, inputSize, leNet5, multiplyAdds, outputSize } from '../../src/nn/index.ts';
import type { IntegerNetwork } from '../../src/nn/index.ts';

function totals({ linears }: IntegerNetwork): { inputs: number; outputs: number; flop: number } {
  const sum = (of: (index: number) => number): number => linears.reduce((total, _, i) => total + of(i), 0);
  return {
    inputs: sum((i) => inputSize(linears[i].map)),
    outputs: sum((i) => outputSize(linears[i].map)),
    flop: 2 * sum((i) => multiplyAdds(linears[i].map)),
  };
}

describe('published sizes', () => {
  // 2.27 billion operations and 20.49 MiB of 20-byte elements (eprint 2020/155, tables).
  test('AlexNet: 2.27 GFLOP, 415,035 inputs and 659,272 outputs of eight linear layers', () => {
    const net = alexNet();
    expect(net.linears).toHaveLength(8);
    expect(totals(net)).toEqual({ inputs: 415_035, outputs: 659_272, flop: 2_270_512_192 });
    expect((1_074_307 * 20) / 2 ** 20).toBeCloseTo(20.49, 2);
    // Exactness on 32-bit shares needs sums below 2^31, which the constructor has checked.
    expect(Math.max(...net.linears.map(({ inputBound }) => inputBound))).toBe(128);
  });

  test('FaceNet NN1: 74.91 MiB of 20-byte elements', () => {
    const { inputs, outputs } = totals(faceNetNn1());
    expect(((inputs + outputs) * 20) / 2 ** 20).toBeCloseTo(74.91, 2);
  });

  // 6 x 784 x 25, 16 x 100 x 150, 400 x 120, 120 x 84, 84 x 10.
  test('LeNet-5: 416,520 multiply-adds', () => {
    expect(totals(leNet5()).flop).toBe(2 * 416_520);
  });
});
