/** Baby-step giant-step order of the rotations in a linear transform: n rotations for about 2 sqrt(n) keys. */
import { OutOfRangeError } from '../../base/errors.ts';

/** Rotation by `step` of the sum over `babies` of a diagonal times the rotation by that baby step. */
export interface GiantStep {
  readonly step: number;
  readonly babies: readonly number[];
}

/**
 * Each diagonal `step` (modulo `slots`) as giant + baby, the giant steps multiples of `babySteps`; all ascending. With `babySteps` =
 * `slots` there is one giant step, 0.
 *
 * @throws {OutOfRangeError} for a step that is no integer or there twice, or for babySteps outside [1, slots].
 */
export function giantSteps(steps: Iterable<number>, babySteps: number, slots: number): GiantStep[] {
  if (!Number.isInteger(babySteps) || babySteps < 1 || babySteps > slots) {
    throw new OutOfRangeError('babySteps', `an integer from 1 to ${slots}`, babySteps);
  }
  const diagonals = new Set<number>();
  for (const step of steps) {
    if (!Number.isInteger(step)) throw new OutOfRangeError('a diagonal', 'an integer', step);
    const diagonal = ((step % slots) + slots) % slots;
    if (diagonals.has(diagonal)) throw new OutOfRangeError('a diagonal', 'given once', step);
    diagonals.add(diagonal);
  }
  const groups = new Map<number, number[]>();
  for (const diagonal of [...diagonals].sort((a, b) => a - b)) {
    const baby = diagonal % babySteps;
    const group = groups.get(diagonal - baby) ?? [];
    group.push(baby);
    groups.set(diagonal - baby, group);
  }
  return [...groups].map(([step, babies]) => ({ step, babies }));
}

/** The rotations that need keys, ascending: for the `rotations` of a key plan. @throws as {@link giantSteps}. */
export function linearTransformRotations(
  steps: Iterable<number>,
  babySteps: number,
  slots: number,
): number[] {
  const groups = giantSteps(steps, babySteps, slots);
  const rotations = new Set(groups.flatMap(({ step, babies }) => [step, ...babies]));
  rotations.delete(0);
  return [...rotations].sort((a, b) => a - b);
}
