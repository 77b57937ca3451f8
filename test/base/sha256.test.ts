import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { expect, test, vi } from 'vitest';
import { sha256Digest } from '../../src/base/sha256.ts';

test('the digest of "abc" is that of FIPS 180-4, example B.1', () => {
  expect(bytesToHex(sha256Digest(utf8ToBytes('abc')))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

test('digests are the same where there is no Node, of views and of shared memory', async () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(1000)).map((_, i) => i).subarray(3, 777);
  const here = sha256Digest(bytes);
  expect(bytesToHex(here)).toBe(bytesToHex(sha256(bytes)));
  vi.stubGlobal('process', undefined);
  vi.resetModules();
  try {
    const elsewhere = await import('../../src/base/sha256.ts');
    expect(bytesToHex(elsewhere.sha256Digest(bytes))).toBe(bytesToHex(here));
  } finally {
    vi.unstubAllGlobals();
  }
});
