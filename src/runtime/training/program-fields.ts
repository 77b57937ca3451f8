/** What every program of training does with what a person wrote down: look at its fields, hash it, and leave the parameters to itself. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { DataError, InvalidParamsError, OutOfRangeError } from '../../base/errors.ts';
import { sha256Digest } from '../../base/sha256.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';

/** Looks at the names alone. @throws {DataError} unless it is an object with all of `needed`, and of other fields `optional` ones alone. */
export function assertFields(
  value: unknown,
  needed: readonly string[],
  optional: readonly string[] = [],
): asserts value is object {
  if (typeof value !== 'object' || value === null) throw new DataError('a training program is a JSON object');
  if (Object.keys(value).some((name) => !needed.includes(name) && !optional.includes(name)))
    throw new DataError('a training program has a field that is not known');
  const given = value as Readonly<Record<string, unknown>>;
  const missing = needed.find((name) => given[name] === undefined);
  if (missing !== undefined) throw new DataError(`a training program lacks ${missing}`);
}

/** @throws {OutOfRangeError} unless it is an integer from `least` to `most`. */
export function assertIntegerWithin(what: string, value: unknown, least: number, most: number): void {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
    throw new OutOfRangeError(what, `an integer from ${least} to ${most}`, Number(value));
}

/** SHA-256 of the fields in their order, in hexadecimal digits. */
export function specId(canonical: readonly unknown[]): string {
  return bytesToHex(sha256Digest(new TextEncoder().encode(JSON.stringify(canonical))));
}

/** @throws {InvalidParamsError} for parameters that are given to a program and are not for tests. */
export function assertForTests(params: CkksParams | undefined): void {
  if (params?.isInsecure === false)
    throw new InvalidParamsError('a training program chooses its parameters itself', {});
}
