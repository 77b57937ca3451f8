/** Keys have roles: the compiler refuses a secret key where evaluation keys belong, and the reverse. */
import { expect, test } from 'vitest';
import type { BgvContext } from '../../src/schemes/bgv/context.ts';
import type { BgvCrtContext } from '../../src/schemes/bgv/crt/crt-context.ts';
import type { Arena } from '../../src/ring/arena.ts';
import type { CkksContext } from '../../src/schemes/ckks/context.ts';
import type { EvaluationKeys } from '../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { PublicKey } from '../../src/schemes/rlwe/keys/public-key.ts';
import type { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';

/** Never called: what matters is that it compiles only because each marked line does not. */
function misuse(
  context: CkksContext | BgvContext | BgvCrtContext,
  arena: Arena,
  secret: SecretKey,
  publicKey: PublicKey,
  keys: EvaluationKeys,
): void {
  // @ts-expect-error a secret key evaluates nothing
  context.evaluator(secret, arena);
  // @ts-expect-error neither does a public key
  context.evaluator(publicKey, arena);
  // @ts-expect-error evaluation keys do not decrypt
  context.decryptor(keys, arena);
  // @ts-expect-error nor does a public key
  context.decryptor(publicKey, arena);
  // @ts-expect-error evaluation keys do not encrypt
  context.encryptor(keys, arena);
  // @ts-expect-error a secret key leaves by exportSecretBytes alone
  secret.toBytes();
  context.evaluator(keys, arena);
  context.decryptor(secret, arena);
}

test('key roles are checked by the compiler', () => {
  expect(misuse).toBeTypeOf('function');
});
