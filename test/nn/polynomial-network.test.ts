import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError, DecodeError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import { normaliseDrawing } from '../../src/nn/images/drawing-normalisation.ts';
import { normaliseRanges } from '../../src/nn/polynomial/convert.ts';
import { measureRanges } from '../../src/nn/polynomial/fine-tuning.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { crc32 } from '../../src/nn/files/model-bytes.ts';
import { PolynomialNetwork, PolynomialRunner } from '../../src/nn/polynomial/polynomial-network.ts';
import type { PolynomialLayer } from '../../src/nn/polynomial/polynomial-layer.ts';
import { largestLevel } from '../../src/nn/quantise/quantise.ts';
import { randomNetwork } from '../protocols/random-network.ts';

const generator = new SeededGenerator(11);

function integers(count: number, bits: number): Int32Array {
  const level = largestLevel(bits);
  return Int32Array.from({ length: count }, () => generator.below(2 * level + 1) - level);
}

function offsets(count: number): Float64Array {
  return Float64Array.from({ length: count }, () => generator.normal());
}

/** Six inputs, a convolution of three windows, a dense layer, two outputs. */
function smallNetwork(bits: number): PolynomialNetwork {
  const step = 0.5 / largestLevel(bits);
  const gather = { positions: 3, rowIndex: Uint32Array.of(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5) };
  const layers: PolynomialLayer[] = [
    { weights: integers(8, bits), rows: 2, cols: 4, step, offset: offsets(6), square: true, gather },
    { weights: integers(18, bits), rows: 3, cols: 6, step, offset: offsets(3), square: true },
    { weights: integers(6, bits), rows: 2, cols: 3, step, offset: offsets(2), square: false },
  ];
  return new PolynomialNetwork(layers, 6, bits);
}

function samples(count: number): Float32Array {
  return Float32Array.from({ length: 6 * count }, () => generator.normal());
}

/** The definition, one number at a time. */
function byDefinition(network: PolynomialNetwork, x: ArrayLike<number>): number[] {
  let values = Array.from(x);
  for (const layer of network.layers) {
    const positions = layer.gather?.positions ?? 1;
    const out: number[] = [];
    for (let row = 0; row < layer.rows; row++) {
      for (let p = 0; p < positions; p++) {
        let z = layer.offset[row * positions + p];
        for (let j = 0; j < layer.cols; j++) {
          const input = layer.gather === undefined ? j : layer.gather.rowIndex[p * layer.cols + j];
          z += layer.weights[row * layer.cols + j] * layer.step * values[input];
        }
        out.push(layer.square ? z * z : z);
      }
    }
    values = out;
  }
  return values;
}

describe('polynomial network', () => {
  it.each([2, 4, 8, 16])('computes its definition at %i bits, alone and in batches', (bits) => {
    const network = smallNetwork(bits);
    const x = samples(5);
    const got = network.run(x);
    const fast = new PolynomialRunner(network, plainMatrixMultiply).run(x);
    for (let i = 0; i < 5; i++) {
      byDefinition(network, x.subarray(6 * i, 6 * i + 6)).forEach((value, j) => {
        expect(got[2 * i + j]).toBeCloseTo(value, 9);
        expect(Math.abs(fast[2 * i + j] - value)).toBeLessThan(1e-4 * (1 + Math.abs(value)));
      });
    }
  });

  it('reports which layer left its interval and by how much', () => {
    const x = samples(200);
    const network = measureRanges(smallNetwork(4), x, plainMatrixMultiply);
    const inside = x.map((value) => value * 0.5);
    expect(network.checkRanges(inside.subarray(0, 6 * 50)).length).toBeLessThanOrEqual(1);
    const violations = network.checkRanges(x.map((value) => 3 * value));
    expect(violations.length).toBeGreaterThan(0);
    for (const { layer, trained, seen, excess } of violations) {
      expect(trained).toEqual(network.ranges[layer]);
      const outside = Math.max(trained[0] - seen[0], seen[1] - trained[1]);
      expect(excess).toBeCloseTo(outside / (trained[1] - trained[0]), 9);
      expect(excess).toBeGreaterThan(0);
    }
  });

  it('reports values that are not numbers', () => {
    const network = measureRanges(smallNetwork(4), samples(20), plainMatrixMultiply);
    expect(network.checkRanges(new Float32Array(6).fill(Number.NaN)).length).toBe(3);
  });

  it('refuses layers that do not fit', () => {
    const [first, second, last] = smallNetwork(4).layers;
    const build =
      (layers: PolynomialLayer[], bits = 4) =>
      () =>
        new PolynomialNetwork(layers, 6, bits);
    expect(build([])).toThrow(ShapeError);
    expect(build([second, last])).not.toThrow();
    expect(build([first, last])).toThrow(ShapeError);
    expect(build([first, second])).toThrow(OutOfRangeError);
    expect(build([{ ...first, square: false }, second, last])).toThrow(OutOfRangeError);
    expect(build([{ ...first, offset: new Float64Array(2) }, second, last])).toThrow(ShapeError);
    expect(build([{ ...first, step: 0 }, second, last])).toThrow(OutOfRangeError);
    expect(build([first, { ...second, weights: new Int32Array(18).fill(8) }, last])).toThrow(OutOfRangeError);
    const gather = { positions: 3, rowIndex: new Uint32Array(12).fill(6) };
    expect(build([{ ...first, gather }, second, last])).toThrow(OutOfRangeError);
    expect(() => smallNetwork(4).run(new Float64Array(7))).toThrow(ShapeError);
  });
});

describe('polynomial network bytes', () => {
  it.each([2, 3, 4, 8, 16])('come back equal at %i bits', (bits) => {
    const network = measureRanges(smallNetwork(bits), samples(10), plainMatrixMultiply);
    const bytes = network.toBytes();
    const back = PolynomialNetwork.fromBytes(bytes);
    expect(back.layers).toEqual(network.layers);
    expect(back.ranges).toEqual(network.ranges);
    expect(back.toBytes()).toEqual(bytes);
  });

  it('take `bits` bits per weight', () => {
    const layer = (bits: number): PolynomialLayer => ({
      weights: integers(256 * 64, bits),
      rows: 64,
      cols: 256,
      step: 1,
      offset: offsets(64),
      square: false,
    });
    const size = (bits: number) => new PolynomialNetwork([layer(bits)], 256, bits).toBytes().length;
    expect(size(8) - size(2)).toBe((256 * 64 * 6) / 8);
  });

  it('are refused when truncated, changed, or of another kind', () => {
    const bytes = smallNetwork(4).toBytes();
    for (let length = 0; length < bytes.length; length += 7) {
      expect(() => PolynomialNetwork.fromBytes(bytes.subarray(0, length))).toThrow(DecodeError);
    }
    const changed = bytes.slice();
    changed[60] ^= 4;
    expect(() => PolynomialNetwork.fromBytes(changed)).toThrow(/checksum/);
  });

  it('give a valid network or an error when the checksum is made to fit', () => {
    const bytes = smallNetwork(4).toBytes();
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const broken = bytes.slice();
        broken[position % (broken.length - 4)] ^= change;
        const body = broken.subarray(0, broken.length - 4);
        new DataView(broken.buffer).setUint32(body.length, crc32(body), true);
        try {
          expect(PolynomialNetwork.fromBytes(broken).outputs).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          refused++;
        }
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(20);
  });
});

describe('a network for drawings', () => {
  const plain = randomNetwork([9, 5, 4], 4, 11);
  const drawing = plain.withInput({ kind: 'drawing', size: [3, 3] });

  it('says so in its file; networks without are written as before', () => {
    const [bytes, old] = [drawing.toBytes(), plain.toBytes()];
    expect([bytes[4], old[4]]).toEqual([2, 1]);
    const read = PolynomialNetwork.fromBytes(bytes);
    expect(read.input).toEqual(drawing.input);
    expect(read.withInput(undefined).toBytes()).toEqual(old);
    expect(PolynomialNetwork.fromBytes(old).input).toBeUndefined();
    expect(drawing.withRanges(drawing.ranges).input).toEqual(drawing.input);
    expect(normaliseRanges(drawing).input).toEqual(drawing.input);
    for (const size of [
      [3, 4],
      [1, 9],
    ] as const)
      expect(() => plain.withInput({ kind: 'drawing', size })).toThrow(ShapeError);
  });

  it('normalises inputs before they are encrypted; a network without leaves them alone', () => {
    const pixels = Uint8Array.of(255, 0, 255, 255, 0, 255, 255, 0, 255);
    const unit = Float32Array.from(pixels, (level) => level / 255);
    const expected = normaliseDrawing({ channels: 1, height: 3, width: 3, pixels }).pixels;
    expect(expected).not.toEqual(pixels);
    expect(drawing.normalise([...unit, ...unit])).toEqual(
      Float32Array.from([...expected, ...expected], (level) => level / 255),
    );
    expect(plain.normalise(unit)).toEqual(unit);
    expect(() => drawing.normalise(new Float32Array(9))).toThrow(DataError);
    expect(() => drawing.normalise(new Float32Array(9).fill(2))).toThrow(OutOfRangeError);
    expect(() => drawing.normalise(new Float32Array(9).fill(Number.NaN))).toThrow(OutOfRangeError);
  });
});
