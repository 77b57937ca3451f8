/** Enrolled keys on disk: whole or not at all, for nobody else's eyes, and never trusted because they are there. */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { modelName, tenantId } from '../../../src/protocols/inference/names.ts';
import { KeyFolder, type KeyFolderOptions } from '../../../src/apps/server/keys/key-folder.ts';
import { idOf, keysFor } from './fake-thread.ts';

let root = '';
let directory = '';
const folders: KeyFolder[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'subrosa-keys-'));
  directory = join(root, 'keys');
});
afterEach(() => {
  for (const folder of folders.splice(0)) folder[Symbol.dispose]();
  rmSync(root, { recursive: true });
});

async function opened(options: Partial<KeyFolderOptions> = {}): Promise<KeyFolder> {
  for (const folder of folders.splice(0)) folder[Symbol.dispose]();
  const folder = await KeyFolder.open(directory, { keptDays: 90, ...options });
  folders.push(folder);
  return folder;
}

const MODEL = modelName('digits');
const tenant = tenantId(randomBytes(32).toString('hex'));
const keysOf = (message: Uint8Array) => ({
  ...{ principal: 'a partner', tenant, model: MODEL, keyId: idOf(message), bytes: message.length },
});
const fileNames = () => readdirSync(directory).filter((name) => name !== 'lock');
const onlyFile = () => join(directory, fileNames()[0]!);

test('what was put is there after a restart, with whose it is', async () => {
  const message = keysFor(1, 7);
  await (await opened()).put(keysOf(message), message);
  const again = await opened();
  expect(again.held).toEqual([keysOf(message)]);
  expect(await again.read(tenant, MODEL, idOf(message))).toEqual(Buffer.from(message));
  const stranger = tenantId(randomBytes(32).toString('hex'));
  expect(await again.read(stranger, MODEL, idOf(message))).toBe(null);
  again.remove(tenant, MODEL, idOf(message));
  expect(await again.read(tenant, MODEL, idOf(message))).toBe(null);
  expect(fileNames()).toEqual([]);
});

test('files and folder are private, and their names tell nothing', async () => {
  const message = keysFor(1, 7);
  await (await opened()).put(keysOf(message), message);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(onlyFile()).mode & 0o777).toBe(0o600);
  expect(fileNames()[0]).toMatch(/^[0-9a-f]{32}\.keys$/);
  expect(fileNames()[0]).not.toContain(tenant.slice(0, 16));
  expect(fileNames()[0]).not.toContain(idOf(message).slice(0, 16));
});

test('a folder that others may read is refused', async () => {
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  await expect(KeyFolder.open(directory, { keptDays: 90 })).rejects.toThrow(/mode 0755.*chmod 700/);
  chmodSync(directory, 0o700);
  await opened();
});

test('one process at a time', async () => {
  await opened();
  await expect(KeyFolder.open(directory, { keptDays: 90 })).rejects.toMatchObject({ code: 'usage' });
});

test('a changed byte of the header, a longer and a shorter file are no keys; the rest of the folder stays', async () => {
  const message = keysFor(1, 7);
  await (await opened()).put(keysOf(message), message);
  const path = onlyFile();
  const whole = readFileSync(path);
  writeFileSync(join(directory, 'notes.txt'), 'mine');
  const headerEnd = whole.length - message.length;
  for (let at = 0; at < headerEnd; at += 5) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1;
    writeFileSync(path, changed);
    const notes: string[] = [];
    expect((await opened({ onNote: (note) => notes.push(note) })).held, `byte ${at}`).toEqual([]);
    expect(notes.join()).toContain('1 damaged');
    expect(existsSync(path)).toBe(false);
  }
  for (const wrong of [
    whole.subarray(0, -1),
    Buffer.concat([whole, whole]),
    whole.subarray(0, 3),
    Buffer.alloc(0),
  ]) {
    writeFileSync(path, wrong);
    expect((await opened()).held).toEqual([]);
  }
  expect(fileNames()).toEqual(['notes.txt']);
  // The check can be passed.
  writeFileSync(path, whole);
  expect((await opened()).held).toHaveLength(1);
});

test('a file under the name of other keys is not theirs', async () => {
  const [mine, other] = [keysFor(1, 7), keysFor(1, 8)];
  const folder = await opened();
  await folder.put(keysOf(mine), mine);
  const path = onlyFile();
  const bytes = readFileSync(path);
  await folder.put(keysOf(other), other);
  const second = fileNames().find((name) => join(directory, name) !== path)!;
  writeFileSync(join(directory, second), bytes);
  expect(await folder.read(tenant, MODEL, idOf(other))).toBe(null);
});

test('what a killed process left half written goes, as do keys that nobody used', async () => {
  const [used, unused] = [keysFor(1, 7), keysFor(1, 8)];
  const folder = await opened();
  await folder.put(keysOf(unused), unused);
  const old = onlyFile();
  await folder.put(keysOf(used), used);
  const hundredDaysAgo = Date.now() / 1000 - 100 * 86_400;
  utimesSync(old, hundredDaysAgo, hundredDaysAgo);
  const half = join(directory, `${'ab'.repeat(16)}.keys.0123456789ab.tmp`);
  writeFileSync(half, 'half');
  expect((await opened()).held.map(({ keyId }) => keyId)).toEqual([idOf(used)]);
  expect([existsSync(half), existsSync(old)]).toEqual([false, false]);
});

test('the longest unused come first', async () => {
  const messages = [1, 2, 3].map((fill) => keysFor(1, fill));
  const folder = await opened();
  for (const [i, message] of messages.entries()) {
    const before = new Set(fileNames());
    await folder.put(keysOf(message), message);
    const file = fileNames().find((name) => !before.has(name))!;
    const at = Date.now() / 1000 - [200, 300, 100][i]!;
    utimesSync(join(directory, file), at, at);
  }
  const order = (await opened()).held.map(({ keyId }) => messages.findIndex((each) => idOf(each) === keyId));
  expect(order).toEqual([1, 0, 2]);
});

test('a full disk is named, leaves nothing, and is over when it is over', async () => {
  let isFull = true;
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  const calls = {
    rename,
    unlink,
    open: async (path: string, flags: string, mode?: number) => {
      const file = await open(path, flags, mode);
      if (!isFull) return file;
      return {
        writeFile: async () => {
          throw full;
        },
        sync: () => file.sync(),
        close: () => file.close(),
      };
    },
  };
  const folder = await opened({ calls });
  const message = keysFor(1, 7);
  await expect(folder.put(keysOf(message), message)).rejects.toMatchObject({
    code: 'file',
    details: { system: 'ENOSPC' },
  });
  expect(fileNames()).toEqual([]);
  isFull = false;
  await folder.put(keysOf(message), message);
  expect(await folder.read(tenant, MODEL, idOf(message))).toEqual(Buffer.from(message));
});
