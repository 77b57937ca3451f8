import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.ts';
import {
  giantGroups,
  pathsOf,
  standardDepth,
  standardDigits,
  standardKeys,
} from '../../src/compiler/packed/key-plans.ts';
import { keyedSteps, splitSteps } from '../../src/compiler/packed/rotations.ts';
import type { Program } from '../../src/compiler/program.ts';
import { offerOf } from '../../src/compiler/program-facts.ts';
import { reportOf } from '../../src/compiler/report.ts';
import { validateProgram } from '../../src/compiler/validate-program.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { rotationElement } from '../../src/schemes/rlwe/keys/key-plan.ts';
import { randomNetwork } from '../protocols/random-network.ts';

const SLOTS = 4096;

describe('the standard key plan', () => {
  it('makes every rotation of at most four that have keys, three and a half on average', () => {
    let total = 0;
    for (let step = 0; step < SLOTS; step++) {
      const digits = standardDigits(step, SLOTS);
      expect(digits.reduce((sum, digit) => sum + digit, 0)).toBe(step);
      expect(digits.every((digit) => standardDepth(digit) !== undefined)).toBe(true);
      expect(digits.length).toBeLessThanOrEqual(4);
      total += digits.length;
    }
    expect(total / SLOTS).toBe(3.5);
    expect(standardDigits(-1, SLOTS)).toEqual(standardDigits(SLOTS - 1, SLOTS));
    for (const step of [0, -8, 9, 1.5, 65, 4097]) expect(standardDepth(step)).toBeUndefined();
  });

  it('has as many keys as digits have values, those of the first two at the level of the query', () => {
    const { relinearize, galois } = standardKeys(13, 3);
    expect(relinearize).toBe(3);
    expect(galois.length).toBe(28);
    const levelOf = (step: number) =>
      galois.find(({ element }) => element === rotationElement(8192, step))!.maxLevel;
    for (const step of [1, 7, 8, 56, 64, 128, 256]) expect(levelOf(step)).toBe(3);
    for (const step of [192, 448, 512, 3584]) expect(levelOf(step)).toBe(2);
    expect(standardKeys(14, 4).galois.length).toBe(29);
  });

  it('leads to every giant step by rotations that have keys, the parts of which add up', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: SLOTS - 1 }), { minLength: 1, maxLength: 60 }),
        fc.constantFrom(1, 2, 4, 8, 28),
        (rotations, width) => {
          const { giants } = splitSteps(rotations, width);
          const groups = giantGroups(giants, 'standard', SLOTS);
          const made = groups.flatMap((group) =>
            group.giants.flatMap(({ step, babies }) =>
              babies.map((baby) => baby + step + group.path.reduce((sum, each) => sum + each, 0)),
            ),
          );
          expect(made.sort((a, b) => a - b)).toEqual(rotations.sort((a, b) => a - b));
          const babies = new Set(giants.flatMap((giant) => giant.babies));
          for (const step of keyedSteps(groups))
            expect(standardDepth(step) !== undefined || babies.has(step)).toBe(true);
          // Every rotation on the way is taken once, however many groups are behind it.
          const paths = pathsOf(groups).map((path) => path.join());
          expect(new Set(paths).size).toBe(paths.length);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('takes 22 MB for CryptoNets, and the same keys as for any network of these parameters', () => {
    const bytes = readFileSync(new URL('../../models/mnist/cryptonets-polynomial-8bit.bin', import.meta.url));
    const options = { name: 'net', inputBound: 1, layout: 'packed', keys: 'standard' } as const;
    const program = compile(PolynomialNetwork.fromBytes(bytes), options);
    const { keyBytes, buckets } = reportOf(program);
    expect(keyBytes).toBeLessThanOrEqual(22e6);
    expect(buckets[0]!.keySwitches).toBeLessThan(60);
    expect(offerOf(program).packed!.keys).toEqual(standardKeys(13, program.params.logQ.length - 1));
  });
});

describe('a program with standard keys', () => {
  const program = compile(randomNetwork([40, 12, 5], 4, 1), {
    name: 'net',
    layout: 'packed',
    keys: 'standard',
  });
  const changed = (change: Partial<Program>) => () =>
    validateProgram(structuredClone({ ...program, ...change }));

  it('is refused with other keys, with baby steps that have none, and as one of tailored keys', () => {
    expect(changed({})).not.toThrow();
    expect(program.version).toBe(3);
    const { packed, steps } = program;
    const keys = { ...packed!.keys, galois: packed!.keys.galois.slice(1) };
    expect(changed({ packed: { ...packed!, keys } })).toThrow(/its keys/);
    const wide = steps.map((step) => (step.op === 'transform' ? { ...step, width: 0 } : step));
    expect(changed({ steps: wide })).toThrow(/standard keys lack/);
    const { plan: _, ...tailored } = packed!;
    expect(changed({ packed: tailored })).toThrow(/its keys|version/);
    expect(changed({ version: 2 })).toThrow(/version/);
  });
});
