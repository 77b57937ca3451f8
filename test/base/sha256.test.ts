import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { expect, test, vi } from 'vitest';
import { sha256Digest, sha256Mac } from '../../src/base/sha256.ts';

test('the digest of "abc" is that of FIPS 180-4, example B.1', () => {
  expect(bytesToHex(sha256Digest(utf8ToBytes('abc')))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

test('the code of "what do ya want for nothing?" under "Jefe" is that of RFC 4231, section 4.3', () => {
  expect(bytesToHex(sha256Mac(utf8ToBytes('Jefe'), utf8ToBytes('what do ya want for nothing?')))).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
});

test('digests and codes are the same where there is no Node, of views and of shared memory', async () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(1000)).map((_, i) => i).subarray(3, 777);
  const here = sha256Digest(bytes);
  const code = sha256Mac(here, bytes);
  expect(bytesToHex(here)).toBe(bytesToHex(sha256(bytes)));
  expect(bytesToHex(code)).toBe(bytesToHex(hmac(sha256, here, bytes)));
  vi.stubGlobal('process', undefined);
  vi.resetModules();
  try {
    const elsewhere = await import('../../src/base/sha256.ts');
    expect(bytesToHex(elsewhere.sha256Digest(bytes))).toBe(bytesToHex(here));
    expect(bytesToHex(elsewhere.sha256Mac(here, bytes))).toBe(bytesToHex(code));
  } finally {
    vi.unstubAllGlobals();
  }
});
