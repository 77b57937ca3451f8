/** Publishing what a circuit over several plaintext moduli gives, exactly: see {@link BgvRelease}. */
import type { SecretKey } from '../../rlwe/keys/secret-key.ts';
import type { BgvCiphertext } from '../ciphertext.ts';
import type { BgvContextBase } from '../context-base.ts';
import type { BgvCrtCiphertext } from './crt-ciphertext.ts';
import type { BgvCrtContextBase } from './crt-context-base.ts';
import { BgvCrtEncoder } from './crt-encoder.ts';
import { BgvCrtDecryptor } from './crt-encryptor.ts';
import type { BgvCrtEvaluator } from './crt-evaluator.ts';
import { type BgvCircuit, BgvReleaseOf } from '../release.ts';

/** {@link BgvRelease} for several plaintext moduli. */
export class BgvCrtRelease extends BgvReleaseOf<BgvCrtCiphertext, BgvCrtEvaluator, bigint[]> {
  readonly #context: BgvCrtContextBase;
  readonly #key: SecretKey;

  /** @throws {ParamsMismatchError} */
  constructor(
    context: BgvCrtContextBase,
    key: SecretKey,
    circuit: BgvCircuit<BgvCrtCiphertext, BgvCrtEvaluator>,
  ) {
    super(circuit);
    context.components[0]!.assertOwn('a secret key', key);
    this.#context = context;
    this.#key = key;
  }

  protected override components(ciphertext: BgvCrtCiphertext): readonly BgvCiphertext[] {
    return ciphertext.components;
  }

  protected override get contexts(): readonly BgvContextBase[] {
    return this.#context.components;
  }

  protected override get key(): SecretKey {
    return this.#key;
  }

  protected override disclose(result: BgvCrtCiphertext): bigint[] {
    using arena = this.#context.arena();
    const plaintext = new BgvCrtDecryptor(this.#context, this.#key, arena).decrypt(result);
    return new BgvCrtEncoder(this.#context, arena).decode(plaintext);
  }
}
