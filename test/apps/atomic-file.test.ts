import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { replaceFile, replaceFileSync } from '../../src/apps/keystore/atomic-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-atomic-'));
afterAll(() => rmSync(directory, { recursive: true }));
const at = (...names: string[]) => join(directory, ...names);
const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  ['waiting', async (path: string, text: string) => replaceFile(path, bytes(text)), 0o600],
  [
    'at once',
    async (path: string, text: string) => replaceFileSync(path, bytes(text)),
    0o666 & ~process.umask(),
  ],
  ['at once, of text', async (path: string, text: string) => replaceFileSync(path, text), undefined],
] as const)(
  '%s: the new content, nothing beside it; a failure leaves the old',
  async (name, replace, mode) => {
    mkdirSync(at(name));
    const path = at(name, 'x');
    await replace(path, 'the first content');
    await replace(path, 'second');
    expect(readFileSync(path, 'utf8')).toBe('second');
    if (mode !== undefined) expect(statSync(path).mode & 0o777).toBe(mode);
    await expect(replace(at(name, 'none', 'x'), '')).rejects.toMatchObject({
      code: 'file',
      details: { system: 'ENOENT' },
    });
    // What cannot be replaced by a file: found only when everything is written.
    mkdirSync(at(name, 'folder'));
    writeFileSync(at(name, 'folder', 'kept'), '');
    await expect(replace(at(name, 'folder'), 'third')).rejects.toThrow(
      /folder \((EISDIR|ENOTEMPTY|EEXIST)\)/,
    );
    expect(readdirSync(at(name)).sort()).toEqual(['folder', 'x']);
    expect(readdirSync(at(name, 'folder'))).toEqual(['kept']);
  },
);
