/** Constants as residues: a constant polynomial has the same residue in every word of a limb, in either domain. */
import { OutOfRangeError } from '../../base/errors.ts';
import { residue } from '../../kernel/tables/modular.ts';
import type { RlweParams } from '../rlwe/params.ts';

/** round(value) modulo the prime of each limb. For public values: time depends on them. @throws {OutOfRangeError} from 2^99 on. */
export function constantResidues(params: RlweParams, value: number, mods: readonly number[]): number[] {
  if (!(Math.abs(value) < 2 ** 99))
    throw new OutOfRangeError('a constant times its scale', 'below 2^99', value);
  const rounded = BigInt(Math.round(value));
  return mods.map((limb) => Number(residue(rounded, BigInt(params.q[limb]!.q))));
}
