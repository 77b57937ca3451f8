/**
 * A hybrid key-switching key from s' to s [HK20]: for digit d, (b_d, a_d) with b_d = -a_d s + e_d + P g_d s' over q_0 .. q_m and
 * p, NTT domain, g_d = 1 modulo the primes of digit d and 0 modulo the others. It serves ciphertexts at level <= m = maxLevel.
 * The a halves come from a seed. Memory order: digit, part (0 = b, 1 = a), limb, as {@link KeySwitchShape} demands.
 */
import type { Seed } from '../../../base/brand.ts';
import type { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import { DisposedError, ShapeError } from '../../../base/errors.ts';
import { SEED_BYTES, seedFromBytes } from '../../../base/random.ts';
import type { Words } from '../../../kernel/kernel.ts';
import { copyWords } from '../../../ring/poly.ts';
import type { RlweParams } from '../params.ts';
import { logProduct } from '../security.ts';
import { uniformInto } from '../../../ring/samplers.ts';
import type { RlweContext } from '../context.ts';
import { packedBytes, readPoly, readWords, writePoly } from '../wire/wire.ts';

export class SwitchingKey implements Disposable {
  readonly maxLevel: number;
  #context: RlweContext;
  #words: Words;
  #seed: Seed | null;
  #isDisposed = false;

  /**
   * Takes ownership of `words` unless it throws, whose b halves are filled, and fills in the a halves from `seed`; without one they are
   * there already.
   */
  constructor(context: RlweContext, maxLevel: number, words: Words, seed: Seed | null) {
    this.#context = context;
    this.maxLevel = maxLevel;
    this.#words = words;
    this.#seed = seed;
    if (seed === null) return;
    const mods = context.keyLimbs(maxLevel);
    const poly = mods.length * context.params.n;
    using halves = context.kernel.allocate(words.length / 2);
    uniformInto(context.ring, halves, seed, mods);
    for (let d = 0; d < context.digits(maxLevel); d++) {
      copyWords(words.sub((2 * d + 1) * poly, poly), halves.sub(d * poly, poly));
    }
  }

  /** log2 of the product of the primes that this key lives over: never above the ceiling of the parameters. */
  get logQP(): number {
    const { moduli } = this.#context.params;
    return logProduct(this.#context.keyLimbs(this.maxLevel).map((limb) => moduli[limb]!.q));
  }

  /** The digits that a switch at `level` <= maxLevel uses, borrowed. @throws {DisposedError} */
  words(level: number): Words {
    if (this.#isDisposed) throw new DisposedError('a switching key');
    return this.#words.sub(0, this.#context.digits(level) * 2 * this.#polyWords());
  }

  /** Bytes of a key on the wire: seed and the b halves. */
  static byteLength(params: RlweParams, maxLevel: number): number {
    return SEED_BYTES + params.digits(maxLevel) * packedBytes(params, params.keyLimbs(maxLevel));
  }

  /** @throws {ShapeError} for a key whose a halves come from no seed: each party sums it up itself from the shares of all. */
  write(writer: ByteWriter): void {
    if (this.#seed === null) throw new ShapeError('a switching key to be written', 'with a seed', 'without');
    const words = this.words(this.maxLevel);
    const poly = this.#polyWords();
    writer.bytes(this.#seed);
    for (let d = 0; d < this.#context.digits(this.maxLevel); d++) {
      writePoly(writer, this.#context, words.sub(2 * d * poly, poly), this.#context.keyLimbs(this.maxLevel));
    }
  }

  /** The caller has checked that the length fits. @throws {DecodeError} */
  static read(reader: ByteReader, context: RlweContext, maxLevel: number): SwitchingKey {
    const seed = seedFromBytes(reader.bytes(SEED_BYTES));
    const mods = context.keyLimbs(maxLevel);
    const poly = mods.length * context.params.n;
    const digits = context.digits(maxLevel);
    return readWords(reader, context, digits * 2 * poly, (words) => {
      for (let d = 0; d < digits; d++) readPoly(reader, context, words.sub(2 * d * poly, poly), mods);
      return new SwitchingKey(context, maxLevel, words, seed);
    });
  }

  #polyWords(): number {
    return this.#context.keyLimbs(this.maxLevel).length * this.#context.params.n;
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#words[Symbol.dispose]();
  }
}
