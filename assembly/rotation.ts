/** The digits of a blind rotation: see `Kernel.blindRotate`. Addresses need not be multiples of 16. */
import { Q, fromWords, toCentred } from './vector';

// Two digits of sign * x - a. All steps are exact: the quotient has the bits of a residue, and the half below them is one bit more.
// @ts-ignore: decorator
@inline
function digitPair(x: v128, a: v128, negative: bool, q: v128, scale: v128): v128 {
  const rotated = negative ? f64x2.sub(q, fromWords(x)) : fromWords(x);
  const difference = toCentred(f64x2.sub(rotated, fromWords(a)), q);
  return f64x2.floor(f64x2.add(f64x2.mul(difference, scale), f64x2.splat(0.5)));
}

// @ts-ignore: decorator
@inline
function digitRun(out: usize, x: usize, a: usize, bytes: usize, negative: bool, q: v128, scale: v128): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    v128.store(out + i, digitPair(v128.load(x + i), v128.load(a + i), negative, q, scale));
  }
  if (i < bytes) {
    const last = digitPair(v128.load64_zero(x + i), v128.load64_zero(a + i), negative, q, scale);
    v128.store64_lane(out + i, last, 0);
  }
}

/** Centred digits, as doubles, of X^exponent a - a; exponent below 2n, scale = 2^-shift. */
export function rotationDigits(
  out: usize, a: usize, exponent: usize, scale: f64, table: usize, n: usize,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const factor = f64x2.splat(scale);
  const before = (exponent & (n - 1)) << 3;
  const after = (n << 3) - before;
  if (exponent < n) {
    digitRun(out, a + after, a, before, true, q, factor);
    digitRun(out + before, a, a + before, after, false, q, factor);
  } else {
    digitRun(out, a + after, a, before, false, q, factor);
    digitRun(out + before, a, a + before, after, true, q, factor);
  }
}
