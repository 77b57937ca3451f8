/** What the arguments of the CKKS classes must be: see ../../base/arguments.ts. Imported for its effect. */
import {
  bytes,
  either,
  finite,
  guard,
  instance,
  integer,
  like,
  listOf,
  numbers,
  optional,
  options,
  type Kind,
} from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { arena, circuit, guardEntry, guardRelease, inherited, secretKey } from '../rlwe/signatures.ts';
import { CiphertextBatch, CkksCiphertext } from './ciphertext.ts';
import { CkksBounds } from './circuit-bounds.ts';
import { CkksContext } from './context.ts';
import { CkksDecryptor } from './decryptor.ts';
import { CkksEncoder } from './encoder.ts';
import { CkksEncryptor } from './encryptor.ts';
import { CkksEvaluator } from './evaluator.ts';
import { LinearTransform } from './linear-transform.ts';
import { CkksParams } from './params.ts';
import { CkksPlaintext } from './plaintext.ts';
import { CkksRelease } from './release.ts';

const context = instance('a CkksContext', CkksContext);
const plaintext = instance('a CkksPlaintext (encoder.encode)', CkksPlaintext);
const ciphertext = instance('a CKKS ciphertext or batch (encryptor.encrypt)', CiphertextBatch);
const single = instance('a CkksCiphertext (encryptor.encrypt)', CkksCiphertext);
const settings = optional(options);
const matrix: Kind = { needed: 'a Map of diagonals', accepts: (value) => value instanceof Map };
const transform = instance('a LinearTransform (encoder.encodeLinearTransform)', LinearTransform);
const bound = like('a bound (bounds.fresh)', 'noiseBits', 'valueBits');
const summand = either(ciphertext, plaintext, finite);

printOnOneLine(CkksEncoder, CkksEncryptor, CkksBounds);

guard('CkksParams', CkksParams, { bootstrapping: { options: settings }, joint: { options: settings } });
guardEntry('Ckks', CkksParams, CkksContext, { key: secretKey, circuit, terms: options });
guardRelease('CkksRelease', CkksRelease, instance('a CkksEvaluator', CkksEvaluator), single);
guard('CkksEncoder', CkksEncoder.prototype, {
  encode: { values: numbers, options: settings },
  encodeCoefficients: { coefficients: numbers, options: settings },
  encodeInterleaved: { vectors: listOf('a list of arrays of numbers', numbers), options: settings },
  encodeLinearTransform: { diagonals: matrix, options: settings },
  decode: { plaintext, options: settings },
  decodeComplex: { plaintext, options: settings },
  decodeCoefficients: { plaintext },
  decodeInterleaved: { plaintext, k: integer },
});
guard('CkksEncryptor', CkksEncryptor.prototype, {
  encrypt: { plaintext },
  encryptBatch: { plaintexts: listOf('a list of CkksPlaintexts', plaintext) },
  encryptZero: { count: integer, at: options },
});
guard('CkksDecryptor', CkksDecryptor.prototype, {
  decrypt: { ciphertext: single },
  decryptBatch: { batch: ciphertext },
});
guard('CkksEvaluator', CkksEvaluator.prototype, {
  ...inherited(ciphertext, single),
  add: { a: ciphertext, b: summand },
  sub: { a: ciphertext, b: summand },
  mul: { a: ciphertext, b: either(ciphertext, plaintext) },
  mulLazy: { a: ciphertext, b: ciphertext },
  mulConstant: { a: ciphertext, weight: finite, scale: optional(finite) },
  mulMonomial: { a: ciphertext, exponent: integer },
  rescale: { a: ciphertext },
  multiplyRelinearizeRescale: { a: ciphertext, b: ciphertext },
  squareRelinearizeRescale: { a: ciphertext },
  align: { a: ciphertext, b: ciphertext },
  declareMaxAbs: { a: ciphertext, maxAbs: finite },
  conjugate: { a: ciphertext },
  linearTransform: {
    a: single,
    transform,
  },
  expandInterleaved: { a: ciphertext, k: integer },
  gemm: { weights: options, a: ciphertext, options: settings },
});
guard('CkksCiphertext', CkksCiphertext, { fromBytes: { context, bytes, arena } });
guard('CiphertextBatch', CiphertextBatch, {
  readInto: { context, bytes, words: like('words of a kernel', 'u64'), maxCount: integer },
  fromBytes: { context, bytes, arena, maxCount: integer },
  fromRoundedBytes: { context, bytes, arena, maxCount: integer },
  fromTracedBytes: { context, bytes, arena, slots: integer },
});
guard('CiphertextBatch', CiphertextBatch.prototype, {
  at: { index: integer },
  slice: { start: integer, count: integer },
  toRoundedBytes: { dropped: options },
  toTracedBytes: { shape: options },
});
guard('CkksBounds', CkksBounds.prototype, {
  outputOf: { circuit },
  fresh: { input: options },
  add: { a: bound, b: either(bound, plaintext, finite) },
  sub: { a: bound, b: either(bound, plaintext, finite) },
  negate: { a: bound },
  mul: { a: bound, b: either(bound, plaintext) },
  mulLazy: { a: bound, b: bound },
  relinearize: { a: bound },
  mulConstant: { a: bound, weight: finite, scale: optional(finite) },
  mulMonomial: { a: bound },
  rescale: { a: bound },
  multiplyRelinearizeRescale: { a: bound, b: bound },
  squareRelinearizeRescale: { a: bound },
  align: { a: bound, b: bound },
  declareMaxAbs: { a: bound, maxAbs: finite },
  dropTo: { a: bound, level: integer },
  rotate: { a: bound, by: integer },
  conjugate: { a: bound },
  linearTransform: { a: bound, transform },
});
