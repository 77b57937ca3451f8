/**
 * One process at a time in a directory. Node has no lock of the operating system's, so the lock is a file that says who holds it, and
 * that its holder renews every second.
 *
 * A process identifier alone proves nothing: in a container every process is number 1, and after a restart of the machine another
 * program has the number. So the file also has the time at which the holder started, by the kernel's clock, and the name spaces that
 * its number belongs to. Where those are this process's own, whether the holder lives is known at once. Where they are not (another
 * container or machine shares the directory), or the system does not tell, the lock is watched: a holder that lives renews it.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { UsageError } from '../../base/errors.ts';
import { fileWriteError } from './file-errors.ts';

const RENEW_MS = 1000;
/** A lock that was not renewed for so long, watched by the newcomer, is nobody's. */
const WATCH_MS = 6000;
const WATCH_STEP_MS = 200;

export interface LockOptions {
  /** Told once when the lock has to be watched. */
  readonly onWait?: (sentence: string) => void;
  /** How long a lock is watched whose holder cannot be seen. */
  readonly watchMs?: number;
}

interface Holder {
  readonly pid: number;
  /** Clock ticks between the start of the system and of the process, as text; empty where the system does not tell. */
  readonly started: string;
  /** Start of the system and name space of processes, as text; empty where the system does not tell. */
  readonly where: string;
  /** Of this very lock. */
  readonly token: string;
}

/** What this process holds. */
const held = new Set<string>();

export class DirectoryLock implements Disposable {
  readonly #path: string;
  readonly #text: string;
  readonly #timer: NodeJS.Timeout;
  #isLost = false;

  private constructor(path: string, text: string) {
    this.#path = path;
    this.#text = text;
    this.#timer = setInterval(() => this.#renew(), RENEW_MS).unref();
    held.add(path);
  }

  /**
   * Makes the directory where it is missing, and takes it. A lock whose holder is gone is taken over.
   * @throws {UsageError} when another process has it. {@link FileWriteError} when the lock cannot be written.
   */
  static async take(directory: string, options: LockOptions = {}): Promise<DirectoryLock> {
    const path = join(resolve(directory), 'lock');
    if (held.has(path)) throw new UsageError(`this process has ${directory} open already`);
    const text = JSON.stringify(ownLock());
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fileWriteError(directory, error);
    }
    for (;;) {
      try {
        writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
        return new DirectoryLock(path, text);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileWriteError(path, error);
      }
      const found = readOrNull(path);
      if (found === null) continue;
      await assertAbandoned(path, directory, found, options);
      removeIfSame(path, found);
    }
  }

  /** @throws {UsageError} when another process has taken the directory meanwhile, which took this one for dead. */
  assertHeld(): void {
    if (!this.#isLost && readOrNull(this.#path) !== this.#text) this.#isLost = true;
    if (this.#isLost) throw new UsageError(`${this.#path} belongs to another process now: this one must end`);
  }

  #renew(): void {
    try {
      this.assertHeld();
      // In place: the content is the same, the time of change is new.
      writeFileSync(this.#path, this.#text, { flag: 'r+' });
    } catch {
      // Lost, which the next use says, or a disk that fails, which writing the state says.
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    held.delete(this.#path);
    if (readOrNull(this.#path) === this.#text) rmSync(this.#path, { force: true });
  }
}

async function assertAbandoned(
  path: string,
  directory: string,
  found: string,
  { onWait, watchMs = WATCH_MS }: LockOptions,
): Promise<void> {
  const holder = parseHolder(found);
  const isAlive = holder === null ? false : stateOf(holder, path);
  if (isAlive === false) return;
  const taken = () =>
    new UsageError(`process ${holder?.pid} has ${directory} (the lock ${path}): stop it first`);
  if (isAlive === true) throw taken();
  onWait?.(`${path} is of a process that cannot be seen from here: watching whether it is still renewed`);
  const before = changedAt(path);
  for (let waited = 0; waited < watchMs; waited += WATCH_STEP_MS) {
    await pause(WATCH_STEP_MS);
    if (changedAt(path) !== before) {
      if (readOrNull(path) === null) return;
      throw taken();
    }
  }
}

/** True when the holder lives, false when it is gone, undefined when that cannot be told from here. */
function stateOf(holder: Holder, path: string): boolean | undefined {
  const { pid, started, where } = holder;
  const own = ownLock();
  if (where === '') return olderLockState(pid, path);
  // This process holds no lock here (`held`), so a lock with its number is of an earlier one.
  if (where === own.where) return pid !== process.pid && startOf(pid) === started;
  return undefined;
}

/** Of a lock with a number alone: of an earlier version, or of a system that tells no more. */
function olderLockState(pid: number, path: string): boolean | undefined {
  // Number 1 of a container: were it another living authority's, this process would be in its container, which runs one.
  if (pid === process.pid || pid === 1 || !isRunning(pid)) return false;
  const started = startSeconds(pid);
  // A process that is younger than the lock has only inherited its number.
  if (started !== undefined && started > statSync(path).mtimeMs / 1000 + 1) return false;
  return started === undefined ? undefined : true;
}

function ownLock(): Holder {
  const token = randomBytes(8).toString('hex');
  return { pid: process.pid, started: startOf(process.pid) ?? '', where: placeOf(), token };
}

/** Start of the system and the name space of process numbers: within both, a number and its start name one process. */
function placeOf(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** Field 22 of /proc/PID/stat: counted from behind the name, which may hold anything. Undefined without such a process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Seconds since 1970 at which a process started; a tick is a hundredth of a second on every system that Node supports. */
function startSeconds(pid: number): number | undefined {
  const ticks = startOf(pid);
  if (ticks === undefined) return undefined;
  const boot = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  return boot === undefined ? undefined : Number(boot) + Number(ticks) / 100;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Null for a text that no version wrote, such as half of one from a full disk. */
function parseHolder(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'number')
      return Number.isSafeInteger(value) && value > 0
        ? { pid: value, started: '', where: '', token: '' }
        : null;
    const { pid, started, where, token } = value as Holder;
    if (!Number.isSafeInteger(pid) || pid < 1) return null;
    return { pid, started: String(started), where: String(where), token: String(token) };
  } catch {
    return null;
  }
}

/** Of several newcomers one removes the lock; what another has made meanwhile stays. */
function removeIfSame(path: string, found: string): void {
  if (readOrNull(path) !== found) return;
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (readOrNull(aside) === found) rmSync(aside, { force: true });
  else renameSync(aside, path);
}

function changedAt(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
