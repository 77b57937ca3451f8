/** Rescaling, key switching and conversions of the reference kernel, one polynomial at a time. */
import type { KeySwitchShape } from '../kernel.ts';
import { centred, inverseMod, residue } from '../tables/modular.ts';
import type { KeySwitchSizes } from '../preconditions.ts';
import { automorphismIndex, forward, inverse } from './reference-ring.ts';
import type { ReferenceLimb, ReferenceRing } from './reference-ring.ts';

/** The limb at position i of a run of polynomials. */
export function limbAt(ring: ReferenceRing, words: BigUint64Array, i: number): BigUint64Array {
  return words.subarray(i * ring.n, (i + 1) * ring.n);
}

function limbsOf(ring: ReferenceRing, mods: readonly number[]): ReferenceLimb[] {
  return mods.map((m) => ring.limbs[m]);
}

/** Centred coefficients of one limb given in the NTT domain. */
function centredCoefficients(x: BigUint64Array, limb: ReferenceLimb): bigint[] {
  const coefficients = BigUint64Array.from(x);
  inverse(coefficients, limb);
  return Array.from(coefficients, (c) => centred(c, limb.q));
}

/** The NTT of the residues of signed integers. */
function transformOf(values: readonly bigint[], limb: ReferenceLimb): BigUint64Array {
  const x = BigUint64Array.from(values, (v) => residue(v, limb.q));
  forward(x, limb);
  return x;
}

export function rescaleOne(ring: ReferenceRing, a: BigUint64Array, mods: readonly number[]): BigUint64Array {
  const limbs = limbsOf(ring, mods);
  const last = limbs.length - 1;
  const remainder = centredCoefficients(limbAt(ring, a, last), limbs[last]);
  const out = new BigUint64Array(last * ring.n);
  for (let l = 0; l < last; l++) {
    const { q } = limbs[l];
    const qInverse = inverseMod(limbs[last].q, q);
    const r = transformOf(remainder, limbs[l]);
    const from = limbAt(ring, a, l);
    limbAt(ring, out, l).set(from.map((x, i) => ((x + q - r[i]) * qInverse) % q));
  }
  return out;
}

/** The digits of one polynomial over q, each over q then p. */
export function decomposeOne(
  ring: ReferenceRing,
  d: BigUint64Array,
  shape: KeySwitchShape,
  sizes: KeySwitchSizes,
): BigUint64Array {
  const out = new BigUint64Array(sizes.digits * sizes.digitWords);
  for (let digit = 0; digit < sizes.digits; digit++) {
    const first = digit * shape.alpha;
    const members = limbsOf(ring, shape.q.slice(first, first + shape.alpha));
    const product = members.reduce((x, limb) => x * limb.q, 1n);
    const value = Array.from({ length: ring.n }, () => 0n);
    members.forEach((limb, j) => {
      const cofactor = product / limb.q;
      const scale = inverseMod(cofactor, limb.q);
      const scaled = limbAt(ring, d, first + j).map((x) => (x * scale) % limb.q);
      centredCoefficients(scaled, limb).forEach((c, i) => {
        value[i] += c * cofactor;
      });
    });
    sizes.mods.forEach((m, l) => {
      limbAt(ring, out, digit * sizes.mods.length + l).set(transformOf(value, ring.limbs[m]));
    });
  }
  return out;
}

export function automorphismOne(a: BigUint64Array, index: Uint32Array): BigUint64Array {
  return a.map((_, i) => a[index[i]]);
}

/** The inner product of digits and key: two parts over q and p. */
export function keyProductOne(
  ring: ReferenceRing,
  digits: BigUint64Array,
  key: BigUint64Array,
  galois: number,
  shape: KeySwitchShape,
  sizes: KeySwitchSizes,
): BigUint64Array {
  const index = automorphismIndex(ring.n, galois);
  const keyLimbs = shape.keyLimbs.length;
  const out = new BigUint64Array(2 * sizes.digitWords);
  for (let part = 0; part < 2; part++) {
    sizes.mods.forEach((m, l) => {
      const { q } = ring.limbs[m];
      const to = limbAt(ring, out, part * sizes.mods.length + l);
      for (let digit = 0; digit < sizes.digits; digit++) {
        const x = automorphismOne(limbAt(ring, digits, digit * sizes.mods.length + l), index);
        const k = limbAt(ring, key, (2 * digit + part) * keyLimbs + sizes.keySlots[l]);
        for (let i = 0; i < ring.n; i++) to[i] = (to[i] + x[i] * k[i]) % q;
      }
    });
  }
  return out;
}

/** One polynomial over `mods` divided by all but the first `kept` of them, from the last. */
export function modDownOne(
  ring: ReferenceRing,
  a: BigUint64Array,
  mods: readonly number[],
  kept: number,
): BigUint64Array {
  let left = a;
  for (let count = mods.length; count > kept; count--) left = rescaleOne(ring, left, mods.slice(0, count));
  return left;
}

/** Centred mixed-radix digits and Horner's rule in doubles, as the interface fixes it. */
export function toDoublesOne(ring: ReferenceRing, a: BigUint64Array, mods: readonly number[]): Float64Array {
  const limbs = limbsOf(ring, mods);
  return Float64Array.from({ length: ring.n }, (_, i) => {
    const digits: bigint[] = [];
    limbs.forEach(({ q }, l) => {
      let known = 0n;
      let weight = 1n;
      digits.forEach((digit, j) => {
        known += digit * weight;
        weight *= limbs[j].q;
      });
      const digit = residue((a[l * ring.n + i] - known) * inverseMod(weight, q), q);
      digits.push(centred(digit, q));
    });
    return digits.reduceRight((v, digit, j) => v * Number(limbs[j].q) + Number(digit), 0);
  });
}
