/**
 * The special FFT, two complex values at a time; products and sums are rounded one by one, in the order of the reference. Real and
 * imaginary parts lie apart. The root number j of the stage with the distance `half` is at half + j. Arrays are byte addresses.
 */

function reversed(i: usize, count: usize): usize {
  let r: usize = 0;
  for (let bit: usize = 1; bit < count; bit <<= 1) r = (r << 1) | usize((i & bit) != 0);
  return r;
}

/** The stage of the inverse with the distance `half` >= 2. */
function embedStage(re: usize, im: usize, cos: usize, sin: usize, slots: usize, half: usize): void {
  const distance = half << 3;
  for (let start: usize = 0; start < slots << 3; start += distance << 1) {
    for (let j: usize = 0; j < distance; j += 16) {
      const x = re + start + j;
      const y = im + start + j;
      const c = v128.load(cos + distance + j);
      const s = v128.load(sin + distance + j);
      const ar = v128.load(x);
      const ai = v128.load(y);
      const br = v128.load(x + distance);
      const bi = v128.load(y + distance);
      const dr = f64x2.sub(ar, br);
      const di = f64x2.sub(ai, bi);
      v128.store(x, f64x2.add(ar, br));
      v128.store(y, f64x2.add(ai, bi));
      v128.store(x + distance, f64x2.add(f64x2.mul(dr, c), f64x2.mul(di, s)));
      v128.store(y + distance, f64x2.sub(f64x2.mul(di, c), f64x2.mul(dr, s)));
    }
  }
}

/** The stage of the FFT with the distance `half` >= 2. */
function unembedStage(re: usize, im: usize, cos: usize, sin: usize, slots: usize, half: usize): void {
  const distance = half << 3;
  for (let start: usize = 0; start < slots << 3; start += distance << 1) {
    for (let j: usize = 0; j < distance; j += 16) {
      const x = re + start + j;
      const y = im + start + j;
      const c = v128.load(cos + distance + j);
      const s = v128.load(sin + distance + j);
      const br = v128.load(x + distance);
      const bi = v128.load(y + distance);
      const tr = f64x2.sub(f64x2.mul(br, c), f64x2.mul(bi, s));
      const ti = f64x2.add(f64x2.mul(br, s), f64x2.mul(bi, c));
      const ar = v128.load(x);
      const ai = v128.load(y);
      v128.store(x + distance, f64x2.sub(ar, tr));
      v128.store(y + distance, f64x2.sub(ai, ti));
      v128.store(x, f64x2.add(ar, tr));
      v128.store(y, f64x2.add(ai, ti));
    }
  }
}

function writeRounded(out: usize, k: usize, x: f64, factor: f64, bound: f64): bool {
  const rounded = nearest<f64>(x * factor) + 0.0;
  store<f64>(out + (k << 3), rounded);
  return abs<f64>(rounded) < bound;
}

/** Slot values, used up, to 2 slots coefficients times factor, rounded. @returns 1 when all are below the bound */
export function embed(
  out: usize, re: usize, im: usize, cos: usize, sin: usize, slots: usize, factor: f64, bound: f64,
): i32 {
  for (let half = slots >> 1; half >= 2; half >>= 1) embedStage(re, im, cos, sin, slots, half);
  if (slots == 1) {
    return i32(writeRounded(out, 0, load<f64>(re), factor, bound))
      & i32(writeRounded(out, 1, load<f64>(im), factor, bound));
  }
  const c = load<f64>(cos, 8);
  const s = load<f64>(sin, 8);
  let fits = 1;
  for (let i: usize = 0; i < slots; i += 2) {
    const x = re + (i << 3);
    const y = im + (i << 3);
    const dr = load<f64>(x) - load<f64>(x, 8);
    const di = load<f64>(y) - load<f64>(y, 8);
    const k = reversed(i, slots);
    const next = k + (slots >> 1);
    fits &= i32(writeRounded(out, k, load<f64>(x) + load<f64>(x, 8), factor, bound));
    fits &= i32(writeRounded(out, k + slots, load<f64>(y) + load<f64>(y, 8), factor, bound));
    fits &= i32(writeRounded(out, next, dr * c + di * s, factor, bound));
    fits &= i32(writeRounded(out, next + slots, di * c - dr * s, factor, bound));
  }
  return fits;
}

/** 2 slots coefficients, divided by scale, to slot values. */
export function unembed(
  re: usize, im: usize, coefficients: usize, cos: usize, sin: usize, slots: usize, scale: f64,
): void {
  const imaginary = coefficients + (slots << 3);
  for (let i: usize = 0; i < slots; i++) {
    const from = reversed(i, slots) << 3;
    store<f64>(re + (i << 3), load<f64>(coefficients + from) / scale);
    store<f64>(im + (i << 3), load<f64>(imaginary + from) / scale);
  }
  if (slots == 1) return;
  const c = load<f64>(cos, 8);
  const s = load<f64>(sin, 8);
  for (let at: usize = 0; at < slots << 3; at += 16) {
    const x = re + at;
    const y = im + at;
    const tr = load<f64>(x, 8) * c - load<f64>(y, 8) * s;
    const ti = load<f64>(x, 8) * s + load<f64>(y, 8) * c;
    store<f64>(x, load<f64>(x) - tr, 8);
    store<f64>(y, load<f64>(y) - ti, 8);
    store<f64>(x, load<f64>(x) + tr);
    store<f64>(y, load<f64>(y) + ti);
  }
  for (let half: usize = 2; half < slots; half <<= 1) unembedStage(re, im, cos, sin, slots, half);
}
