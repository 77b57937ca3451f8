/**
 * A seeded generator for initial weights, shuffles and dropout: xoshiro128** (Blackman and Vigna, "Scrambled linear
 * pseudorandom number generators", 2021), seeded through SplitMix32. The same seed gives the same training run.
 * Not for secrets: its state follows from a few outputs.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
export class SeededGenerator {
  readonly #state = new Uint32Array(4);
  #spare = Number.NaN;

  constructor(seed: number) {
    arg.checkArguments('new SeededGenerator', [seed], { seed: arg.number });
    let word = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      word = (word + 0x9e3779b9) >>> 0;
      let mixed = word ^ (word >>> 16);
      mixed = Math.imul(mixed, 0x85ebca6b);
      mixed ^= mixed >>> 13;
      mixed = Math.imul(mixed, 0xc2b2ae35);
      this.#state[i] = mixed ^ (mixed >>> 16);
    }
    // The all-zero state is the one fixed point of the recurrence.
    if ((this.#state[0] | this.#state[1] | this.#state[2] | this.#state[3]) === 0) this.#state[0] = 1;
  }

  /** Uniform in [0, 2^32). */
  word(): number {
    const s = this.#state;
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    const last = s[3];
    s[3] = (last << 11) | (last >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.word() * 2 ** -32;
  }

  /** Uniform in [0, bound), bound at most 2^32, without bias. */
  below(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let word = this.word();
    while (word >= limit) word = this.word();
    return word % bound;
  }

  /** Standard normal (Box-Muller; the second value of a pair is kept for the next call). */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const spare = this.#spare;
      this.#spare = Number.NaN;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log((this.word() + 1) * 2 ** -32));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Fisher-Yates in place. */
  shuffle(order: Uint32Array): void {
    for (let i = order.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
  }

  /** Four state words and the spare normal value; {@link SeededGenerator.restore} continues exactly there. */
  snapshot(): Float64Array {
    return Float64Array.of(...this.#state, this.#spare);
  }

  restore(snapshot: Float64Array): void {
    for (let i = 0; i < 4; i++) this.#state[i] = snapshot[i];
    this.#spare = snapshot[4];
  }
}

printOnOneLine(SeededGenerator);
arg.guard('SeededGenerator', SeededGenerator.prototype, {
  below: { bound: arg.number },
  shuffle: { order: arg.typed('a Uint32Array', Uint32Array) },
  restore: { snapshot: arg.typed('a Float64Array', Float64Array) },
});
