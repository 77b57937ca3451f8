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
import { openCandidates } from './cases/differential.ts';

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

    it('gives the same bits in the background, copies its input and outlives the disposal of the weights', async () => {
      const pending = CASES.map(({ map, x }) => {
        using prepared = kernel!.prepareIntegerLinear(map);
        const passing = x.slice();
        const promise = kernel!.integerLinearAsync(prepared, passing, 2);
        passing.fill(0);
        return promise;
      });
      expect(await Promise.all(pending)).toEqual(CASES.map(({ expected }) => expected));
    });

    it('refuses other lengths and disposed weights in the background too', async () => {
      const map: IntegerLinearMap = { kind: 'dense', inputs: 4, outputs: 2, weights: weights(8) };
      const prepared = kernel!.prepareIntegerLinear(map);
      expect(await kernel!.integerLinearAsync(prepared, new Int32Array(4), 1)).toEqual(new Int32Array(2));
      await expect(kernel!.integerLinearAsync(prepared, new Int32Array(4), 2)).rejects.toThrow(ShapeError);
      await expect(kernel!.integerLinearAsync(prepared, new Int32Array(0), 0)).rejects.toThrow(ShapeError);
      prepared[Symbol.dispose]();
      await expect(kernel!.integerLinearAsync(prepared, new Int32Array(4), 1)).rejects.toThrow(DisposedError);
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

const native = openCandidates().find(({ name }) => name === 'native scalar')?.kernel;

describe.skipIf(native === undefined)('background work of the native kernel', () => {
  it('leaves the event loop free: it turns while many layers are being computed', async () => {
    const { map, x, expected } = CASES[0];
    using prepared = native!.prepareIntegerLinear(map);
    let turns = 0;
    const turn = (): void => {
      turns++;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    const results = await Promise.all(
      Array.from({ length: 8 }, () => native!.integerLinearAsync(prepared, x, 2)),
    );
    clearImmediate(next);
    for (const result of results) expect(result).toEqual(expected);
    expect(turns).toBeGreaterThan(0);
  });

  it('works from several callers at once beside synchronous calls', async () => {
    using prepared = native!.prepareIntegerLinear(CASES[1].map);
    const { x, expected } = CASES[1];
    const pending = Array.from({ length: 4 }, () => native!.integerLinearAsync(prepared, x, 2));
    const out = new Int32Array(expected.length);
    native!.integerLinear(out, prepared, x, 2);
    expect(out).toEqual(expected);
    for (const result of await Promise.all(pending)) expect(result).toEqual(expected);
  });
});
