/**
 * y = W x modulo 2^32 for int8 W and int32 x by 16-bit halves, as in native/integer/integer_linear.h: x = low + 2^16 high, and
 * i32x4.dot_i16x8_s adds products of pairs.
 */

const TILE_ROWS: usize = 4;

// @ts-ignore: decorator
@inline
function join(low: v128, high: v128): v128 {
  return i32x4.add(low, i32x4.shl(high, 16));
}

/** The signed low and the rounded high halves of `count` words, as int16 each, zeros up to `padded`. */
export function splitHalves(low: usize, high: usize, x: usize, count: usize, padded: usize): void {
  for (let i: usize = 0; i < padded; i++) {
    const value: i32 = i < count ? load<i32>(x + (i << 2)) : 0;
    store<i16>(low + (i << 1), <i16>value);
    store<i16>(high + (i << 1), <i16>((value + 0x8000) >>> 16));
  }
}

/** out[row] = weights[row] . x for `rows` rows of `terms` int8, a multiple of 8. */
export function integerDots(out: usize, weights: usize, rows: usize, terms: usize, low: usize, high: usize): void {
  for (let row: usize = 0; row < rows; row++) {
    let s = i32x4.splat(0), t = s;
    for (let k: usize = 0; k < terms; k += 8) {
      const w = v128.load_ext<i8>(weights);
      weights += 8;
      s = i32x4.add(s, i32x4.dot_i16x8_s(w, v128.load(low + (k << 1))));
      t = i32x4.add(t, i32x4.dot_i16x8_s(w, v128.load(high + (k << 1))));
    }
    const sum = join(s, t);
    store<i32>(
      out + (row << 2),
      i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) +
        i32x4.extract_lane(sum, 3),
    );
  }
}

// @ts-ignore: decorator
@inline
function column(image: usize, base: usize, j: usize): usize {
  return image + (load<u32>(base + (j << 2)) << 2);
}

/** Four columns of the unfolded image: per pair of terms, four words of low halves, then of high halves. */
export function integerPanel(panel: usize, image: usize, base: usize, offset: usize, pairs: usize): void {
  const c0 = column(image, base, 0), c1 = column(image, base, 1);
  const c2 = column(image, base, 2), c3 = column(image, base, 3);
  const half = i32x4.splat(0x8000), bottom = i32x4.splat(0xffff), top = i32x4.splat(-65536);
  for (let p: usize = 0; p < pairs; p++) {
    const first: usize = load<u32>(offset) << 2;
    const second: usize = load<u32>(offset, 4) << 2;
    offset += 8;
    let u = v128.load32_zero(c0 + first), v = v128.load32_zero(c0 + second);
    u = v128.load_lane<i32>(c1 + first, u, 1);
    v = v128.load_lane<i32>(c1 + second, v, 1);
    u = v128.load_lane<i32>(c2 + first, u, 2);
    v = v128.load_lane<i32>(c2 + second, v, 2);
    u = v128.load_lane<i32>(c3 + first, u, 3);
    v = v128.load_lane<i32>(c3 + second, v, 3);
    v128.store(panel, v128.or(v128.and(u, bottom), i32x4.shl(v, 16)));
    v128.store(panel, v128.or(i32x4.shr_u(i32x4.add(u, half), 16), v128.and(i32x4.add(v, half), top)), 16);
    panel += 32;
  }
}

// @ts-ignore: decorator
@inline
function storeRow(out: usize, sum: v128, width: usize, buffer: usize): void {
  v128.store(buffer, sum);
  for (let j: usize = 0; j < width; j++) store<i32>(out + (j << 2), load<i32>(buffer + (j << 2)));
}

/**
 * `width` (at most 4) columns of all rows: rows `stride` bytes apart in out; weights in strips of four rows, per pair one word
 * of two int16 for each. `buffer`: 16 bytes of work space.
 */
export function integerStrip(
  out: usize, stride: usize, width: usize, weights: usize, rows: usize, panel: usize, pairs: usize, buffer: usize,
): void {
  const end = panel + (pairs << 5);
  for (let row: usize = 0; row < rows; row += TILE_ROWS) {
    let a = i32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
    for (let at = panel; at < end; at += 32) {
      const low = v128.load(at);
      const high = v128.load(at, 16);
      const w0 = v128.load_splat<i32>(weights);
      a = i32x4.add(a, i32x4.dot_i16x8_s(w0, low));
      b = i32x4.add(b, i32x4.dot_i16x8_s(w0, high));
      const w1 = v128.load_splat<i32>(weights, 4);
      c = i32x4.add(c, i32x4.dot_i16x8_s(w1, low));
      d = i32x4.add(d, i32x4.dot_i16x8_s(w1, high));
      const w2 = v128.load_splat<i32>(weights, 8);
      e = i32x4.add(e, i32x4.dot_i16x8_s(w2, low));
      f = i32x4.add(f, i32x4.dot_i16x8_s(w2, high));
      const w3 = v128.load_splat<i32>(weights, 12);
      g = i32x4.add(g, i32x4.dot_i16x8_s(w3, low));
      h = i32x4.add(h, i32x4.dot_i16x8_s(w3, high));
      weights += 16;
    }
    const to = out + row * stride;
    storeRow(to, join(a, b), width, buffer);
    if (row + 1 < rows) storeRow(to + stride, join(c, d), width, buffer);
    if (row + 2 < rows) storeRow(to + 2 * stride, join(e, f), width, buffer);
    if (row + 3 < rows) storeRow(to + 3 * stride, join(g, h), width, buffer);
  }
}

const PANEL_COLUMNS: usize = 64;
const COLUMNS_AT_ONCE: usize = 32;

// @ts-ignore: decorator
@inline
function addAt(out: usize, sum: v128, add: bool): void {
  v128.store(out, add ? i32x4.add(v128.load(out), sum) : sum);
}

/** Of 32 columns; added to what is there when `add`. */
// @ts-ignore: decorator
@inline
function addColumns(
  to: usize, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128, g: v128, h: v128, add: bool,
): void {
  addAt(to, a, add);
  addAt(to + 16, b, add);
  addAt(to + 32, c, add);
  addAt(to + 48, d, add);
  addAt(to + 64, e, add);
  addAt(to + 80, f, add);
  addAt(to + 96, g, add);
  addAt(to + 112, h, add);
}

/**
 * Columns of one panel of native/integer/integer_product.h: per row of out, `stride` bytes apart, the sum of factor * row over its terms,
 * which are pairs of a row of the panel and a factor of 16 bits, up to ends[row]; added to what is there when `add`.
 */
export function integerNarrowProduct(
  out: usize, stride: usize, rows: usize, panel: usize, terms: usize, ends: usize, add: bool,
): void {
  const zero = i32x4.splat(0);
  for (let first: usize = 0; first < PANEL_COLUMNS; first += COLUMNS_AT_ONCE) {
    const columns = panel + (first << 1);
    let at = terms;
    for (let row: usize = 0; row < rows; row++) {
      const end = terms + (<usize>load<u32>(ends + (row << 2)) << 3);
      let a = zero, b = zero, c = zero, d = zero, e = zero, f = zero, g = zero, h = zero;
      while (at < end) {
        const x = columns + (<usize>load<u32>(at) << 7);
        // The last of an odd number is paired with itself, times zero.
        const paired = at + 8 < end;
        const y = paired ? columns + (<usize>load<u32>(at, 8) << 7) : x;
        const other: i32 = paired ? load<i32>(at, 12) : 0;
        const factors = i32x4.splat((load<i32>(at, 4) & 0xffff) | (other << 16));
        at += paired ? 16 : 8;
        let u = v128.load(x), v = v128.load(y);
        a = i32x4.add(a, i32x4.dot_i16x8_s(factors, v128.shuffle<i16>(u, v, 0, 8, 1, 9, 2, 10, 3, 11)));
        b = i32x4.add(b, i32x4.dot_i16x8_s(factors, v128.shuffle<i16>(u, v, 4, 12, 5, 13, 6, 14, 7, 15)));
        u = v128.load(x, 16);
        v = v128.load(y, 16);
        c = i32x4.add(c, i32x4.dot_i16x8_s(factors, v128.shuffle<i16>(u, v, 0, 8, 1, 9, 2, 10, 3, 11)));
        d = i32x4.add(d, i32x4.dot_i16x8_s(factors, v128.shuffle<i16>(u, v, 4, 12, 5, 13, 6, 14, 7, 15)));
        u = v128.load(x, 32);
        v = v128.load(y, 32);
        e = i32x4.add(e, i32x4.dot_i16x8_s(factors, v128.shuffle<i16>(u, v, 0, 8, 1, 9, 2, 10, 3, 11)));
        f = i32x4.add(f, i32x4.dot_i16x8_s(factors, v128.shuffle<i16>(u, v, 4, 12, 5, 13, 6, 14, 7, 15)));
        u = v128.load(x, 48);
        v = v128.load(y, 48);
        g = i32x4.add(g, i32x4.dot_i16x8_s(factors, v128.shuffle<i16>(u, v, 0, 8, 1, 9, 2, 10, 3, 11)));
        h = i32x4.add(h, i32x4.dot_i16x8_s(factors, v128.shuffle<i16>(u, v, 4, 12, 5, 13, 6, 14, 7, 15)));
      }
      addColumns(out + row * stride + (first << 2), a, b, c, d, e, f, g, h, add);
    }
  }
}

/** The same for rows of 32 bits and any factors. */
export function integerWideProduct(
  out: usize, stride: usize, rows: usize, panel: usize, terms: usize, ends: usize, add: bool,
): void {
  const zero = i32x4.splat(0);
  for (let first: usize = 0; first < PANEL_COLUMNS; first += COLUMNS_AT_ONCE) {
    const columns = panel + (first << 2);
    let at = terms;
    for (let row: usize = 0; row < rows; row++) {
      const end = terms + (<usize>load<u32>(ends + (row << 2)) << 3);
      let a = zero, b = zero, c = zero, d = zero, e = zero, f = zero, g = zero, h = zero;
      for (; at < end; at += 8) {
        const x = columns + (<usize>load<u32>(at) << 8);
        const factor = v128.load_splat<i32>(at, 4);
        a = i32x4.add(a, i32x4.mul(factor, v128.load(x)));
        b = i32x4.add(b, i32x4.mul(factor, v128.load(x, 16)));
        c = i32x4.add(c, i32x4.mul(factor, v128.load(x, 32)));
        d = i32x4.add(d, i32x4.mul(factor, v128.load(x, 48)));
        e = i32x4.add(e, i32x4.mul(factor, v128.load(x, 64)));
        f = i32x4.add(f, i32x4.mul(factor, v128.load(x, 80)));
        g = i32x4.add(g, i32x4.mul(factor, v128.load(x, 96)));
        h = i32x4.add(h, i32x4.mul(factor, v128.load(x, 112)));
      }
      addColumns(out + row * stride + (first << 2), a, b, c, d, e, f, g, h, add);
    }
  }
}
