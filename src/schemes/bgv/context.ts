/** BGV parameters made ready to compute; hands out the roles, which know its base alone. Knows no key. */
import type { Arena } from '../../ring/arena.ts';
import { type ContextOptions, type ContextResources, openContext } from '../rlwe/context.ts';
import type { EvaluationKeys } from '../rlwe/keys/evaluation-keys.ts';
import { KeyGenerator } from '../rlwe/keys/key-generator.ts';
import type { PublicKey } from '../rlwe/keys/public-key.ts';
import type { SecretKey } from '../rlwe/keys/secret-key.ts';
import { BgvContextBase } from './context-base.ts';
import { BgvDecryptor } from './decryptor.ts';
import { BgvEncoder } from './encoder.ts';
import { BgvEncryptor } from './encryptor.ts';
import { BgvEvaluator } from './evaluator.ts';
import type { BgvParams } from './params.ts';
import { type BgvCircuit, BgvRelease } from './release.ts';

export class BgvContext extends BgvContextBase {
  private constructor(params: BgvParams, resources: ContextResources) {
    super(params, resources);
  }

  /** @throws {KernelError} when no kernel can be loaded. */
  static open(params: BgvParams, options: ContextOptions = {}): Promise<BgvContext> {
    return openContext(options, (resources) => new BgvContext(params, resources));
  }

  /** A family: each over the same kernel, which stays the caller's, and over the tables of the first. Disposed together. */
  static openAll(params: readonly BgvParams[], resources: ContextResources): BgvContext[] {
    const contexts: BgvContext[] = [];
    try {
      for (const each of params) {
        const shared = contexts[0] === undefined ? {} : { ring: contexts[0].ring };
        contexts.push(new BgvContext(each, { ...resources, ...shared, ownsKernel: false }));
      }
    } catch (error) {
      for (const context of contexts) context[Symbol.dispose]();
      throw error;
    }
    return contexts;
  }

  keyGenerator(): KeyGenerator {
    return new KeyGenerator(this);
  }

  encoder(arena: Arena): BgvEncoder {
    return new BgvEncoder(this, arena);
  }

  /** Under a secret key ciphertexts are smaller on the wire and less noisy. @throws {ParamsMismatchError} */
  encryptor(key: PublicKey | SecretKey, arena: Arena): BgvEncryptor {
    return new BgvEncryptor(this, key, arena);
  }

  /** @throws {ParamsMismatchError} */
  decryptor(key: SecretKey, arena: Arena): BgvDecryptor {
    return new BgvDecryptor(this, key, arena);
  }

  /** The one way to publish results: see {@link BgvRelease}. @throws {ParamsMismatchError} */
  release(key: SecretKey, circuit: BgvCircuit): BgvRelease {
    return new BgvRelease(this, key, circuit);
  }

  /** @throws {ParamsMismatchError} */
  evaluator(keys: EvaluationKeys, arena: Arena): BgvEvaluator {
    return new BgvEvaluator(this, keys, arena);
  }
}
