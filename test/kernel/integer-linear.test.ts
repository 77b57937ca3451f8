/** Maps of real layers' sizes, shares, threads: what the table of cases in cases.ts is too small for. */
import { describe, expect, it } from 'vitest';
import { DisposedError, ShapeError } from '../../src/base/errors.ts';
import {
  applyIntegerLinear,
  inputSize,
  integerConvolution,
  outputSize,
} from '../../src/kernel/integer-linear-map.ts';
import type { IntegerLinearMap } from '../../src/kernel/integer-linear-map.ts';
import { SeededGenerator } from '../../src/nn/index.ts';
import { openCandidates } from './differential.ts';

const generator = new SeededGenerator(41);
const words = (length: number): Int32Array => Int32Array.from({ length }, () => generator.word() | 0);
const weights = (length: number): Int8Array => Int8Array.from({ length }, () => generator.below(256) - 128);

// The widths of AlexNet's layers with fewer channels; above the size from which the native kernel uses its threads.
const MAPS: readonly IntegerLinearMap[] = [
  integerConvolution({ channels: 3, height: 67, width: 67 }, 20, [11, 11], weights(20 * 363), {
    stride: [4, 4],
  }),
  integerConvolution({ channels: 64, height: 13, width: 13 }, 25, [3, 3], weights(25 * 576), {
    padding: [1, 1],
  }),
  { kind: 'dense', inputs: 2305, outputs: 700, weights: weights(2305 * 700) },
];
const CASES = MAPS.map((map) => {
  const x = words(2 * inputSize(map));
  return { map, x, expected: applyIntegerLinear(map, x, 2) };
});

for (const { name, kernel, reason } of openCandidates()) {
  describe.skipIf(kernel === undefined)(`the ${name} kernel${reason ? ` (not here: ${reason})` : ''}`, () => {
    it('equals the definition on layers of real widths', () => {
      for (const { map, x, expected } of CASES) {
        using prepared = kernel!.prepareIntegerLinear(map);
        const out = new Int32Array(expected.length);
        kernel!.integerLinear(out, prepared, x, 2);
        expect(out).toEqual(expected);
        // A wrong bit would be seen.
        out[out.length - 1] ^= 1;
        expect(out).not.toEqual(expected);
      }
    });

    it('refuses other lengths, overlap and use after disposal', () => {
      const map: IntegerLinearMap = { kind: 'dense', inputs: 4, outputs: 4, weights: weights(16) };
      const prepared = kernel!.prepareIntegerLinear(map);
      const memory = new Int32Array(8);
      const [x, out] = [memory.subarray(0, 4), memory.subarray(4)];
      expect(() => kernel!.integerLinear(out, prepared, x, 1)).not.toThrow();
      expect(() => kernel!.integerLinear(out, prepared, x, 2)).toThrow(ShapeError);
      expect(() => kernel!.integerLinear(out, prepared, x, 0)).toThrow(ShapeError);
      expect(() => kernel!.integerLinear(memory.subarray(3, 7), prepared, x, 1)).toThrow(ShapeError);
      expect(outputSize(map)).toBe(4);
      prepared[Symbol.dispose]();
      expect(() => kernel!.integerLinear(out, prepared, x, 1)).toThrow(DisposedError);
    });
  });
}
