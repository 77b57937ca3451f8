/**
 * subrosa/bgv: leveled BGV, exact integers modulo t, over the same keys and key switching as subrosa/ckks.
 *
 *   BgvParams, BgvSpec, BgvIntent, BgvContext   literal or intent -> parameters -> context (kernel, tables, randomness)
 *   KeyGenerator, KeyPlan, rotationElement, conjugationElement
 *   SecretKey, PublicKey, EvaluationKeys   disposable; toBytes / fromBytes, the secret key only by exportSecretBytes
 *   BgvEncoder, BgvPlaintext               N slots in two rows, or raw coefficients
 *   BgvEncryptor, BgvDecryptor
 *   BgvCiphertext, BgvCiphertextBatch      one, or many in one run of memory; each with its noise bound
 *   BgvRelease, BgvCircuit, BgvCrtRelease  the one way to publish a result
 *   BgvEvaluator                           add, mul, modSwitch, modSwitchAuto, rotate, swapRows, ...
 *   BgvCrtParams, BgvCrtContext, ...       the same over several plaintext moduli, for integers larger than one
 *   Arena                                  owns what is computed
 *   openKernel                             the kernel by name, for `open`'s options; without one the best there is
 *   openWebKernel                          the WebAssembly kernel from another place than the package's, in a browser
 */
import './signatures.ts';

export { openKernel, type OpenKernelOptions } from '../../kernel/open.ts';
export { openWebKernel, type WebKernelOptions } from '../../kernel/wasm/wasm-web.ts';
export { Arena } from '../../ring/arena.ts';
export { EvaluationKeys } from '../rlwe/keys/evaluation-keys.ts';
export { KeyGenerator } from '../rlwe/keys/key-generator.ts';
export { conjugationElement, type KeyPlan, rotationElement } from '../rlwe/keys/key-plan.ts';
export { isInsecureParamsId, type RlweSpec } from '../rlwe/params.ts';
export type { ReadParamsOptions } from '../rlwe/wire/params-wire.ts';
export type { EvaluatorStatement, RecomputeOptions } from '../rlwe/release/release.ts';
export { PublicKey } from '../rlwe/keys/public-key.ts';
export { SecretKey } from '../rlwe/keys/secret-key.ts';
export { logQPCeiling } from '../rlwe/security.ts';
export { peekParamsId } from '../rlwe/wire/wire.ts';
export { BgvCiphertext, BgvCiphertextBatch } from './ciphertext.ts';
export { BgvContext } from './context.ts';
export type { BgvContextBase } from './context-base.ts';
export { BgvDecryptor } from './decryptor.ts';
export { BgvEncoder } from './encoder.ts';
export { BgvEncryptor } from './encryptor.ts';
export { BgvEvaluator } from './evaluator.ts';
export { BgvCrtCiphertext } from './crt/crt-ciphertext.ts';
export { BgvCrtContext } from './crt/crt-context.ts';
export type { BgvCrtContextBase } from './crt/crt-context-base.ts';
export { BgvCrtEncoder, BgvCrtPlaintext } from './crt/crt-encoder.ts';
export { BgvCrtDecryptor, BgvCrtEncryptor } from './crt/crt-encryptor.ts';
export { BgvCrtEvaluator } from './crt/crt-evaluator.ts';
export { BgvCrtParams, type BgvCrtSpec } from './crt/crt-params.ts';
export type { BgvCrtIntent, BgvIntent } from './intent.ts';
export { BgvParams, type BgvSpec } from './params.ts';
export { BgvPlaintext } from './plaintext.ts';
export { BgvCrtRelease } from './crt/crt-release.ts';
export { type BgvCircuit, BgvRelease } from './release.ts';
