/** Making two correction factors equal for an addition, with multipliers as small as the geometry of numbers allows. */

/**
 * For `ratio` = f_b / f_a mod t: (alpha, beta) with alpha = beta * ratio mod t, alpha >= 1, so that alpha f_a = beta f_b, and
 * alpha + |beta| smallest among the rows of the extended Euclidean algorithm (about 2 sqrt(t)). Public values.
 */
export function balancedPair(ratio: number, t: number): [alpha: number, beta: number] {
  // Invariant: r = s * ratio mod t in each row.
  let [r0, s0, r1, s1] = [t, 0, ratio, 1];
  let best: [number, number] = [r1, s1];
  while (r1 !== 0) {
    if (r1 + Math.abs(s1) < best[0] + Math.abs(best[1])) best = [r1, s1];
    const quotient = Math.floor(r0 / r1);
    [r0, s0, r1, s1] = [r1, s1, r0 - quotient * r1, s0 - quotient * s1];
  }
  return best;
}
