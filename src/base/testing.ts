/** Deterministic randomness for tests. Nothing in `src` outside the testing entry points imports this file. */
import { shake256 } from '@noble/hashes/sha3.js';
import type { Seed } from './brand.ts';
import type { RandomSource } from './random.ts';
import { watchStreamKeys } from './random.ts';

/** The same `name` gives the same sequence of seeds in every process. Insecure by design. */
export function seededRandom(name: string): RandomSource & { seed(): Seed } {
  let count = 0;
  return {
    seed: () => {
      const message = new TextEncoder().encode(`INSECURE subrosa test randomness|${name}|${count++}`);
      return shake256(message, { dkLen: 32 }) as Seed;
    },
  };
}

/** While alive, throws from the derivation that repeats a (seed, label, index). */
export function auditStreamKeys(): Disposable {
  const seen = new Set<string>();
  watchStreamKeys((key) => {
    const name = key.join(',');
    if (seen.has(name)) throw new Error('a random stream (seed, label, index) was used twice');
    seen.add(name);
  });
  return { [Symbol.dispose]: () => watchStreamKeys(null) };
}
