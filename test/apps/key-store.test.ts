import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeyFileError } from '../../src/base/errors.ts';
import type { FileCalls } from '../../src/apps/keystore/atomic-file.ts';
import { KeyStore, keyDirectory } from '../../src/apps/keystore/key-store.ts';
import { openSecret, sealSecret } from '../../src/apps/keystore/sealed-box.ts';

/** Microseconds per guess: never outside tests; the production store refuses such files (tested below). */
const INSECURE_COST = { logN: 4, r: 1, p: 1 };
const subject = { server: 'http://127.0.0.1:8414', model: 'digits', paramsId: 'ab'.repeat(32) };
const keys = (keyId: string | null = 'cd'.repeat(32)) => ({
  secret: randomBytes(200),
  token: randomBytes(32),
  keyId,
  anomalies: 3,
});

let directory = '';
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'subrosa-keys-')), 'keys');
});
afterEach(() => rm(join(directory, '..'), { recursive: true }));

const cheap = (calls?: FileCalls) =>
  new KeyStore(directory, { cost: INSECURE_COST, ...(calls && { calls }) });

describe('saving and loading', () => {
  test('round trip, private modes, nothing else in the directory', async () => {
    const store = cheap();
    expect(await store.load(subject, 'x')).toBeNull();
    for (const saved of [keys(), keys(null)]) {
      await store.save(subject, 'correct horse', saved);
      const loaded = await store.load(subject, 'correct horse');
      expect(loaded).toMatchObject({ keyId: saved.keyId, anomalies: 3 });
      expect(Buffer.from(loaded?.secret ?? [])).toEqual(saved.secret);
      expect(Buffer.from(loaded?.token ?? [])).toEqual(saved.token);
    }
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(store.path(subject))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toHaveLength(1);
  });

  test('the secret, the token and the passphrase are not in the file', async () => {
    const saved = keys();
    await cheap().save(subject, 'correct horse', saved);
    const file = await readFile(cheap().path(subject));
    for (const secret of [saved.secret.subarray(0, 16), saved.token, Buffer.from('correct horse')]) {
      expect(file.includes(secret)).toBe(false);
    }
    expect(Buffer.concat([file, saved.token]).includes(saved.token)).toBe(true);
  });

  test('each server, model and parameter set has its own file', async () => {
    const store = cheap();
    const others = [
      subject,
      { ...subject, server: 'https://a' },
      { ...subject, model: 'b' },
      { ...subject, paramsId: 'c' },
    ];
    expect(new Set(others.map((other) => store.path(other))).size).toBe(4);
    await store.save(subject, 'p', keys());
    const moved = store.path({ ...subject, server: 'https://a' });
    await rename(store.path(subject), moved);
    await expect(store.load({ ...subject, server: 'https://a' }, 'p')).rejects.toThrow(/belongs to another/);
  });

  test('production cost: works, and refuses files made cheaper', async () => {
    const store = new KeyStore(directory);
    await store.save(subject, 'p', keys());
    expect(await store.load(subject, 'p')).not.toBeNull();
    await cheap().save(subject, 'p', keys());
    await expect(store.load(subject, 'p')).rejects.toThrow(/scrypt cost/);
  });

  test('where the directory is', () => {
    expect(keyDirectory({ SUBROSA_HOME: '/x' })).toBe(join('/x', 'keys'));
    expect(keyDirectory({ XDG_CONFIG_HOME: '/y' })).toBe(join('/y', 'subrosa', 'keys'));
    expect(keyDirectory({})).toMatch(/\.config.subrosa.keys$/);
  });
});

describe('what must be refused', () => {
  test('a wrong passphrase', async () => {
    await cheap().save(subject, 'right', keys());
    await expect(cheap().load(subject, 'wrong')).rejects.toThrow(KeyFileError);
    await expect(cheap().load(subject, 'wrong')).rejects.toThrow(/passphrase is wrong/);
  });

  test('loose modes on the file or its directory, and links', async () => {
    const store = cheap();
    await store.save(subject, 'p', keys());
    await chmod(store.path(subject), 0o644);
    await expect(store.load(subject, 'p')).rejects.toThrow(/mode 0644/);
    await chmod(store.path(subject), 0o600);
    await chmod(directory, 0o755);
    await expect(store.load(subject, 'p')).rejects.toThrow(/mode 0755/);
    await expect(store.save(subject, 'p', keys())).rejects.toThrow(/mode 0755/);
    await chmod(directory, 0o700);
    const elsewhere = join(directory, 'elsewhere');
    await rename(store.path(subject), elsewhere);
    await symlink(elsewhere, store.path(subject));
    await expect(store.load(subject, 'p')).rejects.toThrow(/not a key file/);
  });

  test('10,000 single bit flips, truncations and extensions', async () => {
    const label = 'l';
    const file = await sealSecret(randomBytes(100), label, 'p', INSECURE_COST);
    const refused = async (bytes: Uint8Array) => {
      const outcome = await openSecret(bytes, label, 'p', INSECURE_COST).catch((error: unknown) => error);
      return outcome instanceof KeyFileError;
    };
    expect(await refused(file)).toBe(false);
    let missed = 0;
    for (let i = 0; i < 10_000; i++) {
      const at = createHash('sha256').update(`flip ${i}`).digest().readUInt32LE(0) % (8 * file.length);
      // One flip asks for 128 MiB per guess, which is legal, slow, and fails at the MAC like its neighbours.
      if (at === 5 * 8 + 4) continue;
      const flipped = Uint8Array.from(file);
      flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7));
      if (!(await refused(flipped))) missed++;
    }
    for (let length = 0; length < file.length; length++) {
      if (!(await refused(file.subarray(0, length)))) missed++;
    }
    if (!(await refused(Uint8Array.from([...file, 0])))) missed++;
    expect(missed).toBe(0);
  });
});

describe('faults of the disk', () => {
  /** The real calls, of which the k-th fails as on a full disk. */
  function failing(k: number): { calls: FileCalls; count: () => number } {
    let calls = 0;
    const step = () => {
      if (++calls === k) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    };
    const file: FileCalls = {
      open: async (path, flags, mode) => {
        step();
        const handle = await open(path, flags, mode);
        return {
          writeFile: async (bytes) => {
            await handle.writeFile((bytes as Uint8Array).subarray(0, 10));
            step();
            await handle.writeFile((bytes as Uint8Array).subarray(10));
          },
          sync: async () => {
            step();
            await handle.sync();
          },
          close: () => handle.close(),
        };
      },
      rename: async (from, to) => {
        step();
        await rename(from, to);
      },
      unlink,
    };
    return { calls: file, count: () => calls };
  }

  test('every call fails once: the old keys or the new, never a mixture, no temporary file', async () => {
    const old = keys('11'.repeat(8));
    const next = keys('22'.repeat(8));
    await cheap().save(subject, 'p', old);
    for (let k = 1; ; k++) {
      const { calls, count } = failing(k);
      const saved = await cheap(calls)
        .save(subject, 'p', next)
        .then(
          () => null,
          (error: unknown) => error,
        );
      const found = await cheap().load(subject, 'p');
      expect([old.keyId, next.keyId]).toContain(found?.keyId);
      expect(await readdir(directory)).toHaveLength(1);
      if (saved === null) {
        expect(found?.keyId).toBe(next.keyId);
        expect(count()).toBe(k - 1);
        break;
      }
      expect(saved).toBeInstanceOf(KeyFileError);
      expect((saved as KeyFileError).message).toContain('ENOSPC');
      await cheap().save(subject, 'p', old);
    }
  });

  test('a directory that cannot be made', async () => {
    await writeFile(directory, 'a file is in the way');
    await expect(cheap().save(subject, 'p', keys())).rejects.toThrow(KeyFileError);
    await expect(cheap().load(subject, 'p')).rejects.toThrow(KeyFileError);
  });
});
