/**
 * The special Fourier matrix U (the canonical embedding of s slots, see kernel/canonical-embedding.ts) as a product of sparse maps: its
 * log2 s butterfly stages, several at a time. U = S_s .. S_4 S_2 R with R the reversal of bits, which is left out on both sides: slots to
 * coefficients without R leaves the coefficients in reversed order, and coefficients to slots without R undoes it.
 *
 * Source: the butterflies of [CKKS17]'s special FFT; grouping them for bootstrapping: [CHH18].
 */
import { rootOfUnity } from '../../kernel/tables/root-of-unity.ts';
import { LinearMap } from '../linear/linear-map.ts';

/** A factor with the distance between neighbouring diagonals. */
export interface DftFactor {
  readonly map: LinearMap;
  readonly stride: number;
}

/** 5^j modulo 4 length for j below half of `length`. */
function powersOfFive(length: number): number[] {
  const powers = [1];
  for (let j = 1; j < length / 2; j++) powers.push((powers[j - 1]! * 5) % (4 * length));
  return powers;
}

interface Complex {
  readonly re: number;
  readonly im: number;
}

const ZERO = { re: 0, im: 0 };
const ONE = { re: 1, im: 0 };

/** What the two outputs of a butterfly with the root w take: the first of its own and of the second input, the second the same. */
interface Butterfly {
  readonly first: readonly [own: Complex, other: Complex];
  readonly second: readonly [own: Complex, other: Complex];
}

/** Butterflies of elements j and j + half in every block of `length`. */
function butterflies(slots: number, length: number, of: (root: Complex) => Butterfly): LinearMap {
  const half = length / 2;
  const weights = powersOfFive(length).map((power) => {
    const [re, im] = rootOfUnity(power, 4 * length);
    return of({ re, im });
  });
  const steps = new Set([0, half, slots - half]);
  return LinearMap.of(slots, steps, (step, row) => {
    const j = row % length;
    const isFirst = j < half;
    const { first, second } = weights[j % half]!;
    const [own, other] = isFirst ? first : second;
    if (step === 0) return own;
    // Where half = slots / 2, the steps half and -half are one diagonal, and both halves are on it.
    return step === (isFirst ? half : slots - half) ? other : ZERO;
  });
}

/** out_j = in_j + w_j in_(j+half), out_(j+half) = in_j - w_j in_(j+half). */
function stage(slots: number, length: number): LinearMap {
  return butterflies(slots, length, (w) => ({ first: [ONE, w], second: [{ re: -w.re, im: -w.im }, ONE] }));
}

/** Twice the inverse of a stage: in_j = out_j + out_(j+half), in_(j+half) = (out_j - out_(j+half)) / w_j. */
function doubledInverseStage(slots: number, length: number): LinearMap {
  return butterflies(slots, length, ({ re, im }) => ({
    first: [ONE, ONE],
    second: [
      { re: -re, im },
      { re, im: -im },
    ],
  }));
}

/** How many stages go into each factor: as equal as possible, the larger first. */
function stageGroups(slots: number, factors: number): number[] {
  const stages = Math.log2(slots);
  return Array.from(
    { length: factors },
    (_, i) => Math.floor(stages / factors) + (i < stages % factors ? 1 : 0),
  );
}

/** S_s .. S_2 in that many factors, the first to be applied first: strides ascend. */
export function slotsToCoefficientsFactors(slots: number, factors: number): DftFactor[] {
  let length = 2;
  return stageGroups(slots, factors).map((count) => {
    const stride = length / 2;
    let map = stage(slots, length);
    for (let i = 1; i < count; i++) map = stage(slots, 2 ** i * length).after(map);
    length *= 2 ** count;
    return { map, stride };
  });
}

/** `slots` times the inverse of (S_s .. S_2), the first to be applied first: strides descend. */
export function coefficientsToSlotsFactors(slots: number, factors: number): DftFactor[] {
  let length = slots;
  return [...stageGroups(slots, factors)].reverse().map((count) => {
    let map = doubledInverseStage(slots, length);
    for (let i = 1; i < count; i++) map = doubledInverseStage(slots, length / 2 ** i).after(map);
    const stride = length / 2 ** count;
    length /= 2 ** count;
    return { map, stride };
  });
}

/** Baby steps of a factor: a quarter of its diagonals' span, in multiples of its stride. */
export function babyStepsOf(slots: number, { map, stride }: DftFactor): number {
  const diagonals = map.steps.length;
  const babies = 2 ** Math.max(0, Math.floor(Math.log2(diagonals) / 2 + 0.5));
  return Math.min(slots, babies * stride);
}
