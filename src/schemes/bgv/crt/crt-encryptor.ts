/** Encryption and decryption modulo t_1 t_2 ...: each component on its own, with randomness of its own. */
import type { Arena } from '../../../ring/arena.ts';
import type { PublicKey } from '../../rlwe/keys/public-key.ts';
import type { SecretKey } from '../../rlwe/keys/secret-key.ts';
import { assemble, type BgvCrtCiphertext } from './crt-ciphertext.ts';
import type { BgvCrtContextBase } from './crt-context-base.ts';
import { BgvCrtPlaintext } from './crt-encoder.ts';
import type { BgvDecryptor } from '../decryptor.ts';
import type { BgvEncryptor } from '../encryptor.ts';

export class BgvCrtEncryptor implements Disposable {
  #context: BgvCrtContextBase;
  #arena: Arena;
  #encryptors: readonly BgvEncryptor[];

  constructor(context: BgvCrtContextBase, key: PublicKey | SecretKey, arena: Arena) {
    this.#context = context;
    this.#arena = arena;
    this.#encryptors = context.components.map((component) => component.encryptor(key, arena));
  }

  /** As {@link BgvEncryptor.encrypt} for each modulus. @throws {ParamsMismatchError} {@link OutOfRangeError} */
  encrypt(plaintext: BgvCrtPlaintext, options: { readonly level?: number } = {}): BgvCrtCiphertext {
    return assemble(this.#arena, this.#context, (_, i) =>
      this.#encryptors[i]!.encrypt(plaintext.components[i]!, options),
    );
  }

  /** Wipes the generators' seeds. */
  [Symbol.dispose](): void {
    for (const encryptor of this.#encryptors) encryptor[Symbol.dispose]();
  }
}

export class BgvCrtDecryptor {
  #arena: Arena;
  #decryptors: readonly BgvDecryptor[];

  constructor(context: BgvCrtContextBase, key: SecretKey, arena: Arena) {
    this.#arena = arena;
    this.#decryptors = context.components.map((component) => component.decryptor(key, arena));
  }

  /** As {@link RlweDecryptor.decrypt} for each modulus. @throws {ParamsMismatchError} {@link DisposedError} */
  decrypt(ciphertext: BgvCrtCiphertext): BgvCrtPlaintext {
    const components = ciphertext.components.map((component, i) =>
      this.#arena.keep(this.#decryptors[i]!.decrypt(component)),
    );
    return this.#arena.adopt(new BgvCrtPlaintext(components));
  }
}
