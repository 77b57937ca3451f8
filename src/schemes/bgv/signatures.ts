/** What the arguments of the BGV classes must be: see ../../base/arguments.ts. Imported for its effect. */
import {
  bytes,
  either,
  finite,
  guard,
  instance,
  integer,
  type Kind,
  like,
  list,
  listOf,
  numbers,
  optional,
  options,
} from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { arena, circuit, guardEntry, guardRelease, inherited, secretKey } from '../rlwe/signatures.ts';
import { BgvCiphertext, BgvCiphertextBatch } from './ciphertext.ts';
import { BgvContext } from './context.ts';
import { BgvCrtCiphertext } from './crt/crt-ciphertext.ts';
import { BgvCrtContext } from './crt/crt-context.ts';
import { BgvCrtEncoder, BgvCrtPlaintext } from './crt/crt-encoder.ts';
import { BgvCrtDecryptor, BgvCrtEncryptor } from './crt/crt-encryptor.ts';
import { BgvCrtEvaluator } from './crt/crt-evaluator.ts';
import { BgvCrtParams } from './crt/crt-params.ts';
import { BgvDecryptor } from './decryptor.ts';
import { BgvEncoder } from './encoder.ts';
import { BgvEncryptor } from './encryptor.ts';
import { BgvEvaluator } from './evaluator.ts';
import { BgvParams } from './params.ts';
import { BgvPlaintext } from './plaintext.ts';
import { BgvRelease } from './release.ts';
import { BgvCrtRelease } from './crt/crt-release.ts';

const context = instance('a BgvContext', BgvContext);
const plaintext = instance('a BgvPlaintext (encoder.encode)', BgvPlaintext);
const ciphertext = instance('a BGV ciphertext or batch (encryptor.encrypt)', BgvCiphertextBatch);
const single = instance('a BgvCiphertext (encryptor.encrypt)', BgvCiphertext);
const settings = optional(options);
const operand = either(ciphertext, plaintext);

printOnOneLine(
  BgvEncoder,
  BgvEncryptor,
  BgvCrtContext,
  BgvCrtEncoder,
  BgvCrtEncryptor,
  BgvCrtDecryptor,
  BgvCrtEvaluator,
  BgvCrtParams,
);

guardEntry('Bgv', BgvParams, BgvContext, { key: secretKey, circuit });
guardRelease('BgvRelease', BgvRelease, instance('a BgvEvaluator', BgvEvaluator), single);
guard('BgvParams', BgvParams, { family: { ring: options, moduli: numbers } });
guard('BgvParams', BgvParams.prototype, {
  residues: { value: integer, level: integer },
  inverseResidues: { level: integer },
  mulModT: { a: integer, b: integer },
  inverseModT: { a: integer },
});
guard('BgvContext', BgvContext, { openAll: { params: list, resources: options } });
guard('BgvPlaintext', BgvPlaintext.prototype, {
  centred: { factor: optional(integer) },
  liftInto: { out: like('words of a kernel', 'u64'), level: integer, factor: optional(integer) },
});
guard('BgvEncoder', BgvEncoder.prototype, {
  encode: { values: numbers },
  encodeCoefficients: { coefficients: numbers },
  decode: { plaintext },
  decodeCoefficients: { plaintext },
});
guard('BgvEncryptor', BgvEncryptor.prototype, {
  encrypt: { plaintext, options: settings },
  encryptBatch: { plaintexts: listOf('a list of BgvPlaintexts', plaintext), options: settings },
});
guard('BgvDecryptor', BgvDecryptor.prototype, {
  decrypt: { ciphertext: single },
  decryptBatch: { batch: ciphertext },
});
guard('BgvEvaluator', BgvEvaluator.prototype, {
  ...inherited(ciphertext, single),
  add: { a: ciphertext, b: operand },
  sub: { a: ciphertext, b: operand },
  mul: { a: ciphertext, b: operand },
  mulLazy: { a: ciphertext, b: ciphertext },
  mulConstant: { a: ciphertext, weight: finite },
  modSwitch: { a: ciphertext },
  modSwitchTo: { a: ciphertext, level: integer },
  modSwitchAuto: { a: ciphertext },
  modSwitchLowest: { a: ciphertext },
  productLevel: { a: ciphertext },
  lowestLevel: { a: ciphertext },
  swapRows: { a: ciphertext },
});
guard('BgvCiphertext', BgvCiphertext, {
  fromBytes: { context, bytes, arena },
  fromRoundedBytes: { context, bytes, arena },
});
guard('BgvCiphertextBatch', BgvCiphertextBatch, {
  readInto: { context, bytes, words: like('words of a kernel', 'u64'), maxCount: integer },
  fromBytes: { context, bytes, arena, maxCount: integer },
  fromRoundedBytes: { context, bytes, arena, maxCount: integer },
});
guard('BgvCiphertextBatch', BgvCiphertextBatch.prototype, {
  at: { index: integer },
  slice: { start: integer, count: integer },
});

const crtContext = instance('a BgvCrtContext', BgvCrtContext);
const crtPlaintext = instance('a BgvCrtPlaintext (encoder.encode)', BgvCrtPlaintext);
const crtCiphertext = instance('a BgvCrtCiphertext (encryptor.encrypt)', BgvCrtCiphertext);
const crtOperand = either(crtCiphertext, crtPlaintext);
const isExact = (value: unknown) => typeof value === 'number' || typeof value === 'bigint';
const exactNumber: Kind = {
  needed: 'an integer',
  accepts: (value) => Number.isInteger(value) || typeof value === 'bigint',
};
const exactNumbers: Kind = {
  needed: 'an array of numbers or bigints',
  accepts: (value) =>
    numbers.accepts(value) || ArrayBuffer.isView(value) || (Array.isArray(value) && value.every(isExact)),
};

guardEntry('BgvCrt', BgvCrtParams, BgvCrtContext, { key: secretKey, circuit });
guardRelease('BgvCrtRelease', BgvCrtRelease, instance('a BgvCrtEvaluator', BgvCrtEvaluator), crtCiphertext);
guard('BgvCrtEncoder', BgvCrtEncoder.prototype, {
  encode: { values: exactNumbers },
  decode: { plaintext: crtPlaintext },
  decodeNumbers: { plaintext: crtPlaintext },
});
guard('BgvCrtEncryptor', BgvCrtEncryptor.prototype, {
  encrypt: { plaintext: crtPlaintext, options: settings },
});
guard('BgvCrtDecryptor', BgvCrtDecryptor.prototype, { decrypt: { ciphertext: crtCiphertext } });
guard('BgvCrtEvaluator', BgvCrtEvaluator.prototype, {
  add: { a: crtCiphertext, b: crtOperand },
  sub: { a: crtCiphertext, b: crtOperand },
  mul: { a: crtCiphertext, b: crtOperand },
  negate: { a: crtCiphertext },
  mulConstant: { a: crtCiphertext, weight: exactNumber },
  modSwitchAuto: { a: crtCiphertext },
  modSwitchLowest: { a: crtCiphertext },
  rotate: { a: crtCiphertext, by: integer },
  swapRows: { a: crtCiphertext },
});
guard('BgvCrtCiphertext', BgvCrtCiphertext, {
  fromBytes: { context: crtContext, bytes, arena },
  fromRoundedBytes: { context: crtContext, bytes, arena },
});
