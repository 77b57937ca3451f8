/** The clear mirror of networks under training, and what is made of samples before they are encrypted. */
import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../../src/base/errors.ts';
import {
  initialPerceptron,
  type LabelledSamples,
  PerceptronMirror,
  type PerceptronState,
} from '../../../src/runtime/training/perceptron/clear.ts';
import {
  batchOrder,
  generatedSamples,
  samplesAt,
  sampleStandardisation,
  smallPictures,
  standardisedSamples,
  straightenedPictures,
} from '../../../src/runtime/training/perceptron/samples.ts';
import { sequence, TOY } from './perceptron-toy.ts';

describe('the clear mirror', () => {
  test('moves along the gradient of the cross-entropy', () => {
    const spec = { ...TOY, layers: [5, 4, 3], batch: 6, momentum: 0, decay: 0 };
    const uniform = sequence(3);
    const mirror = new PerceptronMirror(spec);
    const batch = generatedSamples({ count: 6, inputs: 5, classes: 3 }, uniform);
    const first = initialPerceptron(spec, uniform);
    const loss = (state: PerceptronState): number =>
      mirror.scores(state.layers, batch.inputs).reduce((sum, a, at) => {
        const y = batch.labels[Math.floor(at / 3)] === at % 3;
        return sum - Math.log(y ? a : 1 - a);
      }, 0) / 6;
    const { velocities } = mirror.step(first, batch).state;
    first.layers.forEach(({ weights, biases }, l) => {
      for (const [values, moves] of [
        [weights, velocities[l]!.weights],
        [biases, velocities[l]!.biases],
      ] as const)
        values.forEach((value, at) => {
          const [up, down] = [2 ** -8, -(2 ** -8)].map((by) => {
            values[at] = value + by;
            return loss(first);
          }) as [number, number];
          values[at] = value;
          const slope = (up - down) / 2 ** -7;
          // Circle functions are near the functions that they stand for, their slopes less so.
          expect(Math.abs(-spec.rate * slope - moves[at]!)).toBeLessThan(0.02);
        });
    });
  });

  test.each(['smooth', 'table'] as const)('learns what can be learnt: %s', (activation) => {
    const spec = { ...TOY, layers: [16, 8, 4, 3], steps: 60, activation };
    const uniform = sequence(7);
    const mirror = new PerceptronMirror(spec);
    const samples = generatedSamples({ count: 300, inputs: 16, classes: 3 }, uniform);
    let state = initialPerceptron(spec, uniform);
    expect(mirror.accuracy(state.layers, samples)).toBeLessThan(0.8);
    for (const order of batchOrder(300, spec, uniform))
      state = mirror.step(state, samplesAt(samples, order)).state;
    expect(mirror.accuracy(state.layers, samples)).toBeGreaterThan(0.95);
  });

  test('standardised inputs have mean 0 and deviation 1, few of them more than the bound', () => {
    const uniform = sequence(3);
    const [count, width] = [500, 5];
    // The last input is constant, the fourth hardly changes.
    const spreads = [1, 20, 8, 0.01, 0];
    const inputs = Float64Array.from({ length: count * width }, (_, at) => {
      const i = at % width;
      return 7 * i + spreads[i]! * (uniform() - 0.5);
    });
    const samples = { inputs, labels: new Uint8Array(count) };
    const by = sampleStandardisation(samples);
    const { inputs: scaled } = standardisedSamples(samples, by);
    expect(by.deviations[1]! / (20 / Math.sqrt(12))).toBeCloseTo(1, 1);
    const moments = spreads.map((_, i) => {
      const own = Array.from({ length: count }, (_, r) => scaled[r * width + i]!);
      const mean = own.reduce((sum, v) => sum + v, 0) / count;
      return { mean, deviation: Math.sqrt(own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / count) };
    });
    for (const { mean } of moments) expect(mean).toBeCloseTo(0, 10);
    for (const i of [1, 2]) expect(moments[i]!.deviation).toBeCloseTo(1, 10);
    // Not blown up: at most four times the scale of the widest input.
    expect(moments[0]!.deviation).toBeCloseTo(4 / 20, 1);
    expect(moments[3]!.deviation).toBeLessThan(0.01);
    expect(moments[4]!.deviation).toBeCloseTo(0, 10);

    const far = { inputs: Float64Array.of(-1e6, 7, 14, 21, 1e6), labels: Uint8Array.of(0) };
    expect([...standardisedSamples(far, by).inputs].map((v) => Math.abs(v))).toEqual([
      2,
      ...[1, 2, 3].map(() => expect.closeTo(0, 0)),
      2,
    ]);
    const constant = sampleStandardisation({ inputs: new Float64Array(4), labels: new Uint8Array(2) });
    expect(constant).toEqual({ means: [0, 0], deviations: [1, 1] });
    const wide = { inputs: inputs.slice(0, 4 * 256), labels: new Uint8Array(4) };
    const narrow = { inputs: wide.inputs.slice(0, 4 * 64), labels: new Uint8Array(4) };
    const most = (of: LabelledSamples) => Math.max(...sampleStandardisation(of).deviations);
    expect(most(wide) / most(narrow)).toBeGreaterThan(1.5);
    const noSamples = { inputs: new Float64Array(0), labels: new Uint8Array(0) };
    expect(() => sampleStandardisation(noSamples)).toThrow(ShapeError);
    expect(() => standardisedSamples({ ...samples, labels: new Uint8Array(9) }, by)).toThrow(ShapeError);
  });

  test('a leaning stroke stands upright in the middle', () => {
    const picture = (grey: (row: number, column: number) => boolean): Uint8Array =>
      Uint8Array.from({ length: 784 }, (_, at) => (grey(Math.floor(at / 28), at % 28) ? 255 : 0));
    const label = Uint8Array.of(1);
    const columns = (pixels: Uint8Array): number[] => [
      ...new Set(
        Array.from(pixels.keys())
          .filter((at) => pixels[at]! > 127)
          .map((at) => at % 28),
      ),
    ];
    // From (4, 9) to (18, 2): a slope of -1/2, away from the middle.
    const leaning = picture(
      (row, column) => row >= 4 && row <= 18 && Math.abs(column - 9 + (row - 4) / 2) <= 1,
    );
    expect(columns(leaning).length).toBeGreaterThan(8);
    const { pixels } = straightenedPictures({ pixels: leaning, labels: label });
    expect(columns(pixels).length).toBeLessThanOrEqual(4);
    const mean = (of: Uint8Array, place: (at: number) => number): number =>
      of.reduce((sum, value, at) => sum + value * place(at), 0) / of.reduce((sum, value) => sum + value, 0);
    expect(Math.abs(mean(pixels, (at) => at % 28) - 13.5)).toBeLessThan(0.2);
    expect(Math.abs(mean(pixels, (at) => Math.floor(at / 28)) - 13.5)).toBeLessThan(0.2);
    // An upright stroke that is in the middle stays, and so does an empty picture.
    const upright = picture((row, column) => row >= 7 && row <= 20 && (column === 13 || column === 14));
    for (const same of [upright, new Uint8Array(784)])
      expect(straightenedPictures({ pixels: same, labels: label }).pixels).toEqual(same);
    // A flat stroke has no slope of x over y: it is moved, and not sheared.
    const flat = picture((row, column) => row === 3 && column < 10);
    const moved = straightenedPictures({ pixels: flat, labels: label }).pixels;
    expect(moved.reduce((sum, value) => sum + value, 0) / (10 * 255)).toBeCloseTo(1, 1);
    expect(() => straightenedPictures({ pixels: flat, labels: Uint8Array.of(1, 2) })).toThrow(ShapeError);
  });

  test('pictures become means of blocks', () => {
    const pixels = new Uint8Array(784).fill(255);
    pixels[2 * 28 + 2] = 0;
    const { inputs } = smallPictures({ pixels, labels: Uint8Array.of(1) });
    expect(inputs).toHaveLength(64);
    expect(inputs[0]).toBeCloseTo((8 / 9 - 0.2) * 1.2, 12);
    expect(inputs[63]).toBeCloseTo(0.96, 12);
    expect(() => smallPictures({ pixels, labels: Uint8Array.of(1, 2) })).toThrow(ShapeError);
  });
});
