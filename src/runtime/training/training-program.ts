/** Every kind of program that trains on a table. */
import { DataError } from '../../base/errors.ts';
import { CategoryProgram, parseCategoryProgram } from './category/category-program.ts';
import { LogisticProgram, parseLogisticProgram } from './logistic-program.ts';

export type TableProgram = LogisticProgram | CategoryProgram;

/** A program from JSON that somebody sent, of the kind that it says. @throws {DataError} As the constructors. */
export function parseTableProgram(value: unknown): TableProgram {
  const kind: unknown =
    typeof value === 'object' && value !== null ? (value as { kind?: unknown }).kind : undefined;
  if (kind === 'category') return parseCategoryProgram(value);
  if (kind === 'logistic') return parseLogisticProgram(value);
  throw new DataError('a training program is a JSON object of the kind logistic or category');
}
