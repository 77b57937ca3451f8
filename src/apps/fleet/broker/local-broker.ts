/** A broker of one's own on this machine, for demonstrations and tests: `nats-server` of the system's package, or a path. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { UsageError } from '../../../base/errors.ts';

const START_LIMIT_MS = 15_000;

/** Where nats-server is: `SUBROSA_NATS_SERVER`, the path, or where Debian puts it. Undefined when there is none. */
export function findBrokerProgram(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/local/bin'];
  const named = env.SUBROSA_NATS_SERVER;
  const paths = named === undefined ? folders.map((folder) => join(folder, 'nats-server')) : [named];
  return paths.find((path) => existsSync(path));
}

export class LocalBroker implements AsyncDisposable {
  readonly url: string;
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #port: number;
  #child: ChildProcess;
  #isMissing = false;

  private constructor(program: string, folder: string, port: number) {
    this.#program = program;
    this.#port = port;
    this.#args = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', folder];
    this.url = `nats://127.0.0.1:${port}`;
    this.#child = this.#spawn();
  }

  /** Starts one that keeps its queues in `folder`. @throws {UsageError} when there is no program for it, or it does not start. */
  static async start(folder: string, program = findBrokerProgram()): Promise<LocalBroker> {
    if (program === undefined)
      throw new UsageError(
        'there is no nats-server on this machine: install it (Debian, Ubuntu: apt-get install nats-server), or give its path in SUBROSA_NATS_SERVER',
      );
    const broker = new LocalBroker(program, folder, await freePort());
    await broker.#listens();
    return broker;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends it without a warning, as a crash would. */
  async kill(): Promise<void> {
    await ended(this.#child, 'SIGKILL');
  }

  /** Starts it again with the queues that it had. */
  async revive(): Promise<void> {
    await this.kill();
    this.#child = this.#spawn();
    await this.#listens();
  }

  #spawn(): ChildProcess {
    const child = spawn(this.#program, this.#args, { stdio: 'ignore' });
    // A program that is not there has no exit code either.
    child.once('error', () => {
      this.#isMissing = true;
    });
    return child;
  }

  async #listens(): Promise<void> {
    const until = performance.now() + START_LIMIT_MS;
    while (!(await accepts(this.#port))) {
      if (this.#isMissing || this.#child.exitCode !== null || performance.now() > until)
        throw new UsageError(`${this.#program} does not start: run it by hand to see why`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await ended(this.#child, 'SIGTERM');
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const killer = setTimeout(() => child.kill('SIGKILL'), 5000);
  child.kill(signal);
  await exit;
  clearTimeout(killer);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** NATS greets: a port that something else took in between does not. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('data', (greeting) => settle(greeting.toString('latin1').startsWith('INFO ')));
    socket.once('error', () => settle(false));
    socket.setTimeout(1000, () => settle(false));
  });
}
