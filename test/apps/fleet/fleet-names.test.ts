import { expect, test } from 'vitest';
import { keysIdOf } from '../../../src/apps/fleet/fleet-names.ts';
import { compile } from '../../../src/compiler/compile.ts';
import { offerOf } from '../../../src/compiler/program-facts.ts';
import { randomNetwork } from '../../protocols/random-network.ts';

test('keys of programs for one sample are told apart by what they are for, not by the weights', () => {
  const offer = (widths: number[], seed: number) =>
    offerOf(compile(randomNetwork(widths, 4, seed), { name: 'net', layout: 'packed' }));
  const [one, other, wider] = [offer([9, 6, 5], 2), offer([9, 6, 5], 3), offer([40, 20, 5], 2)];
  expect(one.programId).not.toBe(other.programId);
  expect(keysIdOf(other)).toBe(keysIdOf(one));
  expect(keysIdOf(wider)).not.toBe(keysIdOf(one));
  const { keys, ...rest } = one.packed!;
  const lower = keys.galois.map((key) => ({ ...key, maxLevel: key.maxLevel - 1 }));
  expect(keysIdOf({ ...one, packed: { ...rest, keys: { ...keys, galois: lower } } })).not.toBe(keysIdOf(one));
});
