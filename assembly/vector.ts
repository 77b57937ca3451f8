/**
 * Two residues at a time, held as integer-valued doubles. A *lazy* value is congruent to the residue and lies within
 * m * q of zero; every loop tracks its m. The capacity is 2^53 / q with fused multiply-add and 2^51 / q without,
 * where the 64-bit integer product needs values below 2^51. No operation branches on a value.
 */

/** The words of a limb's table, as byte offsets: constants first, then the roots. */
export const Q: usize = 0;
export const Q_INVERSE: usize = 8;
export const N_INVERSE: usize = 16;
export const N_INVERSE_Q: usize = 24;
export const LAST_ROOT: usize = 32;
export const LAST_ROOT_Q: usize = 40;
export const ROOTS: usize = 64;

// 2^52 as a double has these bits, and an integer below 2^52 fits under them.
const WORD_BITS: i64 = 0x4330000000000000;
const WORD: f64 = 4503599627370496.0;
// 1.5 * 2^52: adding it to an integer of magnitude below 2^51 leaves that integer in the low bits, as two's complement.
const SIGNED_BITS: i64 = 0x4338000000000000;
const SIGNED: f64 = 6755399441055744.0;

/** Words in [0, 2^52) to doubles. */
// @ts-ignore: decorator
@inline
export function fromWords(x: v128): v128 {
  return f64x2.sub(v128.or(x, i64x2.splat(WORD_BITS)), f64x2.splat(WORD));
}

/** Integers in [0, 2^52), also -0, to words. */
// @ts-ignore: decorator
@inline
export function toWords(x: v128): v128 {
  return v128.xor(f64x2.add(x, f64x2.splat(WORD)), i64x2.splat(WORD_BITS));
}

/** Integers of magnitude below 2^51 to two's complement. */
// @ts-ignore: decorator
@inline
export function toSigned(x: v128): v128 {
  return i64x2.sub(f64x2.add(x, f64x2.splat(SIGNED)), i64x2.splat(SIGNED_BITS));
}

// @ts-ignore: decorator
@inline
export function fromSigned(x: v128): v128 {
  return f64x2.sub(i64x2.add(x, i64x2.splat(SIGNED_BITS)), f64x2.splat(SIGNED));
}

/** a * b + c: fused where the variant has it; elsewhere only for products that are exact. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, b, c);
  return f64x2.add(f64x2.mul(a, b), c);
}

/** x * w mod q given a quotient estimate that is off by at most e: lazy with m = 1/2 + e. */
// @ts-ignore: decorator
@inline
function mulWithQuotient(x: v128, w: v128, quotient: v128, q: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const high = f64x2.mul(x, w);
    const lost = f64x2.relaxed_nmadd(x, w, high); // exact: the rounding error of high
    return f64x2.sub(f64x2.relaxed_nmadd(quotient, q, high), lost);
  }
  return fromSigned(
    i64x2.sub(i64x2.mul(toSigned(x), toSigned(w)), i64x2.mul(toSigned(quotient), toSigned(q))),
  );
}

/** x * w mod q for a constant w in [-q/2, q/2] with wq = w / q: |x| <= m q gives 1/2 + m q / 2^53. */
// @ts-ignore: decorator
@inline
export function mulConstant(x: v128, w: v128, wq: v128, q: v128): v128 {
  return mulWithQuotient(x, w, f64x2.nearest(f64x2.mul(x, wq)), q);
}

/** x * y mod q for |x| <= 2 q and |y| <= q: lazy with m < 1.3. */
// @ts-ignore: decorator
@inline
export function mulVariable(x: v128, y: v128, q: v128, qInverse: v128): v128 {
  return mulWithQuotient(x, y, f64x2.nearest(f64x2.mul(f64x2.mul(x, qInverse), y)), q);
}

/** Lazy below the capacity to lazy with m = 1/2 (and a rounding error of the quotient, below 2^-48). */
// @ts-ignore: decorator
@inline
export function reduce(x: v128, q: v128, qInverse: v128): v128 {
  const quotient = f64x2.nearest(f64x2.mul(x, qInverse));
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_nmadd(quotient, q, x);
  // |quotient * q| stays below 2^53, so the product is exact.
  return f64x2.sub(x, f64x2.mul(quotient, q));
}

/** Lazy with m < 1 to [0, q). */
// @ts-ignore: decorator
@inline
export function toResidue(x: v128, q: v128): v128 {
  return f64x2.add(x, v128.and(q, f64x2.lt(x, f64x2.splat(0))));
}

/** Lazy with m < 1 to the centred representative in [-(q-1)/2, (q-1)/2], never -0. */
// @ts-ignore: decorator
@inline
export function toCentred(x: v128, q: v128): v128 {
  const half = f64x2.mul(q, f64x2.splat(0.5)); // not an integer: q is odd
  const down = f64x2.sub(x, v128.and(q, f64x2.gt(x, half)));
  return f64x2.add(down, v128.and(q, f64x2.lt(down, f64x2.neg(half))));
}

/** How many q a lazy value may reach. */
// @ts-ignore: decorator
@inline
export function capacityOf(q: f64): f64 {
  if (ASC_FEATURE_RELAXED_SIMD) return 9007199254740992.0 / q;
  return 2251799813685248.0 / q;
}
