/**
 * subrosa/tfhe: messages of one to four bits, any table looked up exactly, comparisons and the place of the largest.
 *
 *   TfheParams, TfheContext                parameters -> context (kernel, tables, randomness)
 *   TfheSecretKey, TfheEvaluationKeys      disposable; the secret key leaves only by exportSecretBytes
 *   TfheEncryptor, TfheDecryptor           for the holder of the secret key
 *   TfhePackedCiphertext, unpack           many messages as they travel, and one by one
 *   TfheCiphertext                         one message, with what is known of its range and noise
 *   TfheEvaluator                          sum, lookup, max, wins, argmax, quantise, hide
 *   TfheExitKey, TfheExit                  coefficients of a CKKS ciphertext as messages
 *   openKernel, openWebKernel              the kernel by name, or from another place in a browser
 */
import './signatures.ts';

export { openKernel, type OpenKernelOptions } from '../../kernel/open.ts';
export { openWebKernel, type WebKernelOptions } from '../../kernel/wasm/wasm-web.ts';
export { TfheCiphertext, type TfheFacts, TfhePackedCiphertext, unpack } from './ciphertext.ts';
export { TfheContext } from './context.ts';
export { TfheDecryptor, TfheEncryptor } from './encryptor.ts';
export { TfheEvaluationKeys } from './evaluation-keys.ts';
export { TfheEvaluator, type TfheEvaluatorOptions } from './evaluator.ts';
export { TfheExit, type ExitReading } from './exit.ts';
export { exitModulus, TfheExitKey } from './exit-key.ts';
export {
  decryptionFailureBits,
  lookupFailureBits,
  quantisationMargin,
  quantisedLevel,
} from './noise.ts';
export { type TfheMessages, TfheParams, type TfheSpec } from './params.ts';
export { TfheSecretKey } from './secret-key.ts';
