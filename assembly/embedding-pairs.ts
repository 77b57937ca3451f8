/**
 * The special FFT of two polynomials at a time: a pair of them is a vector, so each operation works on both, and there are no shuffles.
 * Products and sums are rounded one by one, in the order of the reference. Slot j is at 32 j: the real part of both, then the imaginary
 * part. Arrays are byte addresses; the root number j of the stage with the distance `half` is at half + j.
 */

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
export function unembedPairs(x: usize, slots: usize, cos: usize, sin: usize): void {
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
export function embedPairs(x: usize, slots: usize, cos: usize, sin: usize): void {
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
