/**
 * R_Q = Z_Q[X]/(X^N + 1) in residue number system: a kernel, its tables for one list of primes, and the polynomial
 * operations on them with domains checked by the compiler. Functions ending in `Into` write their first argument.
 */
import { printOnOneLine } from '../base/inspect.ts';
import type { Kernel, RingTables, Words } from '../kernel/kernel.ts';
import { handOver } from './arena.ts';
import type { Poly } from './poly.ts';

/** A prime with its size: 2^(bits-1) < q < 2^bits. */
export interface Modulus {
  readonly q: number;
  readonly bits: number;
}

/** @returns the prime with its bit length. */
export function modulusOf(q: number): Modulus {
  return Object.freeze({ q, bits: Math.floor(Math.log2(q)) + 1 });
}

export class Ring implements Disposable {
  readonly kernel: Kernel;
  readonly tables: RingTables;
  readonly n: number;
  readonly moduli: readonly Modulus[];
  #monomials = new Map<number, Words>();

  /** @throws {InvalidParamsError} when a modulus is not a prime 1 mod 2n below 2^50. */
  constructor(kernel: Kernel, n: number, moduli: readonly Modulus[]) {
    this.kernel = kernel;
    this.n = n;
    this.moduli = moduli;
    this.tables = kernel.openRing(
      n,
      moduli.map((modulus) => modulus.q),
    );
  }

  /** In place: the returned polynomial is the same words, now evaluations. */
  toNtt(p: Poly<'coeff'>): Poly<'ntt'> {
    this.kernel.nttForward(this.tables, p.words, p.mods);
    return { ...p, domain: 'ntt' };
  }

  /** In place: the returned polynomial is the same words, now coefficients. */
  toCoeff(p: Poly<'ntt'>): Poly<'coeff'> {
    this.kernel.nttInverse(this.tables, p.words, p.mods);
    return { ...p, domain: 'coeff' };
  }

  addInto<D extends 'coeff' | 'ntt'>(out: Poly<D>, a: Poly<D>, b: Poly<D>): void {
    this.kernel.add(this.tables, out.words, a.words, b.words, out.mods);
  }

  subInto<D extends 'coeff' | 'ntt'>(out: Poly<D>, a: Poly<D>, b: Poly<D>): void {
    this.kernel.sub(this.tables, out.words, a.words, b.words, out.mods);
  }

  mulInto(out: Poly<'ntt'>, a: Poly<'ntt'>, b: Poly<'ntt'>): void {
    this.kernel.mul(this.tables, out.words, a.words, b.words, out.mods);
  }

  /** X -> X^galois; `out` is not `a`. */
  automorphismInto(out: Poly<'ntt'>, a: Poly<'ntt'>, galois: number): void {
    this.kernel.automorphism(this.tables, out.words, a.words, galois, out.mods);
  }

  /**
   * X^exponent in the NTT domain over all primes of the ring (exponent mod 2N, negative allowed), made once and kept until
   * the ring is disposed. A prefix of limbs is the monomial over a prefix of the primes.
   */
  monomial(exponent: number): Words {
    const e = ((exponent % (2 * this.n)) + 2 * this.n) % (2 * this.n);
    let words = this.#monomials.get(e);
    if (words === undefined) {
      const small = new Int8Array(this.n);
      small[e % this.n] = e < this.n ? 1 : -1;
      const mods = this.moduli.map((_, i) => i);
      words = handOver(this.kernel.allocate(mods.length * this.n), (fresh) => {
        this.kernel.fromSigned(this.tables, fresh, small, mods);
        this.kernel.nttForward(this.tables, fresh, mods);
        return fresh;
      });
      this.#monomials.set(e, words);
    }
    return words;
  }

  [Symbol.dispose](): void {
    for (const words of this.#monomials.values()) words[Symbol.dispose]();
    this.#monomials.clear();
    this.tables[Symbol.dispose]();
  }
}

printOnOneLine(Ring);
