/**
 * exp(2 pi i k / m) from additions, multiplications and divisions alone, so that every engine computes the same doubles:
 * the standard library leaves the accuracy of sine and cosine open. The angle is reduced exactly, in integers, to [0, pi/4];
 * there both functions are summed as Taylor series up to degree 21, smallest terms first (error below 2^-52).
 */

/** @returns [cos, sin] of 2 pi k / m for integers k and m > 0, m a multiple of 8. */
export function rootOfUnity(k: number, m: number): [number, number] {
  const eighth = m / 8;
  const turn = ((k % m) + m) % m;
  const octant = Math.floor(turn / eighth);
  const within = turn - octant * eighth;
  // Odd octants are measured back from their far end, which keeps the angle in [0, pi/4] and exact.
  const angle = ((octant % 2 === 0 ? within : eighth - within) * (2 * Math.PI)) / m;
  const [c, s] = [cosTaylor(angle), sinTaylor(angle)];
  switch (octant) {
    case 0:
      return [c, s];
    case 1:
      return [s, c];
    case 2:
      return [-s, c];
    case 3:
      return [-c, s];
    case 4:
      return [-c, -s];
    case 5:
      return [-s, -c];
    case 6:
      return [s, -c];
    default:
      return [c, -s];
  }
}

function cosTaylor(x: number): number {
  let sum = 0;
  for (let d = 20; d >= 2; d -= 2) sum = (-x * x * (1 + sum)) / (d * (d - 1));
  return 1 + sum;
}

function sinTaylor(x: number): number {
  let sum = 0;
  for (let d = 21; d >= 3; d -= 2) sum = (-x * x * (1 + sum)) / (d * (d - 1));
  return x + x * sum;
}
