/** Drawings before encryption: what pens, lamps and cameras do to a picture is undone as far as the pixels allow. */
import { describe, expect, test } from 'vitest';
import { levels, noisy, placed } from '../../src/apps/train/picture-changes.ts';
import { DataError, DecodeError, LimitError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import {
  IntegerNetwork,
  SeededGenerator,
  normaliseDrawing,
  normaliseInput,
  quantiseInput,
} from '../../src/nn/index.ts';

const SIDE = 28;
/** A seven in full contrast. */
const seven = new Uint8Array(SIDE * SIDE);
for (let x = 8; x < 20; x++)
  seven.fill(255, SIDE * 7 + x, SIDE * 7 + x + 1).fill(255, SIDE * 8 + x, SIDE * 8 + x + 1);
for (let y = 9; y < 23; y++) {
  const x = 18 - Math.floor((y - 9) / 2);
  seven.fill(255, SIDE * y + x, SIDE * y + x + 2);
}
const picture = (pixels: Uint8Array, side = SIDE) => ({ channels: 1, height: side, width: side, pixels });
const normalised = (pixels: Uint8Array): Uint8Array => normaliseDrawing(picture(pixels)).pixels;
const reference = normalised(seven);
const generator = new SeededGenerator(11);
/** Mean absolute difference in grey levels. */
const distance = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;

describe('one drawing, many pictures', () => {
  test('a drawing that is as it should be stays: once is enough', () => {
    // Moved, and nothing else.
    expect(reference.toSorted()).toEqual(seven.toSorted());
    expect(normalised(reference)).toEqual(reference);
  });

  test.each([
    ['dimmed to a third', levels(0, 1 / 3)],
    ['dimmed to a twentieth', levels(0, 1 / 20)],
    ['on grey', levels(100, 0.3)],
    ['dark on light', levels(255, -1)],
    ['grey on lighter grey', levels(200, -0.2)],
    ['moved', placed({ shift: 3, turn: 0, size: [1, 1] })],
  ])('%s becomes the same picture', (_name, change) => {
    const changed = change(seven, SIDE, SIDE, generator);
    expect(changed).not.toEqual(seven);
    expect(distance(normalised(changed), reference)).toBeLessThan(2);
    expect(normaliseDrawing(picture(changed)).inverted).toBe(_name.includes('light'));
  });

  test('noise is lowered by more than half', () => {
    const changed = noisy(64)(seven, SIDE, SIDE, generator);
    expect(distance(changed, reference)).toBeGreaterThan(25);
    expect(distance(normalised(changed), reference)).toBeLessThan(12);
  });

  test('an even surface is empty, whatever its grey; noise alone gives pixels and no error', () => {
    for (const grey of [0, 100, 255]) {
      const { pixels, empty } = normaliseDrawing(picture(new Uint8Array(784).fill(grey)));
      expect(empty).toBe(true);
      expect(pixels).toEqual(new Uint8Array(784));
    }
    expect(normalised(noisy(40)(new Uint8Array(784).fill(128), SIDE, SIDE, generator))).toHaveLength(784);
  });

  test('any picture gives a picture of its size', () => {
    for (let side = 3; side < 40; side += 4) {
      const pixels = Uint8Array.from({ length: side * side }, () => generator.below(256));
      expect(normaliseDrawing(picture(pixels, side)).pixels).toHaveLength(side * side);
    }
    expect(() => normaliseDrawing({ ...picture(new Uint8Array(12), 2), channels: 3 })).toThrow(ShapeError);
    expect(() => normaliseDrawing(picture(new Uint8Array(4), 2))).toThrow(ShapeError);
  });
});

describe('a network that wants it', () => {
  const input = { shape: [1, SIDE, SIDE], scale: 1 / 255, offset: 0, low: 0, high: 255 } as const;
  const build = (changes: object): IntegerNetwork =>
    new IntegerNetwork({ ...input, ...changes }, [{ kind: 'relu' }], { scale: 1, softmax: false });
  const drawing = build({ normalisation: 'drawing' });
  const dim = Int32Array.from(levels(0, 1 / 3)(seven, SIDE, SIDE, generator));

  test('says so in its file; networks without are written as before', () => {
    const bytes = drawing.toBytes();
    expect(IntegerNetwork.fromBytes(bytes).input).toEqual(drawing.input);
    const old = build({}).toBytes();
    expect([bytes[4], old[4]]).toEqual([2, 1]);
    expect(IntegerNetwork.fromBytes(old).input).toEqual(input);
    expect(bytes.length - old.length).toBe(4);
    const next = bytes.slice();
    next[4] = 3;
    expect(() => IntegerNetwork.fromBytes(next)).toThrow(DecodeError);
  });

  test('names its classes in its file, too, with or without a normalisation', () => {
    const names = Array.from({ length: SIDE * SIDE }, (_, i) => `pixel ${i}`);
    for (const network of [drawing, build({})]) {
      const named = network.withLabels(names);
      const bytes = named.toBytes();
      expect(bytes[4]).toBe(3);
      const read = IntegerNetwork.fromBytes(bytes);
      expect(read.output).toEqual({ ...network.output, labels: names });
      expect(read.input).toEqual(network.input);
      expect(read.toBytes()).toEqual(bytes);
    }
    expect(() => drawing.withLabels(['one'])).toThrow(ShapeError);
    expect(() => drawing.withLabels(names.with(3, 'x'.repeat(257)))).toThrow(LimitError);
  });

  test('its inputs are normalised one by one, those of others stay', () => {
    const batch = Int32Array.of(...dim, ...seven);
    expect(normaliseInput(drawing, batch)).toEqual(Int32Array.of(...reference, ...reference));
    expect(normaliseInput(build({}), batch)).toBe(batch);
    expect(
      quantiseInput(
        drawing,
        Float32Array.from(reference, (pixel) => pixel / 255),
      ),
    ).toEqual(Int32Array.from(reference));
  });

  test('empty pictures, values that are no pixels and networks that take no drawing are refused', () => {
    expect(() => normaliseInput(drawing, Int32Array.of(...dim, ...new Uint8Array(784)))).toThrow(DataError);
    expect(() => normaliseInput(drawing, new Int32Array(784).fill(-1))).toThrow(OutOfRangeError);
    expect(() => build({ normalisation: 'drawing', shape: [784] })).toThrow(ShapeError);
    expect(() => build({ normalisation: 'drawing', shape: [3, SIDE, SIDE] })).toThrow(ShapeError);
    expect(() => build({ normalisation: 'drawing', low: -128, high: 127 })).toThrow(OutOfRangeError);
  });
});
