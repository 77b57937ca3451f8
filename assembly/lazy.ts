/**
 * The loops between transforms in rescaling and key switching, on lazy doubles (|x| <= q unless said otherwise). Constants
 * c are in [-q/2, q/2]; "foreign" doubles are centred for another prime and are reduced on reading.
 */
import { CENTRED, LAZY, WORDS, loadAs, storeAs } from './ntt';
import { Q, Q_INVERSE, fromWords, mulConstant, mulVariable, reduce, toResidue, toWords } from './vector';

// @ts-ignore: decorator
@inline
function differenceLoop(
  out: usize, x: usize, z: usize, c: f64, plus: usize, table: usize, n: usize, from: i32, to: i32,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const cs = f64x2.splat(c);
  const cq = f64x2.splat(c / load<f64>(table, Q));
  for (let i: usize = 0; i < n << 3; i += 16) {
    const d = f64x2.sub(loadAs(x + i, from, q, qi), v128.load(z + i)); // m <= 1.51
    let y = mulConstant(d, cs, cq, q);
    if (plus) y = f64x2.add(y, fromWords(v128.load(plus + i)));
    storeAs(out + i, y, to, q, qi);
  }
}

/** out = (x - z) c, to words; x: WORDS or LAZY, z reduced. `plus`: words to add to it, or 0. */
export function differenceTimes(
  out: usize, x: usize, z: usize, c: f64, plus: usize, table: usize, n: usize, from: i32, to: i32,
): void {
  if (from == WORDS) differenceLoop(out, x, z, c, plus, table, n, WORDS, WORDS);
  else if (to == WORDS) differenceLoop(out, x, z, c, plus, table, n, LAZY, WORDS);
  else differenceLoop(out, x, z, c, plus, table, n, LAZY, LAZY);
}

/** out = x c + t, reduced; t words. */
export function timesPlusWords(out: usize, x: usize, c: f64, t: usize, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const cs = f64x2.splat(c);
  const cq = f64x2.splat(c / load<f64>(table, Q));
  for (let i: usize = 0; i < n << 3; i += 16) {
    const y = f64x2.add(mulConstant(v128.load(x + i), cs, cq, q), fromWords(v128.load(t + i)));
    storeAs(out + i, y, LAZY, q, qi);
  }
}

/** out = the centred x - y c; y foreign. */
export function centredDifference(out: usize, x: usize, y: usize, c: f64, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const cs = f64x2.splat(c);
  const cq = f64x2.splat(c / load<f64>(table, Q));
  for (let i: usize = 0; i < n << 3; i += 16) {
    const product = mulConstant(reduce(v128.load(y + i), q, qi), cs, cq, q);
    storeAs(out + i, f64x2.sub(v128.load(x + i), product), CENTRED, q, qi);
  }
}

/** out = x c + y, reduced; x and y foreign; y = 0 for none. */
export function foreignTimesPlus(out: usize, x: usize, c: f64, y: usize, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const cs = f64x2.splat(c);
  const cq = f64x2.splat(c / load<f64>(table, Q));
  for (let i: usize = 0; i < n << 3; i += 16) {
    let sum = mulConstant(reduce(v128.load(x + i), q, qi), cs, cq, q);
    if (y) sum = f64x2.add(sum, reduce(v128.load(y + i), q, qi));
    storeAs(out + i, sum, LAZY, q, qi);
  }
}

/** out = (x c + t - z) d, to words; t words, x and z reduced. */
export function switchAndRescale(
  out: usize, x: usize, c: f64, t: usize, z: usize, d: f64, table: usize, n: usize,
): void {
  const modulus = load<f64>(table, Q);
  const q = f64x2.splat(modulus);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const cs = f64x2.splat(c);
  const cq = f64x2.splat(c / modulus);
  const ds = f64x2.splat(d);
  const dq = f64x2.splat(d / modulus);
  for (let i: usize = 0; i < n << 3; i += 16) {
    const y = f64x2.add(mulConstant(v128.load(x + i), cs, cq, q), fromWords(v128.load(t + i))); // m < 1.6
    const rest = reduce(f64x2.sub(reduce(y, q, qi), v128.load(z + i)), q, qi);
    v128.store(out + i, toWords(toResidue(mulConstant(rest, ds, dq, q), q))); // m < 5/8
  }
}

// @ts-ignore: decorator
@inline
function accumulateLoop(
  s0: usize, s1: usize, x: usize, k0: usize, k1: usize, index: usize, first: bool, table: usize, n: usize, from: i32,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  for (let i: usize = 0; i < n << 3; i += 16) {
    let value: v128;
    if (index) {
      const at = index + (i >> 1);
      value = v128.load_splat<f64>(x + <usize>load<u32>(at));
      value = f64x2.replace_lane(value, 1, load<f64>(x + <usize>load<u32>(at, 4)));
      if (from == WORDS) value = fromWords(value);
    } else {
      value = loadAs(x + i, from, q, qi);
    }
    let y0 = mulVariable(value, fromWords(v128.load(k0 + i)), q, qi); // m < 7/8
    let y1 = mulVariable(value, fromWords(v128.load(k1 + i)), q, qi);
    if (!first) {
      y0 = f64x2.add(y0, v128.load(s0 + i));
      y1 = f64x2.add(y1, v128.load(s1 + i));
    }
    v128.store(s0 + i, reduce(y0, q, qi));
    v128.store(s1 + i, reduce(y1, q, qi));
  }
}

/** (s0, s1) += x (k0, k1), or = when first; k words, sums reduced. `index`: gather x through it, or 0. x: WORDS or LAZY. */
export function accumulate(
  s0: usize, s1: usize, x: usize, k0: usize, k1: usize, index: usize, first: bool, table: usize, n: usize, from: i32,
): void {
  if (from == WORDS) {
    if (index) accumulateLoop(s0, s1, x, k0, k1, index, first, table, n, WORDS);
    else accumulateLoop(s0, s1, x, k0, k1, 0, first, table, n, WORDS);
  } else {
    if (index) accumulateLoop(s0, s1, x, k0, k1, index, first, table, n, LAZY);
    else accumulateLoop(s0, s1, x, k0, k1, 0, first, table, n, LAZY);
  }
}

/** Words to doubles in [0, q). */
export function wordsToDoubles(out: usize, x: usize, n: usize): void {
  for (let i: usize = 0; i < n << 3; i += 16) v128.store(out + i, fromWords(v128.load(x + i)));
}

/** Lazy doubles to words. */
export function lazyToWords(out: usize, x: usize, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  for (let i: usize = 0; i < n << 3; i += 16) storeAs(out + i, v128.load(x + i), WORDS, q, qi);
}

/** Reduced doubles to centred ones. */
export function centre(out: usize, x: usize, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  for (let i: usize = 0; i < n << 3; i += 16) storeAs(out + i, v128.load(x + i), CENTRED, q, qi);
}

/** One step of Garner's algorithm: x = (x - digit) c, reduced; the digit foreign. */
export function garner(x: usize, digit: usize, c: f64, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const cs = f64x2.splat(c);
  const cq = f64x2.splat(c / load<f64>(table, Q));
  for (let i: usize = 0; i < n << 3; i += 16) {
    const d = f64x2.sub(v128.load(x + i), reduce(v128.load(digit + i), q, qi)); // m <= 1.51
    storeAs(x + i, mulConstant(d, cs, cq, q), LAZY, q, qi);
  }
}

/** v = v * q + digit, the product and the sum each rounded: the interface fixes that. */
export function horner(v: usize, digit: usize, q: f64, n: usize): void {
  const qs = f64x2.splat(q);
  for (let i: usize = 0; i < n << 3; i += 16) {
    v128.store(v + i, f64x2.add(f64x2.mul(v128.load(v + i), qs), v128.load(digit + i)));
  }
}
