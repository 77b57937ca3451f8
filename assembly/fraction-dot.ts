/**
 * Integers times fractions modulo 1, for two rows of integers at a time, which are pairs of embedding-pairs.ts. Operations are rounded one
 * by one, in the order of the reference. Arrays are byte addresses.
 */
import { embedPairs, unembedPairs } from './embedding-pairs';
import { fraction } from './fraction';

/** Behind each polynomial of a pair of rows, so that the slots j of all terms do not meet in the same sets of a cache. */
const PADDING: usize = 64;
const TWO_32: f64 = 4294967296.0;

/** The part of the fraction at b that starts at the bit `below` and has `width` bits; offset makes parts signed and rounds them. */
// @ts-ignore: decorator
@inline
function partOf(b: usize, words: usize, offset: u64, below: u64, width: u64, isRest: bool): f64 {
  const both = ((<u64>load<u32>(b) << 32) | load<u32>(b, 4)) + offset;
  const field = (both >> below) & (~(<u64>0) >> (64 - width));
  // 64 bits are more than a double holds: the halves are rounded once, when they are added.
  const value = <f64>(<u32>(field >> 32)) * TWO_32 + <f64>(<u32>field) - <f64>(<u64>1 << (width - 1));
  return isRest && words > 2 ? value + <f64>load<u32>(b, 8) / TWO_32 : value;
}

/**
 * The slot values of all parts of b, `terms` polynomials of 2 slots fractions, in the order in which {@link fractionRows} reads them: slot,
 * term, part. `values`: work space of 32 slots bytes, reversal: the bit reversal of slots places.
 */
export function fractionFactors(
  factors: usize, values: usize, b: usize, words: usize, terms: usize, bits: u64, exact: u64, slots: usize,
  cos: usize, sin: usize, reversal: usize,
): void {
  const parts = <usize>exact + 1;
  const size = words << 2;
  let offset: u64 = 0;
  for (let i: u64 = 0; i <= exact; i++) offset += <u64>1 << (63 - bits * i);
  for (let term: usize = 0; term < terms; term++, b += (slots << 1) * size) {
    for (let part: usize = 0; part < parts; part++) {
      const isRest = part == <usize>exact;
      const below: u64 = isRest ? 0 : 64 - bits * (part + 1);
      const width: u64 = isRest ? 64 - bits * exact : bits;
      for (let i: usize = 0; i < slots; i++) {
        const from = b + <usize>load<u32>(reversal + (i << 2)) * size;
        const to = values + (i << 5);
        v128.store(to, f64x2.splat(partOf(from, words, offset, below, width, isRest)));
        v128.store(to, f64x2.splat(partOf(from + slots * size, words, offset, below, width, isRest)), 16);
      }
      unembedPairs(values, slots, cos, sin);
      for (let i: usize = 0; i < slots; i++) {
        const to = factors + (((i * terms + term) * parts + part) << 4);
        store<f64>(to, load<f64>(values + (i << 5)));
        store<f64>(to, load<f64>(values + (i << 5), 16), 8);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function storeSum(to: usize, re: v128, im: v128): void {
  v128.store(to, re);
  v128.store(to, im, 16);
}

/** The real part of (x + i y) (c + i s), added to a sum. */
// @ts-ignore: decorator
@inline
function plusReal(sum: v128, x: v128, y: v128, c: v128, s: v128): v128 {
  return f64x2.sub(f64x2.add(sum, f64x2.mul(x, c)), f64x2.mul(y, s));
}

// @ts-ignore: decorator
@inline
function plusImaginary(sum: v128, x: v128, y: v128, c: v128, s: v128): v128 {
  return f64x2.add(f64x2.add(sum, f64x2.mul(x, s)), f64x2.mul(y, c));
}

/** At one slot: the sums over the terms for `count` parts, at most four, whose sums do not wait for each other. */
// @ts-ignore: decorator
@inline
function sumsOfProducts(
  count: i32, out: usize, size: usize, a: usize, stride: usize, terms: usize, b: usize, step: usize,
): void {
  let r0 = f64x2.splat(0), i0 = r0, r1 = r0, i1 = r0, r2 = r0, i2 = r0, r3 = r0, i3 = r0;
  for (let end = a + terms * stride; a < end; a += stride, b += step) {
    const x = v128.load(a), y = v128.load(a, 16);
    let c = v128.load64_splat(b), s = v128.load64_splat(b, 8);
    r0 = plusReal(r0, x, y, c, s);
    i0 = plusImaginary(i0, x, y, c, s);
    if (count > 1) {
      c = v128.load64_splat(b, 16);
      s = v128.load64_splat(b, 24);
      r1 = plusReal(r1, x, y, c, s);
      i1 = plusImaginary(i1, x, y, c, s);
    }
    if (count > 2) {
      c = v128.load64_splat(b, 32);
      s = v128.load64_splat(b, 40);
      r2 = plusReal(r2, x, y, c, s);
      i2 = plusImaginary(i2, x, y, c, s);
    }
    if (count > 3) {
      c = v128.load64_splat(b, 48);
      s = v128.load64_splat(b, 56);
      r3 = plusReal(r3, x, y, c, s);
      i3 = plusImaginary(i3, x, y, c, s);
    }
  }
  storeSum(out, r0, i0);
  if (count > 1) storeSum(out + size, r1, i1);
  if (count > 2) storeSum(out + 2 * size, r2, i2);
  if (count > 3) storeSum(out + 3 * size, r3, i3);
}

/** Sums for the parts `part` .. of at most four, at all slots. */
function sumParts(
  count: i32, sums: usize, slots: usize, a: usize, terms: usize, factors: usize, parts: usize,
): void {
  const size = slots << 5;
  const step = parts << 4;
  for (let i: usize = 0; i < slots; i++) {
    const out = sums + (i << 5), x = a + (i << 5), b = factors + i * terms * step;
    if (count == 1) sumsOfProducts(1, out, size, x, size + PADDING, terms, b, step);
    else if (count == 2) sumsOfProducts(2, out, size, x, size + PADDING, terms, b, step);
    else if (count == 3) sumsOfProducts(3, out, size, x, size + PADDING, terms, b, step);
    else sumsOfProducts(4, out, size, x, size + PADDING, terms, b, step);
  }
}

/** Adds what the part with these slot values is modulo 1; a sum that starts with 0 is never -0. */
function addFractions(
  total: usize, x: usize, slots: usize, reversal: usize, factor: f64, unit: f64,
): void {
  const factors = f64x2.splat(factor), units = f64x2.splat(unit);
  for (let i: usize = 0; i < slots; i++) {
    const from = x + (i << 5);
    const to = total + (<usize>load<u32>(reversal + (i << 2)) << 4);
    const other = to + (slots << 4);
    const re = f64x2.mul(f64x2.nearest(f64x2.mul(v128.load(from), factors)), units);
    const im = f64x2.mul(f64x2.nearest(f64x2.mul(v128.load(from, 16), factors)), units);
    v128.store(to, f64x2.add(v128.load(to), fraction(re)));
    v128.store(other, f64x2.add(v128.load(other), fraction(im)));
  }
}

/**
 * Two rows of `terms` polynomials of 2 slots int32 each, which may be the same, times what {@link fractionFactors} wrote: 2 slots doubles
 * each, the second behind the first. The rest is rounded to multiples of restUnit; its slot values times restFactor are in that unit.
 * `space`: terms (32 slots + 64) + (exact + 2) 32 slots bytes.
 */
export function fractionRows(
  out: usize, first: usize, second: usize, terms: usize, factors: usize, bits: i32, exact: i32, slots: usize,
  restFactor: f64, restUnit: f64, cos: usize, sin: usize, reversal: usize, space: usize,
): void {
  const size = slots << 5;
  const own = space;
  const sums = own + terms * (size + PADDING);
  const parts = <usize>exact + 1;
  const total = sums + parts * size;
  for (let term: usize = 0; term < terms; term++) {
    const x = own + term * (size + PADDING);
    const y = first + term * (slots << 3), z = second + term * (slots << 3);
    for (let i: usize = 0; i < slots; i++) {
      const from: usize = <usize>load<u32>(reversal + (i << 2)) << 2;
      const behind = from + (slots << 2);
      const re = v128.load_lane<i32>(z + from, v128.load32_zero(y + from), 1);
      const im = v128.load_lane<i32>(z + behind, v128.load32_zero(y + behind), 1);
      v128.store(x + (i << 5), f64x2.convert_low_i32x4_s(re));
      v128.store(x + (i << 5), f64x2.convert_low_i32x4_s(im), 16);
    }
    unembedPairs(x, slots, cos, sin);
  }
  for (let part: usize = 0; part < parts; part += 4) {
    const count = <i32>min<usize>(4, parts - part);
    sumParts(count, sums + part * size, slots, own, terms, factors + (part << 4), parts);
  }
  memory.fill(total, 0, size);
  let unit: f64 = 1;
  const scale = 1.0 / <f64>slots;
  const partUnit = 1.0 / <f64>(<u64>1 << bits);
  for (let part: usize = 0; part < parts; part++) {
    const isRest = part == <usize>exact;
    const x = sums + part * size;
    unit *= partUnit;
    embedPairs(x, slots, cos, sin);
    addFractions(total, x, slots, reversal, isRest ? restFactor : scale, isRest ? restUnit : unit);
  }
  const next = out + (slots << 4);
  for (let k: usize = 0; k < slots << 1; k++) {
    const value = fraction(v128.load(total + (k << 4)));
    store<f64>(out + (k << 3), f64x2.extract_lane(value, 0));
    store<f64>(next + (k << 3), f64x2.extract_lane(value, 1));
  }
}
