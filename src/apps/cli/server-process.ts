/** A command that serves, in a process of its own, for demonstrations: started, waited for, and ended with this one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { TransportError } from '../../base/errors.ts';

/** What `subrosa serve --json` prints once it listens. */
export interface ServerReady {
  readonly ready: true;
  readonly url: string;
  readonly models: readonly string[];
  readonly kernel: { readonly name: string; readonly isa: string; readonly threads: number };
  readonly pid: number;
}

/** Loading and compiling the models, on a slow machine without the addon. */
const START_LIMIT_MS = 180_000;
const STOP_LIMIT_MS = 5000;

/** What Node is given to run a command of this program: the build, or the sources where this file is one of them. */
export function ownCommand(args: readonly string[]): string[] {
  const isSource = import.meta.url.endsWith('.ts');
  const main = fileURLToPath(new URL(isSource ? './main.ts' : './main.js', import.meta.url));
  return [...(isSource ? ['--import', 'tsx'] : []), main, ...args];
}

export interface CommandSurroundings {
  /** Arguments that say where it listens; any free port by default. */
  readonly port?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export class CommandProcess<Ready> implements AsyncDisposable {
  /** The line that the command printed with `--json` once it listened. */
  readonly ready: Ready;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ready: Ready) {
    this.#child = child;
    this.ready = ready;
  }

  /**
   * Runs `subrosa` with a command that serves, on a free loopback port. `onNote` gets the lines of its standard error.
   * @throws {TransportError} when it ends, or says nothing for three minutes, before it listens.
   */
  static async start<Ready>(
    args: readonly string[],
    onNote: (line: string) => void,
    { port = ['--port', '0'], env = process.env }: CommandSurroundings = {},
  ): Promise<CommandProcess<Ready>> {
    const command = ownCommand([...args, ...port, '--json', '--while-stdin-open']);
    const child = spawn(process.execPath, command, { stdio: ['pipe', 'pipe', 'pipe'], env });
    createInterface({ input: child.stderr }).on('line', onNote);
    try {
      return new CommandProcess<Ready>(child, (await firstLine(child)) as Ready);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** Resolves when the process has ended, whatever the reason. */
  async ended(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    await new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
  }

  /** Ends the server as an operator would; at the latest after five seconds it is killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    this.#child.kill('SIGTERM');
    await ended;
    clearTimeout(killer);
  }
}

function firstLine(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(new TransportError(`the server process ${reason}`, false));
    const timer = setTimeout(() => fail(`did not start within ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    child.once('error', (error) => fail(`cannot be started (${error.message})`));
    child.once('exit', (code, signal) => fail(`ended before it listened (${signal ?? `exit code ${code}`})`));
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', (line) => {
      clearTimeout(timer);
      child.removeAllListeners('exit');
      try {
        resolve(JSON.parse(line));
      } catch {
        fail('printed something else than its address');
      }
    });
  });
}
