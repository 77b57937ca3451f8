/** An owner's file on a disk that takes no more: what was there stays, nothing half written is left, and the error says why. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { EncryptedFile, writeEncryptedFile } from '../../../src/apps/cryptonn/encrypted-file.ts';
import type { FileCalls } from '../../../src/apps/keystore/atomic-file.ts';
import { DataError } from '../../../src/base/errors.ts';
import { PROJECTED } from './authority-world.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-owner-'));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'ann.enc');
const batch = (index: number) => new Uint8Array(1000).fill(index);

/** A disk whose k-th write, flush or rename fails; `calls` counts them. */
function fullDisk(k: number) {
  let calls = 0;
  const take = () => {
    if (++calls === k)
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC', syscall: 'write' });
  };
  const disk: FileCalls = {
    async open(name, flags, mode) {
      const file = await open(name, flags, mode);
      return {
        async writeFile(data: Parameters<typeof file.writeFile>[0]) {
          take();
          await file.writeFile(data);
        },
        async sync() {
          take();
          await file.sync();
        },
        close: () => file.close(),
      };
    },
    async rename(from, to) {
      take();
      await rename(from, to);
    },
    unlink,
  };
  return { disk, count: () => calls };
}

test('every write that can fail: the old file stays as it was, and nothing else is left', async () => {
  const whole = fullDisk(Number.POSITIVE_INFINITY);
  await writeEncryptedFile(path, PROJECTED, 'ann', 3, batch, whole.disk);
  const before = readFileSync(path);
  // The header, and for each of three batches its record and its bytes; the flush, the rename, the flush of the directory.
  expect(whole.count()).toBe(1 + 2 * 3 + 3);
  for (let k = 1; k < whole.count(); k++) {
    const { disk } = fullDisk(k);
    const failed = writeEncryptedFile(path, PROJECTED, 'bob', 2, batch, disk).catch(
      (error: unknown) => error,
    );
    if (k > 1 + 2 * 2 + 3) {
      // Two batches make fewer calls: this disk was large enough.
      expect(await failed).toBeUndefined();
      continue;
    }
    const error = await failed;
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(
      /cannot write .*ann\.enc \(ENOSPC\): nothing half written is left/,
    );
    if (k < 1 + 2 * 2 + 3) expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(directory)).toEqual(['ann.enc']);
  }
  await using file = await EncryptedFile.open(path);
  expect(file.header).toMatchObject({ owner: 'bob', batches: 2 });
  expect(await file.batch(1)).toEqual(batch(1));
});
