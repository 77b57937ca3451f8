/** A real server in a process of its own, for the demo: started, waited for, and ended with this one. */
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

export class ServerProcess implements AsyncDisposable {
  readonly ready: ServerReady;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ready: ServerReady) {
    this.#child = child;
    this.ready = ready;
  }

  /**
   * Runs `subrosa serve` on a free loopback port. `onNote` gets the lines of its standard error.
   * @throws {TransportError} when it ends, or says nothing for three minutes, before it listens.
   */
  static async start(args: readonly string[], onNote: (line: string) => void): Promise<ServerProcess> {
    const isSource = import.meta.url.endsWith('.ts');
    const main = fileURLToPath(new URL(isSource ? './main.ts' : './main.js', import.meta.url));
    const loader = isSource ? ['--import', 'tsx'] : [];
    const command = [...loader, main, 'serve', ...args, '--port', '0', '--json', '--while-stdin-open'];
    const child = spawn(process.execPath, command, { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: child.stderr }).on('line', onNote);
    try {
      return new ServerProcess(child, await firstLine(child));
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
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

function firstLine(child: ChildProcess): Promise<ServerReady> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(new TransportError(`the server process ${reason}`, false));
    const timer = setTimeout(() => fail(`did not start within ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    child.once('error', (error) => fail(`cannot be started (${error.message})`));
    child.once('exit', (code, signal) => fail(`ended before it listened (${signal ?? `exit code ${code}`})`));
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', (line) => {
      clearTimeout(timer);
      child.removeAllListeners('exit');
      try {
        resolve(JSON.parse(line) as ServerReady);
      } catch {
        fail('printed something else than its address');
      }
    });
  });
}
