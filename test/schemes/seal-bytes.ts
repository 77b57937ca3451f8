/**
 * Reads and writes SEAL's uncompressed objects, so that its keys and ciphertexts become ours and the reverse, on raw residues.
 *
 * Layout (SEAL 4.1, all little-endian): every object starts with a 16-byte header (magic, sizes, version, compression, length at
 * offset 8), then a 32-byte identifier of the level. A secret key goes on with coefficient count and scale, a ciphertext with a
 * flag (1 byte), size, degree, primes, scale and correction factor; both end with an array: header, length, 64-bit words.
 */
import { primitiveRoot2N } from '../../src/kernel/tables/primitive-root.ts';

const SECRET_PREFIX_BYTES = 88;
const CIPHERTEXT_PREFIX_BYTES = 113;
const FACTOR_OFFSET = 81;

function reversed(value: number, bits: number): number {
  let out = 0;
  for (let i = 0; i < bits; i++) out = (out << 1) | ((value >> i) & 1);
  return out;
}

/**
 * For each position of SEAL's transform, the position in ours: both evaluate at psi^(2 bitrev(i) + 1), SEAL with the smallest
 * primitive 2n-th root, ours with the root of the smallest generator.
 */
function sealPositions(n: number, q: number): Uint32Array {
  const [ours, modulus] = [BigInt(primitiveRoot2N(n, q)), BigInt(q)];
  const square = (ours * ours) % modulus;
  let [power, smallest, exponent] = [ours, ours, 1];
  for (let k = 1; k < 2 * n; k += 2) {
    if (power < smallest) [smallest, exponent] = [power, k];
    power = (power * square) % modulus;
  }
  const bits = Math.log2(n);
  return Uint32Array.from({ length: n }, (_, i) => {
    const at = (exponent * (2 * reversed(i, bits) + 1)) % (2 * n);
    return reversed((at - 1) / 2, bits);
  });
}

export class SealBytes {
  readonly n: number;
  readonly #positions: readonly Uint32Array[];

  constructor(n: number, primes: readonly number[]) {
    this.n = n;
    this.#positions = primes.map((q) => sealPositions(n, q));
  }

  /** From SEAL's order to ours; `words` are polynomials over the first `limbs` primes. */
  toOurs(words: BigUint64Array, limbs: number): BigUint64Array {
    const out = new BigUint64Array(words.length);
    for (const [i, place] of this.#places(words.length, limbs)) out[place] = words[i]!;
    return out;
  }

  /** From our order to SEAL's. */
  toSeal(words: BigUint64Array, limbs: number): BigUint64Array {
    const out = new BigUint64Array(words.length);
    for (const [i, place] of this.#places(words.length, limbs)) out[i] = words[place]!;
    return out;
  }

  /** Pairs of SEAL's index and ours. */
  *#places(length: number, limbs: number): Iterable<[number, number]> {
    for (let i = 0; i < length; i++) {
      const run = Math.floor(i / this.n);
      yield [i, run * this.n + this.#positions[run % limbs]![i % this.n]!];
    }
  }
}

/** The words of a saved secret key or ciphertext. */
export function sealWords(saved: Uint8Array, kind: 'secret' | 'ciphertext'): BigUint64Array {
  const prefix = kind === 'secret' ? SECRET_PREFIX_BYTES : CIPHERTEXT_PREFIX_BYTES;
  return new BigUint64Array(saved.slice(prefix).buffer);
}

/** The saved object with other words of the same number. */
export function withSealWords(saved: Uint8Array, words: BigUint64Array): Uint8Array {
  const out = saved.slice();
  out.set(new Uint8Array(words.buffer, words.byteOffset, words.byteLength), saved.length - words.byteLength);
  return out;
}

/** The correction factor of a saved BGV ciphertext. */
export function sealFactor(saved: Uint8Array): number {
  return Number(new DataView(saved.buffer, saved.byteOffset).getBigUint64(FACTOR_OFFSET, true));
}
