/** Where a command writes and what it may assume about the other end. Results go to `out`, everything else to `err`. */
import pc from 'picocolors';

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Standard output and standard error are each a terminal or not. */
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** Standard input; absent where a command is run without one. */
  readonly input?: (AsyncIterable<Uint8Array> & { readonly isTTY?: boolean }) | undefined;
}

export type Paint = ReturnType<typeof pc.createColors>;

/** Colours for a stream: only on a terminal, never with NO_COLOR. */
export function paintFor(isTerminal: boolean, env: NodeJS.ProcessEnv): Paint {
  return pc.createColors(isTerminal && env.NO_COLOR === undefined && env.TERM !== 'dumb');
}

export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  outIsTerminal: process.stdout.isTTY === true,
  errIsTerminal: process.stderr.isTTY === true,
  env: process.env,
  // Opened when it is asked for: a command that does not read it does not wait for it.
  get input() {
    return process.stdin;
  },
};

/** Characters that a file name or a server could use to play with the terminal become '?'. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?');
}
