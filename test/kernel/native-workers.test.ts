/** Worker threads that end while the addon works for them, and memory that another thread could change meanwhile. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { KernelError, ShapeError } from '../../src/base/errors.ts';
import { loadNativeAddon } from '../../src/kernel/native/native-addon.ts';

const [script, path] = ['terminate-workers.mjs', '../../build/Release/subrosa.node'].map((file) =>
  fileURLToPath(new URL(file, import.meta.url)),
) as [string, string];
/** Of each kind of work: the addon that used to abort did so within these in every one of five runs. */
const WORKERS = 12;

describe.skipIf(!existsSync(path))('the addon', () => {
  it('outlives worker threads that end at any moment', { timeout: 240_000 }, () => {
    expect(execFileSync(process.execPath, [script, path, `${WORKERS}`], { encoding: 'utf8' })).toBe(
      'survived',
    );
  });

  it('refuses memory that another thread could change', () => {
    const raw = createRequire(import.meta.url)(path) as Record<string, (...args: unknown[]) => unknown>;
    const words = new BigUint64Array(new SharedArrayBuffer(8 * 8));
    expect(() => raw.packBits!(new Uint8Array(64), words, 64)).toThrow(
      /not shared but is over a SharedArrayBuffer/,
    );
    expect(() => raw.packBits!(new Uint8Array(new SharedArrayBuffer(64)), new BigUint64Array(8), 64)).toThrow(
      /not shared/,
    );
  });

  it('refuses memory that can shrink', () => {
    const addon = loadNativeAddon() as unknown as Record<string, (...args: unknown[]) => unknown>;
    const Resizable = ArrayBuffer as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
    const bytes = new Uint8Array(new Resizable(64, { maxByteLength: 128 }));
    expect(() => addon.packBits!(bytes, new BigUint64Array(8), 64)).toThrow(ShapeError);
    expect(() => addon.packBits!(new Uint8Array(64), new BigUint64Array(8), 64)).not.toThrow();
  });

  it('gives back a block that Node makes no buffer of', () => {
    const addon = loadNativeAddon();
    const allocate = addon.allocate as (words: number) => { buffer: ArrayBuffer; handle: object };
    const release = addon.release as (buffer: ArrayBuffer, handle: object) => void;
    // 8 GiB that nobody touches: over the longest buffer of Node 20, within that of later versions.
    for (let i = 0; i < 20; i++) {
      try {
        const { buffer, handle } = allocate(2 ** 30);
        release(buffer, handle);
      } catch (error) {
        expect(error).toBeInstanceOf(KernelError);
      }
    }
  });
});
