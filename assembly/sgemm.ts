/** Single-precision matrix product in tiles of 4 x 8 on packed panels. Deterministic: every sum runs over k in order. */

// @ts-ignore: decorator
@inline
function fma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * Packs `width` (at most `tile`) columns of a k x columns matrix from `first` on as out[k][tile], zeros beyond. Element
 * (t, j) stands at t * rowStep + j * columnStep floats.
 */
function packStrip(
  out: usize, matrix: usize, k: usize, first: usize, width: usize, tile: usize, rowStep: usize, columnStep: usize,
): void {
  for (let t: usize = 0; t < k; t++) {
    let from = matrix + ((t * rowStep + first * columnStep) << 2);
    for (let j: usize = 0; j < tile; j++) {
      store<f32>(out, j < width ? load<f32>(from) : <f32>0);
      from += columnStep << 2;
      out += 4;
    }
  }
}

// @ts-ignore: decorator
@inline
function finishRow(
  c: usize, low: v128, high: v128, width: usize, alpha: f32, beta: f32, buffer: usize,
): void {
  v128.store(buffer, low);
  v128.store(buffer, high, 16);
  for (let j: usize = 0; j < width << 2; j += 4) {
    const scaled = alpha * load<f32>(buffer + j);
    // beta = 0 must not spread a NaN that stands in c.
    store<f32>(c + j, beta == 0 ? scaled : scaled + beta * load<f32>(c + j));
  }
}

/** `strip`: k * 8 + rows-padded-to-4 * k floats of work space, then 32 bytes. */
export function sgemm(
  transposeA: bool, transposeB: bool, m: usize, n: usize, k: usize, alpha: f32, a: usize, b: usize, beta: f32, c: usize,
  strip: usize,
): void {
  const rows = strip + (k << 5);
  const buffer = rows + ((((m + 3) & ~3) * k) << 2);
  for (let i: usize = 0; i < m; i += 4) {
    packStrip(rows + ((i * k) << 2), a, k, i, min(<usize>4, m - i), 4, transposeA ? m : 1, transposeA ? 1 : k);
  }
  for (let j: usize = 0; j < n; j += 8) {
    const width = min(<usize>8, n - j);
    packStrip(strip, b, k, j, width, 8, transposeB ? 1 : n, transposeB ? k : 1);
    for (let i: usize = 0; i < m; i += 4) {
      let s0 = f32x4.splat(0), s1 = s0, t0 = s0, t1 = s0, u0 = s0, u1 = s0, v0 = s0, v1 = s0;
      let x = rows + ((i * k) << 2);
      for (let at = strip; at < rows; at += 32) {
        const low = v128.load(at);
        const high = v128.load(at, 16);
        const x0 = v128.load_splat<f32>(x);
        s0 = fma(x0, low, s0);
        s1 = fma(x0, high, s1);
        const x1 = v128.load_splat<f32>(x, 4);
        t0 = fma(x1, low, t0);
        t1 = fma(x1, high, t1);
        const x2 = v128.load_splat<f32>(x, 8);
        u0 = fma(x2, low, u0);
        u1 = fma(x2, high, u1);
        const x3 = v128.load_splat<f32>(x, 12);
        v0 = fma(x3, low, v0);
        v1 = fma(x3, high, v1);
        x += 16;
      }
      const to = c + ((i * n + j) << 2);
      const step = n << 2;
      finishRow(to, s0, s1, width, alpha, beta, buffer);
      if (i + 1 < m) finishRow(to + step, t0, t1, width, alpha, beta, buffer);
      if (i + 2 < m) finishRow(to + 2 * step, u0, u1, width, alpha, beta, buffer);
      if (i + 3 < m) finishRow(to + 3 * step, v0, v1, width, alpha, beta, buffer);
    }
  }
}
