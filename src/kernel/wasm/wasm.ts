/**
 * The WebAssembly kernel: the loops of assembly/ behind the {@link Kernel} interface, single-threaded. Nothing here needs
 * Node; wasm-instance.ts makes one of the bytes of build/wasm, in a browser too.
 */
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { outputSize } from '../integer-linear-map.ts';
import type { IntegerLinearMap } from '../integer-linear-map.ts';
import type {
  GemmWeights,
  IntegerLinearWeights,
  Kernel,
  KeySwitchShape,
  RingTables,
  Words,
} from '../kernel.ts';
import { composedLinearTransform } from '../portable/linear-transform.ts';
import { composedDecodeSlots, composedEncodeSlots } from '../portable/slots.ts';
import * as check from '../preconditions.ts';
import type { CanonicalEmbedding } from '../tables/canonical-embedding.ts';
import { WasmArithmetic } from './wasm-arithmetic.ts';
import { embedWasm, unembedWasm } from './wasm-embedding.ts';
import { WORDS } from './wasm-exports.ts';
import { WasmWeights, multiplyRows } from './wasm-gemm.ts';
import { WasmIntegerWeights, multiplyIntegers } from './wasm-integer.ts';
import { updateIntegerProductInWasm } from './wasm-integer-product.ts';
import { subtractProductInWasm } from './wasm-residue.ts';
import * as gaussian from './wasm-gaussian.ts';
import * as sample from './wasm-sample.ts';
import {
  accumulateKeyProduct,
  freshDigits,
  modDownPolynomial,
  rescalePolynomial,
  storedDigits,
  switchAndRescale,
  switchKey,
  tensorPolynomials,
} from './wasm-switch.ts';
import { blindRotateInWasm } from './wasm-rotation.ts';
import type { SwitchTask } from './wasm-switch.ts';

export class WasmKernel extends WasmArithmetic implements Kernel {
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
    return embedWasm(this, embedding, re, im, out, first, factor, bound);
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
    unembedWasm(this, embedding, re, im, coefficients, first, scale);
  }

  uniform(ring: RingTables, out: Words, seed: Uint8Array, mods: readonly number[], first = 0): void {
    const count = check.batchCount('out', out.length, check.polynomialWords(ring, mods));
    check.checkSeed('the seed', seed);
    check.checkFirst(first);
    this.own(ring);
    const primes = mods.map((limb) => ring.moduli[limb]);
    sample.expandUniform(this, this.at(out), ring.n, seed, primes, count, first);
  }

  centredBinomial(out: Int8Array, key: Uint8Array, nonce: number): void {
    check.checkSeed('the key', key);
    check.checkNonce(nonce);
    sample.sampleBinomialWasm(this, out, key, nonce);
  }

  ternary(out: Int8Array, key: Uint8Array, nonce: number): void {
    check.checkSeed('the key', key);
    check.checkNonce(nonce);
    sample.sampleTernaryWasm(this, out, key, nonce);
  }

  uniformSigned(out: Float64Array, bits: number, key: Uint8Array, nonce: number): void {
    check.checkSeed('the key', key);
    check.checkNonce(nonce);
    if (!Number.isInteger(bits) || bits < 0 || bits > 51) {
      throw new OutOfRangeError('bits', 'an integer in [0, 51]', bits);
    }
    sample.sampleUniformSignedWasm(this, out, bits, key, nonce);
  }

  wideGaussian(out: Float64Array, multiplier: number, key: Uint8Array, nonce: number): void {
    check.checkSeed('the key', key);
    check.checkNonce(nonce);
    check.checkMultiplier(multiplier);
    gaussian.sampleWideGaussianWasm(this, out, multiplier, key, nonce);
  }

  rescale(ring: RingTables, out: Words, a: Words, mods: readonly number[]): void {
    const count = check.checkRescale(ring, out, a, mods);
    const own = this.own(ring);
    for (let i = 0; i < count; i++) {
      const [to, from] = [i * (mods.length - 1), i * mods.length].map((limb) => 8 * ring.n * limb);
      rescalePolynomial(this, own, this.at(out) + to, this.at(a) + from, mods);
    }
  }

  decompose(ring: RingTables, out: Words, d: Words, shape: KeySwitchShape): void {
    const sizes = check.keySwitchSizes(ring, shape);
    const count = check.batchCount('d', d.length, sizes.qWords);
    check.checkLength('out', out.length, count * sizes.digits * sizes.digitWords);
    const own = this.own(ring);
    const [limb, padded] = [8 * ring.n, 8 * ring.n + 192];
    this.memory.borrow(padded * (shape.q.length + 1), (z) => {
      for (let i = 0; i < count; i++) {
        const from = this.at(d) + 8 * i * sizes.qWords;
        const source = freshDigits(this, own, from, z + padded, shape, sizes);
        const to = this.at(out) + 8 * i * sizes.digits * sizes.digitWords;
        for (let j = 0; j < sizes.digits * sizes.mods.length; j++) {
          const position = j % sizes.mods.length;
          const { x, kind } = source.digitAt(Math.floor(j / sizes.mods.length), position, z);
          if (kind === WORDS) this.memory.copyWithin(to + j * limb, x, limb);
          else this.exports.lazyToWords(to + j * limb, x, own.table(sizes.mods[position]), ring.n);
        }
      }
    });
  }

  #task(ring: RingTables, key: Words, galois: number, shape: KeySwitchShape): SwitchTask {
    const sizes = check.keySwitchSizes(ring, shape);
    check.checkGalois(ring, galois);
    check.checkKey(key, sizes);
    return { ring: this.own(ring), shape, sizes, key: this.at(key), galois };
  }

  applyKey(
    ring: RingTables,
    out: Words,
    digits: Words,
    key: Words,
    galois: number,
    shape: KeySwitchShape,
  ): void {
    const task = this.#task(ring, key, galois, shape);
    const { sizes } = task;
    const size = sizes.digits * sizes.digitWords;
    const count = check.batchCount('digits', digits.length, size);
    check.checkLength('out', out.length, count * 2 * sizes.qWords);
    for (let i = 0; i < count; i++) {
      const source = storedDigits(task.ring, this.at(digits) + 8 * i * size, sizes);
      switchKey(this, task, this.at(out) + 16 * i * sizes.qWords, () => source, [0, 0]);
    }
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
    const task = this.#task(ring, key, galois, shape);
    check.checkAccumulation(task.sizes, sum, digits, key, weight);
    const source = storedDigits(task.ring, this.at(digits), task.sizes);
    accumulateKeyProduct(this, task, this.at(sum), source, weight === undefined ? 0 : this.at(weight));
  }

  blindRotate(...operands: Parameters<Kernel['blindRotate']>): void {
    const [ring, acc, , key] = operands;
    blindRotateInWasm(this, this.own(ring), this.at(acc), this.at(key), operands);
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
    const [result, size] = [8 * q.length * ring.n, 8 * (q.length + p.length) * ring.n];
    for (let i = 0; i < count; i++) {
      modDownPolynomial(this, this.own(ring), this.at(out) + i * result, this.at(a) + i * size, q, p);
    }
  }

  keySwitch(ring: RingTables, out: Words, d: Words, key: Words, galois: number, shape: KeySwitchShape): void {
    const task = this.#task(ring, key, galois, shape);
    const { sizes } = task;
    const count = check.batchCount('d', d.length, sizes.qWords);
    check.checkLength('out', out.length, count * 2 * sizes.qWords);
    for (let i = 0; i < count; i++) {
      this.#switch(task, this.at(out) + 16 * i * sizes.qWords, this.at(d) + 8 * i * sizes.qWords, [0, 0]);
    }
  }

  #switch(task: SwitchTask, out: number, d: number, plus: readonly [number, number]): void {
    const { ring, shape, sizes } = task;
    switchKey(this, task, out, (space) => freshDigits(this, ring, d, space.coefficients, shape, sizes), plus);
  }

  rotate(ring: RingTables, out: Words, a: Words, key: Words, galois: number, shape: KeySwitchShape): void {
    const task = this.#task(ring, key, galois, shape);
    const { qWords } = task.sizes;
    const count = check.batchCount('a', a.length, 2 * qWords);
    check.checkLength('out', out.length, a.length);
    check.checkDisjoint('a', out, a);
    this.memory.borrow(8 * qWords + 4 * ring.n, (moved) => {
      const index = moved + 8 * qWords;
      this.exports.automorphismIndex(index, task.ring.reversal, ring.n, galois);
      for (let i = 0; i < count; i++) {
        const from = this.at(a) + 16 * i * qWords;
        for (let at = 0; at < 8 * qWords; at += 8 * ring.n) {
          this.exports.gather(moved + at, from + at, index, ring.n);
        }
        this.#switch(task, this.at(out) + 16 * i * qWords, from + 8 * qWords, [moved, 0]);
      }
    });
  }

  tensor(ring: RingTables, out: Words, a: Words, b: Words, mods: readonly number[]): void {
    const size = check.polynomialWords(ring, mods);
    const count = check.batchCount('a', a.length, 2 * size);
    check.checkLength('b', b.length, a.length);
    check.checkLength('out', out.length, 3 * count * size);
    const own = this.own(ring);
    for (let i = 0; i < count; i++) {
      const [x, y] = [a, b].map((words) => this.at(words) + 16 * i * size);
      tensorPolynomials(this, own, this.at(out) + 24 * i * size, x, y, mods);
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
    const task = this.#task(ring, key, 1, shape);
    const { qWords } = task.sizes;
    const count = check.checkFusedProduct(ring, out, a, b, shape, qWords);
    const part = 8 * qWords;
    const outPart = part - 8 * ring.n;
    this.memory.borrow(3 * part, (product) => {
      const t = [product, product + part, product + 2 * part] as const;
      for (let i = 0; i < count; i++) {
        const [x, y] = [a, b].map((words) => this.at(words) + 2 * i * part);
        const to = this.at(out) + 2 * i * outPart;
        tensorPolynomials(this, task.ring, product, x, y, shape.q);
        switchAndRescale(this, task, to, t);
      }
    });
  }

  prepareGemm(weights: Int32Array, rows: number, cols: number): GemmWeights {
    return new WasmWeights(this, weights, rows, cols);
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
    if (!(weights instanceof WasmWeights) || weights.memory !== this.memory) {
      throw new ShapeError('the weights', 'of this kernel', 'of another');
    }
    const index = check.checkGemm(ring, out, weights, c, parts, mods, rowIndex);
    const runs = Array.from({ length: parts * mods.length }, (_, run) => mods[run % mods.length]);
    multiplyRows(this, this.own(ring), this.at(out), weights, this.at(c), runs, index);
  }

  inRange(ring: RingTables, a: Words, mods: readonly number[]): boolean {
    check.checkUnary(ring, a, a, mods);
    const from = this.at(a);
    let isInRange = true;
    this.eachLimb(ring, a.length, mods, (at, table) => {
      isInRange = this.exports.inRange(from + at, table, ring.n) !== 0 && isInRange;
    });
    return isInRange;
  }

  packBits(out: Uint8Array, a: Words, bits: number): void {
    check.checkBits(bits, out.length, a.length);
    sample.packWordsWasm(this, out, this.at(a), a.length, bits);
  }

  unpackBits(out: Words, bytes: Uint8Array, bits: number): void {
    check.checkBits(bits, bytes.length, out.length);
    sample.unpackWordsWasm(this, this.at(out), bytes, out.length, bits);
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
    sample.multiplySingle(this, [transposeA, transposeB], [m, n, k], [alpha, beta], [a, b, c]);
  }

  prepareIntegerLinear(map: IntegerLinearMap): IntegerLinearWeights {
    return new WasmIntegerWeights(this.memory, map);
  }

  integerLinear(out: Int32Array, weights: IntegerLinearWeights, x: Int32Array, batch: number): void {
    if (!(weights instanceof WasmIntegerWeights))
      throw new ShapeError('the weights', 'of the wasm kernel', 'of another');
    check.checkIntegerLinear(out, weights, x, batch);
    multiplyIntegers(this, out, weights, x, batch);
  }

  updateIntegerProduct(...operands: Parameters<Kernel['updateIntegerProduct']>): void {
    updateIntegerProductInWasm(this, ...operands);
  }

  subtractProduct(...operands: Parameters<Kernel['subtractProduct']>): void {
    subtractProductInWasm(this, ...operands);
  }

  async integerLinearAsync(weights: IntegerLinearWeights, x: Int32Array, batch: number): Promise<Int32Array> {
    check.checkIntegerBatch(weights, x, batch);
    const out = new Int32Array(batch * outputSize(weights.map));
    this.integerLinear(out, weights, x, batch);
    return out;
  }

  [Symbol.dispose](): void {}
}

printOnOneLine(WasmKernel);
