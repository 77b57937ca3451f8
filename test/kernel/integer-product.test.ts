/** Products of integer rows that are kept from call to call, against the definition; what the table of cases is too small for. */
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../src/base/errors.ts';
import { integerPanels, PANEL_COLUMNS } from '../../src/kernel/tables/integer-panels.ts';
import { SeededGenerator } from '../../src/nn/index.ts';
import { openCandidates } from './cases/differential.ts';

const generator = new SeededGenerator(43);
// Rows and columns enough for the native kernel to use its threads.
const [COUNT, LENGTH, N] = [40, 300, 16 * PANEL_COLUMNS];
const within = (length: number, bound: number): Int32Array =>
  Int32Array.from({ length }, () => generator.below(2 * bound + 1) - bound);

/** W S modulo 2^32 by the definition, from rows that lie one after another. */
function product(weights: Int32Array, rows: Int32Array): Int32Array {
  const out = new Int32Array(COUNT * N);
  for (let i = 0; i < COUNT; i++)
    for (let j = 0; j < LENGTH; j++)
      for (let c = 0; c < N; c++) out[i * N + c] += Math.imul(weights[i * LENGTH + j]!, rows[j * N + c]!);
  return out;
}

function changed(weights: Int32Array, count: number, bound: number): Int32Array {
  const out = weights.slice();
  for (let i = 0; i < count; i++) out[generator.below(out.length)] = generator.below(2 * bound + 1) - bound;
  return out;
}

/** One request after another: weights anew, with few changes, with many, sparse. */
function requests(bound: number): Int32Array[] {
  const first = within(COUNT * LENGTH, bound);
  const few = changed(first, 100, bound);
  const many = changed(few, 5000, bound);
  return [first, few, few, many, many.map((value, i) => (i % 7 === 0 ? value : 0))];
}

const narrow = within(LENGTH * N, 2 ** 15 - 1);
const wide = narrow.slice();
wide[LENGTH * N - 1] = 2 ** 15;
const CASES = [
  { what: 'rows of 16 bits', rows: narrow, bound: 127 },
  { what: 'rows of 16 bits and changes of 17', rows: narrow, bound: 2 ** 15 - 1 },
  { what: 'wider rows', rows: wide, bound: 127 },
].map((part) => {
  const asked = requests(part.bound);
  return {
    ...part,
    panels: integerPanels(part.rows, N),
    asked,
    expected: asked.map((w) => product(w, part.rows)),
  };
});

describe('panels', () => {
  it('take 16 bits an entry exactly where all fit', () => {
    expect(integerPanels(Int32Array.of(...new Int32Array(63), -(2 ** 15)), 64)).toBeInstanceOf(Int16Array);
    expect(integerPanels(Int32Array.of(...new Int32Array(63), 2 ** 15), 64)).toBeInstanceOf(Int32Array);
    expect(integerPanels(Int32Array.of(-(2 ** 31), ...new Int32Array(63)), 64)).toBeInstanceOf(Int32Array);
  });

  it('hold the columns of all rows side by side', () => {
    const rows = Int32Array.from({ length: 3 * 128 }, (_, i) => i);
    const panels = integerPanels(rows, 128);
    expect(panels[64 * 3 + 2 * 64 + 5]).toBe(2 * 128 + 64 + 5);
    expect([...panels].sort((a, b) => a - b)).toEqual([...rows]);
  });

  it('refuse rows that are no whole panels', () => {
    expect(() => integerPanels(new Int32Array(63), 63)).toThrow(ShapeError);
    expect(() => integerPanels(new Int32Array(65), 64)).toThrow(ShapeError);
  });
});

for (const { name, kernel, reason } of openCandidates()) {
  describe.skipIf(kernel === undefined)(`the ${name} kernel${reason ? ` (not here: ${reason})` : ''}`, () => {
    it.each(CASES)(
      'equals the definition for $what, whatever was asked before',
      ({ panels, asked, expected }) => {
        const out = new Int32Array(COUNT * N).fill(7);
        let before: Int32Array | undefined;
        asked.forEach((weights, i) => {
          kernel!.updateIntegerProduct(out, panels, N, weights, before);
          expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(expected[i]!.buffer))).toBe(0);
          before = weights;
        });
        // Anew over what is there; and a wrong bit would be seen.
        kernel!.updateIntegerProduct(out, panels, N, asked[0]!);
        expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(expected[0]!.buffer))).toBe(0);
        panels[17] ^= 1;
        kernel!.updateIntegerProduct(out, panels, N, asked[0]!);
        panels[17] ^= 1;
        expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(expected[0]!.buffer))).not.toBe(0);
      },
    );

    it('has nothing to do without weights', () => {
      const nothing = new Int32Array(0);
      expect(() => kernel!.updateIntegerProduct(nothing, new Int16Array(64), 64, nothing)).not.toThrow();
      expect(() =>
        kernel!.updateIntegerProduct(nothing, new Int16Array(64), 64, nothing, nothing),
      ).not.toThrow();
    });

    it('refuses shapes that do not fit and memory that overlaps', () => {
      const update = kernel!.updateIntegerProduct.bind(kernel);
      const [out, panels, weights] = [new Int32Array(128), new Int16Array(192), new Int32Array(6)];
      expect(() => update(out, panels, 64, weights)).not.toThrow();
      expect(() => update(out, panels, 32, weights)).toThrow(ShapeError);
      expect(() => update(out, panels.subarray(1), 64, weights)).toThrow(ShapeError);
      expect(() => update(out, panels.subarray(0, 0), 64, weights)).toThrow(ShapeError);
      expect(() => update(out, panels, 64, weights.subarray(1))).toThrow(ShapeError);
      expect(() => update(out.subarray(64), panels, 64, weights)).toThrow(ShapeError);
      expect(() => update(out, panels, 64, weights, weights.subarray(3))).toThrow(ShapeError);
      const memory = new Int32Array(192);
      expect(() => update(memory.subarray(0, 128), panels, 64, memory.subarray(127, 133))).toThrow(
        ShapeError,
      );
      expect(() => update(memory.subarray(0, 64), memory, 64, weights.subarray(0, 3))).toThrow(ShapeError);
    });
  });
}
