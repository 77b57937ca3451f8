#!/usr/bin/env node
/** The `subrosa` program. */
import { engineParts } from './parts.ts';
import { runCommand } from './run.ts';
import { processTerminal } from './terminal.ts';

// Set, not called: output that is still on its way to a pipe is not cut off.
process.exitCode = await runCommand(process.argv.slice(2), processTerminal, engineParts);
