/**
 * Integer matrix times rows of residues, two words at a time in double precision. The residues are centred, |c| <= q/2,
 * and sums stay exact below 2^53: the host cuts the inner dimension into chunks, and a reduction follows each. When q
 * leaves room for too few terms, the residues are cut into c = high 2^26 + low and two products are added.
 */
import { Q, Q_INVERSE, fromWords, madd, mulConstant, reduce, toResidue, toWords } from './vector';

const WHOLE: i32 = 0;
const LOW: i32 = 1;
const HIGH: i32 = 2;
const SPLIT: f64 = 67108864.0; // 2^26

/** What to do with the sums of one product. */
const STORE: i32 = 0; // as words
const KEEP: i32 = 1; // reduced, in the side buffer
const JOIN: i32 = 2; // as words, with 2^26 times the side buffer

/**
 * Packs `width` words of `cols` rows as panel[tile][row][4], centred doubles. The row of column j starts at
 * c + index[j] * stride.
 */
export function packPanel(
  panel: usize, c: usize, stride: usize, index: usize, cols: usize, width: usize, piece: i32, table: usize,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const half = f64x2.mul(q, f64x2.splat(0.5));
  const tileBytes = cols << 5;
  for (let j: usize = 0; j < cols; j++) {
    const row = c + <usize>load<u32>(index + (j << 2)) * stride;
    let to = panel + (j << 5);
    for (let i: usize = 0; i < width << 3; i += 32) {
      for (let k: usize = 0; k < 32; k += 16) {
        let x = fromWords(v128.load(row + i + k));
        x = f64x2.sub(x, v128.and(q, f64x2.gt(x, half)));
        if (piece != WHOLE) {
          const high = f64x2.nearest(f64x2.mul(x, f64x2.splat(1.0 / SPLIT)));
          x = piece == HIGH ? high : f64x2.sub(x, f64x2.mul(high, f64x2.splat(SPLIT)));
        }
        v128.store(to + k, x);
      }
      to += tileBytes;
    }
  }
}

/** Packs int32 weights as out[row tile][col][4] doubles, rows beyond the last zero. */
export function packWeights(out: usize, weights: usize, rows: usize, cols: usize): void {
  for (let tile: usize = 0; tile < rows; tile += 4) {
    for (let j: usize = 0; j < cols; j++) {
      for (let r: usize = tile; r < tile + 4; r++) {
        store<f64>(out, r < rows ? <f64>load<i32>(weights + ((r * cols + j) << 2)) : 0.0);
        out += 8;
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function finish(sum: v128, out: usize, side: usize, action: i32, q: v128, qi: v128, s: v128, sq: v128): void {
  let r = reduce(sum, q, qi);
  if (action == KEEP) {
    v128.store(side, r);
    return;
  }
  if (action == JOIN) r = reduce(f64x2.add(r, mulConstant(v128.load(side), s, sq, q)), q, qi);
  v128.store(out, toWords(toResidue(r, q)));
}

/**
 * `rows` rows of sums over one panel of `width` words; width is a multiple of 4. `taps`: per column where in a tile of the panel,
 * of `tileBytes`, its row lies. `chunks`: per row tile the ends of its chunks, the last of them being `cols`.
 * `shift` = 2^26 mod q in [-q/2, q/2].
 */
export function multiplyPanel(
  out: usize, stride: usize, weights: usize, rows: usize, cols: usize, panel: usize, tileBytes: usize, taps: usize,
  width: usize, chunks: usize, action: i32, side: usize, shift: f64, table: usize,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const s = f64x2.splat(shift);
  const sq = f64x2.splat(shift / load<f64>(table, Q));
  for (let row: usize = 0; row < rows; row += 4) {
    let tile = panel;
    let ends = chunks;
    for (let column: usize = 0; column < width << 3; column += 32) {
      let a0 = f64x2.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
      let w = weights;
      ends = chunks;
      let tap = taps;
      for (;;) {
        const end = <usize>load<u32>(ends);
        ends += 4;
        const stop = taps + (end << 2);
        while (tap < stop) {
          const at = tile + <usize>load<u32>(tap);
          const x0 = v128.load(at);
          const x1 = v128.load(at, 16);
          const wa = v128.load_splat<f64>(w);
          a0 = madd(wa, x0, a0);
          a1 = madd(wa, x1, a1);
          const wb = v128.load_splat<f64>(w, 8);
          b0 = madd(wb, x0, b0);
          b1 = madd(wb, x1, b1);
          const wc = v128.load_splat<f64>(w, 16);
          c0 = madd(wc, x0, c0);
          c1 = madd(wc, x1, c1);
          const wd = v128.load_splat<f64>(w, 24);
          d0 = madd(wd, x0, d0);
          d1 = madd(wd, x1, d1);
          tap += 4;
          w += 32;
        }
        if (end == cols) break;
        a0 = reduce(a0, q, qi);
        a1 = reduce(a1, q, qi);
        b0 = reduce(b0, q, qi);
        b1 = reduce(b1, q, qi);
        c0 = reduce(c0, q, qi);
        c1 = reduce(c1, q, qi);
        d0 = reduce(d0, q, qi);
        d1 = reduce(d1, q, qi);
      }
      let to = out + row * stride + column;
      const keep = side + ((row * width) << 3) + (column << 2);
      finish(a0, to, keep, action, q, qi, s, sq);
      finish(a1, to + 16, keep + 16, action, q, qi, s, sq);
      if (row + 1 < rows) {
        to += stride;
        finish(b0, to, keep + 32, action, q, qi, s, sq);
        finish(b1, to + 16, keep + 48, action, q, qi, s, sq);
      }
      if (row + 2 < rows) {
        to += stride;
        finish(c0, to, keep + 64, action, q, qi, s, sq);
        finish(c1, to + 16, keep + 80, action, q, qi, s, sq);
      }
      if (row + 3 < rows) {
        to += stride;
        finish(d0, to, keep + 96, action, q, qi, s, sq);
        finish(d1, to + 16, keep + 112, action, q, qi, s, sq);
      }
      tile += tileBytes;
    }
    chunks = ends;
    weights += cols << 5;
  }
}
