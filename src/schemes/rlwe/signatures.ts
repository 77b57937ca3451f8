/** What the arguments of the classes that CKKS and BGV share must be: see ../../base/arguments.ts. Imported for its effect. */
import {
  bytes,
  callback,
  guard,
  instance,
  integer,
  type Kind,
  like,
  listOf,
  number,
  optional,
  options,
  type Signature,
} from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { Arena, Owned } from '../../ring/arena.ts';
import { RlweContext } from './context.ts';
import { RlweDecryptor } from './decryptor.ts';
import { EncapsulationKeys } from './keys/encapsulation-keys.ts';
import { EvaluationKeys } from './keys/evaluation-keys.ts';
import { RlweEvaluator } from './evaluator.ts';
import { KeyGenerator } from './keys/key-generator.ts';
import { RlweParams } from './params.ts';
import { PublicKey } from './keys/public-key.ts';
import { SecretKey } from './keys/secret-key.ts';
import { SwitchingKey } from './keys/switching-key.ts';
import { RlweRelease } from './release/release.ts';
import { ReleaseBudget } from './release/release-budget.ts';

export const arena = instance('an Arena (context.arena())', Arena);
export const secretKey = instance('a SecretKey', SecretKey);
export const evaluationKeys = instance('EvaluationKeys', EvaluationKeys);
const eitherKey = instance('a PublicKey or SecretKey', PublicKey, SecretKey);
export const steps: Kind = listOf('a list of integers', integer);
const context = instance('a context', RlweContext);
const params = instance('parameters', RlweParams);
const plan = options;
const owned = instance('an object that an arena can own', Owned);

printOnOneLine(
  Owned,
  Arena,
  RlweContext,
  RlweParams,
  RlweEvaluator,
  RlweDecryptor,
  KeyGenerator,
  PublicKey,
  EncapsulationKeys,
  EvaluationKeys,
  SwitchingKey,
  ReleaseBudget,
  RlweRelease,
);

guard('KeyGenerator', KeyGenerator.prototype, {
  publicKey: { secret: secretKey },
  evaluationKeys: { secret: secretKey, plan },
  encapsulationKeys: { secret: secretKey },
});
guard('SecretKey', SecretKey, { fromSecretBytes: { context, bytes } });
guard('PublicKey', PublicKey, { fromBytes: { context, bytes } });
guard('PublicKey', PublicKey, { byteLength: { params } });
guard('EncapsulationKeys', EncapsulationKeys, { byteLength: { params }, fromBytes: { context, bytes } });
guard('PublicKey', PublicKey.prototype, { part: { index: integer } });
guard('EvaluationKeys', EvaluationKeys, {
  fromBytes: { context, bytes, plan },
  joined: { context, parts: listOf('a list of EvaluationKeys', evaluationKeys) },
  byteLength: { params, plan },
});
guard('EvaluationKeys', EvaluationKeys.prototype, {
  toBytes: { context },
  has: { element: integer },
  galoisKey: { element: integer, level: integer },
  relinearizationKey: { level: integer },
});
guard('ReleaseBudget', ReleaseBudget, { of: { key: secretKey, terms: options } });
guard('ReleaseBudget', ReleaseBudget.prototype, { floodBits: { noiseBits: number } });
guard('Arena', Arena.prototype, {
  make: { words: integer, build: callback },
  adopt: { value: owned },
  keep: { value: owned },
  forget: { value: { ...owned, isForTheDisposed: true } },
});

/** The roles that a context of either scheme hands out. */
const ROLES = {
  encoder: { arena },
  encryptor: { key: eitherKey, arena },
  decryptor: { key: secretKey, arena },
  evaluator: { keys: evaluationKeys, arena },
} as const;

type Arguments = readonly never[];
interface ParamsClass {
  readonly name: string;
  readonly prototype: object;
  create(...args: Arguments): unknown;
  forIntent(...args: Arguments): unknown;
  fromBytes(...args: Arguments): unknown;
}
interface ContextClass {
  readonly prototype: Record<keyof typeof ROLES | 'release', (...args: Arguments) => unknown>;
  open(...args: Arguments): unknown;
}

/** Parameters and contexts of a scheme: made alike everywhere. `release` is what the scheme's releases take. */
export function guardEntry(
  name: string,
  params: ParamsClass,
  contexts: ContextClass,
  release: Signature,
): void {
  guard<ParamsClass>(`${name}Params`, params, {
    create: { spec: options },
    forIntent: { intent: options },
    fromBytes: { bytes },
  });
  guard<ContextClass>(`${name}Context`, contexts, {
    open: { params: instance(`${name}Params`, params), options: optional(options) },
  });
  guard<ContextClass['prototype']>(`${name}Context`, contexts.prototype, { ...ROLES, release });
}

/** What every release computes with: this scheme's evaluators and ciphertexts. */
export function guardRelease(
  name: string,
  release: { readonly prototype: Record<'recompute' | 'open', (...args: Arguments) => unknown> },
  evaluator: Kind,
  ciphertext: Kind,
): void {
  guard<(typeof release)['prototype']>(name, release.prototype, {
    recompute: { evaluator, inputs: listOf('a list of ciphertexts', ciphertext), options: optional(options) },
    // That the statement is there is for the release to say.
    open: { result: ciphertext },
  });
}

export const circuit = like('a circuit ({ inputs, run })', 'inputs', 'run');

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
