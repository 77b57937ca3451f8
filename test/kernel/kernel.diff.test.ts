/** Every kernel and instruction set at hand against the reference kernel, bit for bit, over one table of cases. */
import { afterAll, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { CASES } from './cases/cases.ts';
import { PATTERNS } from './bench.ts';
import { Differential, METHODS, openCandidates } from './cases/differential.ts';

const differential = new Differential();
const edges = { degrees: [8, 16, 64], patterns: PATTERNS, seeds: [1] };
const random = { degrees: [32, 128, 256], patterns: ['random'], seeds: [2] } as const;
const large = { degrees: [2048], patterns: ['random'], seeds: [3] } as const;

/** Of the object's class and of those that it extends. */
function methodNames(object: object): string[] {
  const parent = Object.getPrototypeOf(object) as object;
  return parent === Object.prototype ? [] : [...Object.getOwnPropertyNames(parent), ...methodNames(parent)];
}

describe('the table of cases', () => {
  it('has a row for every method of the kernel', () => {
    const methods = methodNames(differential.reference).filter(
      // The promise has tests of its own in integer-linear.test.ts: the table is of calls that return when they are done.
      (name) => !['constructor', 'liveWords', 'integerLinearAsync'].includes(name),
    );
    expect(methods.toSorted()).toEqual([...METHODS].toSorted());
    expect(METHODS.filter((name) => CASES[name].length === 0)).toEqual([]);
  });

  it('catches a kernel that is wrong in one bit of one method', () => {
    const wrong = differential.wrongKernel();
    expect(differential.firstDifference(wrong, 'mul', edges)).toBeUndefined();
    expect(differential.firstDifference(wrong, 'rescale', edges)).toContain('rescale, n = 8, random');
  });
});

for (const { name, kernel, reason } of openCandidates()) {
  describe.skipIf(kernel === undefined)(`the ${name} kernel${reason ? ` (not here: ${reason})` : ''}`, () => {
    const present = kernel as Kernel;

    it.each(METHODS)('equals the reference in %s', (method) => {
      expect(differential.firstDifference(present, method, edges)).toBeUndefined();
      expect(differential.firstDifference(present, method, random)).toBeUndefined();
    });

    it.each(['nttForward', 'nttInverse', 'multiplyRelinearizeRescale'] as const)(
      'equals the reference in %s at n = 2048',
      (method) => {
        expect(differential.firstDifference(present, method, large)).toBeUndefined();
      },
    );

    it('has released every word', () => {
      expect(present.liveWords).toBe(0);
    });

    afterAll(() => differential.close(present));
  });
}
