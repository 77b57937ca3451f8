/** Which evaluation keys a computation needs: the compiler writes it, the client obeys it, the server checks against it. */
import type { GaloisElement } from '../../../base/brand.ts';
import { InvalidParamsError, OutOfRangeError } from '../../../base/errors.ts';
import type { RlweParams } from '../params.ts';

/**
 * Each entry may be limited to ciphertexts at or below `maxLevel`, which makes its key smaller. Without it the key serves all
 * levels.
 */
export interface KeyPlan {
  readonly relinearize?: boolean | { readonly maxLevel: number };
  /** Slot rotations by `step`, positive = left. */
  readonly rotations?: readonly (number | { readonly step: number; readonly maxLevel: number })[];
  /** Raw automorphisms X -> X^element. */
  readonly galois?: readonly (number | { readonly element: number; readonly maxLevel: number })[];
  readonly conjugate?: boolean;
}

/** A plan resolved for parameters: one level per key, Galois elements ascending, no duplicates (the larger level wins). */
export interface ResolvedKeyPlan {
  readonly relinearizeLevel: number | null;
  readonly galois: readonly { readonly element: GaloisElement; readonly maxLevel: number }[];
}

/** 5^step mod 2N: the automorphism that shifts slots left by `step`. */
export function rotationElement(n: number, step: number): GaloisElement {
  const slots = n / 2;
  let element = 1;
  for (let i = ((step % slots) + slots) % slots; i > 0; i--) element = (element * 5) % (2 * n);
  return element as GaloisElement;
}

/** The step of each element that rotates, from -N/4 + 1 to N/4. */
export function rotationSteps(n: number): Map<number, number> {
  const slots = n / 2;
  const steps = new Map<number, number>();
  for (let step = 0, element = 1; step < slots; step++, element = (element * 5) % (2 * n))
    steps.set(element, step > slots / 2 ? step - slots : step);
  return steps;
}

/** 2N - 1: complex conjugation of the slots. */
export function conjugationElement(n: number): GaloisElement {
  return (2 * n - 1) as GaloisElement;
}

/** @throws {OutOfRangeError} for a level or an element outside the parameters. */
export function resolveKeyPlan(params: RlweParams, plan: KeyPlan): ResolvedKeyPlan {
  const level = (value: number | undefined): number => {
    const at = value ?? params.maxLevel;
    if (!Number.isInteger(at) || at < 0 || at > params.maxLevel) {
      throw new OutOfRangeError('maxLevel', `an integer from 0 to ${params.maxLevel}`, at);
    }
    return at;
  };
  const levels = new Map<number, number>();
  const want = (element: number, maxLevel: number): void => {
    if (!Number.isInteger(element) || element % 2 !== 1 || element < 1 || element >= 2 * params.n) {
      throw new OutOfRangeError('a Galois element', `odd, from 1 to ${2 * params.n - 1}`, element);
    }
    if (element !== 1) levels.set(element, Math.max(maxLevel, levels.get(element) ?? 0));
  };
  for (const entry of plan.rotations ?? []) {
    const step = typeof entry === 'number' ? entry : entry.step;
    if (!Number.isInteger(step)) throw new OutOfRangeError('a rotation step', 'an integer', step);
    want(rotationElement(params.n, step), level(typeof entry === 'number' ? undefined : entry.maxLevel));
  }
  for (const entry of plan.galois ?? []) {
    if (typeof entry === 'number') want(entry, level(undefined));
    else want(entry.element, level(entry.maxLevel));
  }
  if (plan.conjugate) want(conjugationElement(params.n), level(undefined));
  const relinearize = plan.relinearize ?? false;
  const galois = [...levels]
    .sort(([a], [b]) => a - b)
    .map(([element, maxLevel]) => ({ element: element as GaloisElement, maxLevel }));
  if (galois.length > params.n) throw new InvalidParamsError('a key plan names more elements than exist', {});
  return {
    relinearizeLevel:
      relinearize === false ? null : level(relinearize === true ? undefined : relinearize.maxLevel),
    galois,
  };
}
