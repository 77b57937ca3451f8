/** Linear transforms in baby and giant steps: with and without rotations, with weights left out, more steps than a sum takes at once. */
import type { KeySwitchShape, Words } from '../../../src/kernel/kernel.ts';
import type { Bench } from '../bench.ts';

export function linearTransformRow(
  bench: Bench,
  shape: KeySwitchShape,
  keyFor: (bench: Bench, shape: KeySwitchShape) => Words,
): BigUint64Array[] {
  const many = Array.from({ length: 67 }, (_, i) => (2 * i + 1) % (2 * bench.n));
  const cases = [
    { babies: [1, 5, 11], giants: [1, 9, 3], holes: 2 },
    { babies: [5, 1], giants: [7], holes: 9 },
    { babies: [1], giants: [1], holes: 9 },
    { babies: many, giants: [1], holes: 5 },
  ];
  return cases.map(({ babies, giants, holes }) => {
    const a = bench.polynomials(2, shape.q);
    const out = bench.zeros(a.length);
    const rotation = (galois: number) =>
      galois === 1 ? { galois } : { galois, key: { words: keyFor(bench, shape), limbs: shape.keyLimbs } };
    const weights = babies.map(() => bench.polynomials(1, [...shape.q, ...shape.p]));
    const weightOf = (g: number, b: number) =>
      (b + g) % holes === 1 ? undefined : weights[(b * 2 + g) % weights.length];
    const plan = {
      babies: babies.map((galois) => rotation(galois)),
      giants: giants.map((galois, g) => ({
        ...rotation(galois),
        weights: babies.map((_, b) => weightOf(g, b)),
      })),
    };
    bench.kernel.linearTransform(bench.ring, out, a, plan, shape);
    return out.u64().slice();
  });
}
