/** Runs one command line and returns its exit code; everything that can go wrong ends here. */
import type { EngineParts } from './parts.ts';
import { buildProgram } from './program.ts';
import { DONE, reportError } from './terminal/report-error.ts';
import type { Terminal } from './terminal/terminal.ts';

/** `args` without the names of node and of the program. */
export async function runCommand(
  args: readonly string[],
  terminal: Terminal,
  parts: EngineParts,
): Promise<number> {
  let code = DONE;
  try {
    const program = buildProgram(terminal, parts, (other) => {
      code = other;
    });
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    return reportError(error, terminal);
  }
}
