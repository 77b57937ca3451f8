/** The reference kernel against oracles that share nothing with it: node:crypto, direct sums and rational rounding. */
import { createCipheriv, createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { KeySwitchShape, Words } from '../../src/kernel/kernel.ts';
import { primitiveRoot2N } from '../../src/kernel/tables/primitive-root.ts';
import { loadReferenceKernel } from '../../src/kernel/reference/reference.ts';
import { moduliFor, primesBelow } from './cases/cases.ts';
import { Bench } from './bench.ts';

const kernel = loadReferenceKernel();
const n = 16;
const moduli = moduliFor(n);
const ring = kernel.openRing(n, moduli);

function mod(x: bigint, q: bigint): bigint {
  return ((x % q) + q) % q;
}

function power(base: bigint, exponent: number, q: bigint): bigint {
  let result = 1n;
  for (let i = 0; i < exponent; i++) result = (result * base) % q;
  return result;
}

function reversed(i: number): number {
  return Number.parseInt(i.toString(2).padStart(Math.log2(n), '0').split('').toReversed().join(''), 2);
}

/** The representative in (-Q/2, Q/2) of each coefficient of a polynomial in coefficient form, by the CRT. */
function composed(words: Words, mods: readonly number[]): bigint[] {
  const product = mods.reduce((q, limb) => q * BigInt(moduli[limb]), 1n);
  return Array.from({ length: n }, (_, i) => {
    const sum = mods.reduce((total, limb, l) => {
      const q = BigInt(moduli[limb]);
      const rest = product / q;
      let inverse = 1n;
      for (let e = q - 2n, b = mod(rest, q); e > 0n; e >>= 1n, b = (b * b) % q) {
        if (e & 1n) inverse = (inverse * b) % q;
      }
      return total + words.u64()[l * n + i] * rest * inverse;
    }, 0n);
    const x = mod(sum, product);
    return 2n * x > product ? x - product : x;
  });
}

/** Division of integers with rounding to nearest; the divisor is odd. */
function divideRounded(x: bigint, by: bigint): bigint {
  return (x - mod(x + by / 2n, by) + by / 2n) / by;
}

describe('transforms', () => {
  it('evaluate at psi^(2 bitrev(i) + 1)', () => {
    const bench = new Bench(kernel, ring, 'random', 1);
    const x = bench.polynomials(1, [1]);
    const coefficients = x.u64().slice();
    const q = BigInt(moduli[1]);
    const psi = BigInt(primitiveRoot2N(n, moduli[1]));
    kernel.nttForward(ring, x, [1]);
    for (let i = 0; i < n; i++) {
      const point = power(psi, 2 * reversed(i) + 1, q);
      const value = coefficients.reduceRight((sum, c) => (sum * point + c) % q, 0n);
      expect(x.u64()[i]).toBe(value);
    }
    kernel.nttInverse(ring, x, [1]);
    expect(x.u64()).toEqual(coefficients);
    bench.release();
  });

  it('turn X -> X^g into a gather', () => {
    const bench = new Bench(kernel, ring, 'random', 2);
    const [x, moved, expected] = [bench.polynomials(1, [0]), bench.zeros(n), bench.zeros(n)];
    const q = BigInt(moduli[0]);
    for (let i = 0; i < n; i++) {
      const to = (5 * i) % (2 * n);
      expected.u64()[to % n] = to < n ? x.u64()[i] : mod(-x.u64()[i], q);
    }
    kernel.nttForward(ring, x, [0]);
    kernel.automorphism(ring, moved, x, 5, [0]);
    kernel.nttInverse(ring, moved, [0]);
    expect(moved.u64()).toEqual(expected.u64());
    bench.release();
  });
});

describe('samplers', () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i * 7);

  /** OpenSSL takes the 32-bit counter and the 96-bit nonce as one 16-byte vector. */
  function keyStream(nonce: bigint, length: number): Buffer {
    const iv = Buffer.alloc(16);
    iv.writeBigUInt64LE(nonce, 4);
    return createCipheriv('chacha20', key, iv).update(Buffer.alloc(length));
  }

  it('read the ChaCha20 stream of RFC 8439', () => {
    const stream = keyStream(2n ** 40n + 9n, 800);
    const out = new Float64Array(100);
    kernel.uniformSigned(out, 40, key, 2 ** 40 + 9);
    out.forEach((value, i) => {
      expect(BigInt(value)).toBe((stream.readBigUInt64LE(8 * i) & (2n ** 41n - 1n)) - 2n ** 40n);
    });
  });

  it('count the bits of six bytes for the centred binomial', () => {
    const stream = keyStream(3n, 6 * 200);
    const out = new Int8Array(200);
    kernel.centredBinomial(out, key, 3);
    out.forEach((value, i) => {
      const bits = stream
        .readUIntLE(6 * i, 6)
        .toString(2)
        .padStart(48, '0')
        .split('')
        .toReversed();
      const ones = (from: number) => bits.slice(from, from + 21).filter((bit) => bit === '1').length;
      expect(value).toBe(ones(0) - ones(21));
    });
  });

  it('skip the bit pair 3 in ternary values', () => {
    const pairs = [...keyStream(1n, 400)].flatMap((byte) => [0, 2, 4, 6].map((shift) => (byte >> shift) & 3));
    const out = new Int8Array(1000);
    kernel.ternary(out, key, 1);
    expect([...out]).toEqual(
      pairs
        .filter((pair) => pair !== 3)
        .slice(0, 1000)
        .map((pair) => pair - 1),
    );
  });

  it('reject from SHAKE128 for uniform residues', () => {
    const seed = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
    using words = kernel.allocate(2 * 2 * n);
    kernel.uniform(ring, words, seed, [2, 4]);
    for (let run = 0; run < 4; run++) {
      const q = moduli[[2, 4][run % 2]];
      const tail = Buffer.alloc(12);
      tail.writeUInt32LE(Math.floor(run / 2));
      tail.writeBigUInt64LE(BigInt(q), 4);
      const stream = createHash('shake128', { outputLength: 4096 }).update(seed).update(tail).digest();
      const bytes = Math.ceil(Math.log2(q) / 8);
      const candidates = Array.from({ length: 4096 / 8 }, (_, i) => {
        const value = stream.subarray(i * bytes, (i + 1) * bytes).toReversed();
        return BigInt(`0x${Buffer.from(value).toString('hex')}`) % 2n ** BigInt(Math.ceil(Math.log2(q)));
      });
      const expected = candidates.filter((value) => value < BigInt(q)).slice(0, n);
      expect([...words.u64().subarray(run * n, (run + 1) * n)]).toEqual(expected);
    }
  });
});

describe('rescaling and key switching', () => {
  it('divides by the last prime and rounds', () => {
    const mods = [0, 1, 3];
    const bench = new Bench(kernel, ring, 'random', 4);
    const [a, out] = [bench.polynomials(1, mods), bench.zeros(2 * n)];
    const before = composed(a, mods);
    kernel.nttForward(ring, a, mods);
    kernel.rescale(ring, out, a, mods);
    kernel.nttInverse(ring, out, [0, 1]);
    const product = BigInt(moduli[0]) * BigInt(moduli[1]);
    const expected = before.map((x) => mod(divideRounded(x, BigInt(moduli[3])), product));
    expect(composed(out, [0, 1]).map((x) => mod(x, product))).toEqual(expected);
    bench.release();
  });

  it.each([
    { q: [0, 1, 2, 3], p: [4], alpha: 1, keyLimbs: [0, 1, 2, 3, 4] },
    { q: [0, 2, 3], p: [4, 5], alpha: 2, keyLimbs: [5, 4, 0, 1, 2, 3] },
  ] satisfies KeySwitchShape[])('carries a product over to another secret: %j', (shape) => {
    const bench = new Bench(kernel, ring, 'random', 5);
    const all = shape.keyLimbs;
    const small = (key: number) => {
      const values = new Int8Array(n);
      kernel.ternary(values, bench.bytes(32), key);
      const words = bench.zeros(all.length * n);
      kernel.fromSigned(ring, words, values, all);
      kernel.nttForward(ring, words, all);
      return words;
    };
    const [from, to] = [small(0), small(1)];
    const digits = Math.ceil(shape.q.length / shape.alpha);
    const key = bench.zeros(digits * 2 * all.length * n);
    for (let digit = 0; digit < digits; digit++) {
      const b = key.sub(2 * digit * all.length * n, all.length * n);
      const a = key.sub((2 * digit + 1) * all.length * n, all.length * n);
      kernel.uniform(ring, a, bench.bytes(32), all);
      // b = P g from - a to + e, where g is 1 modulo the primes of the digit and 0 modulo the others.
      const gadget = all.map((limb) => {
        const isMember = shape.q.slice(digit * shape.alpha, (digit + 1) * shape.alpha).includes(limb);
        const product = shape.p.reduce(
          (x, special) => (x * BigInt(moduli[special])) % BigInt(moduli[limb]),
          1n,
        );
        return isMember ? Number(product) : 0;
      });
      const masked = bench.zeros(all.length * n);
      kernel.mul(ring, masked, a, to, all);
      kernel.mulScalar(ring, b, from, gadget, all);
      kernel.sub(ring, b, b, masked, all);
      kernel.add(ring, b, b, small(2), all);
    }
    const d = bench.polynomials(1, shape.q);
    const out = bench.zeros(2 * shape.q.length * n);
    kernel.keySwitch(ring, out, d, key, 1, shape);
    const onlyQ = (words: Words) => {
      const picked = bench.zeros(shape.q.length * n);
      shape.q.forEach((limb, l) => {
        picked.u64().set(words.u64().subarray(all.indexOf(limb) * n, (all.indexOf(limb) + 1) * n), l * n);
      });
      return picked;
    };
    const [noise, wanted] = [bench.zeros(shape.q.length * n), bench.zeros(shape.q.length * n)];
    kernel.mul(ring, noise, out.sub(shape.q.length * n, shape.q.length * n), onlyQ(to), shape.q);
    kernel.add(ring, noise, noise, out.sub(0, shape.q.length * n), shape.q);
    kernel.mul(ring, wanted, d, onlyQ(from), shape.q);
    kernel.sub(ring, noise, noise, wanted, shape.q);
    kernel.nttInverse(ring, noise, shape.q);
    // Digits times errors over P, plus rounding: a few bits; a wrong switch would be of the size of Q.
    for (const x of composed(noise, shape.q)) expect(Math.abs(Number(x))).toBeLessThan(2 ** 14);
    bench.release();
  });
});

describe('conversions', () => {
  it('composes centred values', () => {
    const bench = new Bench(kernel, ring, 'random', 6);
    const mods = [2, 0, 3];
    const a = bench.polynomials(1, mods);
    const out = new Float64Array(n);
    kernel.toDoubles(ring, out, a, mods);
    composed(a, mods).forEach((x, i) => {
      expect(Math.abs(out[i] - Number(x))).toBeLessThanOrEqual(Math.abs(Number(x)) * 2 ** -50);
    });
    bench.release();
  });

  it('multiplies matrices of singles', () => {
    const c = Float32Array.from([1, 1, 1, 1]);
    kernel.sgemm(false, true, 2, 2, 2, 2, Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8), 1, c);
    expect([...c]).toEqual([35, 47, 79, 107]);
  });

  it('has no words left', () => {
    expect(primesBelow(30, n, 1)[0] % (2 * n)).toBe(1);
    expect(kernel.liveWords).toBe(0);
  });
});
