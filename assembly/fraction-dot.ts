/**
 * Integers times fractions modulo 1, for two rows of integers at a time: a pair of rows is a vector, so each operation of the special FFT
 * works on both, and there are no shuffles. Operations are rounded one by one, in the order of the reference. Slot j of a polynomial is
 * at 32 j: the real part of both rows, then the imaginary part. Arrays are byte addresses; the root number j of the stage with the
 * distance `half` is at half + j.
 */

/** Behind each polynomial of a pair of rows, so that the slots j of all terms do not meet in the same sets of a cache. */
const PADDING: usize = 64;
/** 1.5 * 2^52: adding and subtracting it rounds a double below 2^51 to the nearest integer. */
const TO_INTEGER: f64 = 6755399441055744.0;
const TWO_32: f64 = 4294967296.0;

// @ts-ignore: decorator
@inline
function turnedReal(re: v128, im: v128, c: v128, s: v128): v128 {
  return f64x2.sub(f64x2.mul(re, c), f64x2.mul(im, s));
}

// @ts-ignore: decorator
@inline
function turnedImaginary(re: v128, im: v128, c: v128, s: v128): v128 {
  return f64x2.add(f64x2.mul(re, s), f64x2.mul(im, c));
}

// @ts-ignore: decorator
@inline
function turnedBackImaginary(re: v128, im: v128, c: v128, s: v128): v128 {
  return f64x2.sub(f64x2.mul(im, c), f64x2.mul(re, s));
}

// @ts-ignore: decorator
@inline
function turnedBackReal(re: v128, im: v128, c: v128, s: v128): v128 {
  return f64x2.add(f64x2.mul(re, c), f64x2.mul(im, s));
}

/** The stages of the FFT with the distances half and 2 half. */
function unembedTwoStages(x: usize, slots: usize, cos: usize, sin: usize, half: usize): void {
  const distance = half << 5;
  const end = x + (slots << 5);
  for (let j: usize = 0; j < half; j++) {
    const root = (half + j) << 3;
    const above = root + (half << 3);
    const last = above + (half << 3);
    const c = v128.load64_splat(cos + root), s = v128.load64_splat(sin + root);
    const c0 = v128.load64_splat(cos + above), s0 = v128.load64_splat(sin + above);
    const c1 = v128.load64_splat(cos + last), s1 = v128.load64_splat(sin + last);
    for (let at = x + (j << 5); at < end; at += distance << 2) {
      const second = at + distance, third = second + distance, fourth = third + distance;
      let re = v128.load(second), im = v128.load(second, 16);
      let tr = turnedReal(re, im, c, s), ti = turnedImaginary(re, im, c, s);
      re = v128.load(at);
      im = v128.load(at, 16);
      const ar = f64x2.add(re, tr), ai = f64x2.add(im, ti);
      const br = f64x2.sub(re, tr), bi = f64x2.sub(im, ti);
      re = v128.load(fourth);
      im = v128.load(fourth, 16);
      tr = turnedReal(re, im, c, s);
      ti = turnedImaginary(re, im, c, s);
      re = v128.load(third);
      im = v128.load(third, 16);
      const dr = f64x2.sub(re, tr), di = f64x2.sub(im, ti);
      re = f64x2.add(re, tr);
      im = f64x2.add(im, ti);
      tr = turnedReal(re, im, c0, s0);
      ti = turnedImaginary(re, im, c0, s0);
      v128.store(at, f64x2.add(ar, tr));
      v128.store(at, f64x2.add(ai, ti), 16);
      v128.store(third, f64x2.sub(ar, tr));
      v128.store(third, f64x2.sub(ai, ti), 16);
      tr = turnedReal(dr, di, c1, s1);
      ti = turnedImaginary(dr, di, c1, s1);
      v128.store(second, f64x2.add(br, tr));
      v128.store(second, f64x2.add(bi, ti), 16);
      v128.store(fourth, f64x2.sub(br, tr));
      v128.store(fourth, f64x2.sub(bi, ti), 16);
    }
  }
}

/** The stages of the inverse with the distances 2 half and half. */
function embedTwoStages(x: usize, slots: usize, cos: usize, sin: usize, half: usize): void {
  const distance = half << 5;
  const end = x + (slots << 5);
  for (let j: usize = 0; j < half; j++) {
    const root = (half + j) << 3;
    const above = root + (half << 3);
    const last = above + (half << 3);
    const c = v128.load64_splat(cos + root), s = v128.load64_splat(sin + root);
    const c0 = v128.load64_splat(cos + above), s0 = v128.load64_splat(sin + above);
    const c1 = v128.load64_splat(cos + last), s1 = v128.load64_splat(sin + last);
    for (let at = x + (j << 5); at < end; at += distance << 2) {
      const second = at + distance, third = second + distance, fourth = third + distance;
      let ar = v128.load(at), ai = v128.load(at, 16);
      let br = v128.load(second), bi = v128.load(second, 16);
      let re = v128.load(third), im = v128.load(third, 16);
      let dr = f64x2.sub(ar, re), di = f64x2.sub(ai, im);
      ar = f64x2.add(ar, re);
      ai = f64x2.add(ai, im);
      const tr = turnedBackReal(dr, di, c0, s0), ti = turnedBackImaginary(dr, di, c0, s0);
      re = v128.load(fourth);
      im = v128.load(fourth, 16);
      dr = f64x2.sub(br, re);
      di = f64x2.sub(bi, im);
      br = f64x2.add(br, re);
      bi = f64x2.add(bi, im);
      const ur = turnedBackReal(dr, di, c1, s1), ui = turnedBackImaginary(dr, di, c1, s1);
      v128.store(at, f64x2.add(ar, br));
      v128.store(at, f64x2.add(ai, bi), 16);
      dr = f64x2.sub(ar, br);
      di = f64x2.sub(ai, bi);
      v128.store(second, turnedBackReal(dr, di, c, s));
      v128.store(second, turnedBackImaginary(dr, di, c, s), 16);
      v128.store(third, f64x2.add(tr, ur));
      v128.store(third, f64x2.add(ti, ui), 16);
      dr = f64x2.sub(tr, ur);
      di = f64x2.sub(ti, ui);
      v128.store(fourth, turnedBackReal(dr, di, c, s));
      v128.store(fourth, turnedBackImaginary(dr, di, c, s), 16);
    }
  }
}

/** From coefficients in bit-reversed order. */
function unembedPairs(x: usize, slots: usize, cos: usize, sin: usize): void {
  let half: usize = 1;
  // The first stage alone where the number of stages is odd.
  if (ctz(slots) & 1) {
    const c = v128.load64_splat(cos, 8), s = v128.load64_splat(sin, 8);
    for (let at = x, end = x + (slots << 5); at < end; at += 64) {
      const ar = v128.load(at), ai = v128.load(at, 16);
      const br = v128.load(at, 32), bi = v128.load(at, 48);
      const tr = turnedReal(br, bi, c, s), ti = turnedImaginary(br, bi, c, s);
      v128.store(at, f64x2.add(ar, tr));
      v128.store(at, f64x2.add(ai, ti), 16);
      v128.store(at, f64x2.sub(ar, tr), 32);
      v128.store(at, f64x2.sub(ai, ti), 48);
    }
    half = 2;
  }
  for (; half < slots; half <<= 2) unembedTwoStages(x, slots, cos, sin, half);
}

/** To coefficients times slots in bit-reversed order. */
function embedPairs(x: usize, slots: usize, cos: usize, sin: usize): void {
  let half = slots;
  for (; half >= 4; half >>= 2) embedTwoStages(x, slots, cos, sin, half >> 2);
  if (half == 1) return;
  const c = v128.load64_splat(cos, 8), s = v128.load64_splat(sin, 8);
  for (let at = x, end = x + (slots << 5); at < end; at += 64) {
    const ar = v128.load(at), ai = v128.load(at, 16);
    const br = v128.load(at, 32), bi = v128.load(at, 48);
    const dr = f64x2.sub(ar, br), di = f64x2.sub(ai, bi);
    v128.store(at, f64x2.add(ar, br));
    v128.store(at, f64x2.add(ai, bi), 16);
    v128.store(at, turnedBackReal(dr, di, c, s), 32);
    v128.store(at, turnedBackImaginary(dr, di, c, s), 48);
  }
}

/** Coefficient k of the part of b that starts at the bit `below` of `width` bits; offset moves digits to signed ones. */
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
    r0 = f64x2.sub(f64x2.add(r0, f64x2.mul(x, c)), f64x2.mul(y, s));
    i0 = f64x2.add(f64x2.add(i0, f64x2.mul(x, s)), f64x2.mul(y, c));
    if (count > 1) {
      c = v128.load64_splat(b, 16);
      s = v128.load64_splat(b, 24);
      r1 = f64x2.sub(f64x2.add(r1, f64x2.mul(x, c)), f64x2.mul(y, s));
      i1 = f64x2.add(f64x2.add(i1, f64x2.mul(x, s)), f64x2.mul(y, c));
    }
    if (count > 2) {
      c = v128.load64_splat(b, 32);
      s = v128.load64_splat(b, 40);
      r2 = f64x2.sub(f64x2.add(r2, f64x2.mul(x, c)), f64x2.mul(y, s));
      i2 = f64x2.add(f64x2.add(i2, f64x2.mul(x, s)), f64x2.mul(y, c));
    }
    if (count > 3) {
      c = v128.load64_splat(b, 48);
      s = v128.load64_splat(b, 56);
      r3 = f64x2.sub(f64x2.add(r3, f64x2.mul(x, c)), f64x2.mul(y, s));
      i3 = f64x2.add(f64x2.add(i3, f64x2.mul(x, s)), f64x2.mul(y, c));
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

// @ts-ignore: decorator
@inline
function fraction(x: v128): v128 {
  const toInteger = f64x2.splat(TO_INTEGER);
  return f64x2.sub(x, f64x2.sub(f64x2.add(x, toInteger), toInteger));
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
