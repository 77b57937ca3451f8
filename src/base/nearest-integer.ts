/** 1.5 * 2^52: a double of this size has no fraction. */
const WITHOUT_FRACTION = 6_755_399_441_055_744;

/** The nearest integer to |x| below 2^51, ties to even, without a branch; 0 is never -0. For loops that `Math.round` would dominate. */
export function nearestInteger(x: number): number {
  return x + WITHOUT_FRACTION - WITHOUT_FRACTION;
}
