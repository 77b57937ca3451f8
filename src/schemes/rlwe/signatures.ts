/** What the arguments of the classes that CKKS and BGV share must be: see ../../base/arguments.ts. Imported for its effect. */
import {
  bytes,
  guard,
  instance,
  integer,
  type Kind,
  listOf,
  optional,
  options,
} from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { Arena, Owned } from '../../ring/arena.ts';
import { RlweContext } from './context.ts';
import { RlweDecryptor } from './decryptor.ts';
import { EvaluationKeys } from './keys/evaluation-keys.ts';
import { RlweEvaluator } from './evaluator.ts';
import { KeyGenerator } from './keys/key-generator.ts';
import { RlweParams } from './params.ts';
import { PublicKey } from './keys/public-key.ts';
import { SecretKey } from './keys/secret-key.ts';

export const arena = instance('an Arena (context.arena())', Arena);
export const secretKey = instance('a SecretKey', SecretKey);
export const evaluationKeys = instance('EvaluationKeys', EvaluationKeys);
const eitherKey = instance('a PublicKey or SecretKey', PublicKey, SecretKey);
export const steps: Kind = listOf('a list of integers', integer);
const context = instance('a context', RlweContext);
const plan = options;

printOnOneLine(
  Owned,
  Arena,
  RlweContext,
  RlweParams,
  RlweEvaluator,
  RlweDecryptor,
  KeyGenerator,
  PublicKey,
  EvaluationKeys,
);

guard('KeyGenerator', KeyGenerator.prototype, {
  publicKey: { secret: secretKey },
  evaluationKeys: { secret: secretKey, plan },
});
guard('SecretKey', SecretKey, { fromSecretBytes: { context, bytes } });
guard('PublicKey', PublicKey, { fromBytes: { context, bytes } });
guard('EvaluationKeys', EvaluationKeys, { fromBytes: { context, bytes, plan } });
guard('EvaluationKeys', EvaluationKeys.prototype, { toBytes: { context } });

/** The roles that a context of either scheme hands out. */
export const ROLES = {
  encoder: { arena },
  encryptor: { key: eitherKey, arena },
  decryptor: { key: secretKey, arena },
  evaluator: { keys: evaluationKeys, arena },
} as const;

export const openOptions = optional(options);

/** Methods that evaluators of both schemes inherit, for ciphertexts of this kind. */
export function inherited(ciphertext: Kind, single: Kind) {
  return {
    negate: { a: ciphertext },
    relinearize: { a: ciphertext },
    dropTo: { a: ciphertext, level: integer },
    rotate: { a: ciphertext, by: integer },
    applyGalois: { a: ciphertext, element: integer },
    rotateMany: { a: single, steps },
  } as const;
}
