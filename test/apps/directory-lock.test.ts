/** One process at a time in a directory, in containers and after crashes too. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { DirectoryLock } from '../../src/apps/keystore/directory-lock.ts';
import { FileWriteError, UsageError } from '../../src/base/errors.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-lock-'));
const path = join(directory, 'lock');
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});
beforeEach(() => rmSync(path, { force: true }));

/** What a lock of this process looks like. */
async function ownText(): Promise<{ pid: number; started: string; where: string; token: string }> {
  using _lock = await DirectoryLock.take(directory);
  return JSON.parse(readFileSync(path, 'utf8'));
}

async function takes(options = {}): Promise<boolean> {
  try {
    using lock = await DirectoryLock.take(directory, options);
    lock.assertHeld();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return false;
  }
}

const isLinux = existsSync('/proc/self/stat');

describe('a lock that was left behind does not block', () => {
  test.each([
    ["with this process's own number, as every restart of a container finds it", String(process.pid)],
    ['with number 1, of a container that had its authority as its first process', '1'],
    ['with a number that no process has', '4194303999'],
    ['cut short by a full disk', '{"pid":'],
    ['empty', ''],
  ])('%s', async (_name, text) => {
    writeFileSync(path, text);
    expect(await takes()).toBe(true);
    expect(existsSync(path)).toBe(false);
  });

  test.runIf(isLinux)('of a process whose number another has now', async () => {
    const own = await ownText();
    for (const pid of [process.pid, process.ppid]) {
      writeFileSync(path, JSON.stringify({ ...own, pid, started: '7' }));
      expect(await takes()).toBe(true);
    }
    // The same without a start in the lock: the process is younger than the lock.
    writeFileSync(path, String(process.ppid));
    utimesSync(path, 1000, 1000);
    expect(await takes()).toBe(true);
  });

  test('from another container or machine, once it is seen that nobody renews it', async () => {
    const own = await ownText();
    writeFileSync(path, JSON.stringify({ ...own, pid: 1, where: 'elsewhere pid:[1]' }));
    const said: string[] = [];
    expect(await takes({ watchMs: 500, onWait: (line: string) => said.push(line) })).toBe(true);
    expect(said).toHaveLength(1);
  });
});

describe('a lock that is held', () => {
  test('is respected in the same process, and given back', async () => {
    {
      using _lock = await DirectoryLock.take(directory);
      expect(await takes()).toBe(false);
    }
    expect(await takes()).toBe(true);
  });

  test.runIf(isLinux)('by a living process of this machine is respected at once', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    children.push(child);
    await new Promise((resolve) => child.once('spawn', resolve));
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    writeFileSync(path, JSON.stringify({ ...(await ownText()), pid: child.pid, started }));
    expect(await takes()).toBe(false);
    // As earlier versions wrote it.
    writeFileSync(path, `${child.pid}\n`);
    expect(await takes()).toBe(false);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    expect(await takes()).toBe(true);
  });

  test('from elsewhere is respected while it is renewed', async () => {
    const text = JSON.stringify({ ...(await ownText()), pid: 1, where: 'elsewhere pid:[1]' });
    writeFileSync(path, text);
    const renewing = setInterval(() => writeFileSync(path, text), 50);
    try {
      expect(await takes({ watchMs: 5000 })).toBe(false);
    } finally {
      clearInterval(renewing);
    }
  });

  test('and was taken by another process meanwhile is used no more', async () => {
    using lock = await DirectoryLock.take(directory);
    lock.assertHeld();
    writeFileSync(path, '{"pid":12345}');
    expect(() => lock.assertHeld()).toThrow(UsageError);
    lock[Symbol.dispose]();
    expect(readFileSync(path, 'utf8')).toContain('12345');
  });

  test('where nothing can be written, the error names the file', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    await expect(DirectoryLock.take(file)).rejects.toThrow(FileWriteError);
  });
});
