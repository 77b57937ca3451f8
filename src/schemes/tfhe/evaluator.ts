/**
 * Computing on TFHE ciphertexts without a secret key. Sums are free; every {@link TfheEvaluator.lookup} is a programmable bootstrap
 * [CGGI20, section 4]: key switch to s, rounding to 2N steps, blind rotation of a polynomial that holds the table, first coefficient.
 * Its result has the same noise whatever went in. What can go wrong is counted: {@link TfheEvaluator.failureBits}.
 */
import * as arg from '../../base/arguments.ts';
import { NoiseBudgetError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { Drbg } from '../../base/random.ts';
import { errorInto, ternaryInto } from '../../ring/samplers.ts';
import { Scratch } from '../../ring/scratch.ts';
import { coefficientOf, TfheCiphertext, type TfheFacts } from './ciphertext.ts';
import { FIRST, TfheContext } from './context.ts';
import { TfheEvaluationKeys, tfheKeyWords } from './evaluation-keys.ts';
import { roundedExponents, switchDigitsInto, switchedColumns } from './key-switching-key.ts';
import { freshVariance, lookupFailureBits, lookupVariance } from './noise.ts';

export interface TfheEvaluatorOptions {
  /** log2 of the largest probability that one lookup may fail with; -100 by default. */
  readonly maxFailureBits?: number;
}

/** Ciphertexts that go through a bootstrap together: their keys are read once for all. */
const CHUNK = 64;
/** Centred words times a weight of this size are exact. */
const MAX_WEIGHT = 8;
/** Bits of flooding below half of a message's spacing. */
const FLOOD_MARGIN = 2;

export class TfheEvaluator {
  readonly #context: TfheContext;
  readonly #keys: TfheEvaluationKeys;
  readonly #maxFailureBits: number;
  #failure = 0;
  #lookups = 0;

  /** Borrows both. @throws {ParamsMismatchError} */
  constructor(context: TfheContext, keys: TfheEvaluationKeys, options: TfheEvaluatorOptions = {}) {
    arg.checkArguments('new TfheEvaluator', [context, keys, options], {
      context: arg.instance('a TfheContext (TfheContext.open)', TfheContext),
      keys: arg.instance('TfheEvaluationKeys', TfheEvaluationKeys),
      options: arg.options,
    });
    context.assertOwn('evaluation keys', keys);
    this.#context = context;
    this.#keys = keys;
    this.#maxFailureBits = options.maxFailureBits ?? -100;
  }

  /** log2 of a bound of the probability that any lookup so far was wrong. */
  get failureBits(): number {
    return Math.log2(this.#failure);
  }

  /** Bootstraps so far. */
  get lookups(): number {
    return this.#lookups;
  }

  /** a + b, message and noise. @throws {ParamsMismatchError} */
  add(a: TfheCiphertext, b: TfheCiphertext): TfheCiphertext {
    return this.sum([a, b]);
  }

  /** a - b. @throws {ParamsMismatchError} */
  sub(a: TfheCiphertext, b: TfheCiphertext): TfheCiphertext {
    return this.sum([a, b], [1, -1]);
  }

  /**
   * The sum of weights[i] times ciphertexts[i], plus `constant`; weights are 1 unless given. The message may leave 0 .. p - 1, and only
   * what is within them can be looked up. The variances add up, times the squares of the weights.
   *
   * @throws {ShapeError} {@link OutOfRangeError} {@link ParamsMismatchError}
   */
  sum(ciphertexts: readonly TfheCiphertext[], weights?: readonly number[], constant = 0): TfheCiphertext {
    const { params } = this.#context;
    if (ciphertexts.length === 0) throw new ShapeError('the terms of a sum', 'at least one', 'none');
    if (weights !== undefined && weights.length !== ciphertexts.length)
      throw new ShapeError('the weights', `${ciphertexts.length}`, weights.length);
    const words = new Float64Array(params.n + 1);
    let [min, max, variance] = [constant, constant, 0];
    ciphertexts.forEach((ciphertext, i) => {
      this.#context.assertOwn('a ciphertext', ciphertext);
      const weight = weights?.[i] ?? 1;
      this.#addTimes(words, ciphertext.words, weight);
      const ends = [weight * ciphertext.min, weight * ciphertext.max];
      min += Math.min(...ends);
      max += Math.max(...ends);
      variance += weight ** 2 * ciphertext.variance;
    });
    words[params.n] = this.#reduced(words[params.n]! + this.#reduced(Math.round(constant * params.unit)));
    return new TfheCiphertext(params.id, words, { min, max, variance });
  }

  /** A message that everybody knows, without noise. @throws {OutOfRangeError} */
  constant(message: number): TfheCiphertext {
    const { params } = this.#context;
    if (!Number.isInteger(message) || Math.abs(message) >= params.messages)
      throw new OutOfRangeError('a message', `an integer of less than ${params.messages}`, message);
    const words = new Float64Array(params.n + 1);
    words[params.n] = Math.round(message * params.unit);
    return new TfheCiphertext(params.id, words, { min: message, max: message, variance: 0 });
  }

  /** table[message]. One bootstrap. See {@link TfheEvaluator.lookupAll}. */
  lookup(ciphertext: TfheCiphertext, table: readonly number[]): TfheCiphertext {
    return this.lookupAll([ciphertext], table)[0]!;
  }

  /**
   * table[message] for each ciphertext, whose messages are known to lie within 0 .. p - 1; the table has p integers from -(p - 1) to p - 1.
   * Many together are faster than one by one.
   *
   * @throws {OutOfRangeError} when a message may be outside, or an entry is.
   * @throws {NoiseBudgetError} when a lookup would fail more often than the evaluator was told to accept.
   */
  lookupAll(ciphertexts: readonly TfheCiphertext[], table: readonly number[]): TfheCiphertext[] {
    const { params } = this.#context;
    const { messages, n } = params;
    if (table.length !== messages) throw new ShapeError('the table', `${messages} entries`, table.length);
    for (const entry of table)
      if (!Number.isInteger(entry) || Math.abs(entry) >= messages)
        throw new OutOfRangeError('an entry of a table', `an integer of less than ${messages}`, entry);
    for (const { min, max } of ciphertexts)
      if (min < 0 || max >= messages)
        throw new OutOfRangeError(
          'a message that is looked up',
          `within 0 .. ${messages - 1}`,
          `${min} .. ${max}`,
        );
    // Coefficient j belongs to the message whose interval it lies in; the last ones to message 0, from below: X^N = -1.
    const width = n / messages;
    const polynomial = Float64Array.from({ length: n }, (_, j) => {
      const message = Math.floor((j + width / 2) / width);
      const entry = message === messages ? -table[0]! : table[message]!;
      return Math.round(entry * params.unit);
    });
    const variance = lookupVariance(params);
    const outputs = this.#bootstrap(ciphertexts, polynomial);
    return outputs.map((words, i) => {
      const { min, max } = ciphertexts[i]!;
      const reached = table.slice(min, max + 1);
      return new TfheCiphertext(params.id, words, {
        min: Math.min(...reached),
        max: Math.max(...reached),
        variance,
      });
    });
  }

  /**
   * Levels 0 .. p - 1 of messages that are real numbers, as an exit gives them: rounded to the nearest, and reflected at both ends, so
   * that p + x comes out as p - 1 - x ({@link quantisedLevel}): a score a little outside of the window still has one of the last levels.
   * One bootstrap each. The level of a message near the middle between two may be either, see {@link quantisationMargin}; it is off by
   * more than one with the probability that {@link TfheEvaluator.failureBits} counts. Whatever it is, what is computed from it is exact.
   *
   * @throws {NoiseBudgetError}
   */
  quantise(ciphertexts: readonly TfheCiphertext[]): TfheCiphertext[] {
    const { params } = this.#context;
    const { messages, n } = params;
    const middle = (messages - 1) / 2;
    const width = n / messages;
    // Levels less their mean change their sign with the phase's: what lies beyond p - 1 is the reflection.
    const polynomial = Float64Array.from({ length: n }, (_, j) =>
      Math.round((Math.floor((j + width / 2) / width) - middle) * params.unit),
    );
    for (let j = n - width / 2; j < n; j++) polynomial[j] = Math.round(middle * params.unit);
    const variance = lookupVariance(params);
    return this.#bootstrap(ciphertexts, polynomial).map((words) => {
      words[n] = this.#reduced(words[n]! + Math.round(middle * params.unit));
      return new TfheCiphertext(params.id, words, { min: 0, max: messages - 1, variance });
    });
  }

  /**
   * max(a, b), when the difference of the messages takes at most p values. One bootstrap.
   *
   * @throws {OutOfRangeError} {@link NoiseBudgetError}
   */
  max(a: TfheCiphertext, b: TfheCiphertext): TfheCiphertext {
    const { messages } = this.#context.params;
    const difference = this.sub(a, b);
    if (difference.max - difference.min >= messages)
      throw new OutOfRangeError('the difference of two messages', `of at most ${messages} values`, 'more');
    const lift = -difference.min;
    const table = Array.from({ length: messages }, (_, i) => Math.min(Math.max(i - lift, 0), messages - 1));
    const larger = this.lookup(this.sum([difference], [1], lift), table);
    const result = this.add(b, larger);
    const facts = { min: Math.max(a.min, b.min), max: Math.max(a.max, b.max), variance: result.variance };
    return new TfheCiphertext(result.paramsId, result.words, facts);
  }

  /**
   * For each pair of messages whether the first one wins: 1 when it is larger, or as large and named first by `firstWins`. One bootstrap
   * a pair; nothing but signs of differences is looked up, so that the whole circle serves and no carry is needed.
   *
   * @throws {OutOfRangeError} when two messages may be p or more apart. @throws {NoiseBudgetError}
   */
  wins(pairs: readonly (readonly [TfheCiphertext, TfheCiphertext])[], firstWins = true): TfheCiphertext[] {
    const { params } = this.#context;
    const half = (firstWins ? 0.5 : -0.5) * params.unit;
    const differences = pairs.map(([a, b]) => {
      const difference = this.sub(a, b);
      if (Math.max(-difference.min, difference.max) >= params.messages)
        throw new OutOfRangeError(
          'the difference of two messages',
          `of less than ${params.messages}`,
          'more',
        );
      difference.words[params.n] = this.#reduced(difference.words[params.n]! + Math.round(half));
      return difference;
    });
    const polynomial = new Float64Array(params.n).fill(Math.round(params.unit / 2));
    const variance = lookupVariance(params);
    return this.#bootstrap(differences, polynomial).map((words) => {
      // -1/2 or 1/2 of a unit.
      words[params.n] = this.#reduced(words[params.n]! + Math.round(params.unit / 2));
      return new TfheCiphertext(params.id, words, { min: 0, max: 1, variance });
    });
  }

  /**
   * The place of the largest of 2 to p messages, the first one among equals: C (C - 1) / 2 + C bootstraps, two after each other.
   *
   * @throws {ShapeError} {@link OutOfRangeError} {@link NoiseBudgetError}
   */
  argmax(scores: readonly TfheCiphertext[]): TfheCiphertext {
    const { messages } = this.#context.params;
    const count = scores.length;
    if (count < 2 || count > messages) throw new ShapeError('the scores', `2 to ${messages}`, count);
    const places: (readonly [number, number])[] = [];
    for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) places.push([i, j]);
    const bits = this.wins(places.map(([i, j]) => [scores[i]!, scores[j]!] as const));
    const totals = scores.map((_, place) => {
      const won: TfheCiphertext[] = [];
      const lost: TfheCiphertext[] = [];
      places.forEach(([i, j], k) => {
        if (i === place) won.push(bits[k]!);
        else if (j === place) lost.push(bits[k]!);
      });
      const weights = [...won.map(() => 1), ...lost.map(() => -1)];
      return this.sum([...won, ...lost], weights, lost.length);
    });
    const isWinner = Array.from({ length: messages }, (_, total) => Number(total === count - 1));
    const chosen = this.lookupAll(totals, isWinner);
    const index = this.#weighted(chosen);
    return new TfheCiphertext(index.paramsId, index.words, {
      min: 0,
      max: count - 1,
      variance: index.variance,
    });
  }

  /**
   * The same message in a ciphertext for the holder of the secret key, who also knows how it was computed: bootstrapped once more, then
   * randomised by an encryption of zero, so that nothing but one number stays of the computation, the error of the phase, and uniform
   * noise over an eighth of a message's spacing is added to that. Statistical distance about 2^-7: it hides errors, not perfectly.
   *
   * With a `seed` in place of fresh randomness the same ciphertext is hidden in the same way: for answers that may be asked for again.
   *
   * @throws {NoiseBudgetError} {@link OutOfRangeError} {@link ShapeError} for a seed of other than 32 bytes.
   */
  hide(ciphertext: TfheCiphertext, seed?: Uint8Array): TfheCiphertext {
    return this.hideAll([ciphertext], seed)[0]!;
  }

  /** {@link TfheEvaluator.hide} of many, each with randomness of its own. */
  hideAll(ciphertexts: readonly TfheCiphertext[], seed?: Uint8Array): TfheCiphertext[] {
    const { params, random } = this.#context;
    const identity = Array.from({ length: params.messages }, (_, i) => i);
    const again = this.lookupAll(ciphertexts, identity);
    const own = seed ?? random.seed();
    using drbg = new Drbg(own);
    if (seed === undefined) own.fill(0);
    return again.map((each) => this.#randomised(each, drbg));
  }

  #randomised(again: TfheCiphertext, drbg: Drbg): TfheCiphertext {
    const { kernel, params, ring } = this.#context;
    const { n, messages } = params;
    const { publicKey } = tfheKeyWords(this.#keys);
    using scratch = new Scratch(kernel);
    const [u, zero] = [scratch.allocate(n), scratch.allocate(2 * n)];
    const streamKey = drbg.nextKey('u');
    const floodKey = drbg.nextKey('flood');
    const flood = new Float64Array(1);
    try {
      ternaryInto(ring, u, streamKey, FIRST);
      errorInto(ring, zero, drbg.nextKey('e'), FIRST);
      for (const part of [0, 1])
        kernel.mulAdd(ring.tables, zero.sub(part * n, n), u, publicKey.sub(part * n, n), FIRST);
      kernel.nttInverse(ring.tables, zero, FIRST);
      const parts = new Float64Array(2 * n);
      kernel.toDoubles(ring.tables, parts, zero, FIRST);
      kernel.uniformSigned(flood, Math.floor(Math.log2(params.unit / 2)) - FLOOD_MARGIN, floodKey, 0);
      const fresh = coefficientOf(parts.subarray(n), this.#reduced(parts[0]! + flood[0]!), 0);
      this.#addTimes(fresh, again.words, 1);
      // e u + e_0 + e_1 S: ternary u, binary S, N terms of each.
      const variance =
        again.variance + freshVariance(params) * n * 2 + 4 ** -FLOOD_MARGIN / (48 * messages ** 2);
      return new TfheCiphertext(params.id, fresh, { min: again.min, max: again.max, variance });
    } finally {
      for (const secret of [streamKey, floodKey, flood]) secret.fill(0);
    }
  }

  /** The sum of i times bit i, of which one is 1. Weights above eight are taken in two steps. */
  #weighted(bits: readonly TfheCiphertext[]): TfheCiphertext {
    const parts = bits.map((_, i) => [Math.min(i, MAX_WEIGHT), Math.max(0, i - MAX_WEIGHT)] as const);
    const low = this.sum(
      bits,
      parts.map(([weight]) => weight),
    );
    const high = this.sum(
      bits,
      parts.map(([, weight]) => weight),
    );
    const both = this.add(low, high);
    const variance = bits.reduce((sum, bit, i) => sum + i ** 2 * bit.variance, 0);
    return new TfheCiphertext(both.paramsId, both.words, { min: both.min, max: both.max, variance });
  }

  /** out += weight words, modulo q, centred. */
  #addTimes(out: Float64Array, words: Float64Array, weight: number): void {
    if (!Number.isInteger(weight) || Math.abs(weight) > MAX_WEIGHT)
      throw new OutOfRangeError('a weight', `an integer from -${MAX_WEIGHT} to ${MAX_WEIGHT}`, weight);
    const { q } = this.#context.params;
    const inverse = 1 / q;
    for (let j = 0; j < out.length; j++) {
      const sum = out[j]! + weight * words[j]!;
      out[j] = sum - q * Math.round(sum * inverse);
    }
  }

  #reduced(x: number): number {
    const { q } = this.#context.params;
    return x - q * Math.round(x / q);
  }

  /** Words of the ciphertexts of the polynomial's coefficient that each phase points at. */
  #bootstrap(ciphertexts: readonly TfheCiphertext[], polynomial: Float64Array): Float64Array[] {
    const outputs: Float64Array[] = [];
    this.#count(ciphertexts);
    for (let at = 0; at < ciphertexts.length; at += CHUNK)
      outputs.push(...this.#bootstrapChunk(ciphertexts.slice(at, at + CHUNK), polynomial));
    return outputs;
  }

  #count(facts: readonly TfheFacts[]): void {
    const { params } = this.#context;
    for (const { variance } of facts) {
      const bits = lookupFailureBits(params, variance);
      if (bits > this.#maxFailureBits) throw new NoiseBudgetError('lookup', 0, bits - this.#maxFailureBits);
      this.#failure += 2 ** bits;
      this.#lookups++;
    }
  }

  #bootstrapChunk(ciphertexts: readonly TfheCiphertext[], polynomial: Float64Array): Float64Array[] {
    const { kernel, params, ring } = this.#context;
    const { n, lweDimension, keySwitchRows: rows } = params;
    const { rotation, panels } = tfheKeyWords(this.#keys);
    const count = ciphertexts.length;
    const columns = switchedColumns(params);
    const digits = new Int32Array(count * rows);
    ciphertexts.forEach((each, i) =>
      switchDigitsInto(digits.subarray(i * rows, (i + 1) * rows), params, each),
    );
    const switched = new Int32Array(count * columns);
    kernel.updateIntegerProduct(switched, panels, columns, digits);
    const exponents = new Uint32Array(count * lweDimension);
    // X^-phase times the polynomial: the first coefficient is the one that the phase points at.
    const start = new Float64Array(2 * count * n);
    ciphertexts.forEach(({ words }, i) => {
      const to = exponents.subarray(i * lweDimension, (i + 1) * lweDimension);
      const from = switched.subarray(i * columns, (i + 1) * columns);
      const turn = roundedExponents(to, params, from, words[n]!);
      for (let j = 0; j < n; j++) {
        const place = (j + turn) % (2 * n);
        start[2 * i * n + (place % n)] = place < n ? polynomial[j]! : -polynomial[j]!;
      }
    });
    using acc = kernel.allocate(start.length);
    kernel.fromDoubles(ring.tables, acc, start, FIRST);
    kernel.blindRotate(ring.tables, acc, exponents, rotation, params.digitShift);
    kernel.toDoubles(ring.tables, start, acc, FIRST);
    return ciphertexts.map((_, i) =>
      coefficientOf(start.subarray((2 * i + 1) * n, (2 * i + 2) * n), start[2 * i * n]!, 0),
    );
  }
}
