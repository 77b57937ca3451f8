/** CKKS parameters made ready to compute; hands out the roles, which know its base alone. Knows no key. */
import type { Arena } from '../../ring/arena.ts';
import { type ContextOptions, openContext } from '../rlwe/context.ts';
import type { EvaluationKeys } from '../rlwe/keys/evaluation-keys.ts';
import { KeyGenerator } from '../rlwe/keys/key-generator.ts';
import type { PublicKey } from '../rlwe/keys/public-key.ts';
import type { SecretKey } from '../rlwe/keys/secret-key.ts';
import type { CkksCircuit } from './circuit.ts';
import { CkksContextBase } from './context-base.ts';
import { CkksDecryptor } from './decryptor.ts';
import { CkksEncoder } from './encoder.ts';
import { CkksEncryptor } from './encryptor.ts';
import { CkksEvaluator } from './evaluator.ts';
import type { CkksParams } from './params.ts';
import { CkksRelease, type CkksReleaseTerms } from './release.ts';

export class CkksContext extends CkksContextBase {
  /** @throws {KernelError} when no kernel can be loaded. */
  static open(params: CkksParams, options: ContextOptions = {}): Promise<CkksContext> {
    return openContext(options, (resources) => new CkksContext(params, resources));
  }

  keyGenerator(): KeyGenerator {
    return new KeyGenerator(this);
  }

  encoder(arena: Arena): CkksEncoder {
    return new CkksEncoder(this, arena);
  }

  /** Under a secret key ciphertexts are smaller on the wire and less noisy. @throws {ParamsMismatchError} */
  encryptor(key: PublicKey | SecretKey, arena: Arena): CkksEncryptor {
    return new CkksEncryptor(this, key, arena);
  }

  /** @throws {ParamsMismatchError} */
  decryptor(key: SecretKey, arena: Arena): CkksDecryptor {
    return new CkksDecryptor(this, key, arena);
  }

  /** The one way to publish results: see {@link CkksRelease}. @throws as its constructor. */
  release(key: SecretKey, circuit: CkksCircuit, terms: CkksReleaseTerms): CkksRelease {
    return new CkksRelease(this, key, circuit, terms);
  }

  /** @throws {ParamsMismatchError} */
  evaluator(keys: EvaluationKeys, arena: Arena): CkksEvaluator {
    return new CkksEvaluator(this, keys, arena);
  }
}
