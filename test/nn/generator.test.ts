import { describe, expect, it } from 'vitest';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';

/** xoshiro128** in BigInt, straight from the paper, on a given state. */
function referenceWords(state: bigint[], count: number): number[] {
  const mask = 0xffffffffn;
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
  const s = [...state];
  return Array.from({ length: count }, () => {
    const result = (rotate((s[1] * 5n) & mask, 7n) * 9n) & mask;
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11n);
    return Number(result);
  });
}

describe('seeded generator', () => {
  it('is xoshiro128**', () => {
    for (const seed of [0, 1, 0xffffffff]) {
      const generator = new SeededGenerator(seed);
      const state = Array.from(generator.snapshot().subarray(0, 4), BigInt);
      expect(Array.from({ length: 100 }, () => generator.word())).toEqual(referenceWords(state, 100));
    }
  });

  it('continues from a snapshot, a pending normal value included', () => {
    const generator = new SeededGenerator(5);
    generator.normal();
    const copy = new SeededGenerator(6);
    copy.restore(generator.snapshot());
    const draw = (g: SeededGenerator) => [g.normal(), g.normal(), g.uniform(), g.below(10)];
    expect(draw(copy)).toEqual(draw(generator));
  });

  it('has the moments of N(0,1) and an even spread below a bound', () => {
    const generator = new SeededGenerator(7);
    let sum = 0;
    let squares = 0;
    const counts = new Uint32Array(7);
    for (let i = 0; i < 70_000; i++) {
      const value = generator.normal();
      sum += value;
      squares += value * value;
      counts[generator.below(7)]++;
    }
    expect(Math.abs(sum / 70_000)).toBeLessThan(0.02);
    expect(Math.abs(squares / 70_000 - 1)).toBeLessThan(0.03);
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it('shuffles into a permutation that depends on the seed', () => {
    const shuffled = (seed: number) => {
      const order = Uint32Array.from({ length: 50 }, (_, i) => i);
      new SeededGenerator(seed).shuffle(order);
      return order;
    };
    expect([...shuffled(1)].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(shuffled(1)).toEqual(shuffled(1));
    expect(shuffled(1)).not.toEqual(shuffled(2));
  });
});
