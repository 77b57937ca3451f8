/**
 * The owner's side of a logistic regression: it encrypts its rows, and it alone can open the weights. What it opens is for itself; what it
 * hands on must go through the release of its key, which hides what the noise of a decryption tells of the key.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { DataError, ReleaseRefusedError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { CkksRelease } from '../../schemes/ckks/release.ts';
import type { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import {
  assertTable,
  type LabelledTable,
  rowCount,
  type Standardisation,
  VALUE_BOUND,
} from './labelled-table.ts';
import { logisticCircuit } from './logistic-circuit.ts';
import { mirrorLogistic } from './logistic-clear.ts';
import type { LogisticProgram } from './logistic-program.ts';
import { rowSlots } from './row-slots.ts';

/** Published weights are within 2^-7 of the exact ones at least. */
const PUBLISHED_BITS = 7;

export class LogisticOwner {
  readonly program: LogisticProgram;
  #context: CkksContext;
  #secret: SecretKey;

  /** Key and context are borrowed. @throws {ParamsMismatchError} */
  constructor(context: CkksContext, program: LogisticProgram, secret: SecretKey) {
    arg.checkArguments('new LogisticOwner', [context, program, secret], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      program: arg.like('a LogisticProgram', 'iterationsFrom', 'spec'),
      secret: arg.like('a SecretKey', 'exportSecretBytes', 'toJSON'),
    });
    program.assertOneOwner();
    context.assertOwn('a training program', { paramsId: program.params.id });
    context.assertOwn('a secret key', secret);
    this.program = program;
    this.#context = context;
    this.#secret = secret;
  }

  /**
   * The rows of a standardised table, times the sign of their label, a constant column before them.
   *
   * @throws {DataError} when the table is not the program's, or its values would leave a range on the way: nothing is encrypted.
   */
  encrypt(table: LabelledTable, arena: Arena): CkksCiphertext[] {
    this.assertFits(table);
    const { rowsPerCiphertext, ciphertexts, topLevel } = this.program;
    const encoder = this.#context.encoder(arena);
    using encryptor = this.#context.encryptor(this.#secret, arena);
    return Array.from({ length: ciphertexts }, (_, c) => {
      const slots = rowSlots(this.program, table, c * rowsPerCiphertext);
      const plaintext = encoder.encode(slots, { level: topLevel });
      slots.fill(0);
      const ciphertext = encryptor.encrypt(plaintext);
      plaintext[Symbol.dispose]();
      return ciphertext;
    });
  }

  /** @throws {DataError} */
  assertFits(table: LabelledTable): void {
    assertTable(table);
    const { spec, steps } = this.program;
    if (rowCount(table) !== spec.rows || table.columns.length !== spec.features)
      throw new DataError(
        `the program is for ${spec.rows} rows of ${spec.features} columns, not ${rowCount(table)} of ${table.columns.length}`,
      );
    if (table.values.some((value) => Math.abs(value) > VALUE_BOUND))
      throw new DataError(`values must be standardised: within ${VALUE_BOUND}`);
    // The bounds of gradients hold for columns whose values are 1 on average at most, as standardised ones are.
    const width = table.columns.length;
    const wide = table.columns.find((_, j) => {
      let sum = 0;
      for (let i = j; i < table.values.length; i += width) sum += Math.abs(table.values[i]!);
      return sum > rowCount(table) * (1 + 2 ** -20);
    });
    if (wide !== undefined)
      throw new DataError(`column ${wide} is not standardised: its values are above 1 on average`);
    const { largestMargin, largestWeight } = mirrorLogistic(table, steps, spec.batchRows);
    if (!(largestMargin <= this.program.marginBound && largestWeight <= spec.weightBound))
      throw new DataError('on these rows the steps of the program leave its range: tune them on this table');
  }

  /** The weights for the owner's own use: exact up to noise, and not to be handed on. @throws {ParamsMismatchError} */
  open(weights: CkksCiphertext): Float64Array {
    using arena = this.#context.arena();
    const plaintext = this.#context.decryptor(this.#secret, arena).decrypt(weights);
    const values = this.#context.encoder(arena).decode(plaintext, { slots: this.program.width });
    return values.slice(0, this.program.spec.features + 1);
  }

  /**
   * The release of weights that are to be published: asked for before anything is encrypted, so that a program that leaves no precision is
   * refused there. One release per key; `alreadyReleased` is what was kept beside the key.
   *
   * @throws {ReleaseRefusedError} {@link MessageOverflowError}
   */
  release(arena: Arena, alreadyReleased = 0): CkksRelease {
    if (this.program.spec.rule !== 'publish')
      throw new ReleaseRefusedError(
        'precision',
        "the parameters of this program leave no room for the noise that hides the key: make keys for a program whose rule is 'publish'",
        PUBLISHED_BITS,
      );
    const circuit = logisticCircuit(this.program, this.#context.encoder(arena));
    const terms = { releases: 1, alreadyReleased, precisionBits: PUBLISHED_BITS, slots: this.program.width };
    return this.#context.release(this.#secret, circuit, terms);
  }
}

/** Weights for the columns as they were before they were standardised. Constant columns have weight 0. */
export function originalWeights(
  weights: ArrayLike<number>,
  { means, deviations }: Standardisation,
): number[] {
  const scaled = means.map((_, j) => (deviations[j] === 0 ? 0 : weights[j + 1]! / deviations[j]!));
  const constant = scaled.reduce((sum, weight, j) => sum - weight * means[j]!, weights[0]!);
  return [constant, ...scaled];
}

printOnOneLine(LogisticOwner);
arg.guard('LogisticOwner', LogisticOwner.prototype, {
  encrypt: {
    table: arg.like('a LabelledTable', 'columns', 'values'),
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
  assertFits: { table: arg.like('a LabelledTable', 'columns', 'values') },
  open: { weights: arg.like('a CkksCiphertext', 'toBytes', 'at') },
  release: { arena: arg.like('an Arena', 'make', 'adopt'), alreadyReleased: arg.optional(arg.number) },
});
