/** Publishing exact results: a forged ciphertext wins against raw decryption and is refused by a release. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ParamsMismatchError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import { BgvCiphertext } from '../../../src/schemes/bgv/ciphertext.ts';
import { BgvContext } from '../../../src/schemes/bgv/context.ts';
import { BgvCrtCiphertext } from '../../../src/schemes/bgv/crt/crt-ciphertext.ts';
import { BgvCrtContext } from '../../../src/schemes/bgv/crt/crt-context.ts';
import { BgvCrtParams } from '../../../src/schemes/bgv/crt/crt-params.ts';
import { BgvParams } from '../../../src/schemes/bgv/params.ts';
import type { BgvCircuit } from '../../../src/schemes/bgv/release.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { secretWords } from '../../../src/schemes/rlwe/keys/secret-key.ts';
import { refusal } from '../refusal.ts';
import { INSECURE_CRT } from './insecure-params.ts';

const STATEMENT = { evaluator: 'follows-the-circuit' } as const;

const square: BgvCircuit = { inputs: 1, run: (on, [x]) => on.modSwitchLowest(on.mul(x!, x!)) };

/** The secret key in coefficients. */
function ternaryOf({ kernel, ring, params }: BgvContext, secret: SecretKey): number[] {
  using words = kernel.allocate(params.n);
  words.u64().set(secretWords(secret).u64().subarray(0, params.n));
  kernel.nttInverse(ring.tables, words, [0]);
  const values = new Float64Array(params.n);
  kernel.toDoubles(ring.tables, values, words, [0]);
  return [...values];
}

describe('at 128 bits of security', () => {
  let context: BgvContext;
  beforeAll(async () => {
    context = await BgvContext.open(BgvParams.forIntent({ depth: 1, maxAbs: 90_000 }));
  });
  afterAll(() => context[Symbol.dispose]());

  /** The parts 0 and t^-1, with a noise bound like any other: c(s) = s / t. */
  function forge(answer: BgvCiphertext): void {
    const words = answer.words.u64();
    const { n } = context.params;
    words.fill(0n);
    context.params.inverseResidues(answer.level).forEach((value, limb) => {
      const at = (answer.level + 1 + limb) * n;
      words.fill(BigInt(value), at, at + n);
    });
  }

  /** The polynomial behind published slots: decryption multiplied it by q_1 .. q_level over the factor, which are public. */
  function polynomialOf(slots: Float64Array, { level, factor }: BgvCiphertext): number[] {
    using arena = context.arena();
    const { params } = context;
    const switched = params.q.slice(1, level + 1).reduce((all, { q }) => params.mulModT(all, q), 1);
    const undo = params.mulModT(params.inverseModT(switched), factor);
    return [...context.encoder(arena).encode(slots).centred(undo)].map((value) => value + 0);
  }

  test.each([
    ['whole', (made: BgvCiphertext) => made.toBytes(), BgvCiphertext.fromBytes.bind(BgvCiphertext)],
    [
      'rounded',
      (made: BgvCiphertext) => made.toRoundedBytes(),
      BgvCiphertext.fromRoundedBytes.bind(BgvCiphertext),
    ],
  ] as const)(
    'a forged answer, %s, decrypts to the secret key; a release recomputes and refuses it',
    (_, write, read) => {
      using arena = context.arena();
      using generator = context.keyGenerator();
      using secret = generator.secretKey();
      using keys = generator.evaluationKeys(secret, { relinearize: true });
      using encryptor = context.encryptor(secret, arena);
      const encoder = context.encoder(arena);
      const evaluator = context.evaluator(keys, arena);
      const x = encryptor.encrypt(encoder.encode([1, -2, 300]));
      const release = context.release(secret, square);
      const honest = square.run(evaluator, [x]);
      expect([...release.recompute(evaluator, [x], { claimed: honest }).subarray(0, 3)]).toEqual([
        1, 4, 90_000,
      ]);
      const received = read(context, write(honest), arena);
      expect([...release.open(received, STATEMENT).subarray(0, 3)]).toEqual([1, 4, 90_000]);

      forge(honest);
      const forged = read(context, write(honest), arena);
      expect(forged.noiseBudget).toBeGreaterThanOrEqual(0);
      const raw = encoder.decode(context.decryptor(secret, arena).decrypt(forged));
      const key = ternaryOf(context, secret);
      expect(polynomialOf(raw, forged)).toEqual(key);
      expect(refusal(() => release.recompute(evaluator, [x], { claimed: forged }))).toBe('not-the-circuit');
      expect(refusal(() => release.open(forged, undefined as unknown as typeof STATEMENT))).toBe('unvouched');
      expect(refusal(() => release.recompute(evaluator, [forged]))).toBe('foreign-input');
      expect(refusal(() => release.recompute(evaluator, [x, x]))).toBe('not-the-circuit');
      // The statement is not checked: where it is false, the key is gone.
      expect(polynomialOf(release.open(forged, STATEMENT), forged)).toEqual(key);
    },
  );
});

test('what this process made for another key is foreign: encryptions, through its public key as well, and evaluation keys', async () => {
  using context = await BgvContext.open(BgvParams.forIntent({ depth: 1, maxAbs: 90_000 }));
  using arena = context.arena();
  const generator = context.keyGenerator();
  using secret = generator.secretKey();
  using other = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { relinearize: true });
  const release = context.release(secret, square);
  const evaluator = context.evaluator(keys, arena);
  const plaintext = context.encoder(arena).encode([3, -4]);
  using otherPublic = generator.publicKey(other);
  using ownPublic = generator.publicKey(secret);
  const attempts = [other, otherPublic].map((key) => {
    using encryptor = context.encryptor(key, arena);
    return refusal(() => release.recompute(evaluator, [encryptor.encrypt(plaintext)]));
  });
  expect(attempts).toEqual(['foreign-input', 'foreign-input']);
  using otherKeys = generator.evaluationKeys(other, { relinearize: true });
  using ownInput = context.encryptor(secret, arena);
  const misled = context.evaluator(otherKeys, arena);
  expect(refusal(() => release.recompute(misled, [ownInput.encrypt(plaintext)]))).toBe('foreign-keys');
  for (const key of [secret, ownPublic]) {
    using encryptor = context.encryptor(key, arena);
    expect([...release.recompute(evaluator, [encryptor.encrypt(plaintext)]).slice(0, 2)]).toEqual([9, 16]);
  }
});

test('several moduli: the same rules', async () => {
  using context = await BgvCrtContext.open(BgvCrtParams.create(INSECURE_CRT), {
    random: seededRandom('crt release'),
  });
  using arena = context.arena();
  const generator = context.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.evaluationKeys(secret, { relinearize: true });
  using encryptor = context.encryptor(secret, arena);
  const evaluator = context.evaluator(keys, arena);
  const x = encryptor.encrypt(context.encoder(arena).encode([-4000n, 7n]));
  const release = context.release(secret, { inputs: 1, run: (on, [a]) => on.mul(a!, a!) });
  const read = BgvCrtCiphertext.fromBytes(context, x.toBytes(), arena);
  expect(release.recompute(evaluator, [x]).slice(0, 3)).toEqual([16_000_000n, 49n, 0n]);
  expect(refusal(() => release.recompute(evaluator, [read]))).toBe('foreign-input');
  expect(refusal(() => release.recompute(evaluator, [x], { claimed: read }))).toBe('not-the-circuit');
  using other = generator.secretKey();
  using otherKeys = generator.evaluationKeys(other, { relinearize: true });
  const misled = context.evaluator(otherKeys, arena);
  expect(refusal(() => release.recompute(misled, [x]))).toBe('foreign-keys');
  expect(refusal(() => release.open(read, undefined as unknown as typeof STATEMENT))).toBe('unvouched');
  const swapped = new BgvCrtCiphertext([...x.components].reverse());
  expect(() => release.open(swapped, STATEMENT)).toThrow(ParamsMismatchError);
});
