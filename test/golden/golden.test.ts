/**
 * Frozen files load for ever: every file in this folder is read and written again to the same bytes. A format that changes gets a new
 * version and a new file beside the old one. `SUBROSA_GOLDEN=write` writes files that are missing, and never over one that is there.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SubrosaError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { BgvCiphertext } from '../../src/schemes/bgv/ciphertext.ts';
import { CkksCiphertext } from '../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { INSECURE_TINY, maxDifference, testValues } from '../schemes/ckks/insecure-params.ts';
import { type FrozenContexts, frozenObjects, openFrozen } from './frozen-objects.ts';
import type { FrozenObject } from './frozen-object.ts';
import { FROZEN_INPUTS, FROZEN_WEIGHTS, frozenName } from './frozen-learning.ts';
import { FROZEN_INTEGERS } from './frozen-schemes.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const pathOf = (name: string): string => join(folder, `${name}.bin`);
const read = (name: string): Uint8Array => Uint8Array.from(readFileSync(pathOf(name)));
const MAX_BYTES = 300_000;

let kernel: Kernel;
let contexts: FrozenContexts;
let objects: FrozenObject[];

beforeAll(async () => {
  kernel = await openKernel({ onFallback: () => undefined });
  contexts = await openFrozen(kernel, (options) =>
    CkksContext.open(CkksParams.create(INSECURE_TINY), options),
  );
  objects = frozenObjects(contexts);
  if (process.env['SUBROSA_GOLDEN'] !== 'write') return;
  for (const { name, make } of objects) {
    if (!existsSync(pathOf(name))) writeFileSync(pathOf(name), await make());
  }
});

afterAll(() => {
  for (const context of Object.values(contexts)) context[Symbol.dispose]();
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

test('there is a file for every object, an object for every file, and little of them', () => {
  const files = readdirSync(folder).filter((file) => file.endsWith('.bin'));
  expect(files.sort()).toEqual(objects.map(({ name }) => `${name}.bin`).sort());
  const bytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  expect(bytes).toBeLessThan(MAX_BYTES);
});

test('every file loads and is written again to the same bytes, or those of the newer version', async () => {
  for (const { name, roundTrip, writtenAs } of objects) {
    const isSame = Buffer.compare(await roundTrip(read(name)), read(writtenAs ?? name)) === 0;
    expect({ name, isSame }).toEqual({
      name,
      isSame: true,
    });
  }
});

test('a file that is damaged is refused or comes back as another (positive control)', async () => {
  for (const { name, roundTrip } of objects) {
    const bytes = read(name);
    const cut = bytes.subarray(0, bytes.length - 1);
    let outcome: string;
    try {
      outcome = Buffer.compare(await roundTrip(cut), bytes) === 0 ? 'the same' : 'another';
    } catch (error) {
      expect(error).toBeInstanceOf(SubrosaError);
      outcome = 'refused';
    }
    expect({ name, outcome }).not.toEqual({ name, outcome: 'the same' });
  }
});

test('the frozen secret keys decrypt the frozen ciphertexts', () => {
  const { ckks, bgv } = contexts;
  using arena = ckks.arena();
  using secret = SecretKey.fromSecretBytes(ckks, read('ckks-secret-key.v1'));
  const decrypted = (name: string) =>
    ckks
      .encoder(arena)
      .decode(ckks.decryptor(secret, arena).decrypt(CkksCiphertext.fromBytes(ckks, read(name), arena)));
  const values = testValues(ckks.params.slots, 1);
  expect(maxDifference(decrypted('ckks-seeded-ciphertext.v1'), values)).toBeLessThan(2 ** -20);
  const squares = values.map((value) => value * value);
  expect(maxDifference(decrypted('ckks-three-part-ciphertext.v1'), squares)).toBeLessThan(2 ** -16);
  using integerArena = bgv.arena();
  using key = SecretKey.fromSecretBytes(bgv, read('bgv-secret-key.v1'));
  const integers = (name: string) =>
    [
      ...bgv
        .encoder(integerArena)
        .decode(
          bgv.decryptor(key, integerArena).decrypt(BgvCiphertext.fromBytes(bgv, read(name), integerArena)),
        ),
    ].slice(0, FROZEN_INTEGERS.length);
  expect(integers('bgv-seeded-ciphertext.v1')).toEqual(FROZEN_INTEGERS);
  const { t } = bgv.params;
  const agrees = integers('bgv-product.v1').every((value, i) => (value - FROZEN_INTEGERS[i]! ** 2) % t === 0);
  expect(agrees).toBe(true);
});

test('the frozen function keys open the frozen ciphertexts', () => {
  for (const scheme of [contexts.lattice, contexts.ddh]) {
    const frozen = (object: string) => read(frozenName(scheme, object));
    using ciphertext = scheme.ciphertextFromBytes(frozen('ciphertext'));
    using keys = scheme.functionKeysFromBytes(frozen('function-keys'));
    const expected = FROZEN_WEIGHTS[0]! * FROZEN_INPUTS[0]!;
    expect([...scheme.decrypt(ciphertext, keys, FROZEN_WEIGHTS)]).toEqual([expected]);
    using secret = scheme.secretKeyFromBytes(frozen('secret-key'));
    using again = scheme.deriveKeys(secret, FROZEN_WEIGHTS);
    expect(Buffer.compare(again.toBytes(), keys.toBytes())).toBe(0);
  }
});
