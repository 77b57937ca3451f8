/**
 * Which ciphertexts this process encrypted itself, with which evaluation keys its evaluators compute, and for which secret key both were
 * made. A ciphertext that was read from bytes may be anything: (0, 1) decrypts to the secret key, and one under another key decrypts to
 * what depends on both. So does a key switch with keys that somebody else made. A release uses either only when its owner states where
 * it comes from.
 */
import type { PublicKey } from '../keys/public-key.ts';
import { SecretKey } from '../keys/secret-key.ts';
import { secretName } from '../keys/secret-name.ts';
import type { EvaluationKeys } from '../keys/evaluation-keys.ts';

/** The kind of key that encrypted: the noise depends on it. */
export type EncryptionKey = 'secret' | 'public';

const encryptions = new WeakMap<object, { readonly key: EncryptionKey; readonly secret: string }>();
const publicKeys = new WeakMap<PublicKey, string>();
const evaluationKeys = new WeakMap<EvaluationKeys, string>();
const evaluators = new WeakMap<object, EvaluationKeys>();

/** For key generators: `publicKey` was made from `secret` just now. Returns it. */
export function recordPublicKey(publicKey: PublicKey, secret: SecretKey): PublicKey {
  publicKeys.set(publicKey, secretName(secret));
  return publicKey;
}

/** For key generators: `keys` were made from `secret` just now. Returns them. */
export function recordEvaluationKeys(keys: EvaluationKeys, secret: SecretKey): EvaluationKeys {
  evaluationKeys.set(keys, secretName(secret));
  return keys;
}

/** For evaluators: `evaluator` computes with `keys`. */
export function recordEvaluator(evaluator: object, keys: EvaluationKeys): void {
  evaluators.set(evaluator, keys);
}

/** Whether `evaluator` computes with keys that this process made from `secret`. */
export function hasOwnKeys(evaluator: object, secret: SecretKey): boolean {
  const keys = evaluators.get(evaluator);
  return keys !== undefined && evaluationKeys.get(keys) === secretName(secret);
}

/** For encryptors: `ciphertext` was made here just now. Returns it. A public key that was read from bytes may be anybody's. */
export function recordEncryption<T extends object>(ciphertext: T, key: SecretKey | PublicKey): T {
  const isSecret = key instanceof SecretKey;
  const secret = isSecret ? secretName(key) : publicKeys.get(key);
  if (secret !== undefined) encryptions.set(ciphertext, { key: isSecret ? 'secret' : 'public', secret });
  return ciphertext;
}

/**
 * What encrypted `ciphertext` in this process so that `secret` opens it; undefined for everything else: computed, read from bytes, under
 * another key, or a view of a batch.
 */
export function encryptionOf(ciphertext: object, secret: SecretKey): EncryptionKey | undefined {
  const made = encryptions.get(ciphertext);
  return made !== undefined && made.secret === secretName(secret) ? made.key : undefined;
}
