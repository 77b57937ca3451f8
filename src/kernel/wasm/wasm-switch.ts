/**
 * Rescaling and key switching of the WebAssembly kernel. One target prime at a time: its digits are transformed and
 * multiplied by the key at once, so that nothing but centred coefficients is kept; the special primes come first, as
 * their coefficients are what the other primes need for the division by P.
 */
import type { KeySwitchShape } from '../kernel.ts';
import type { KeySwitchSizes } from '../preconditions.ts';
import { CENTRED, FOREIGN, LAZY, WORDS } from './wasm-exports.ts';
import type { WasmExports } from './wasm-exports.ts';
import type { WasmMemory } from './wasm-memory.ts';
import type { WasmRing } from './wasm-ring.ts';

/** Bytes of a run of limbs in work space: padded, so that equal positions of two limbs fall on different cache sets. */
function limbBytes(ring: WasmRing): number {
  return 8 * ring.n + 192;
}

export interface WasmContext {
  readonly exports: WasmExports;
  readonly memory: WasmMemory;
}

/** One polynomial over mods at `a` to one over all but the last at `out`. */
export function rescalePolynomial(
  { exports, memory }: WasmContext,
  ring: WasmRing,
  out: number,
  a: number,
  mods: readonly number[],
): void {
  const { n } = ring;
  const size = limbBytes(ring);
  const last = mods[mods.length - 1];
  memory.borrow(2 * size, (remainder) => {
    const z = remainder + size;
    exports.inverse(remainder, a + (mods.length - 1) * 8 * n, ring.table(last), n, WORDS, CENTRED);
    mods.slice(0, -1).forEach((limb, l) => {
      const [table, at] = [ring.table(limb), l * 8 * n];
      exports.forward(z, remainder, table, n, FOREIGN, LAZY);
      exports.differenceTimes(out + at, a + at, z, ring.inverseOf([last], limb), 0, table, n, WORDS, WORDS);
    });
  });
}

/** Two-part ciphertexts over mods at x and y to the three parts of their product; x = y: the square. */
export function tensorPolynomials(
  { exports }: WasmContext,
  ring: WasmRing,
  out: number,
  x: number,
  y: number,
  mods: readonly number[],
): void {
  const { n } = ring;
  mods.forEach((limb, l) => {
    const part = (start: number, number: number) => start + 8 * n * (number * mods.length + l);
    const [c0, c1, c2] = [part(out, 0), part(out, 1), part(out, 2)];
    const [a0, a1, b0, b1] = [part(x, 0), part(x, 1), part(y, 0), part(y, 1)];
    if (x === y) exports.square(c0, c1, c2, a0, a1, ring.table(limb), n);
    else exports.tensor(c0, c1, c2, a0, a1, b0, b1, ring.table(limb), n);
  });
}

/** One polynomial over q and p at `a` to one over q at `out`: the special primes go one at a time, from the last. */
export function modDownPolynomial(
  context: WasmContext,
  ring: WasmRing,
  out: number,
  a: number,
  q: readonly number[],
  p: readonly number[],
): void {
  if (p.length === 1) return rescalePolynomial(context, ring, out, a, [...q, ...p]);
  const left = p.slice(0, -1);
  context.memory.borrow((q.length + left.length) * 8 * ring.n, (between) => {
    rescalePolynomial(context, ring, between, a, [...q, ...p]);
    modDownPolynomial(context, ring, out, between, q, left);
  });
}

/** Where the digits of one polynomial come from. */
interface DigitSource {
  /** Digit number `digit` for the prime at position `position` of q then p: an address and how to read it. */
  digitAt(digit: number, position: number, z: number): { readonly x: number; readonly kind: number };
}

/** Digits as decompose wrote them. */
export function storedDigits(ring: WasmRing, digits: number, sizes: KeySwitchSizes): DigitSource {
  const limbs = sizes.mods.length;
  return {
    digitAt: (digit, position) => ({ x: digits + (digit * limbs + position) * 8 * ring.n, kind: WORDS }),
  };
}

/** Digits computed when asked for: from the centred coefficients of d's limbs, kept at `coefficients`. */
export function freshDigits(
  { exports, memory }: WasmContext,
  ring: WasmRing,
  d: number,
  coefficients: number,
  shape: KeySwitchShape,
  sizes: KeySwitchSizes,
): DigitSource {
  const { n } = ring;
  const { q, alpha } = shape;
  const size = limbBytes(ring);
  const members = (digit: number) => q.slice(digit * alpha, (digit + 1) * alpha);
  q.forEach((limb, l) => {
    const others = members(Math.floor(l / alpha)).filter((other) => other !== limb);
    const from = d + l * 8 * n;
    const to = coefficients + l * size;
    if (others.length === 0) {
      exports.inverse(to, from, ring.table(limb), n, WORDS, CENTRED);
    } else {
      memory.borrow(size, (scaled) => {
        exports.mulScalar(scaled, from, ring.inverseOf(others, limb), ring.table(limb), n);
        exports.inverse(to, scaled, ring.table(limb), n, WORDS, CENTRED);
      });
    }
  });
  return {
    digitAt(digit, position, z) {
      // A digit is congruent to d modulo its own primes.
      if (position < q.length && Math.floor(position / alpha) === digit) {
        return { x: d + position * 8 * n, kind: WORDS };
      }
      const target = sizes.mods[position];
      const table = ring.table(target);
      const primes = members(digit);
      const first = coefficients + digit * alpha * size;
      if (primes.length === 1) {
        exports.forward(z, first, table, n, FOREIGN, LAZY);
      } else {
        primes.forEach((prime, i) => {
          const cofactor = ring.productOf(
            primes.filter((other) => other !== prime),
            target,
          );
          exports.foreignTimesPlus(z, first + i * size, cofactor, i === 0 ? 0 : z, table, n);
        });
        exports.forward(z, z, table, n, LAZY, LAZY);
      }
      return { x: z, kind: LAZY };
    },
  };
}

/** Work space of one key switch, and the parts of it. */
class SwitchSpace {
  readonly size: number;
  readonly bytes: number;
  readonly z: number;
  readonly sums: readonly [number, number];
  readonly index: number;
  readonly coefficients: number;
  readonly #specials: number;

  constructor(ring: WasmRing, start: number, shape: KeySwitchShape) {
    this.size = limbBytes(ring);
    const at = (limb: number) => start + limb * this.size;
    this.z = at(0);
    this.sums = [at(1), at(2)];
    this.index = at(3);
    this.#specials = at(4);
    this.coefficients = at(4 + 2 * shape.p.length);
    this.bytes = this.size * (4 + 2 * shape.p.length + shape.q.length);
  }

  /** Centred coefficients of special prime number `special` in one part. */
  special(part: number, special: number): number {
    return this.#specials + (2 * special + part) * this.size;
  }
}

export interface SwitchTask {
  readonly ring: WasmRing;
  readonly shape: KeySwitchShape;
  readonly sizes: KeySwitchSizes;
  readonly key: number;
  readonly galois: number;
}

function withSpace<T>({ exports, memory }: WasmContext, task: SwitchTask, use: (space: SwitchSpace) => T): T {
  const { ring, shape, galois } = task;
  return memory.borrow(new SwitchSpace(ring, 0, shape).bytes, (start) => {
    const space = new SwitchSpace(ring, start, shape);
    if (galois !== 1) exports.automorphismIndex(space.index, ring.reversal, ring.n, galois);
    return use(space);
  });
}

/** Both sums of digits times key for one target prime, reduced doubles in space.sums. */
function innerProduct(
  exports: WasmExports,
  { ring, sizes, key, galois }: SwitchTask,
  source: DigitSource,
  space: SwitchSpace,
  position: number,
): void {
  const { n } = ring;
  const table = ring.table(sizes.mods[position]);
  const [s0, s1] = space.sums;
  const index = galois === 1 ? 0 : space.index;
  for (let digit = 0; digit < sizes.digits; digit++) {
    const { x, kind } = source.digitAt(digit, position, space.z);
    const k0 = key + 8 * (2 * digit * sizes.keyWords + sizes.keySlots[position] * n);
    const k1 = k0 + 8 * sizes.keyWords;
    exports.accumulate(s0, s1, x, k0, k1, index, digit === 0 ? 1 : 0, table, n, kind);
  }
}

/** The sums for the special primes, from the last, divided by those after them: coefficients into the space. */
function specialParts(exports: WasmExports, task: SwitchTask, source: DigitSource, space: SwitchSpace): void {
  const { ring, shape } = task;
  const { p, q } = shape;
  for (let special = p.length - 1; special >= 0; special--) {
    innerProduct(exports, task, source, space, q.length + special);
    const table = ring.table(p[special]);
    space.sums.forEach((sum, part) => {
      for (let later = p.length - 1; later > special; later--) {
        exports.forward(space.z, space.special(part, later), table, ring.n, FOREIGN, LAZY);
        const c = ring.inverseOf([p[later]], p[special]);
        exports.differenceTimes(sum, sum, space.z, c, 0, table, ring.n, LAZY, LAZY);
      }
      exports.inverse(space.special(part, special), sum, table, ring.n, LAZY, CENTRED);
    });
  }
}

/**
 * R modulo the prime of `limb`, where P divides x - R: with r_0 the remainder modulo the last special prime s_0, r_1 that of (x - r_0) /
 * s_0 modulo the one before and so on, R = r_0 + s_0 (r_1 + s_1 (r_2 + ...)). At the address returned, foreign. So every limb that
 * stays needs one transform per part, however many special primes there are.
 */
function joinedRemainder(
  exports: WasmExports,
  { ring, shape }: SwitchTask,
  space: SwitchSpace,
  part: number,
  limb: number,
): number {
  const last = shape.p.length - 1;
  let joined = space.special(part, last);
  for (let special = last - 1; special >= 0; special--) {
    const weight = ring.productOf(shape.p.slice(special + 1), limb);
    exports.foreignTimesPlus(space.z, space.special(part, special), weight, joined, ring.table(limb), ring.n);
    joined = space.z;
  }
  return joined;
}

/** sum += weight (digits times key), two parts over q and p; weight 0 for 1. */
export function accumulateKeyProduct(
  context: WasmContext,
  task: SwitchTask,
  sum: number,
  digits: DigitSource,
  weight: number,
): void {
  const { exports } = context;
  const { ring, sizes } = task;
  const { n } = ring;
  withSpace(context, task, (space) => {
    sizes.mods.forEach((limb, position) => {
      innerProduct(exports, task, digits, space, position);
      const table = ring.table(limb);
      space.sums.forEach((product, part) => {
        const to = sum + 8 * (part * sizes.digitWords + position * n);
        exports.lazyToWords(space.z, product, table, n);
        if (weight === 0) exports.add(to, to, space.z, table, n);
        else exports.mulAdd(to, space.z, weight + 8 * position * n, table, n);
      });
    });
  });
}

/** Two parts over q at `out`; `plus[part]`: a polynomial over q to add to it, or 0. */
export function switchKey(
  context: WasmContext,
  task: SwitchTask,
  out: number,
  source: (space: { readonly coefficients: number }) => DigitSource,
  plus: readonly [number, number],
): void {
  const { exports } = context;
  const { ring, shape, sizes } = task;
  const { n } = ring;
  withSpace(context, task, (space) => {
    const digits = source(space);
    specialParts(exports, task, digits, space);
    shape.q.forEach((limb, position) => {
      innerProduct(exports, task, digits, space, position);
      const table = ring.table(limb);
      space.sums.forEach((sum, part) => {
        const to = out + 8 * (part * sizes.qWords + position * n);
        exports.forward(space.z, joinedRemainder(exports, task, space, part, limb), table, n, FOREIGN, LAZY);
        const add = plus[part] === 0 ? 0 : plus[part] + 8 * position * n;
        exports.differenceTimes(to, sum, space.z, ring.inverseOf(shape.p, limb), add, table, n, LAZY, WORDS);
      });
    });
  });
}

/**
 * Key switch of the third part at t[2], the first two added, and the rescaling. With r the remainder modulo P and s the
 * centred one modulo the last prime, ((x - r) / P + t - s) / q_l = (x / P + t - (r / P + s)) / q_l: one
 * transform per prime and part instead of two. `t`: polynomials over q.
 */
export function switchAndRescale(
  context: WasmContext,
  task: SwitchTask,
  out: number,
  t: readonly [number, number, number],
): void {
  const { exports, memory } = context;
  const { ring, shape, sizes } = task;
  const { n } = ring;
  const lastPosition = shape.q.length - 1;
  const last = shape.q[lastPosition];
  withSpace(context, task, (space) => {
    const digits = freshDigits(context, ring, t[2], space.coefficients, shape, sizes);
    specialParts(exports, task, digits, space);
    memory.borrow(2 * space.size, (remainders) => {
      const table = ring.table(last);
      const pInverse = ring.inverseOf(shape.p, last);
      innerProduct(exports, task, digits, space, lastPosition);
      space.sums.forEach((sum, part) => {
        const to = remainders + part * space.size;
        exports.timesPlusWords(sum, sum, pInverse, t[part] + 8 * lastPosition * n, table, n);
        exports.inverse(to, sum, table, n, LAZY, LAZY);
        const joined = joinedRemainder(exports, task, space, part, last);
        exports.centredDifference(to, to, joined, pInverse, table, n);
      });
      shape.q.slice(0, -1).forEach((limb, position) => {
        innerProduct(exports, task, digits, space, position);
        const [own, c] = [ring.table(limb), ring.inverseOf(shape.p, limb)];
        space.sums.forEach((sum, part) => {
          const to = out + 8 * (part * (sizes.qWords - n) + position * n);
          const joined = joinedRemainder(exports, task, space, part, limb);
          exports.foreignTimesPlus(space.z, joined, c, remainders + part * space.size, own, n);
          exports.forward(space.z, space.z, own, n, LAZY, LAZY);
          const plus = t[part] + 8 * position * n;
          exports.switchAndRescale(to, sum, c, plus, space.z, ring.inverseOf([last], limb), own, n);
        });
      });
    });
  });
}
