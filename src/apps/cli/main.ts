#!/usr/bin/env node
/** The `subrosa` program. */
import { fileWriteError } from '../keystore/file-errors.ts';
import { engineParts } from './parts.ts';
import { runCommand } from './run.ts';
import { errorLine, FAILED } from './terminal/report-error.ts';
import { processTerminal } from './terminal/terminal.ts';

// Results that cannot be written are no results. Whoever reads only the first lines (`head`) closes the pipe and is right to.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE')
    processTerminal.err(`error ${errorLine(fileWriteError('standard output', error))}\n`);
  process.exit(error.code === 'EPIPE' ? undefined : FAILED);
});

// Set, not called: output that is still on its way to a pipe is not cut off.
process.exitCode = await runCommand(process.argv.slice(2), processTerminal, engineParts);
