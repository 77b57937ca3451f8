/**
 * Which rotations have keys, and how others are made of them. A tailored plan has what the steps of one program take. The standard one has
 * the multiples 1 .. 7 of every power of eight, whatever the program: any rotation is one of them per digit, so that programs of one
 * parameter set share their keys. Every further digit is a rotation of its own, so only giant steps are made of several; baby steps must
 * have keys, since those of one decomposition are taken together.
 */
import type { GiantStep } from '../../schemes/rlwe/giant-steps.ts';
import { rotationElement } from '../../schemes/rlwe/keys/key-plan.ts';
import type { PackedKeys } from '../offer.ts';

export type KeyPlanName = 'tailored' | 'standard';

const BASE = 8;
/** Digits of which all keys serve the highest level. */
const TOP_DIGITS = 2;
/** Multiples of the digit after these that do so, too: giant steps of first layers. */
const TOP_MULTIPLES: ReadonlySet<number> = new Set([1, 2, 4]);

/** Levels below the highest that the standard key of a rotation serves up to; undefined where there is none. */
export function standardDepth(step: number): number | undefined {
  let [digit, multiple] = [0, step];
  while (multiple >= BASE && multiple % BASE === 0) [digit, multiple] = [digit + 1, multiple / BASE];
  if (!(Number.isInteger(step) && multiple >= 1 && multiple < BASE)) return undefined;
  return digit < TOP_DIGITS || (digit === TOP_DIGITS && TOP_MULTIPLES.has(multiple)) ? 0 : 1;
}

/** The representative of a step from 0 on. */
export function positiveStep(step: number, slots: number): number {
  return ((step % slots) + slots) % slots;
}

/** The rotations whose sum is `step` (modulo `slots`), the largest first. */
export function standardDigits(step: number, slots: number): number[] {
  const digits: number[] = [];
  let left = positiveStep(step, slots);
  for (let power = 1; left > 0; power *= BASE) {
    const digit = left % (power * BASE);
    if (digit > 0) digits.unshift(digit);
    left -= digit;
  }
  return digits;
}

/** Of a ring with 2^logN coefficients and a query at level `top`. */
export function standardKeys(logN: number, top: number): PackedKeys {
  const n = 2 ** logN;
  const galois: { element: number; maxLevel: number }[] = [];
  for (let power = 1; power < n / 2; power *= BASE)
    for (let multiple = 1; multiple < BASE && power * multiple < n / 2; multiple++) {
      const maxLevel = Math.max(0, top - standardDepth(power * multiple)!);
      galois.push({ element: rotationElement(n, power * multiple), maxLevel });
    }
  return { relinearize: top, galois: galois.sort((a, b) => a.element - b.element) };
}

/** Giant steps behind the same rotations: their sum is rotated by the path, its last step first. */
export interface GiantGroup {
  readonly path: readonly number[];
  readonly giants: readonly GiantStep[];
}

/** Giant steps as rotations that have keys: each its own with a tailored plan, of digits with the standard one. */
export function giantGroups(
  giants: readonly GiantStep[],
  plan: KeyPlanName | undefined,
  slots: number,
): GiantGroup[] {
  if (plan !== 'standard') return [{ path: [], giants }];
  const groups = new Map<string, { path: number[]; giants: GiantStep[] }>();
  for (const { step, babies } of giants) {
    const digits = standardDigits(step, slots);
    // The kernel takes the last one with the baby steps.
    const inner = digits.pop() ?? 0;
    const key = digits.join();
    const group = groups.get(key) ?? { path: digits, giants: [] };
    group.giants.push({ step: inner, babies });
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Rotations that lead from one group to another: each once, however many groups are behind it. */
export function pathsOf(groups: readonly GiantGroup[]): number[][] {
  const paths = new Map<string, number[]>();
  for (const { path } of groups)
    for (let length = 1; length <= path.length; length++) {
      const prefix = path.slice(0, length);
      paths.set(prefix.join(), prefix);
    }
  return [...paths.values()];
}
