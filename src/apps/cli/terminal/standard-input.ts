/** Files that may be standard input. */
import { LimitError, UsageError } from '../../../base/errors.ts';
import type { Terminal } from './terminal.ts';

/** The name of standard input. */
export const STANDARD_INPUT = '-';

/** Standard input can be read once. @throws {UsageError} when it is named more often. */
export function checkInputPaths(paths: readonly string[]): void {
  if (paths.filter((path) => path === STANDARD_INPUT).length > 1)
    throw new UsageError('`-` is standard input, which can be read once: it is named more often');
}

/** What a limit is of: `what` in the singular, as "a recording". */
export interface InputLimit {
  readonly what: string;
  readonly bytes: number;
}

/** @throws {UsageError} when standard input is a terminal. @throws {LimitError} */
export async function readStandardInput(input: Terminal['input'], limit: InputLimit): Promise<Uint8Array> {
  if (input === undefined || input.isTTY === true)
    throw new UsageError(`\`-\` is standard input, and that is a terminal: pipe ${limit.what} into it`);
  return await collectBytes(input, limit);
}

/** A device or a pipe has no size beforehand, so the limit holds while reading. @throws {LimitError} */
export async function collectBytes(
  stream: AsyncIterable<Uint8Array>,
  { what, bytes }: InputLimit,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    length += part.length;
    if (length > bytes) throw new LimitError(`the bytes of ${what}`, bytes, 'more');
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}
