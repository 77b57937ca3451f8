/**
 * The kernel interface: loops over residues modulo q, bits, small integers and doubles, done three ways (native C++, WebAssembly,
 * BigInt reference) and equal bit for bit by test. Ciphertexts and keys live in memory outside the JavaScript heap, which only the
 * kernels touch.
 *
 * Conventions, for every method:
 * - A modulus is a prime q = 1 mod 2N below 2^50, held as a JavaScript number. A residue is a 64-bit word in [0, q).
 * - A *polynomial* over the limb list `mods` (indices into `ring.moduli`) is `mods.length * n` words, limb by limb.
 *   A *batch* is polynomials back to back; its size follows from the length of `out`. Operands marked (broadcast)
 *   may be a single polynomial, used for every polynomial of the batch.
 * - `out` may be the same words as an input unless stated otherwise; partial overlap is never allowed.
 * - Preconditions (lengths, one ring, residues in range where it is cheap) are checked; a violation throws ShapeError.
 * - Calls, {@link Kernel.integerLinearAsync} apart, are synchronous and use all `threads` of the kernel when the work is large enough. Servers call from a
 *   worker thread, so that the event loop never runs one.
 * - No branch and no address depends on the value of a residue.
 */

import type { CanonicalEmbedding } from './tables/canonical-embedding.ts';
import type { IntegerLinearMap } from './integer-linear-map.ts';

/** A run of 64-bit words that the kernel can address, 64-byte aligned when freshly allocated, zero-filled. */
export interface Words extends Disposable {
  readonly length: number;
  /** Views are valid until the next allocation (WebAssembly memory may move). Do not keep them. */
  u64(): BigUint64Array;
  u32(): Uint32Array;
  bytes(): Uint8Array;
  /** A borrowed run inside this one; disposing it does nothing. */
  sub(offset: number, length: number): Words;
  /** Overwrites with zeros, then frees. For secrets. */
  wipe(): void;
}

/** Twiddles and constants for one ring degree and one list of primes. */
export interface RingTables extends Disposable {
  readonly n: number;
  readonly moduli: readonly number[];
}

/** Integer weights made ready for {@link Kernel.gemm}. */
export interface GemmWeights extends Disposable {
  readonly rows: number;
  readonly cols: number;
  /** Largest |w|. */
  readonly maxAbs: number;
}

/** A linear map made ready for {@link Kernel.integerLinear}. Holds a packed copy; `map` is what it was made of. */
export interface IntegerLinearWeights extends Disposable {
  readonly map: IntegerLinearMap;
}

/**
 * How {@link Kernel.fractionDot} splits fractions: `exact` signed parts of `bits` bits, most significant first, and the rest, rounded to
 * nearest at each cut. A part's product with `values` is off by at most |values| |part| (13 log2(slots) + 2 terms + 8) 2^-53 in Euclidean
 * norms over all terms (after Brent, Percival, Zimmermann 2007, with room for the sum over the terms).
 */
export interface FractionParts {
  readonly bits: number;
  readonly exact: number;
}

/** Which limbs a key switch works on, as indices into `ring.moduli`. */
export interface KeySwitchShape {
  /** The active ciphertext primes q_0 .. q_l, in order. */
  readonly q: readonly number[];
  /** The special primes. */
  readonly p: readonly number[];
  /** Primes per digit: digit d holds q[d*alpha] .. q[min((d+1)*alpha, q.length) - 1]. */
  readonly alpha: number;
  /**
   * The limbs that each key polynomial carries, in its memory order; a superset of q and p. The key is
   * `digits * 2 * keyLimbs.length * n` words, NTT domain: digit-major, then part (0 = b, 1 = a), then limb.
   */
  readonly keyLimbs: readonly number[];
}

/** A rotation in a linear transform by an automorphism X -> X^galois; 1 is none and has no key. */
export interface TransformRotation {
  readonly galois: number;
  readonly key?: { readonly words: Words; readonly limbs: readonly number[] };
}

/** A linear transform in baby and giant steps: see {@link Kernel.linearTransform}. */
export interface TransformPlan {
  readonly babies: readonly TransformRotation[];
  /** `weights[b]`, of the rotation by baby step b: one polynomial over q then p, or none. */
  readonly giants: readonly (TransformRotation & { readonly weights: readonly (Words | undefined)[] })[];
}

export interface Kernel extends Disposable {
  readonly name: 'native' | 'wasm' | 'reference';
  /** The instruction set in use: 'avx512ifma', 'avx2', 'neon', 'scalar', 'relaxed-simd', 'simd128', 'bigint' ... */
  readonly isa: string;
  readonly threads: number;
  /** Words allocated and not yet disposed; tests end with 0. */
  readonly liveWords: number;
  /** The native kernel alone has it; its users fall back to the curve library, whose results are equal. */
  readonly edwards?: EdwardsLoops;

  /** @throws {KernelError} when memory is exhausted. */
  allocate(words: number): Words;

  /**
   * psi for each prime is the smallest-generator power fixed by {@link primitiveRoot2N}, so all kernels share it.
   * NTT order: `ntt(x)[i] = x(psi^(2*bitrev(i)+1))` with bitrev over log2(n) bits.
   * @throws {InvalidParamsError} when a modulus is not a prime 1 mod 2n below 2^50.
   */
  openRing(n: number, moduli: readonly number[]): RingTables;

  nttForward(ring: RingTables, x: Words, mods: readonly number[]): void;
  nttInverse(ring: RingTables, x: Words, mods: readonly number[]): void;

  /** out = a + b; b (broadcast). */
  add(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void;
  /** out = a - b; b (broadcast). */
  sub(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void;
  negate(ring: RingTables, out: Words, a: Words, mods: readonly number[]): void;
  /** out = a * b word by word; b (broadcast). */
  mul(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void;
  /** out = out + a * b word by word; b (broadcast). out must not be a or b. */
  mulAdd(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void;
  /** out[i] = sum over t of a[t, i] b[t], word by word: a holds `[terms, rows]` polynomials, b `terms`, out `rows`. out must not be a or b. */
  sumProducts(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void;
  /** out = a * scalars[limb]; scalars are residues. */
  mulScalar(
    ring: RingTables,
    out: Words,
    a: Words,
    scalars: readonly number[],
    mods: readonly number[],
  ): void;
  /** out = a + scalars[limb] in every word: adds a constant in the NTT domain. */
  addScalar(
    ring: RingTables,
    out: Words,
    a: Words,
    scalars: readonly number[],
    mods: readonly number[],
  ): void;
  /** X -> X^galois in the NTT domain. out must not be a. */
  automorphism(ring: RingTables, out: Words, a: Words, galois: number, mods: readonly number[]): void;

  /** Residues of small signed integers: `small` is a batch of n values, `out` the batch over `mods`. Branch-free. */
  fromSigned(ring: RingTables, out: Words, small: Int8Array, mods: readonly number[]): void;
  /** Residues of integers held as doubles, |v| < 2^100, exact. `values` is a batch of n. @throws {OutOfRangeError} otherwise or when not an integer. */
  fromDoubles(ring: RingTables, out: Words, values: Float64Array, mods: readonly number[]): void;
  /** {@link Kernel.fromSigned}, then {@link Kernel.nttForward}. */
  transformSigned(ring: RingTables, out: Words, small: Int8Array, mods: readonly number[]): void;
  /** {@link Kernel.fromDoubles}, then {@link Kernel.nttForward}. @throws {OutOfRangeError} as fromDoubles. */
  transformDoubles(ring: RingTables, out: Words, values: Float64Array, mods: readonly number[]): void;
  /**
   * The centred representative in (-Q/2, Q/2), rounded to double, of each coefficient; Q the product over `mods`.
   * Mixed-radix digits v_i centred in [-(q_i-1)/2, (q_i-1)/2], so small values are exact below 2^53; then Horner from
   * the last digit, acc = acc * q_i + v_i, product and sum each rounded to double (no fused multiply-add).
   */
  toDoubles(ring: RingTables, out: Float64Array, a: Words, mods: readonly number[]): void;
  /**
   * The fractions sum over i of a_i / q_i modulo 1, coefficient by coefficient, rounded to 32 `words` bits: out holds `words` 32-bit words
   * for each, most significant first, 2 <= words <= 4. Residues times (Q/q_i)^-1 give the fraction of Q that the coefficient is.
   * Exactly floor((sum a_i floor(2^(32 words + 75) / q_i) + 2^74) / 2^75): off by at most 1/2 + 2^-25 mods.length units.
   */
  fractionSums(ring: RingTables, out: Uint32Array, a: Words, words: number, mods: readonly number[]): void;
  /**
   * out[i] = sum over t of values[i, t] b[t] modulo X^n + 1 and modulo 1, n = 2 slots, in [-1/2, 1/2]: integers `values` `[rows, terms, n]`
   * times fractions b `[terms, n]` as {@link Kernel.fractionSums} writes them. Products of real polynomials by the special FFT: each of
   * the exact parts of b gives integers, which are rounded to, the rest multiples of 2^-48. So errors of the exact parts
   * vanish as long as they are below 1/2; see {@link FractionParts}. Operations are rounded one by one, in the order of the reference.
   */
  fractionDot(
    embedding: CanonicalEmbedding,
    out: Float64Array,
    values: Int32Array,
    b: Uint32Array,
    words: number,
    parts: FractionParts,
  ): void;
  /**
   * Rows of multiples of 1 / K, K = `results`, from digits and masks: value = w 2^-32 - mask, plus digits[1 + d] 2^-(32 + d digitBits) for
   * d = 1, 2 .., modulo 1, where w = 2^16 digits[0] + digits[1] modulo 2^32, signed. out, `[rows, count]` with count <= n, gets the nearest
   * integers to K value of the first `count`; distances `[rows]` how far the farthest of all n is from its integer. `digits` is
   * `[rows, two or more, n]`, `masks` `[rows, n]` within [-1/2, 1/2]; n is a multiple of 4, K below 2^42.
   */
  roundFractions(
    out: Float64Array,
    distances: Float64Array,
    digits: Int32Array,
    masks: Float64Array,
    n: number,
    digitBits: number,
    results: number,
  ): void;
  /**
   * out[i] = the sum of the squares of row i of `values`, `[rows, length]`, exact. Returns whether all values are at most `bound` in size;
   * when not, what is in `out` means nothing. length bound^2 is at most 2^53.
   */
  squaredNorms(out: Float64Array, values: Int32Array, bound: number): boolean;

  /**
   * The inverse of the special FFT [CKKS17]: slot values, which are used up, to the coefficients of a polynomial in X^gap, gap =
   * out.length / (2 slots), times X^first: each times `factor` (scale / slots for an encoding) and rounded to the nearest integer,
   * ties to even. Products and sums are rounded one by one, in the order of the reference.
   *
   * @returns whether every coefficient is below `bound` in absolute value
   */
  embed(
    embedding: CanonicalEmbedding,
    re: Float64Array,
    im: Float64Array,
    out: Float64Array,
    first: number,
    factor: number,
    bound: number,
  ): boolean;
  /** The special FFT: writes the slot values of such coefficients, each divided by `scale` first, to re and im. */
  unembed(
    embedding: CanonicalEmbedding,
    re: Float64Array,
    im: Float64Array,
    coefficients: Float64Array,
    first: number,
    scale: number,
  ): void;

  /**
   * Integers modulo the ring's first prime q to a polynomial, NTT order aside: out = the inverse transform of `values`, below q in
   * size, at `places`, zero where there is none. At most n values; places are distinct, n of them, taken modulo n.
   *
   * @returns whether all values were such integers; when not, what is in `out` means nothing
   */
  encodeSlots(ring: RingTables, out: Words, values: Float64Array | Int32Array, places: Uint32Array): boolean;
  /** The reverse: out[i] = the transform of `a` at places[i], centred in [-(q-1)/2, (q-1)/2]. */
  decodeSlots(ring: RingTables, out: Float64Array, a: Words, places: Uint32Array): void;

  /**
   * Uniform residues from a public 32-byte seed. For each polynomial p of the batch and each limb with prime q:
   * stream = SHAKE128(seed || LE32(p) || LE64(q)); candidates of ceil(bits(q)/8) bytes, little-endian, masked to
   * bits(q) bits; candidates >= q are skipped. So a limb does not depend on which other limbs are present. `first`, 0 by
   * default, below 2^31: p of the first polynomial in `out`, for a batch that comes in pieces.
   */
  uniform(ring: RingTables, out: Words, seed: Uint8Array, mods: readonly number[], first?: number): void;
  /**
   * Centred binomial, k = 21 (variance 10.5), from ChaCha20 (RFC 8439) with `key` (32 bytes), 96-bit nonce = LE96(nonce),
   * counter from 0: six stream bytes per value, little-endian 48 bits v; popcount(v & (2^21-1)) - popcount((v >> 21) & (2^21-1)).
   */
  centredBinomial(out: Int8Array, key: Uint8Array, nonce: number): void;
  /**
   * Uniform in {-1, 0, 1} from the same kind of stream: two bits at a time from the low end of each byte, 3 is skipped,
   * value = bits - 1. The number of skips is all that timing shows.
   */
  ternary(out: Int8Array, key: Uint8Array, nonce: number): void;
  /** Uniform integers in [-2^bits, 2^bits) as doubles: 8 stream bytes per value, LE, low bits+1 bits minus 2^bits; bits <= 51. */
  uniformSigned(out: Float64Array, bits: number, key: Uint8Array, nonce: number): void;

  /**
   * Discrete Gaussian with sigma = multiplier / sqrt(2 ln 2), the probability of x proportional to 2^(-(x / multiplier)^2), as
   * integer doubles; 1 <= multiplier < 2^46, |x| < 12 * multiplier. [DDLL13, section 6.3] Candidates of 48 bytes of the same
   * kind of stream, six little-endian words w0 .. w5: b from the distribution 2^(-b^2) on b >= 0 by comparing w1 * 2^64 + w0
   * with 11 thresholds of 128 bits; u = floor(multiplier * (w3 * 2^64 + w2) / 2^128); x = b * multiplier + u, negative when w5 is
   * odd; accepted when floor(w4 / 2) < 2^63 * 2^(-f^2 - 2 b f), f = u / multiplier, and x is not 0 with w5 odd. The power is a
   * series in 64-bit integers (see the reference). Statistical distance per value below 2^-55; the number of rejections, which does
   * not depend on the values, is all that timing shows.
   */
  wideGaussian(out: Float64Array, multiplier: number, key: Uint8Array, nonce: number): void;

  /**
   * Divides by the last limb of `mods` and rounds: for each coefficient x, (x - [x]_q) / q with [x]_q centred in
   * [-(q-1)/2, (q-1)/2]. NTT domain in and out. `a` over mods, `out` over mods without its last. out must not be a.
   */
  rescale(ring: RingTables, out: Words, a: Words, mods: readonly number[]): void;

  /**
   * Writes the digits of d for a hoisted key switch. d: batch of polynomials over shape.q, NTT. out: per polynomial,
   * per digit, one polynomial over q then p (NTT). Digit value: with D the product of its primes,
   * sum over its primes of [x * (D/d_i)^-1]_{d_i} * (D/d_i), the inner residues centred in [-(d_i-1)/2, (d_i-1)/2];
   * for alpha = 1 that is the centred residue itself.
   */
  decompose(ring: RingTables, out: Words, d: Words, shape: KeySwitchShape): void;
  /**
   * The inner product with a key and the division by P: out (batch of 2 parts over q) from digits as written by
   * decompose, each digit first mapped by X -> X^galois (1 = none). Division by P, one special prime at a time from the
   * last, each as {@link Kernel.rescale} does it.
   */
  applyKey(
    ring: RingTables,
    out: Words,
    digits: Words,
    key: Words,
    galois: number,
    shape: KeySwitchShape,
  ): void;
  /**
   * applyKey before its division, for sums of several: sum += weight * (the inner product with the key), two parts over q then
   * p; `weight` one polynomial over q then p, 1 when left out. The digits of one polynomial. sum must be apart from the others.
   */
  accumulateKey(
    ring: RingTables,
    sum: Words,
    digits: Words,
    key: Words,
    galois: number,
    shape: KeySwitchShape,
    weight?: Words,
  ): void;
  /**
   * out = the sum over giant steps g of the rotation by g of the sum over baby steps b of weight[g, b] times the rotation by b of a, one
   * two-part ciphertext over q, by double hoisting: what rotations by b take over q then p is summed with P times the ciphertext, and
   * divided by P before a rotation by g in the part that is decomposed again, and at the end. Divisions as {@link Kernel.modDown}.
   * Both lists of steps have one entry at least. out must not be a or any of the others.
   */
  linearTransform(
    ring: RingTables,
    out: Words,
    a: Words,
    plan: TransformPlan,
    shape: Omit<KeySwitchShape, 'keyLimbs'>,
  ): void;
  /** Division by P, as {@link Kernel.applyKey} ends: a batch over q then p to one over q. out must not be a. */
  modDown(ring: RingTables, out: Words, a: Words, q: readonly number[], p: readonly number[]): void;
  /** decompose and applyKey fused for a batch of polynomials: same result, less memory traffic. */
  keySwitch(ring: RingTables, out: Words, d: Words, key: Words, galois: number, shape: KeySwitchShape): void;

  /**
   * A batch of two-part ciphertexts over q: out = c(X^galois) under the original key. Same result as keySwitch of part 1
   * with `galois`, plus automorphism of part 0. out must not be a.
   */
  rotate(ring: RingTables, out: Words, a: Words, key: Words, galois: number, shape: KeySwitchShape): void;
  /** (a0, a1) x (b0, b1) -> (a0 b0, a0 b1 + a1 b0, a1 b1): batches of two-part ciphertexts to three-part ones. */
  tensor(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void;
  /**
   * Batches of two-part ciphertexts over q, multiplied, relinearised and rescaled once: out over q without its last.
   * Equal to tensor(a, b), keySwitch of part 2 added to parts 0 and 1, then rescale; fused per ciphertext. a and b may be the
   * same words: the square, which is cheaper. out must not be a or b.
   */
  multiplyRelinearizeRescale(
    ring: RingTables,
    out: Words,
    a: Words,
    b: Words,
    key: Words,
    shape: KeySwitchShape,
  ): void;

  /**
   * Blind rotation [CGGI20, algorithm 4]: acc += the external product of (X^exponents[i] - 1) acc with pair i of the key, for one step i
   * after the other. Acc is a batch of two-part ciphertexts over the ring's first prime, *coefficients*; exponents, `[batch, steps]`, are
   * below 2n; the key is `[steps, 2, 2]` polynomials in the NTT domain: row r of a pair is what digits of part r are multiplied by. The
   * digit of a coefficient v, centred, is floor((v + 2^(shift-1)) / 2^shift), 1 <= shift <= 49. Time depends on which exponents are zero.
   */
  blindRotate(ring: RingTables, acc: Words, exponents: Uint32Array, key: Words, shift: number): void;

  /** weights: row-major rows x cols, |w| < 2^15. Packs for this kernel. */
  prepareGemm(weights: Int32Array, rows: number, cols: number): GemmWeights;
  /**
   * out[p rows + i] = sum_j w[i][j] * c[rowIndex[p cols + j]] word by word mod the limb's prime, for each position p: a dense
   * layer has one, a convolution one for each place of its window. Each row of out and c is a run of `parts` polynomials over
   * mods. `rowIndex` defaults to one position, 0 .. cols-1. out must not be c.
   *
   * Several positions in one call are several times as fast as a call for each: they share what is read and converted.
   */
  gemm(
    ring: RingTables,
    out: Words,
    weights: GemmWeights,
    c: Words,
    parts: number,
    mods: readonly number[],
    rowIndex?: Uint32Array,
  ): void;

  /** Largest word check: true when every residue is below its prime. */
  inRange(ring: RingTables, a: Words, mods: readonly number[]): boolean;
  /** Bit-packs each word to `bits` bits, little-endian, least significant first; out has ceil(words*bits/8) bytes. */
  packBits(out: Uint8Array, a: Words, bits: number): void;
  unpackBits(out: Words, bytes: Uint8Array, bits: number): void;

  /**
   * Single-precision C = alpha * op(A) op(B) + beta * C, row-major, op = transpose when the flag is set; op(A) is m x k.
   * For the clear trainer: not bit-equal between kernels, deterministic within one.
   */
  sgemm(
    transposeA: boolean,
    transposeB: boolean,
    m: number,
    n: number,
    k: number,
    alpha: number,
    a: Float32Array,
    b: Float32Array,
    beta: number,
    c: Float32Array,
  ): void;

  /** Packs int8 weights for this kernel, once per layer. @throws {ShapeError} {@link LimitError} as {@link checkIntegerLinearMap}. */
  prepareIntegerLinear(map: IntegerLinearMap): IntegerLinearWeights;
  /**
   * out = W x modulo 2^32, exact for every int32 x: `[batch, inputs]` to `[batch, outputs]`, apart in memory. The time does not
   * depend on values, so shares cost what clear activations cost.
   */
  integerLinear(out: Int32Array, weights: IntegerLinearWeights, x: Int32Array, batch: number): void;
  /**
   * The same in a fresh array. The native kernel works off the calling thread, so an event loop goes on meanwhile; the others
   * have done the work when the call returns. `x` is copied first and `weights` may be disposed of before the promise settles.
   */
  integerLinearAsync(weights: IntegerLinearWeights, x: Int32Array, batch: number): Promise<Int32Array>;
  /**
   * out = W S modulo 2^32, `[count, n]`, for weights `[count, rows]` and rows of n integers in panels, see {@link integerPanels}.
   * Where out holds the product of the weights `before`, only the differences are multiplied if they are fewer than the
   * weights that are not zero. Without `before`, out is overwritten. Out lies apart from the others. Time depends on the
   * weights and the type of the panels alone.
   */
  updateIntegerProduct(
    out: Int32Array,
    panels: Int16Array | Int32Array,
    n: number,
    weights: Int32Array,
    before?: Int32Array,
  ): void;

  /**
   * out -= factors rows modulo `prime`, an odd prime from 5 on and below 2^26: out `[targets, stride]`, rows `[sources, stride]`, factors
   * `[targets, sources]`, without the columns before `first`, which stay. All are centred residues, integers of at most (p - 1) / 2 in
   * size and none of them -0, and so is what comes out. Out lies apart from the others. Memory that is short makes it slower, no more.
   * Time depends on which factors are zero: for residues that are not secret.
   */
  subtractProduct(
    prime: number,
    out: Float64Array,
    rows: Float64Array,
    factors: Float64Array,
    stride: number,
    first: number,
  ): void;
}

/**
 * edwards25519 [RFC 8032] for whoever evaluates: variable time, nothing secret may enter. A point is 64 bytes, affine x then y,
 * little-endian. Equality of the group ristretto255 is equality up to 4-torsion.
 */
export interface EdwardsLoops {
  /**
   * For each row: the sum of exponents[row, j] * smalls[j] minus the sum of scalars[row, h] * heads[h]. Scalars are 32 bytes,
   * little-endian, below 2^254. Uses all threads; tables are made once a call.
   */
  products(
    heads: Uint8Array,
    smalls: Uint8Array,
    scalars: Uint8Array,
    exponents: Int32Array,
    rows: number,
  ): Uint8Array;
  /** Solver for logarithms to the generator, up to torsion, in [-bound, bound] by a table of `steps` baby steps; NaN where there is none. */
  logarithms(bound: number, steps: number): (points: Uint8Array) => Float64Array;
}

/**
 * How a kernel is chosen: `SUBROSA_KERNEL=native|wasm|reference`, `SUBROSA_THREADS=n`, and `SUBROSA_ISA`:
 * avx512ifma, avx2, neon or scalar for the native kernel, relaxed-simd or simd128 for WebAssembly.
 */
export interface KernelOptions {
  readonly kernel?: 'native' | 'wasm' | 'reference';
  readonly isa?: string;
  readonly threads?: number;
}
