/**
 * Which ciphertexts this process encrypted itself. One that was read from bytes may be anything: (0, 1) decrypts to the secret key. So a
 * release computes on such an input only when its owner states where it comes from.
 */

/** The kind of key that encrypted: the noise depends on it. */
export type EncryptionKey = 'secret' | 'public';

const encryptions = new WeakMap<object, EncryptionKey>();

/** For encryptors: `ciphertext` was made here just now. Returns it. */
export function recordEncryption<T extends object>(ciphertext: T, key: EncryptionKey): T {
  encryptions.set(ciphertext, key);
  return ciphertext;
}

/** What encrypted `ciphertext` in this process; undefined for everything else: computed, read from bytes, or a view of a batch. */
export function encryptionOf(ciphertext: object): EncryptionKey | undefined {
  return encryptions.get(ciphertext);
}
