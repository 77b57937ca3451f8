/** Contexts of all plaintext moduli over one kernel; hands out the roles, which know its base alone. Keys are generated once and serve all. Knows no key. */
import type { Arena } from '../../../ring/arena.ts';
import { type ContextOptions, type ContextResources, openContext } from '../../rlwe/context.ts';
import type { EvaluationKeys } from '../../rlwe/keys/evaluation-keys.ts';
import type { KeyGenerator } from '../../rlwe/keys/key-generator.ts';
import type { PublicKey } from '../../rlwe/keys/public-key.ts';
import type { SecretKey } from '../../rlwe/keys/secret-key.ts';
import type { BgvCrtCiphertext } from './crt-ciphertext.ts';
import { BgvCrtContextBase } from './crt-context-base.ts';
import { BgvCrtDecryptor, BgvCrtEncryptor } from './crt-encryptor.ts';
import { BgvCrtEncoder } from './crt-encoder.ts';
import { BgvCrtEvaluator } from './crt-evaluator.ts';
import type { BgvCrtParams } from './crt-params.ts';
import { BgvCrtRelease } from './crt-release.ts';
import type { BgvCircuit } from '../release.ts';

export class BgvCrtContext extends BgvCrtContextBase {
  private constructor(params: BgvCrtParams, resources: ContextResources) {
    super(params, resources);
  }

  /** @throws {KernelError} when no kernel can be loaded. */
  static open(params: BgvCrtParams, options: ContextOptions = {}): Promise<BgvCrtContext> {
    return openContext(options, (resources) => new BgvCrtContext(params, resources));
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
}
