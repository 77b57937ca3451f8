/** Rows of centred residues modulo a small prime, as doubles, minus multiples of others. Arrays are byte addresses. */
import { nearestInteger } from './nearest-integer';

/** Bytes of a row that are worked on together: four vectors. */
const BLOCK: usize = 64;

/** x - a * b, which is exact. */
// @ts-ignore: decorator
@inline
function minusProduct(x: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_nmadd(a, b, x);
  return f64x2.sub(x, f64x2.mul(a, b));
}

/** x minus the nearest multiple of p. */
// @ts-ignore: decorator
@inline
function centred(x: v128, p: v128, inverse: v128): v128 {
  return minusProduct(x, nearestInteger(f64x2.mul(x, inverse)), p);
}

/** Four vectors minus the sum of factor * row over the terms, reduced after every `most` of them. */
// @ts-ignore: decorator
@inline
function subtractTerms(
  out: usize, offset: usize, terms: usize, end: usize, p: v128, inverse: v128, most: usize,
): void {
  let a = v128.load(out), b = v128.load(out, 16), c = v128.load(out, 32), d = v128.load(out, 48);
  while (terms < end) {
    const stop = min<usize>(end, terms + (most << 4));
    for (; terms < stop; terms += 16) {
      const factor = v128.load64_splat(terms);
      const row = <usize>load<u32>(terms, 8) + offset;
      a = minusProduct(a, factor, v128.load(row));
      b = minusProduct(b, factor, v128.load(row, 16));
      c = minusProduct(c, factor, v128.load(row, 32));
      d = minusProduct(d, factor, v128.load(row, 48));
    }
    a = centred(a, p, inverse);
    b = centred(b, p, inverse);
    c = centred(c, p, inverse);
    d = centred(d, p, inverse);
  }
  v128.store(out, centred(a, p, inverse));
  v128.store(out, centred(b, p, inverse), 16);
  v128.store(out, centred(c, p, inverse), 32);
  v128.store(out, centred(d, p, inverse), 48);
}

/**
 * out `[targets, rowBytes]` minus factors `[targets, sources]` times rows `[sources, rowBytes]`, rowBytes a multiple of 64, modulo
 * `prime`; reduced after every `most` products. `terms`: work space of 16 bytes for each source.
 */
export function subtractProduct(
  out: usize, rows: usize, factors: usize, targets: usize, sources: usize, rowBytes: usize, terms: usize,
  prime: f64, most: usize,
): void {
  const p = f64x2.splat(prime), inverse = f64x2.splat(1.0 / prime);
  for (let t: usize = 0; t < targets; t++, out += rowBytes) {
    let end = terms;
    for (let k: usize = 0; k < sources; k++, factors += 8) {
      const factor = load<f64>(factors);
      if (factor == 0) continue;
      store<f64>(end, factor);
      store<u32>(end, <u32>(rows + k * rowBytes), 8);
      end += 16;
    }
    if (end == terms) continue;
    for (let offset: usize = 0; offset < rowBytes; offset += BLOCK)
      subtractTerms(out + offset, offset, terms, end, p, inverse, most);
  }
}
