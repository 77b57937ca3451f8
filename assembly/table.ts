/** Fills the table of one limb. The roots are public. */
import {
  LAST_ROOT,
  LAST_ROOT_Q,
  N_INVERSE,
  N_INVERSE_Q,
  Q,
  Q_INVERSE,
  ROOTS,
  mulConstant,
  reduce,
  toCentred,
} from './vector';

/** Bytes of the table of one limb of degree n. */
export function tableBytes(n: usize): usize {
  return ROOTS + (n << 5);
}

function mulCentred(x: f64, w: f64, q: f64): f64 {
  const qs = f64x2.splat(q);
  const product = mulConstant(f64x2.splat(x), f64x2.splat(w), f64x2.splat(w / q), qs);
  return f64x2.extract_lane(toCentred(reduce(product, qs, f64x2.splat(1.0 / q)), qs), 0);
}

function centre(x: f64, q: f64): f64 {
  return x > q / 2 ? x - q : x;
}

function reversed(i: u32, bits: u32): u32 {
  let r: u32 = 0;
  for (let b: u32 = 0; b < bits; b++) r |= ((i >> b) & 1) << (bits - 1 - b);
  return r;
}

/** Powers of `psi` in bit-reversed order, and each divided by q. */
function fillRoots(at: usize, n: usize, q: f64, psi: f64): void {
  const bits = <u32>ctz(n);
  let power: f64 = 1;
  for (let i: usize = 0; i < n; i++) {
    const to = at + ((<usize>reversed(<u32>i, bits)) << 3);
    store<f64>(to, power);
    store<f64>(to + (n << 3), power / q);
    power = mulCentred(power, psi, q);
  }
}

/** psi, its inverse and the inverse of n are residues in [0, q). */
export function fillTable(table: usize, n: usize, q: f64, psi: f64, psiInverse: f64, nInverse: f64): void {
  store<f64>(table, q, Q);
  store<f64>(table, 1.0 / q, Q_INVERSE);
  const scale = centre(nInverse, q);
  store<f64>(table, scale, N_INVERSE);
  store<f64>(table, scale / q, N_INVERSE_Q);
  fillRoots(table + ROOTS, n, q, centre(psi, q));
  const inverses = table + ROOTS + (n << 4);
  fillRoots(inverses, n, q, centre(psiInverse, q));
  const last = mulCentred(load<f64>(inverses, 8), scale, q);
  store<f64>(table, last, LAST_ROOT);
  store<f64>(table, last / q, LAST_ROOT_Q);
}

/** bitrev(i) over log2(n) bits, as 32-bit integers. */
export function fillBitReversal(at: usize, n: usize): void {
  const bits = <u32>ctz(n);
  for (let i: usize = 0; i < n; i++) store<u32>(at + (i << 2), reversed(<u32>i, bits));
}

/** Whether relaxed_madd rounds once: (1 + 2^-30)^2 - (1 + 2^-29) is 2^-60 then, and 0 with two roundings. */
export function isFused(x: f64, y: f64): bool {
  if (!ASC_FEATURE_RELAXED_SIMD) return false;
  const a = f64x2.splat(x);
  const c = f64x2.splat(y);
  const plus = f64x2.relaxed_madd(a, a, f64x2.neg(c));
  const minus = f64x2.relaxed_nmadd(a, a, c);
  const tiny = 1.0 / 1152921504606846976.0;
  return (
    f64x2.extract_lane(plus, 0) == tiny && f64x2.extract_lane(plus, 1) == tiny &&
    f64x2.extract_lane(minus, 0) == -tiny && f64x2.extract_lane(minus, 1) == -tiny
  );
}
