/** Bytes of TFHE objects: there and back, frozen, and hostile. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DecodeError, ParamsMismatchError } from '../../../src/base/errors.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import {
  TfheCiphertext,
  TfheEvaluationKeys,
  TfheEvaluator,
  TfhePackedCiphertext,
  TfheSecretKey,
  unpack,
} from '../../../src/schemes/tfhe/index.ts';
import { openToy, type Toy, TOY_FOUR, TOY_SIXTEEN } from './toy.ts';

let kernel: Kernel;
let toy: Toy;
let other: Toy;
const FACTS = { min: 0, max: 3, variance: 1e-12 };

beforeAll(async () => {
  kernel = await openKernel();
  toy = await openToy(TOY_FOUR, kernel, 'wire');
  other = await openToy(TOY_SIXTEEN, kernel, 'other');
});
afterAll(() => {
  for (const part of [toy, other, kernel]) part[Symbol.dispose]();
});

test('a server that has only bytes computes, and the owner reads the answer', () => {
  const keys = TfheEvaluationKeys.fromBytes(toy.context, toy.keys.toBytes());
  const packed = TfhePackedCiphertext.fromBytes(
    toy.context,
    TfhePackedCiphertext.toBytes(toy.context, toy.encryptor.encrypt([3, 0, 2])),
  );
  const server = new TfheEvaluator(toy.context, keys);
  const answers = server
    .lookupAll(unpack(toy.context, packed), [1, 2, 3, 0])
    .map((each) => TfheCiphertext.fromBytes(toy.context, TfheCiphertext.toBytes(toy.context, each), FACTS));
  const secret = TfheSecretKey.fromSecretBytes(toy.context, toy.secret.exportSecretBytes());
  expect(toy.decrypt(answers)).toEqual([0, 1, 3]);
  keys[Symbol.dispose]();
  secret[Symbol.dispose]();
});

test('frozen bytes', () => {
  const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  expect([digest(toy.secret.exportSecretBytes()), digest(toy.keys.toBytes())]).toEqual([
    '58bf5ce1edbb57f1',
    'd40cf9174a70f147',
  ]);
});

describe('hostile bytes', () => {
  const readers = (): [string, Uint8Array, (bytes: Uint8Array) => unknown][] => {
    const { context } = toy;
    const packed = toy.encryptor.encrypt([1]);
    return [
      [
        'a secret key',
        toy.secret.exportSecretBytes(),
        (bytes) => TfheSecretKey.fromSecretBytes(context, bytes),
      ],
      ['evaluation keys', toy.keys.toBytes(), (bytes) => TfheEvaluationKeys.fromBytes(context, bytes)],
      [
        'packed',
        TfhePackedCiphertext.toBytes(context, packed),
        (bytes) => TfhePackedCiphertext.fromBytes(context, bytes),
      ],
      [
        'a ciphertext',
        TfheCiphertext.toBytes(context, unpack(context, packed)[0]!),
        (bytes) => TfheCiphertext.fromBytes(context, bytes, FACTS),
      ],
    ];
  };

  test('cut short, too long, another kind, residues beyond the prime', () => {
    const all = readers();
    for (const [name, bytes, read] of all) {
      for (const length of [0, 7, 47, 48, bytes.length - 1])
        expect(() => read(bytes.subarray(0, length)), `${name}, ${length} bytes`).toThrow(DecodeError);
      expect(() => read(Buffer.concat([bytes, Buffer.alloc(1)])), name).toThrow(DecodeError);
      for (const [otherName, otherBytes] of all)
        if (otherName !== name)
          expect(() => read(otherBytes), `${otherName} as ${name}`).toThrow(DecodeError);
    }
    for (const [name, bytes, read] of all.slice(1)) {
      const full = bytes.slice();
      full.fill(0xff, name === 'a ciphertext' ? 48 : 48 + 96, name === 'a ciphertext' ? 100 : 300);
      expect(() => read(full), name).toThrow(DecodeError);
    }
  });

  test('of other parameters', () => {
    expect(() => TfheEvaluationKeys.fromBytes(other.context, toy.keys.toBytes())).toThrow(
      ParamsMismatchError,
    );
    expect(() => TfheSecretKey.fromSecretBytes(other.context, toy.secret.exportSecretBytes())).toThrow(
      ParamsMismatchError,
    );
  });

  test('more messages than coefficients', () => {
    const bytes = TfhePackedCiphertext.toBytes(toy.context, toy.encryptor.encrypt([1]));
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(48, 257, true);
    expect(() => TfhePackedCiphertext.fromBytes(toy.context, bytes)).toThrow(DecodeError);
  });
});
