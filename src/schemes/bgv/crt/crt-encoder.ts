/** Integers modulo t_1 t_2 ... to a plaintext for each modulus and back by the Chinese remainder theorem. */
import { OutOfRangeError, ShapeError } from '../../../base/errors.ts';
import { centred, inverseMod, residue } from '../../../kernel/tables/modular.ts';
import { type Arena, Owned } from '../../../ring/arena.ts';
import type { BgvCrtContextBase } from './crt-context-base.ts';
import type { BgvEncoder } from '../encoder.ts';
import type { BgvPlaintext } from '../plaintext.ts';

/** A plaintext for each modulus, in the order of the parameters. Wiped when disposed. */
export class BgvCrtPlaintext extends Owned {
  readonly components: readonly BgvPlaintext[];

  /** Takes ownership of `components`. */
  constructor(components: readonly BgvPlaintext[]) {
    super();
    this.components = components;
  }

  /** Decrypted values may not outlive their owner: they print as nothing. */
  toJSON(): string {
    return '[plaintext]';
  }

  protected override free(): void {
    for (const component of this.components) component[Symbol.dispose]();
  }
}

export class BgvCrtEncoder {
  #context: BgvCrtContextBase;
  #arena: Arena;
  #encoders: readonly BgvEncoder[];
  /** 1 modulo one t and 0 modulo the others. */
  #idempotents: readonly bigint[];

  constructor(context: BgvCrtContextBase, arena: Arena) {
    this.#context = context;
    this.#arena = arena;
    this.#encoders = context.components.map((component) => component.encoder(arena));
    const { modulus, components } = context.params;
    this.#idempotents = components.map(({ t }) => {
      const rest = modulus / BigInt(t);
      return rest * inverseMod(rest, BigInt(t));
    });
  }

  /**
   * Up to N integers below t_1 t_2 ... in absolute value, zero-padded: the first N / 2 are row 0, the others row 1.
   *
   * - cost: one inverse transform and N divisions per modulus
   *
   * @throws {ShapeError} {@link OutOfRangeError}
   */
  encode(values: ArrayLike<number | bigint>): BgvCrtPlaintext {
    const { modulus, slots, components } = this.#context.params;
    if (values.length > slots) throw new ShapeError('values', `at most ${slots}`, values.length);
    const integers = Array.from(values, exactInteger);
    if (integers.some((value) => value >= modulus || value <= -modulus)) {
      throw new OutOfRangeError('every value', `an integer below ${modulus} in absolute value`, 'another');
    }
    const encoded = this.#encoders.map((encoder, i) => {
      const t = BigInt(components[i]!.t);
      const residues = Float64Array.from(integers, (value) => Number(residue(value, t)));
      try {
        return this.#arena.keep(encoder.encode(residues));
      } finally {
        residues.fill(0);
      }
    });
    return this.#arena.adopt(new BgvCrtPlaintext(encoded));
  }

  /** The N slots as integers between minus and plus half of t_1 t_2 .... @throws {ParamsMismatchError} */
  decode(plaintext: BgvCrtPlaintext): bigint[] {
    const { modulus, slots } = this.#context.params;
    const residues = plaintext.components.map((component, i) => this.#encoders[i]!.decode(component));
    const values = Array.from({ length: slots }, (_, slot) => {
      const sum = residues.reduce((total, row, i) => total + BigInt(row[slot]!) * this.#idempotents[i]!, 0n);
      return centred(residue(sum, modulus), modulus);
    });
    for (const row of residues) row.fill(0);
    return values;
  }

  /** As {@link decode}, for values that are known to be exact doubles. @throws {OutOfRangeError} beyond 2^53. */
  decodeNumbers(plaintext: BgvCrtPlaintext): Float64Array {
    const numbers = Float64Array.from(this.decode(plaintext), Number);
    if (!numbers.every(Number.isSafeInteger)) {
      numbers.fill(0);
      throw new OutOfRangeError('every decoded value', 'below 2^53 in absolute value', 'a larger one');
    }
    return numbers;
  }
}

function exactInteger(value: number | bigint): bigint {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new OutOfRangeError(
      'every value',
      'a bigint or an integer below 2^53 in absolute value',
      'another',
    );
  }
  return BigInt(value);
}
