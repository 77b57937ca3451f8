/**
 * The number-theoretic transforms of one limb [LN16, algorithms 1 and 2], radix 4 on pairs of doubles. A pass takes two
 * stages; each pass chooses the least reduction that keeps every lazy value within the capacity, from public bounds.
 */
import {
  LAST_ROOT,
  LAST_ROOT_Q,
  N_INVERSE,
  N_INVERSE_Q,
  Q,
  Q_INVERSE,
  ROOTS,
  capacityOf,
  fromWords,
  mulConstant,
  reduce,
  toCentred,
  toResidue,
  toWords,
} from './vector';

/** What a transform reads or writes. */
export const WORDS: i32 = 0; // residues in [0, q)
export const LAZY: i32 = 1; // doubles, |x| <= q
export const FOREIGN: i32 = 2; // doubles below 2^50 of any size against q; read only
export const CENTRED: i32 = 3; // doubles in [-(q-1)/2, (q-1)/2]; written only

// How much a pass reduces.
const NEVER: i32 = 0;
const ONCE: i32 = 1;
const ALWAYS: i32 = 2;

// @ts-ignore: decorator
@inline
export function loadAs(at: usize, kind: i32, q: v128, qi: v128): v128 {
  const x = v128.load(at);
  if (kind == WORDS) return fromWords(x);
  if (kind == FOREIGN) return reduce(x, q, qi);
  return x;
}

/** Stores a lazy value below the capacity. */
// @ts-ignore: decorator
@inline
export function storeAs(at: usize, x: v128, kind: i32, q: v128, qi: v128): void {
  const r = reduce(x, q, qi);
  if (kind == WORDS) v128.store(at, toWords(toResidue(r, q)));
  else if (kind == CENTRED) v128.store(at, toCentred(r, q));
  else v128.store(at, r);
}

/** m after a butterfly's product of a value with bound m. */
// @ts-ignore: decorator
@inline
function productBound(m: f64, q: f64): f64 {
  return 0.5 + (m * q) / 9007199254740992.0;
}

// @ts-ignore: decorator
@inline
function forwardPass(
  dst: usize, src: usize, table: usize, n: usize, groups: usize, mode: i32, kind: i32,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const roots = table + ROOTS;
  const quotients = roots + (n << 3);
  const quarter = (n << 1) / groups; // bytes
  for (let g: usize = 0; g < groups; g++) {
    const one = (groups + g) << 3;
    const w1 = v128.load_splat<f64>(roots + one);
    const w1q = v128.load_splat<f64>(quotients + one);
    const w2 = v128.load_splat<f64>(roots + (one << 1));
    const w2q = v128.load_splat<f64>(quotients + (one << 1));
    const w3 = v128.load_splat<f64>(roots + (one << 1), 8);
    const w3q = v128.load_splat<f64>(quotients + (one << 1), 8);
    const start = g * (quarter << 2);
    let at = src + start;
    let to = dst + start;
    const end = at + quarter;
    while (at < end) {
      let x0 = loadAs(at, kind, q, qi);
      let x1 = loadAs(at + quarter, kind, q, qi);
      const x2 = loadAs(at + 2 * quarter, kind, q, qi);
      const x3 = loadAs(at + 3 * quarter, kind, q, qi);
      if (mode != NEVER) {
        x0 = reduce(x0, q, qi);
        x1 = reduce(x1, q, qi);
      }
      const v2 = mulConstant(x2, w1, w1q, q);
      const v3 = mulConstant(x3, w1, w1q, q);
      let y0 = f64x2.add(x0, v2);
      const y1 = f64x2.add(x1, v3);
      let y2 = f64x2.sub(x0, v2);
      const y3 = f64x2.sub(x1, v3);
      if (mode == ALWAYS) {
        y0 = reduce(y0, q, qi);
        y2 = reduce(y2, q, qi);
      }
      const z1 = mulConstant(y1, w2, w2q, q);
      const z3 = mulConstant(y3, w3, w3q, q);
      v128.store(to, f64x2.add(y0, z1));
      v128.store(to + quarter, f64x2.sub(y0, z1));
      v128.store(to + 2 * quarter, f64x2.add(y2, z3));
      v128.store(to + 3 * quarter, f64x2.sub(y2, z3));
      at += 16;
      to += 16;
    }
  }
}

/** The first stage alone, when log2(n) is odd. */
// @ts-ignore: decorator
@inline
function forwardFirstStage(dst: usize, src: usize, table: usize, n: usize, mode: i32, kind: i32): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const w = v128.load_splat<f64>(table + ROOTS, 8);
  const wq = v128.load_splat<f64>(table + ROOTS + (n << 3), 8);
  const half = n << 2;
  for (let at: usize = 0; at < half; at += 16) {
    let u = loadAs(src + at, kind, q, qi);
    if (mode != NEVER) u = reduce(u, q, qi);
    const v = mulConstant(loadAs(src + half + at, kind, q, qi), w, wq, q);
    v128.store(dst + at, f64x2.add(u, v));
    v128.store(dst + half + at, f64x2.sub(u, v));
  }
}

/** The last two stages, in registers. */
// @ts-ignore: decorator
@inline
function forwardLastPass(x: usize, table: usize, n: usize, mode: i32, kind: i32): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const roots = table + ROOTS;
  const quotients = roots + (n << 3);
  let one = n << 1; // byte offset of root n/4 + g
  let at = x;
  const end = x + (n << 3);
  while (at < end) {
    let u = v128.load(at);
    if (mode != NEVER) u = reduce(u, q, qi);
    const v = mulConstant(
      v128.load(at, 16), v128.load_splat<f64>(roots + one), v128.load_splat<f64>(quotients + one), q,
    );
    const sum = f64x2.add(u, v);
    const difference = f64x2.sub(u, v);
    let even = v128.shuffle<f64>(sum, difference, 0, 2);
    if (mode == ALWAYS) even = reduce(even, q, qi);
    const odd = mulConstant(
      v128.shuffle<f64>(sum, difference, 1, 3), v128.load(roots + (one << 1)), v128.load(quotients + (one << 1)), q,
    );
    const y0 = f64x2.add(even, odd);
    const y1 = f64x2.sub(even, odd);
    storeAs(at, v128.shuffle<f64>(y0, y1, 0, 2), kind, q, qi);
    storeAs(at + 16, v128.shuffle<f64>(y0, y1, 1, 3), kind, q, qi);
    at += 32;
    one += 8;
  }
}

/** The mode of a forward pass that starts at bound m. */
function forwardMode(m: f64, q: f64): i32 {
  const capacity = capacityOf(q);
  if (forwardBound(m, q, NEVER) < capacity) return NEVER;
  return forwardBound(m, q, ONCE) < capacity ? ONCE : ALWAYS;
}

/** The bound after the two stages of a pass. In every mode the value between the stages is smaller than at the end. */
function forwardBound(m: f64, q: f64, mode: i32): f64 {
  const first = (mode == NEVER ? m : 0.51) + productBound(m, q);
  return (mode == ALWAYS ? 0.51 : first) + productBound(first, q);
}

// @ts-ignore: decorator
@inline
function forwardFrom(dst: usize, src: usize, table: usize, n: usize, kind: i32): f64 {
  const q = load<f64>(table, Q);
  if (ctz(n) & 1) {
    const mode = 1.0 + productBound(1.0, q) < capacityOf(q) ? NEVER : ONCE;
    if (mode == NEVER) forwardFirstStage(dst, src, table, n, NEVER, kind);
    else forwardFirstStage(dst, src, table, n, ONCE, kind);
    return (mode == NEVER ? 1.0 : 0.51) + productBound(1.0, q);
  }
  const mode = forwardMode(1.0, q);
  if (mode == NEVER) forwardPass(dst, src, table, n, 1, NEVER, kind);
  else forwardPass(dst, src, table, n, 1, ALWAYS, kind);
  return forwardBound(1.0, q, mode == NEVER ? NEVER : ALWAYS);
}

// @ts-ignore: decorator
@inline
function forwardTo(x: usize, table: usize, n: usize, mode: i32, kind: i32): void {
  if (mode == NEVER) forwardLastPass(x, table, n, NEVER, kind);
  else if (mode == ONCE) forwardLastPass(x, table, n, ONCE, kind);
  else forwardLastPass(x, table, n, ALWAYS, kind);
}

/** The NTT of n values; n >= 8. `from`: WORDS, LAZY or FOREIGN; `to`: WORDS or LAZY. dst may be src. */
export function forward(dst: usize, src: usize, table: usize, n: usize, from: i32, to: i32): void {
  const q = load<f64>(table, Q);
  let m: f64;
  if (from == WORDS) m = forwardFrom(dst, src, table, n, WORDS);
  else if (from == LAZY) m = forwardFrom(dst, src, table, n, LAZY);
  else m = forwardFrom(dst, src, table, n, FOREIGN);
  for (let groups: usize = ctz(n) & 1 ? 2 : 4; groups < n >> 2; groups <<= 2) {
    const mode = forwardMode(m, q);
    if (mode == NEVER) forwardPass(dst, dst, table, n, groups, NEVER, LAZY);
    else if (mode == ONCE) forwardPass(dst, dst, table, n, groups, ONCE, LAZY);
    else forwardPass(dst, dst, table, n, groups, ALWAYS, LAZY);
    m = forwardBound(m, q, mode);
  }
  const mode = forwardMode(m, q);
  if (to == WORDS) forwardTo(dst, table, n, mode, WORDS);
  else forwardTo(dst, table, n, mode, LAZY);
}

// @ts-ignore: decorator
@inline
function inverseFirstPass(dst: usize, src: usize, table: usize, n: usize, mode: i32, kind: i32): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const roots = table + ROOTS + (n << 4);
  const quotients = roots + (n << 3);
  let one = n << 1; // byte offset of root n/4 + g
  const end = n << 3;
  for (let at: usize = 0; at < end; at += 32) {
    const low = loadAs(src + at, kind, q, qi);
    const high = loadAs(src + at + 16, kind, q, qi);
    const even = v128.shuffle<f64>(low, high, 0, 2);
    const odd = v128.shuffle<f64>(low, high, 1, 3);
    let sum = f64x2.add(even, odd);
    if (mode == ALWAYS) sum = reduce(sum, q, qi);
    const product = mulConstant(
      f64x2.sub(even, odd), v128.load(roots + (one << 1)), v128.load(quotients + (one << 1)), q,
    );
    const u = v128.shuffle<f64>(sum, product, 0, 2);
    const v = v128.shuffle<f64>(sum, product, 1, 3);
    let total = f64x2.add(u, v);
    if (mode != NEVER) total = reduce(total, q, qi);
    v128.store(dst + at, total);
    v128.store(
      dst + at + 16,
      mulConstant(
        f64x2.sub(u, v), v128.load_splat<f64>(roots + one), v128.load_splat<f64>(quotients + one), q,
      ),
    );
    one += 8;
  }
}

// @ts-ignore: decorator
@inline
function inversePass(x: usize, table: usize, n: usize, groups: usize, mode: i32): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const roots = table + ROOTS + (n << 4);
  const quotients = roots + (n << 3);
  const quarter = (n << 1) / groups; // bytes
  for (let g: usize = 0; g < groups; g++) {
    const one = (groups + g) << 3;
    const w1 = v128.load_splat<f64>(roots + one);
    const w1q = v128.load_splat<f64>(quotients + one);
    const w2 = v128.load_splat<f64>(roots + (one << 1));
    const w2q = v128.load_splat<f64>(quotients + (one << 1));
    const w3 = v128.load_splat<f64>(roots + (one << 1), 8);
    const w3q = v128.load_splat<f64>(quotients + (one << 1), 8);
    let at = x + g * (quarter << 2);
    const end = at + quarter;
    while (at < end) {
      const x0 = v128.load(at);
      const x1 = v128.load(at + quarter);
      const x2 = v128.load(at + 2 * quarter);
      const x3 = v128.load(at + 3 * quarter);
      let s01 = f64x2.add(x0, x1);
      let s23 = f64x2.add(x2, x3);
      if (mode == ALWAYS) {
        s01 = reduce(s01, q, qi);
        s23 = reduce(s23, q, qi);
      }
      const d01 = mulConstant(f64x2.sub(x0, x1), w2, w2q, q);
      const d23 = mulConstant(f64x2.sub(x2, x3), w3, w3q, q);
      let y0 = f64x2.add(s01, s23);
      let y1 = f64x2.add(d01, d23);
      if (mode != NEVER) {
        y0 = reduce(y0, q, qi);
        y1 = reduce(y1, q, qi);
      }
      v128.store(at, y0);
      v128.store(at + quarter, y1);
      v128.store(at + 2 * quarter, mulConstant(f64x2.sub(s01, s23), w1, w1q, q));
      v128.store(at + 3 * quarter, mulConstant(f64x2.sub(d01, d23), w1, w1q, q));
      at += 16;
    }
  }
}

/** The last stage with the division by n. */
// @ts-ignore: decorator
@inline
function inverseLastStage(x: usize, table: usize, n: usize, kind: i32): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const s = v128.load_splat<f64>(table, N_INVERSE);
  const sq = v128.load_splat<f64>(table, N_INVERSE_Q);
  const w = v128.load_splat<f64>(table, LAST_ROOT);
  const wq = v128.load_splat<f64>(table, LAST_ROOT_Q);
  const half = n << 2;
  for (let at = x; at < x + half; at += 16) {
    const u = v128.load(at);
    const v = v128.load(at + half);
    storeAs(at, mulConstant(f64x2.add(u, v), s, sq, q), kind, q, qi);
    storeAs(at + half, mulConstant(f64x2.sub(u, v), w, wq, q), kind, q, qi);
  }
}

/** The last two stages with the division by n, when log2(n) is even. */
// @ts-ignore: decorator
@inline
function inverseLastPass(x: usize, table: usize, n: usize, mode: i32, kind: i32): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const s = v128.load_splat<f64>(table, N_INVERSE);
  const sq = v128.load_splat<f64>(table, N_INVERSE_Q);
  const w = v128.load_splat<f64>(table, LAST_ROOT);
  const wq = v128.load_splat<f64>(table, LAST_ROOT_Q);
  const roots = table + ROOTS + (n << 4);
  const quotients = roots + (n << 3);
  const w2 = v128.load_splat<f64>(roots, 16);
  const w2q = v128.load_splat<f64>(quotients, 16);
  const w3 = v128.load_splat<f64>(roots, 24);
  const w3q = v128.load_splat<f64>(quotients, 24);
  const quarter = n << 1;
  for (let at = x; at < x + quarter; at += 16) {
    const x0 = v128.load(at);
    const x1 = v128.load(at + quarter);
    const x2 = v128.load(at + 2 * quarter);
    const x3 = v128.load(at + 3 * quarter);
    let s01 = f64x2.add(x0, x1);
    let s23 = f64x2.add(x2, x3);
    if (mode != NEVER) {
      s01 = reduce(s01, q, qi);
      s23 = reduce(s23, q, qi);
    }
    const d01 = mulConstant(f64x2.sub(x0, x1), w2, w2q, q);
    const d23 = mulConstant(f64x2.sub(x2, x3), w3, w3q, q);
    storeAs(at, mulConstant(f64x2.add(s01, s23), s, sq, q), kind, q, qi);
    storeAs(at + quarter, mulConstant(f64x2.add(d01, d23), s, sq, q), kind, q, qi);
    storeAs(at + 2 * quarter, mulConstant(f64x2.sub(s01, s23), w, wq, q), kind, q, qi);
    storeAs(at + 3 * quarter, mulConstant(f64x2.sub(d01, d23), w, wq, q), kind, q, qi);
  }
}

/** The bound after a pass that starts at m: the sum of four, or a product. */
function inverseBound(m: f64, q: f64, mode: i32): f64 {
  if (mode == NEVER) return 4.0 * m;
  return productBound(mode == ALWAYS ? 2.0 * max(m, 1.0) : 4.0 * m, q);
}

/** A pass must leave room for the sum of two values in the stage after it. */
function inverseMode(m: f64, q: f64): i32 {
  const capacity = capacityOf(q);
  if (2.0 * inverseBound(m, q, NEVER) < capacity) return NEVER;
  return 4.0 * m < capacity && 2.0 * inverseBound(m, q, ONCE) < capacity ? ONCE : ALWAYS;
}

// @ts-ignore: decorator
@inline
function inverseFrom(dst: usize, src: usize, table: usize, n: usize, mode: i32, kind: i32): void {
  if (mode == NEVER) inverseFirstPass(dst, src, table, n, NEVER, kind);
  else if (mode == ONCE) inverseFirstPass(dst, src, table, n, ONCE, kind);
  else inverseFirstPass(dst, src, table, n, ALWAYS, kind);
}

/** The inverse NTT with the division by n; n >= 8. `from`: WORDS or LAZY; `to`: WORDS, LAZY or CENTRED. dst may be src. */
export function inverse(dst: usize, src: usize, table: usize, n: usize, from: i32, to: i32): void {
  const q = load<f64>(table, Q);
  let mode = inverseMode(1.0, q);
  if (from == WORDS) inverseFrom(dst, src, table, n, mode, WORDS);
  else inverseFrom(dst, src, table, n, mode, LAZY);
  let m = inverseBound(1.0, q, mode);
  let groups = n >> 4;
  for (; groups > 1; groups >>= 2) {
    mode = inverseMode(m, q);
    if (mode == NEVER) inversePass(dst, table, n, groups, NEVER);
    else if (mode == ONCE) inversePass(dst, table, n, groups, ONCE);
    else inversePass(dst, table, n, groups, ALWAYS);
    m = inverseBound(m, q, mode);
  }
  if (ctz(n) & 1) {
    if (to == WORDS) inverseLastStage(dst, table, n, WORDS);
    else if (to == LAZY) inverseLastStage(dst, table, n, LAZY);
    else inverseLastStage(dst, table, n, CENTRED);
  } else {
    mode = 4.0 * m < capacityOf(q) ? NEVER : ALWAYS;
    if (to == WORDS) inverseEnd(dst, table, n, mode, WORDS);
    else if (to == LAZY) inverseEnd(dst, table, n, mode, LAZY);
    else inverseEnd(dst, table, n, mode, CENTRED);
  }
}

// @ts-ignore: decorator
@inline
function inverseEnd(x: usize, table: usize, n: usize, mode: i32, kind: i32): void {
  if (mode == NEVER) inverseLastPass(x, table, n, NEVER, kind);
  else inverseLastPass(x, table, n, ALWAYS, kind);
}
