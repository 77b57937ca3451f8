/** Rows of several owners as ciphertexts of their union: each encrypts its own, zeros elsewhere, and what two of them share is added up. */
import { DataError, ShapeError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { CkksEvaluator } from '../../schemes/ckks/evaluator.ts';
import type { PublicKey } from '../../schemes/rlwe/keys/public-key.ts';
import { assertTable, type LabelledTable, rowCount, VALUE_BOUND } from './labelled-table.ts';
import { mirrorLogistic } from './logistic-clear.ts';
import { type LogisticProgram, MARGIN_BOUND } from './logistic-program.ts';
import { rowSlots } from './row-slots.ts';

/**
 * An owner's table, standardised as the program's owners agreed.
 *
 * @throws {DataError} when it is not what the program says, or its own rows would leave the range of the steps: nothing is encrypted.
 */
export function assertOwnRows(program: LogisticProgram, party: number, table: LabelledTable): void {
  assertTable(table);
  const { from, to } = program.rowsOf(party);
  if (rowCount(table) !== to - from || table.columns.length !== program.spec.features)
    throw new DataError(
      `owner ${party} has ${to - from} rows of ${program.spec.features} columns in this program, not ${rowCount(table)} of ${table.columns.length}`,
    );
  if (table.values.some((value) => Math.abs(value) > VALUE_BOUND))
    throw new DataError(`values must be standardised: within ${VALUE_BOUND}`);
  const { largestMargin, largestWeight } = mirrorLogistic(table, program.steps);
  if (!(largestMargin <= MARGIN_BOUND && largestWeight <= program.spec.weightBound))
    throw new DataError('on these rows the steps of the program leave its range: smaller ones are needed');
}

/** The rows of `party`, in the ciphertexts of {@link LogisticProgram.ciphertextsOf}. @throws {DataError} */
export function encryptOwnRows(
  context: CkksContext,
  program: LogisticProgram,
  party: number,
  table: LabelledTable,
  publicKey: PublicKey,
  arena: Arena,
): CkksCiphertext[] {
  assertOwnRows(program, party, table);
  const { from } = program.rowsOf(party);
  const encoder = context.encoder(arena);
  using encryptor = context.encryptor(publicKey, arena);
  return program.ciphertextsOf(party).map((index) => {
    const slots = rowSlots(program, table, index * program.rowsPerCiphertext - from);
    const plaintext = encoder.encode(slots, { level: program.topLevel, scale: program.rowScale });
    slots.fill(0);
    const ciphertext = encryptor.encrypt(plaintext);
    plaintext[Symbol.dispose]();
    return ciphertext;
  });
}

/**
 * The union's ciphertexts from those of each owner; those that one owner fills alone are its own, borrowed.
 *
 * @throws {ShapeError} unless each has as many as the program says, at its level and scale.
 */
export function unionRows(
  evaluator: CkksEvaluator,
  program: LogisticProgram,
  owned: readonly (readonly CkksCiphertext[])[],
): CkksCiphertext[] {
  const union: CkksCiphertext[] = [];
  owned.forEach((ciphertexts, party) => {
    const places = program.ciphertextsOf(party);
    if (ciphertexts.length !== places.length)
      throw new ShapeError(
        `encrypted rows of owner ${party}`,
        `${places.length} ciphertexts`,
        ciphertexts.length,
      );
    places.forEach((place, i) => {
      const before = union[place];
      union[place] = before === undefined ? ciphertexts[i]! : evaluator.add(before, ciphertexts[i]!);
    });
  });
  return union;
}
