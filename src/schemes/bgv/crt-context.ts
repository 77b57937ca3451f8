/** Contexts of all plaintext moduli over one kernel; hands out the roles. Keys are generated once and serve all. Knows no key. */
import type { Arena } from '../../ring/arena.ts';
import { type ContextOptions, type ContextResources, openContext } from '../rlwe/context.ts';
import type { EvaluationKeys } from '../rlwe/evaluation-keys.ts';
import type { KeyGenerator } from '../rlwe/key-generator.ts';
import type { PublicKey } from '../rlwe/public-key.ts';
import type { SecretKey } from '../rlwe/secret-key.ts';
import { BgvContext } from './context.ts';
import type { BgvCrtCiphertext } from './crt-ciphertext.ts';
import { BgvCrtDecryptor, BgvCrtEncryptor } from './crt-encryptor.ts';
import { BgvCrtEncoder } from './crt-encoder.ts';
import { BgvCrtEvaluator } from './crt-evaluator.ts';
import type { BgvCrtParams } from './crt-params.ts';
import { type BgvCircuit, BgvCrtRelease } from './release.ts';

export class BgvCrtContext implements Disposable {
  readonly params: BgvCrtParams;
  /** One context per modulus. What belongs to one of them must not be given to another: their identifiers are the same. */
  readonly components: readonly BgvContext[];
  #resources: ContextResources;
  #isDisposed = false;

  private constructor(params: BgvCrtParams, resources: ContextResources) {
    this.params = params;
    this.components = BgvContext.openAll(params.components, resources);
    this.#resources = resources;
  }

  /** @throws {KernelError} when no kernel can be loaded. */
  static open(params: BgvCrtParams, options: ContextOptions = {}): Promise<BgvCrtContext> {
    return openContext(options, (resources) => new BgvCrtContext(params, resources));
  }

  /** A fresh owner for what is computed. @throws {DisposedError} */
  arena(): Arena {
    return this.components[0]!.arena();
  }

  keyGenerator(): KeyGenerator {
    return this.components[0]!.keyGenerator();
  }

  encoder(arena: Arena): BgvCrtEncoder {
    return new BgvCrtEncoder(this, arena);
  }

  /** @throws {ParamsMismatchError} */
  encryptor(key: PublicKey | SecretKey, arena: Arena): BgvCrtEncryptor {
    return new BgvCrtEncryptor(this, key, arena);
  }

  /** @throws {ParamsMismatchError} */
  decryptor(key: SecretKey, arena: Arena): BgvCrtDecryptor {
    return new BgvCrtDecryptor(this, key, arena);
  }

  /** The one way to publish results: see {@link BgvCrtRelease}. @throws {ParamsMismatchError} */
  release(key: SecretKey, circuit: BgvCircuit<BgvCrtCiphertext, BgvCrtEvaluator>): BgvCrtRelease {
    return new BgvCrtRelease(this, key, circuit);
  }

  /** @throws {ParamsMismatchError} */
  evaluator(keys: EvaluationKeys, arena: Arena): BgvCrtEvaluator {
    return new BgvCrtEvaluator(this, keys, arena);
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const component of this.components) component[Symbol.dispose]();
    if (this.#resources.ownsKernel) this.#resources.kernel[Symbol.dispose]();
  }
}
