/** What the arguments of the TFHE classes must be: see ../../base/arguments.ts. Imported for its effect. */
import {
  bytes,
  finite,
  flag,
  guard,
  instance,
  integer,
  like,
  list,
  numbers,
  optional,
  options,
  text,
} from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { RlweContext } from '../rlwe/context.ts';
import { SecretKey } from '../rlwe/keys/secret-key.ts';
import { TfheCiphertext, TfhePackedCiphertext } from './ciphertext.ts';
import { TfheContext } from './context.ts';
import { TfheDecryptor, TfheEncryptor } from './encryptor.ts';
import { TfheEvaluationKeys } from './evaluation-keys.ts';
import { TfheEvaluator } from './evaluator.ts';
import { TfheExit } from './exit.ts';
import { TfheExitKey } from './exit-key.ts';
import { TfheParams } from './params.ts';
import { TfheSecretKey } from './secret-key.ts';

const params = instance('TfheParams (TfheParams.forMessages)', TfheParams);
const context = instance('a TfheContext (TfheContext.open)', TfheContext);
const secretKey = instance('a TfheSecretKey (TfheSecretKey.generate)', TfheSecretKey);
const ciphertext = instance('a TfheCiphertext (unpack, or an evaluator)', TfheCiphertext);
const packed = instance('a TfhePackedCiphertext (encryptor.encrypt)', TfhePackedCiphertext);

printOnOneLine(
  TfheParams,
  TfheContext,
  TfheEvaluationKeys,
  TfheCiphertext,
  TfhePackedCiphertext,
  TfheEncryptor,
  TfheDecryptor,
  TfheEvaluator,
  TfheExitKey,
  TfheExit,
);

guard('TfheParams', TfheParams, { forMessages: { messages: integer }, create: { spec: options } });
guard('TfheContext', TfheContext, { open: { params, options: optional(options) } });
guard('TfheContext', TfheContext.prototype, { assertOwn: { what: text, object: options } });
guard('TfheSecretKey', TfheSecretKey, {
  generate: { context },
  fromSecretBytes: { context, bytes },
  derived: { context, from: instance('a SecretKey', SecretKey) },
});
guard('TfheEvaluationKeys', TfheEvaluationKeys, {
  generate: { context, key: secretKey },
  byteLength: { params },
  fromBytes: { context, bytes },
});
guard('TfheCiphertext', TfheCiphertext, {
  byteLength: { params },
  toBytes: { context, ciphertext },
  fromBytes: { context, bytes, facts: options },
});
guard('TfhePackedCiphertext', TfhePackedCiphertext, {
  toBytes: { context, packed },
  fromBytes: { context, bytes },
});
guard('TfheEncryptor', TfheEncryptor.prototype, { encrypt: { messages: numbers } });
guard('TfheDecryptor', TfheDecryptor.prototype, {
  decrypt: { ciphertext },
  noise: { ciphertext, message: finite },
});
guard('TfheEvaluator', TfheEvaluator.prototype, {
  add: { a: ciphertext, b: ciphertext },
  sub: { a: ciphertext, b: ciphertext },
  sum: { ciphertexts: list, weights: optional(numbers), constant: optional(finite) },
  constant: { message: integer },
  lookup: { ciphertext, table: numbers },
  lookupAll: { ciphertexts: list, table: numbers },
  max: { a: ciphertext, b: ciphertext },
  wins: { pairs: list, firstWins: optional(flag) },
  argmax: { scores: list },
  quantise: { ciphertexts: list },
  hide: { ciphertext, seed: optional(bytes) },
  hideAll: { ciphertexts: list, seed: optional(bytes) },
});
const from = instance('a context of CKKS or BGV', RlweContext);
guard('TfheExitKey', TfheExitKey, {
  generate: {
    context,
    secret: secretKey,
    from,
    fromSecret: instance('a SecretKey of that context', SecretKey),
  },
  byteLength: { from: like('parameters of CKKS or BGV', 'n') },
  fromBytes: { context, from, bytes },
});
guard('TfheExit', TfheExit.prototype, {
  leave: {
    ciphertext: like('words of a ciphertext', 'sub', 'length'),
    reading: like('an ExitReading', 'places'),
  },
});
