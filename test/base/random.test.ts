import { createHash } from 'node:crypto';
import { expect, test, vi } from 'vitest';
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
  // A copy, of a Buffer as well, whose slice would be a view: wiping the one leaves the other.
  const bytes = Buffer.alloc(32, 7);
  seedFromBytes(bytes).fill(0);
  expect(bytes.every((byte) => byte === 7)).toBe(true);
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

test('a refreshed generator forgets what it was: copies of it go apart, also at equal fresh bytes after different ones', () => {
  using one = new Drbg(zeros);
  using two = new Drbg(zeros);
  const fresh = Uint8Array.from({ length: 32 }, (_, i) => i);
  const message = Buffer.concat([zeros, Buffer.from([0]), fresh]);
  const seed = createHash('shake256', { outputLength: 32 }).update(message).digest();
  one.refresh(fresh);
  expect(fresh.every((byte) => byte === 0)).toBe(true);
  two.refresh(new Uint8Array(32).fill(1));
  using expected = new Drbg(seed);
  const key = one.nextKey('e');
  expect(key).toEqual(expected.nextKey('e'));
  expect(key).not.toEqual(two.nextKey('e'));
  one.refresh(new Uint8Array(32).fill(2));
  two.refresh(new Uint8Array(32).fill(2));
  expect(one.nextKey('a')).not.toEqual(two.nextKey('a'));
});

test('seeds differ where the generator of the process repeats itself, as in two copies of a virtual machine', () => {
  vi.spyOn(globalThis.crypto, 'getRandomValues').mockImplementation((array) => array);
  try {
    const [first, second] = [systemRandom.seed(), systemRandom.seed()];
    expect(first.join() === second.join()).toBe(process.platform === 'win32');
  } finally {
    vi.restoreAllMocks();
  }
});
