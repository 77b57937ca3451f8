/** Integers from a discrete Gaussian of any width, as src/kernel/kernel.ts defines it, with 64-bit words. */

// floor(2^128 * P(X >= j)), j = 1 .. 11, high and low words, for P(X = j) proportional to 2^(-j^2), j >= 0.
const THRESHOLDS = memory.data<u64>([
  0x5c5dbb936a4a4ff6, 0x7a244a9b386e0074,
  0x0a8c995d1f6f77f1, 0xb7366fe8d4a500af,
  0x0052751656141cf1, 0x1ed8b492882be0b6,
  0x0000a3f41fc94219, 0x1a15c6b7d5c817b6,
  0x00000051db5cac63, 0x6a0c40dc20635024,
  0x000000000a3a7618, 0x8f343c1932889dc1,
  0x00000000000051d1, 0xc5d8e1189a2ae26a,
  0x0000000000000000, 0xa3a2963dc2261f7c,
  0x0000000000000000, 0x000051d12c706f73,
  0x0000000000000000, 0x000000000a3a2498,
  0x0000000000000000, 0x0000000000000051,
]);
// floor(2^63 * ln(2)^j / j!), j = 0 .. 20: the series of 2^-z for z in [0, 1).
const SERIES = memory.data<u64>([
  0x8000000000000000,
  0x58b90bfbe8e7bcd5,
  0x1ebfbdff82c58ea8,
  0x071ac235c1282fe2,
  0x013b2ab6fba4e772,
  0x002bb0ffcf14ce62,
  0x00050c244be1b1e1,
  0x00007ff2ff1622c3,
  0x00000b160111d2e4,
  0x000000da929e9caf,
  0x0000000f267a8ac5,
  0x00000000f465639a,
  0x000000000e1deb28,
  0x0000000000c0b0c9,
  0x0000000000098a4b,
  0x00000000000070db,
  0x00000000000004e3,
  0x0000000000000033,
  0x0000000000000001,
  0x0000000000000000,
  0x0000000000000000,
]);

// @ts-ignore: decorator
@inline
function mulHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff, a1 = a >> 32;
  const b0 = b & 0xffffffff, b1 = b >> 32;
  const low = a0 * b0;
  const middle = a1 * b0 + (low >> 32);
  const other = a0 * b1 + (middle & 0xffffffff);
  return a1 * b1 + (middle >> 32) + (other >> 32);
}

// @ts-ignore: decorator
@inline
function baseSample(high: u64, low: u64): u64 {
  let value: u64 = 0;
  for (let at: usize = THRESHOLDS; at < THRESHOLDS + 176; at += 16) {
    const h = load<u64>(at), l = load<u64>(at, 8);
    value += <u64>(high < h) | (<u64>(high == h) & <u64>(low < l));
  }
  return value;
}

/** 2^63 * 2^(-z / 2^64). */
// @ts-ignore: decorator
@inline
function powerOfHalf(z: u64): u64 {
  let p = load<u64>(SERIES, 160);
  for (let at: usize = 160; at > 0; at -= 8) p = load<u64>(SERIES + at - 8) - mulHigh(z, p);
  return p;
}

/**
 * Tries `candidates` of 48 stream bytes; values stand behind the `done` that are there, at most `count`; returns how many are
 * there now. `reciprocal` = floor(2^(63 + bits) / multiplier) and `shift` = 64 - bits for a multiplier of so many bits.
 */
export function wideGaussian(
  out: usize,
  stream: usize,
  candidates: usize,
  done: usize,
  count: usize,
  multiplier: u64,
  reciprocal: u64,
  shift: u64,
): usize {
  for (let i: usize = 0; i < candidates && done < count; i++, stream += 48) {
    const base = baseSample(load<u64>(stream, 8), load<u64>(stream));
    const high = load<u64>(stream, 24);
    const carried = multiplier * high + mulHigh(multiplier, load<u64>(stream, 16));
    const offset = mulHigh(multiplier, high) + <u64>(carried < multiplier * high);
    const f = mulHigh(offset << shift, reciprocal) << 1;
    const product = 2 * base * f;
    const exponent = product + mulHigh(f, f);
    const whole = mulHigh(2 * base, f) + <u64>(exponent < product);
    const threshold = powerOfHalf(exponent) >> whole;
    const magnitude = base * multiplier + offset;
    const sign = load<u64>(stream, 40) & 1;
    // Always written; kept when accepted.
    store<f64>(out + 8 * done, <f64>(<i64>((magnitude ^ (0 - sign)) + sign)));
    const isSecondZero = <u64>(magnitude == 0) & sign;
    done += <usize>(<u64>(load<u64>(stream, 32) >> 1 < threshold) & (isSecondZero ^ 1));
  }
  return done;
}
