/**
 * The reference kernel: every method straight from its definition in {@link Kernel}, in BigInt. It is the oracle of
 * the other kernels in the tests; it is slow, and BigInt is not constant-time, so no real secret belongs in it.
 */
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { applyIntegerLinear, checkIntegerLinearMap, outputSize } from '../integer-linear-map.ts';
import type { IntegerLinearMap } from '../integer-linear-map.ts';
import type {
  GemmWeights,
  IntegerLinearWeights,
  Kernel,
  KeySwitchShape,
  RingTables,
  Words,
} from '../kernel.ts';
import type { CanonicalEmbedding } from '../tables/canonical-embedding.ts';
import { embedByDefinition, unembedByDefinition } from './reference-embedding.ts';
import { residue } from '../tables/modular.ts';
import { fractionDotByParts } from '../portable/fraction-products.ts';
import { sumProductsByParts, updateIntegerProductByLoops } from '../portable/portable-products.ts';
import { subtractProductByLoops } from '../portable/residue-products.ts';
import { composedBlindRotation } from '../portable/blind-rotation.ts';
import { composedLinearTransform } from '../portable/linear-transform.ts';
import { composedDecodeSlots, composedEncodeSlots } from '../portable/slots.ts';
import * as check from '../preconditions.ts';
import { modulusAt, ownTables, ReferenceArithmetic } from './reference-arithmetic.ts';
import * as rns from './reference-rns.ts';
import * as gaussian from './reference-gaussian.ts';
import * as sample from './reference-sample.ts';

class ReferenceWeights implements GemmWeights {
  readonly rows: number;
  readonly cols: number;
  readonly maxAbs: number;
  readonly values: Int32Array;

  constructor(values: Int32Array, rows: number, cols: number) {
    this.maxAbs = check.checkGemmWeights(values, rows, cols);
    this.rows = rows;
    this.cols = cols;
    this.values = Int32Array.from(values);
  }

  [Symbol.dispose](): void {}
}

class ReferenceKernel extends ReferenceArithmetic implements Kernel {
  sumProducts(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    sumProductsByParts(this, ring, out, a, b, mods);
  }

  fractionDot(...operands: Parameters<Kernel['fractionDot']>): void {
    fractionDotByParts(this, ...operands);
  }

  embed(
    embedding: CanonicalEmbedding,
    re: Float64Array,
    im: Float64Array,
    out: Float64Array,
    first: number,
    factor: number,
    bound: number,
  ): boolean {
    check.checkEmbedding(embedding, re, im, out, first);
    return embedByDefinition(embedding, re, im, out, first, factor, bound);
  }

  unembed(
    embedding: CanonicalEmbedding,
    re: Float64Array,
    im: Float64Array,
    coefficients: Float64Array,
    first: number,
    scale: number,
  ): void {
    check.checkEmbedding(embedding, re, im, coefficients, first);
    unembedByDefinition(embedding, re, im, coefficients, first, scale);
  }

  uniform(ring: RingTables, out: Words, seed: Uint8Array, mods: readonly number[], first = 0): void {
    const count = check.batchCount('out', out.length, check.polynomialWords(ring, mods)) * mods.length;
    check.checkSeed('the seed', seed);
    check.checkFirst(first);
    for (let i = 0; i < count; i++) {
      const polynomial = first + Math.floor(i / mods.length);
      sample.uniformLimb(
        rns.limbAt(ownTables(ring), out.u64(), i),
        seed,
        polynomial,
        modulusAt(ownTables(ring), mods, i),
      );
    }
  }

  centredBinomial(out: Int8Array, key: Uint8Array, nonce: number): void {
    check.checkSeed('the key', key);
    check.checkNonce(nonce);
    sample.sampleCentredBinomial(out, key, nonce);
  }

  ternary(out: Int8Array, key: Uint8Array, nonce: number): void {
    check.checkSeed('the key', key);
    check.checkNonce(nonce);
    sample.sampleTernary(out, key, nonce);
  }

  uniformSigned(out: Float64Array, bits: number, key: Uint8Array, nonce: number): void {
    check.checkSeed('the key', key);
    check.checkNonce(nonce);
    if (!Number.isInteger(bits) || bits < 0 || bits > 51) {
      throw new OutOfRangeError('bits', 'an integer in [0, 51]', bits);
    }
    sample.sampleUniformSigned(out, bits, key, nonce);
  }

  wideGaussian(out: Float64Array, multiplier: number, key: Uint8Array, nonce: number): void {
    check.checkSeed('the key', key);
    check.checkNonce(nonce);
    check.checkMultiplier(multiplier);
    gaussian.sampleWideGaussian(out, multiplier, key, nonce);
  }

  rescale(ring: RingTables, out: Words, a: Words, mods: readonly number[]): void {
    const count = check.checkRescale(ring, out, a, mods);
    this.#each(out, a, count, (x) => rns.rescaleOne(ownTables(ring), x, mods));
  }

  /** Cuts input and output into `count` equal runs and maps one to the other. */
  #each(out: Words, input: Words, count: number, f: (x: BigUint64Array) => BigUint64Array): void {
    const [to, from] = [out.u64(), input.u64()];
    const size = from.length / count;
    for (let i = 0; i < count; i++)
      to.set(f(from.subarray(i * size, (i + 1) * size)), (i * to.length) / count);
  }

  decompose(ring: RingTables, out: Words, d: Words, shape: KeySwitchShape): void {
    const sizes = check.keySwitchSizes(ring, shape);
    const count = check.batchCount('d', d.length, sizes.qWords);
    check.checkLength('out', out.length, count * sizes.digits * sizes.digitWords);
    this.#each(out, d, count, (x) => rns.decomposeOne(ownTables(ring), x, shape, sizes));
  }

  applyKey(
    ring: RingTables,
    out: Words,
    digits: Words,
    key: Words,
    galois: number,
    shape: KeySwitchShape,
  ): void {
    const sizes = check.keySwitchSizes(ring, shape);
    const count = check.batchCount('digits', digits.length, sizes.digits * sizes.digitWords);
    check.checkLength('out', out.length, count * 2 * sizes.qWords);
    check.checkGalois(ring, galois);
    check.checkKey(key, sizes);
    using products = this.allocate(count * 2 * sizes.digitWords);
    this.#each(products, digits, count, (x) =>
      rns.keyProductOne(ownTables(ring), x, key.u64(), galois, shape, sizes),
    );
    this.modDown(ring, out, products, shape.q, shape.p);
  }

  accumulateKey(
    ring: RingTables,
    sum: Words,
    digits: Words,
    key: Words,
    galois: number,
    shape: KeySwitchShape,
    weight?: Words,
  ): void {
    const sizes = check.keySwitchSizes(ring, shape);
    check.checkGalois(ring, galois);
    check.checkKey(key, sizes);
    check.checkAccumulation(sizes, sum, digits, key, weight);
    using product = this.allocate(sum.length);
    product.u64().set(rns.keyProductOne(ownTables(ring), digits.u64(), key.u64(), galois, shape, sizes));
    if (weight === undefined) this.add(ring, sum, sum, product, sizes.mods);
    else this.mulAdd(ring, sum, product, weight, sizes.mods);
  }

  blindRotate(...operands: Parameters<Kernel['blindRotate']>): void {
    composedBlindRotation(this, ...operands);
  }

  encodeSlots(...operands: Parameters<Kernel['encodeSlots']>): boolean {
    return composedEncodeSlots(this, ...operands);
  }

  decodeSlots(...operands: Parameters<Kernel['decodeSlots']>): void {
    composedDecodeSlots(this, ...operands);
  }

  linearTransform(...operands: Parameters<Kernel['linearTransform']>): void {
    composedLinearTransform(this, ...operands);
  }

  modDown(ring: RingTables, out: Words, a: Words, q: readonly number[], p: readonly number[]): void {
    const count = check.checkModDown(ring, out, a, q, p);
    this.#each(out, a, count, (x) => rns.modDownOne(ownTables(ring), x, [...q, ...p], q.length));
  }

  keySwitch(ring: RingTables, out: Words, d: Words, key: Words, galois: number, shape: KeySwitchShape): void {
    const sizes = check.keySwitchSizes(ring, shape);
    const count = check.batchCount('d', d.length, sizes.qWords);
    check.checkLength('out', out.length, count * 2 * sizes.qWords);
    using digits = this.allocate(count * sizes.digits * sizes.digitWords);
    this.decompose(ring, digits, d, shape);
    this.applyKey(ring, out, digits, key, galois, shape);
  }

  rotate(ring: RingTables, out: Words, a: Words, key: Words, galois: number, shape: KeySwitchShape): void {
    const { qWords } = check.keySwitchSizes(ring, shape);
    const count = check.batchCount('a', a.length, 2 * qWords);
    check.checkLength('out', out.length, a.length);
    check.checkDisjoint('a', out, a);
    using moved = this.allocate(qWords);
    for (let i = 0; i < count; i++) {
      const to = out.sub(2 * i * qWords, 2 * qWords);
      this.keySwitch(ring, to, a.sub((2 * i + 1) * qWords, qWords), key, galois, shape);
      this.automorphism(ring, moved, a.sub(2 * i * qWords, qWords), galois, shape.q);
      this.add(ring, to.sub(0, qWords), to.sub(0, qWords), moved, shape.q);
    }
  }

  tensor(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    const size = check.polynomialWords(ring, mods);
    const count = check.batchCount('a', a.length, 2 * size);
    check.checkLength('b', b.length, a.length);
    check.checkLength('out', out.length, 3 * count * size);
    for (let i = 0; i < count; i++) {
      const [a0, a1] = [a.sub(2 * i * size, size), a.sub((2 * i + 1) * size, size)];
      const [b0, b1] = [b.sub(2 * i * size, size), b.sub((2 * i + 1) * size, size)];
      const [c0, c1, c2] = [0, 1, 2].map((part) => out.sub((3 * i + part) * size, size));
      this.mul(ring, c0, a0, b0, mods);
      this.mul(ring, c1, a0, b1, mods);
      this.mulAdd(ring, c1, a1, b0, mods);
      this.mul(ring, c2, a1, b1, mods);
    }
  }

  multiplyRelinearizeRescale(
    ring: RingTables,
    out: Words,
    a: Words,
    b: Words,
    key: Words,
    shape: KeySwitchShape,
  ): void {
    const { qWords } = check.keySwitchSizes(ring, shape);
    const count = check.checkFusedProduct(ring, out, a, b, shape, qWords);
    using product = this.allocate(3 * qWords);
    using switched = this.allocate(2 * qWords);
    const outWords = 2 * (qWords - ring.n);
    for (let i = 0; i < count; i++) {
      const [x, y] = [a, b].map((words) => words.sub(2 * i * qWords, 2 * qWords));
      this.tensor(ring, product, x, y, shape.q);
      this.keySwitch(ring, switched, product.sub(2 * qWords, qWords), key, 1, shape);
      this.add(ring, switched, switched, product.sub(0, 2 * qWords), shape.q);
      this.rescale(ring, out.sub(i * outWords, outWords), switched, shape.q);
    }
  }

  prepareGemm(weights: Int32Array, rows: number, cols: number): GemmWeights {
    return new ReferenceWeights(weights, rows, cols);
  }

  gemm(
    ring: RingTables,
    out: Words,
    weights: GemmWeights,
    c: Words,
    parts: number,
    mods: readonly number[],
    rowIndex?: Uint32Array,
  ): void {
    if (!(weights instanceof ReferenceWeights)) {
      throw new ShapeError('the weights', 'of the reference kernel', 'of another');
    }
    const index = check.checkGemm(ring, out, weights, c, parts, mods, rowIndex);
    const [to, from] = [out.u64(), c.u64()];
    const size = parts * mods.length * ring.n;
    const signed = Array.from(weights.values, BigInt);
    for (let first = 0, row = 0; first < index.length; row++) {
      const w = (row % weights.rows) * weights.cols;
      for (let i = 0; i < size; i++) {
        let sum = 0n;
        for (let col = 0; col < weights.cols; col++)
          sum += signed[w + col] * from[index[first + col] * size + i];
        to[row * size + i] = residue(sum, modulusAt(ownTables(ring), mods, Math.floor(i / ring.n)));
      }
      if ((row + 1) % weights.rows === 0) first += weights.cols;
    }
  }

  inRange(ring: RingTables, a: Words, mods: readonly number[]): boolean {
    check.checkUnary(ring, a, a, mods);
    return a.u64().every((x, i) => x < modulusAt(ownTables(ring), mods, Math.floor(i / ring.n)));
  }

  packBits(out: Uint8Array, a: Words, bits: number): void {
    check.checkBits(bits, out.length, a.length);
    sample.packWords(out, a.u64(), bits);
  }

  unpackBits(out: Words, bytes: Uint8Array, bits: number): void {
    check.checkBits(bits, bytes.length, out.length);
    sample.unpackWords(out.u64(), bytes, bits);
  }

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
  ): void {
    check.checkSgemm(m, n, k, a, b, c);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let t = 0; t < k; t++) {
          sum += a[transposeA ? t * m + i : i * k + t] * b[transposeB ? j * k + t : t * n + j];
        }
        c[i * n + j] = alpha * sum + (beta === 0 ? 0 : beta * c[i * n + j]);
      }
    }
  }

  prepareIntegerLinear(map: IntegerLinearMap): IntegerLinearWeights {
    checkIntegerLinearMap(map);
    return { map: { ...map, weights: map.weights.slice() }, [Symbol.dispose]() {} };
  }

  integerLinear(out: Int32Array, weights: IntegerLinearWeights, x: Int32Array, batch: number): void {
    check.checkIntegerLinear(out, weights, x, batch);
    out.set(applyIntegerLinear(weights.map, x, batch));
  }

  updateIntegerProduct(...operands: Parameters<Kernel['updateIntegerProduct']>): void {
    updateIntegerProductByLoops(...operands);
  }

  subtractProduct(...operands: Parameters<Kernel['subtractProduct']>): void {
    subtractProductByLoops(...operands);
  }

  async integerLinearAsync(weights: IntegerLinearWeights, x: Int32Array, batch: number): Promise<Int32Array> {
    check.checkIntegerBatch(weights, x, batch);
    const out = new Int32Array(batch * outputSize(weights.map));
    this.integerLinear(out, weights, x, batch);
    return out;
  }

  [Symbol.dispose](): void {}
}

/** Opens the reference kernel. Always available. */
export function loadReferenceKernel(): Kernel {
  return new ReferenceKernel();
}

printOnOneLine(ReferenceKernel, ReferenceWeights);
