/** Sums of fractions a_i / q_i modulo 1 from residues, and rows of fractions to integers. Arrays are byte addresses. */
import { nearestInteger } from './nearest-integer';

/** Sums have digits of 28 bits: products of two fit 56, and many of them 64. */
const DIGIT_BITS: i32 = 28;
/** Bits behind those that are kept: see Kernel.fractionSums. */
const GUARD_BITS: i32 = 75;
const TO_FRACTION: f64 = 1.0 / 4294967296.0;

/**
 * One polynomial of residues, `limbs` of them n words apart, to `words` 32-bit words for each coefficient, two coefficients at a time.
 * `factors`: per limb for each of `digits` places 16 bytes, the digit of its reciprocal twice and the digit below it twice.
 * `space`: 16 bytes for each limb and each place, and for one place more, which shifts drop. At most 250 limbs: sums have 64 bits.
 */
export function fractionSums(
  out: usize, a: usize, n: usize, limbs: usize, words: usize, factors: usize, digits: usize, space: usize,
): void {
  const low = i64x2.splat((1 << DIGIT_BITS) - 1);
  const half = i64x2.splat((<i64>1) << ((GUARD_BITS - 1) % DIGIT_BITS));
  const sums = space + (limbs << 4);
  for (let i: usize = 0; i < n; i += 2, a += 16, out += words << 3) {
    for (let l: usize = 0; l < limbs; l++) {
      const y = v128.load(a + l * (n << 3));
      // The low digits of both, then the high ones: residues are below 2^50.
      v128.store(
        space + (l << 4),
        v128.shuffle<i32>(v128.and(y, low), i64x2.shr_u(y, DIGIT_BITS), 0, 2, 4, 6),
      );
    }
    let sum = i64x2.splat(0);
    for (let k: usize = 0; k < digits; k++) {
      if (k == (GUARD_BITS - 1) / DIGIT_BITS) sum = i64x2.add(sum, half);
      for (let l: usize = 0; l < limbs; l++) {
        const y = v128.load(space + (l << 4));
        const factor = v128.load(factors + ((l * digits + k) << 4));
        sum = i64x2.add(sum, i64x2.extmul_low_i32x4_u(y, factor));
        sum = i64x2.add(sum, i64x2.extmul_high_i32x4_u(y, factor));
      }
      v128.store(sums + (k << 4), v128.and(sum, low));
      sum = i64x2.shr_u(sum, DIGIT_BITS);
    }
    let bit = GUARD_BITS;
    for (let w = words; w-- > 0; bit += 32) {
      const at = sums + (<usize>(bit / DIGIT_BITS) << 4);
      const three = v128.or(
        v128.or(v128.load(at), i64x2.shl(v128.load(at, 16), DIGIT_BITS)),
        i64x2.shl(v128.load(at, 32), 2 * DIGIT_BITS),
      );
      const word = i64x2.shr_u(three, bit % DIGIT_BITS);
      store<i32>(out + (w << 2), i32x4.extract_lane(word, 0));
      store<i32>(out + ((words + w) << 2), i32x4.extract_lane(word, 2));
    }
  }
}

/** x minus the nearest integer, for |x| below 2^51. */
// @ts-ignore: decorator
@inline
export function fraction(x: v128): v128 {
  return f64x2.sub(x, nearestInteger(x));
}

/**
 * One row of n values, n even, of Kernel.roundFractions: `steps` rows of n digits, which get finer by digitUnit.
 * @returns how far the farthest value is from its integer
 */
export function roundFractions(
  out: usize, digits: usize, masks: usize, n: usize, steps: usize, digitUnit: f64, results: f64,
): f64 {
  let farthest = f64x2.splat(0);
  const row = n << 2;
  for (let j: usize = 0; j < n; j += 2, digits += 8) {
    const word = i32x4.add(i32x4.shl(v128.load64_zero(digits), 16), v128.load64_zero(digits + row));
    let value = f64x2.mul(f64x2.convert_low_i32x4_s(word), f64x2.splat(TO_FRACTION));
    value = f64x2.sub(value, v128.load(masks + (j << 3)));
    let unit = TO_FRACTION;
    for (let step: usize = 2; step < steps; step++) {
      unit *= digitUnit;
      const digit = f64x2.convert_low_i32x4_s(v128.load64_zero(digits + step * row));
      value = f64x2.add(value, f64x2.mul(digit, f64x2.splat(unit)));
    }
    value = f64x2.mul(fraction(value), f64x2.splat(results));
    const distance = fraction(value);
    farthest = f64x2.max(farthest, f64x2.abs(distance));
    // Adding zero makes -0 an ordinary 0.
    v128.store(out + (j << 3), f64x2.add(f64x2.sub(value, distance), f64x2.splat(0)));
  }
  return max<f64>(f64x2.extract_lane(farthest, 0), f64x2.extract_lane(farthest, 1));
}

/** The sum of the squares of so many integers; -1 when one is above the bound in size. */
export function squaredNorm(values: usize, count: usize, bound: i32): f64 {
  const highest = i32x4.splat(bound);
  let beyond = i32x4.splat(0);
  let sums = i64x2.splat(0);
  const whole = count & ~3;
  for (let i: usize = 0; i < whole; i += 4) {
    const v = v128.load(values + (i << 2));
    // One of the two is negative when the value is beyond.
    beyond = v128.or(beyond, v128.or(i32x4.sub(highest, v), i32x4.add(highest, v)));
    sums = i64x2.add(sums, i64x2.extmul_low_i32x4_s(v, v));
    sums = i64x2.add(sums, i64x2.extmul_high_i32x4_s(v, v));
  }
  let sum = i64x2.extract_lane(sums, 0) + i64x2.extract_lane(sums, 1);
  let isBeyond = i32x4.bitmask(beyond) != 0;
  for (let i = whole; i < count; i++) {
    const v = load<i32>(values + (i << 2));
    isBeyond = isBeyond || v > bound || v < -bound;
    sum += <i64>v * <i64>v;
  }
  return isBeyond ? -1 : <f64>sum;
}
