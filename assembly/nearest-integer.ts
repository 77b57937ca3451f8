/** 1.5 * 2^52: a double of this size has no fraction. */
const WITHOUT_FRACTION: f64 = 6755399441055744.0;

/** The nearest integers to doubles below 2^51 in size, ties to even. */
// @ts-ignore: decorator
@inline
export function nearestInteger(x: v128): v128 {
  const large = f64x2.splat(WITHOUT_FRACTION);
  return f64x2.sub(f64x2.add(x, large), large);
}
