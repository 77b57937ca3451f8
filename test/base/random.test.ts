import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { DisposedError, ShapeError } from '../../src/base/errors.ts';
import { Drbg, seedFromBytes, systemRandom } from '../../src/base/random.ts';
import { auditStreamKeys, seededRandom } from '../../src/base/testing.ts';

const zeros = seedFromBytes(new Uint8Array(32));

test('a stream key is SHAKE256(seed || len(label) || label || LE64(index)), as the engine computes it', () => {
  using drbg = new Drbg(zeros);
  drbg.nextKey('flood');
  const second = drbg.nextKey('flood');
  const message = Buffer.concat([
    zeros,
    Buffer.from([5]),
    Buffer.from('flood'),
    Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]),
  ]);
  const expected = createHash('shake256', { outputLength: 32 }).update(message).digest();
  expect(Buffer.from(second).equals(expected)).toBe(true);
});

test('labels and indices give different streams', () => {
  using drbg = new Drbg(zeros);
  const labels = ['a', 's', 'e', 'u', 'flood'] as const;
  const keys = labels.flatMap((label) => [drbg.nextKey(label), drbg.nextKey(label)].map((key) => key.join()));
  expect(new Set(keys).size).toBe(10);
});

test('the audit catches a stream that is used twice (positive control)', () => {
  using _audit = auditStreamKeys();
  using first = new Drbg(zeros);
  using again = new Drbg(zeros);
  first.nextKey('e');
  first.nextKey('e');
  expect(() => again.nextKey('e')).toThrow('used twice');
});

test('a seed has 32 bytes and a generator ends with its dispose', () => {
  expect(() => seedFromBytes(new Uint8Array(31))).toThrow(ShapeError);
  const drbg = new Drbg(zeros);
  drbg[Symbol.dispose]();
  expect(() => drbg.nextKey('a')).toThrow(DisposedError);
});

test('the system source never repeats; the test source does, by name', () => {
  expect(systemRandom.seed()).not.toEqual(systemRandom.seed());
  const [a, b] = [seededRandom('x'), seededRandom('x')];
  expect(a.seed()).toEqual(b.seed());
  expect(a.seed()).not.toEqual(seededRandom('x').seed());
  expect(seededRandom('y').seed()).not.toEqual(seededRandom('x').seed());
});
