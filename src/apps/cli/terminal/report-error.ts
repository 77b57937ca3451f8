/** How a command ends: 0 done, 1 failed, 2 wrong usage; and the one line that says why. */
import { CommanderError } from 'commander';
import { SubrosaError } from '../../../base/errors.ts';
import { paintFor, type Terminal } from './terminal.ts';

export const DONE = 0;
export const FAILED = 1;
const WRONG_USAGE = 2;

/** The sentence for an error, without a stack. */
export function errorLine(error: unknown): string {
  if (error instanceof SubrosaError) return error.message;
  const { code, message = String(error) } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') return message.replace(/^E\w+: /, '');
  return `unexpected failure: ${message} (set SUBROSA_DEBUG=1 for details)`;
}

/** Prints the error and returns the exit code. Commander has printed its own by then. */
export function reportError(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : WRONG_USAGE;
  const paint = paintFor(terminal.errIsTerminal, terminal.env);
  terminal.err(`${paint.red('error')} ${errorLine(error)}\n`);
  if (terminal.env.SUBROSA_DEBUG !== undefined) terminal.err(`${(error as Error).stack ?? ''}\n`);
  return error instanceof SubrosaError && error.code === 'usage' ? WRONG_USAGE : FAILED;
}
