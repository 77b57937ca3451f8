/** Elementwise loops over the n words of one limb: residues in [0, q) in and out. n is a multiple of 2. */
import {
  Q,
  Q_INVERSE,
  capacityOf,
  fromWords,
  mulConstant,
  mulVariable,
  reduce,
  toResidue,
  toWords,
} from './vector';

// @ts-ignore: decorator
@inline
function wordModulus(table: usize): v128 {
  return i64x2.splat(<i64>load<f64>(table, Q));
}

// @ts-ignore: decorator
@inline
function subtractOnce(x: v128, q: v128): v128 {
  return i64x2.sub(x, v128.and(q, i64x2.ge_s(x, q)));
}

// @ts-ignore: decorator
@inline
function addOnce(x: v128, q: v128): v128 {
  return i64x2.add(x, v128.and(q, i64x2.lt_s(x, i64x2.splat(0))));
}

export function add(out: usize, a: usize, b: usize, table: usize, n: usize): void {
  const q = wordModulus(table);
  for (let i: usize = 0; i < n << 3; i += 16) {
    v128.store(out + i, subtractOnce(i64x2.add(v128.load(a + i), v128.load(b + i)), q));
  }
}

export function sub(out: usize, a: usize, b: usize, table: usize, n: usize): void {
  const q = wordModulus(table);
  for (let i: usize = 0; i < n << 3; i += 16) {
    v128.store(out + i, addOnce(i64x2.sub(v128.load(a + i), v128.load(b + i)), q));
  }
}

export function negate(out: usize, a: usize, table: usize, n: usize): void {
  const q = wordModulus(table);
  for (let i: usize = 0; i < n << 3; i += 16) {
    v128.store(out + i, subtractOnce(i64x2.sub(q, v128.load(a + i)), q));
  }
}

export function mul(out: usize, a: usize, b: usize, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  for (let i: usize = 0; i < n << 3; i += 16) {
    const product = mulVariable(fromWords(v128.load(a + i)), fromWords(v128.load(b + i)), q, qi);
    v128.store(out + i, toWords(toResidue(product, q))); // m < 7/8
  }
}

export function mulAdd(out: usize, a: usize, b: usize, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  for (let i: usize = 0; i < n << 3; i += 16) {
    const product = mulVariable(fromWords(v128.load(a + i)), fromWords(v128.load(b + i)), q, qi);
    const sum = f64x2.add(product, fromWords(v128.load(out + i))); // m < 15/8
    v128.store(out + i, toWords(toResidue(reduce(sum, q, qi), q)));
  }
}

/**
 * out = the sum of a b over `terms` limbs, aStride and bStride bytes apart. Sums stay lazy doubles in out as long as there is room for
 * another product, m < 7/8.
 */
export function sumProducts(
  out: usize, a: usize, aStride: usize, b: usize, bStride: usize, terms: usize, table: usize, n: usize,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const capacity = capacityOf(load<f64>(table, Q)) - 0.875;
  memory.fill(out, 0, n << 3);
  let m: f64 = 0;
  for (; terms > 0; terms--, a += aStride, b += bStride) {
    m += 0.875;
    const isFull = m > capacity;
    if (isFull) m = 0.5;
    for (let i: usize = 0; i < n << 3; i += 16) {
      const product = mulVariable(fromWords(v128.load(a + i)), fromWords(v128.load(b + i)), q, qi);
      const sum = f64x2.add(v128.load(out + i), product);
      v128.store(out + i, isFull ? reduce(sum, q, qi) : sum);
    }
  }
  for (let i: usize = 0; i < n << 3; i += 16) {
    v128.store(out + i, toWords(toResidue(reduce(v128.load(out + i), q, qi), q)));
  }
}

/** w in [-q/2, q/2]. */
export function mulScalar(out: usize, a: usize, w: f64, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const ws = f64x2.splat(w);
  const wq = f64x2.splat(w / load<f64>(table, Q));
  for (let i: usize = 0; i < n << 3; i += 16) {
    const product = mulConstant(fromWords(v128.load(a + i)), ws, wq, q);
    v128.store(out + i, toWords(toResidue(product, q))); // m < 5/8
  }
}

/** scalar in [0, q). */
export function addScalar(out: usize, a: usize, scalar: f64, table: usize, n: usize): void {
  const q = wordModulus(table);
  const s = i64x2.splat(<i64>scalar);
  for (let i: usize = 0; i < n << 3; i += 16) {
    v128.store(out + i, subtractOnce(i64x2.add(v128.load(a + i), s), q));
  }
}

/** The three parts of (a0, a1) x (b0, b1). */
export function tensor(
  c0: usize, c1: usize, c2: usize, a0: usize, a1: usize, b0: usize, b1: usize, table: usize, n: usize,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  for (let i: usize = 0; i < n << 3; i += 16) {
    const x0 = fromWords(v128.load(a0 + i));
    const x1 = fromWords(v128.load(a1 + i));
    const y0 = fromWords(v128.load(b0 + i));
    const y1 = fromWords(v128.load(b1 + i));
    const cross = f64x2.add(mulVariable(x0, y1, q, qi), mulVariable(x1, y0, q, qi)); // m < 7/4
    v128.store(c0 + i, toWords(toResidue(mulVariable(x0, y0, q, qi), q)));
    v128.store(c1 + i, toWords(toResidue(reduce(cross, q, qi), q)));
    v128.store(c2 + i, toWords(toResidue(mulVariable(x1, y1, q, qi), q)));
  }
}

/** The three parts of (a0, a1) squared. */
export function square(
  c0: usize, c1: usize, c2: usize, a0: usize, a1: usize, table: usize, n: usize,
): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  for (let i: usize = 0; i < n << 3; i += 16) {
    const x0 = fromWords(v128.load(a0 + i));
    const x1 = fromWords(v128.load(a1 + i));
    const cross = mulVariable(x0, x1, q, qi);
    v128.store(c0 + i, toWords(toResidue(mulVariable(x0, x0, q, qi), q)));
    v128.store(c1 + i, toWords(toResidue(reduce(f64x2.add(cross, cross), q, qi), q)));
    v128.store(c2 + i, toWords(toResidue(mulVariable(x1, x1, q, qi), q)));
  }
}

/** index[i] = where the value at psi^((2 bitrev(i) + 1) galois) stands; bytes, not words. */
export function automorphismIndex(index: usize, reversal: usize, n: usize, galois: u32): void {
  const mask = <u32>((n << 1) - 1);
  for (let i: usize = 0; i < n << 2; i += 4) {
    const exponent = ((2 * load<u32>(reversal + i) + 1) * galois) & mask;
    store<u32>(index + i, load<u32>(reversal + (<usize>(exponent >> 1) << 2)) << 3);
  }
}

/** out[i] = a[index[i]]; the index is public. */
export function gather(out: usize, a: usize, index: usize, n: usize): void {
  for (let i: usize = 0; i < n << 3; i += 8) {
    store<u64>(out + i, load<u64>(a + <usize>load<u32>(index + (i >> 1))));
  }
}

/** n signed bytes to residues. */
export function fromBytes(out: usize, small: usize, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  for (let i: usize = 0; i < n; i += 2) {
    const pair = f64x2(<f64>load<i8>(small + i), <f64>load<i8>(small + i, 1));
    v128.store(out + (i << 3), toWords(toResidue(reduce(pair, q, qi), q)));
  }
}

/** n integers below 2^100 to residues; `high` = 2^50 mod q in [-q/2, q/2]. */
export function fromDoubles(out: usize, values: usize, high: f64, table: usize, n: usize): void {
  const q = v128.load_splat<f64>(table, Q);
  const qi = v128.load_splat<f64>(table, Q_INVERSE);
  const h = f64x2.splat(high);
  const hq = f64x2.splat(high / load<f64>(table, Q));
  for (let i: usize = 0; i < n << 3; i += 16) {
    const v = v128.load(values + i);
    const top = f64x2.nearest(f64x2.mul(v, f64x2.splat(1.0 / 1125899906842624.0))); // below 2^50
    const low = f64x2.sub(v, f64x2.mul(top, f64x2.splat(1125899906842624.0))); // exact, below 2^49
    const product = mulConstant(reduce(top, q, qi), h, hq, q);
    const sum = f64x2.add(product, reduce(low, q, qi)); // m < 5/4
    v128.store(out + i, toWords(toResidue(reduce(sum, q, qi), q)));
  }
}

/** Whether all n words are below q. */
export function inRange(a: usize, table: usize, n: usize): bool {
  const q = wordModulus(table);
  const zero = i64x2.splat(0);
  let bad = zero;
  for (let i: usize = 0; i < n << 3; i += 16) {
    const x = v128.load(a + i);
    bad = v128.or(bad, v128.or(i64x2.lt_s(x, zero), i64x2.ge_s(x, q)));
  }
  return !v128.any_true(bad);
}
