/** Words, residues and transforms of the reference kernel. */
import { ShapeError } from '../../base/errors.ts';
import type { Kernel, RingTables, Words } from '../kernel.ts';
import { roundFractionsByLoops, squaredNormsByLoops } from '../portable/fraction-products.ts';
import * as check from '../preconditions.ts';
import { residue } from '../tables/modular.ts';
import { ReferenceRing, automorphismIndex, forward, inverse } from './reference-ring.ts';
import * as rns from './reference-rns.ts';
import { ReferenceWords } from './reference-words.ts';

export function ownTables(ring: RingTables): ReferenceRing {
  if (!(ring instanceof ReferenceRing))
    throw new ShapeError('the ring', 'of the reference kernel', 'of another');
  return ring;
}

/** q of each limb of a batch, in memory order. */
export function modulusAt(ring: ReferenceRing, mods: readonly number[], limb: number): bigint {
  return ring.limbs[mods[limb % mods.length]].q;
}

/** The half of the kernel that knows words, residues and transforms; ReferenceKernel adds the rest. */
export abstract class ReferenceArithmetic {
  readonly name = 'reference';
  readonly isa = 'bigint';
  readonly threads = 1;
  #liveWords = 0;

  get liveWords(): number {
    return this.#liveWords;
  }

  allocate(words: number): Words {
    this.#liveWords += words;
    return ReferenceWords.allocate(words, () => {
      this.#liveWords -= words;
    });
  }

  openRing(n: number, moduli: readonly number[]): RingTables {
    return new ReferenceRing(n, moduli);
  }

  nttForward(ring: RingTables, x: Words, mods: readonly number[]): void {
    const count = check.checkUnary(ring, x, x, mods) * mods.length;
    const r = ownTables(ring);
    for (let i = 0; i < count; i++) forward(rns.limbAt(r, x.u64(), i), r.limbs[mods[i % mods.length]]);
  }

  nttInverse(ring: RingTables, x: Words, mods: readonly number[]): void {
    const count = check.checkUnary(ring, x, x, mods) * mods.length;
    const r = ownTables(ring);
    for (let i = 0; i < count; i++) inverse(rns.limbAt(r, x.u64(), i), r.limbs[mods[i % mods.length]]);
  }

  /** out[i] = f(a[i], b[i], q of i, limb of i), with b repeated. */
  #elementwise(
    ring: RingTables,
    out: Words,
    a: Words,
    b: Words,
    mods: readonly number[],
    f: (x: bigint, y: bigint, q: bigint, limb: number) => bigint,
  ): void {
    check.checkBinary(ring, out, a, b, mods);
    const [to, x, y] = [out.u64(), a.u64(), b.u64()];
    for (let i = 0; i < to.length; i++) {
      const limb = Math.floor(i / ring.n) % mods.length;
      to[i] = f(x[i], y[i % y.length], modulusAt(ownTables(ring), mods, limb), limb);
    }
  }

  add(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    this.#elementwise(ring, out, a, b, mods, (x, y, q) => (x + y) % q);
  }

  sub(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    this.#elementwise(ring, out, a, b, mods, (x, y, q) => (x + q - y) % q);
  }

  negate(ring: RingTables, out: Words, a: Words, mods: readonly number[]): void {
    this.#elementwise(ring, out, a, a, mods, (x, _, q) => (q - x) % q);
  }

  mul(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    this.#elementwise(ring, out, a, b, mods, (x, y, q) => (x * y) % q);
  }

  mulAdd(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    check.checkDisjoint('a', out, a);
    check.checkDisjoint('b', out, b);
    const sum = out.u64();
    let i = 0;
    this.#elementwise(ring, out, a, b, mods, (x, y, q) => (sum[i++] + x * y) % q);
  }

  mulScalar(
    ring: RingTables,
    out: Words,
    a: Words,
    scalars: readonly number[],
    mods: readonly number[],
  ): void {
    check.checkScalars(ring, scalars, mods);
    this.#elementwise(ring, out, a, a, mods, (x, _, q, limb) => (x * BigInt(scalars[limb])) % q);
  }

  addScalar(
    ring: RingTables,
    out: Words,
    a: Words,
    scalars: readonly number[],
    mods: readonly number[],
  ): void {
    check.checkScalars(ring, scalars, mods);
    this.#elementwise(ring, out, a, a, mods, (x, _, q, limb) => (x + BigInt(scalars[limb])) % q);
  }

  automorphism(ring: RingTables, out: Words, a: Words, galois: number, mods: readonly number[]): void {
    const count = check.checkUnary(ring, out, a, mods) * mods.length;
    check.checkGalois(ring, galois);
    check.checkDisjoint('a', out, a);
    const r = ownTables(ring);
    const index = automorphismIndex(ring.n, galois);
    for (let i = 0; i < count; i++) {
      rns.limbAt(r, out.u64(), i).set(rns.automorphismOne(rns.limbAt(r, a.u64(), i), index));
    }
  }

  /** out = residues of integers, n for each polynomial of the batch. */
  #fromIntegers(
    ring: RingTables,
    out: Words,
    values: Int8Array | Float64Array,
    mods: readonly number[],
  ): void {
    const count = check.batchCount('out', out.length, check.polynomialWords(ring, mods));
    check.checkLength('the values', values.length, count * ring.n);
    const to = out.u64();
    for (let i = 0; i < to.length; i++) {
      const limb = Math.floor(i / ring.n);
      const value = values[Math.floor(limb / mods.length) * ring.n + (i % ring.n)];
      to[i] = residue(BigInt(value), modulusAt(ownTables(ring), mods, limb));
    }
  }

  fromSigned(ring: RingTables, out: Words, small: Int8Array, mods: readonly number[]): void {
    this.#fromIntegers(ring, out, small, mods);
  }

  fromDoubles(ring: RingTables, out: Words, values: Float64Array, mods: readonly number[]): void {
    check.checkIntegers(values);
    this.#fromIntegers(ring, out, values, mods);
  }

  transformSigned(ring: RingTables, out: Words, small: Int8Array, mods: readonly number[]): void {
    this.fromSigned(ring, out, small, mods);
    this.nttForward(ring, out, mods);
  }

  transformDoubles(ring: RingTables, out: Words, values: Float64Array, mods: readonly number[]): void {
    this.fromDoubles(ring, out, values, mods);
    this.nttForward(ring, out, mods);
  }

  roundFractions(...operands: Parameters<Kernel['roundFractions']>): void {
    roundFractionsByLoops(...operands);
  }

  squaredNorms(...operands: Parameters<Kernel['squaredNorms']>): boolean {
    return squaredNormsByLoops(...operands);
  }

  fractionSums(ring: RingTables, out: Uint32Array, a: Words, words: number, mods: readonly number[]): void {
    const count = check.checkFractionSums(ring, out, a, words, mods);
    const residues = a.u64();
    const bits = BigInt(32 * words);
    for (let i = 0; i < count * ring.n; i++) {
      let sum = 1n << 74n;
      mods.forEach((limb, l) => {
        const at = (Math.floor(i / ring.n) * mods.length + l) * ring.n + (i % ring.n);
        sum += (residues[at] as bigint) * ((1n << (bits + 75n)) / BigInt(ring.moduli[limb] as number));
      });
      const fraction = sum >> 75n;
      for (let w = 0; w < words; w++)
        out[(i + 1) * words - 1 - w] = Number((fraction >> BigInt(32 * w)) & 0xffff_ffffn);
    }
  }

  toDoubles(ring: RingTables, out: Float64Array, a: Words, mods: readonly number[]): void {
    const size = check.polynomialWords(ring, mods);
    const count = check.batchCount('a', a.length, size);
    check.checkLength('out', out.length, count * ring.n);
    for (let i = 0; i < count; i++) {
      out.set(
        rns.toDoublesOne(ownTables(ring), a.u64().subarray(i * size, (i + 1) * size), mods),
        i * ring.n,
      );
    }
  }
}
