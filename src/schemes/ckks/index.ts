/**
 * subrosa/ckks: leveled CKKS with hybrid key switching.
 *
 *   CkksParams, CkksSpec, CkksIntent, CkksContext   literal or intent -> parameters -> context (kernel, tables, randomness)
 *   KeyGenerator, KeyPlan, rotationElement, conjugationElement, expansionElements
 *   SecretKey, PublicKey, EvaluationKeys   disposable; toBytes / fromBytes, the secret key only by exportSecretBytes
 *   CkksEncoder, CkksPlaintext             slots, sparse slots, raw coefficients, interleaved vectors
 *   CkksEncryptor, CkksDecryptor
 *   CkksCiphertext, CiphertextBatch        one, or many in one run of memory
 *   CkksRelease, CkksCircuit, ReleaseBudget   the one way to publish a result
 *   CkksEvaluator                          add, mul, rescale, rotate, linearTransform, expandInterleaved, gemm, ...
 *   LinearTransform, linearTransformRotations   a matrix by its diagonals, and the rotations that it needs keys for
 *   Arena                                  owns what is computed
 *   isInsecureParamsId, peekParamsId       for servers that choose or refuse parameters
 *   freshNoise, keySwitchNoise, ...        variances, see ../rlwe/noise.ts
 *   openKernel                             the kernel by name, for `open`'s options; without one the best there is
 *   openWebKernel                          the WebAssembly kernel from another place than the package's, in a browser
 */
import './signatures.ts';

export { openKernel, type OpenKernelOptions } from '../../kernel/open.ts';
export { openWebKernel, type WebKernelOptions } from '../../kernel/wasm/wasm-web.ts';
export { Arena } from '../../ring/arena.ts';
export { type DroppedBits, droppableBits, droppedBound, droppedNoise } from '../rlwe/wire/dropped-bits.ts';
export { EncapsulationKeys } from '../rlwe/keys/encapsulation-keys.ts';
export { EvaluationKeys } from '../rlwe/keys/evaluation-keys.ts';
export { linearTransformRotations } from '../rlwe/giant-steps.ts';
export { KeyGenerator } from '../rlwe/keys/key-generator.ts';
export { conjugationElement, type KeyPlan, rotationElement } from '../rlwe/keys/key-plan.ts';
export {
  ERROR_VARIANCE,
  encodingNoise,
  expansionNoise,
  freshNoise,
  type GiantStepNorms,
  keySwitchNoise,
  linearTransformNoise,
  productNoise,
  publicKeyNoise,
  rescaleNoise,
  roundingNoise,
  squareNoise,
  weightedNoise,
} from '../rlwe/noise.ts';
export { isInsecureParamsId, type RlweSpec } from '../rlwe/params.ts';
export type { ReadParamsOptions } from '../rlwe/wire/params-wire.ts';
export type { EvaluatorStatement, RecomputeOptions } from '../rlwe/release/release.ts';
export { ReleaseBudget, type ReleaseTerms } from '../rlwe/release/release-budget.ts';
export { PublicKey } from '../rlwe/keys/public-key.ts';
export { SecretKey } from '../rlwe/keys/secret-key.ts';
export { logQPCeiling } from '../rlwe/security.ts';
export { peekParamsId, WireKind } from '../rlwe/wire/wire.ts';
export { CiphertextBatch, CkksCiphertext } from './ciphertext.ts';
export type { CkksCircuit, CkksCircuitInput, CkksOperations } from './circuit.ts';
export { type CkksBound, CkksBounds } from './circuit-bounds.ts';
export { CkksContext } from './context.ts';
export type { CkksContextBase } from './context-base.ts';
export { CkksDecryptor } from './decryptor.ts';
export { CkksEncoder, type EncodeOptions, type LinearTransformOptions } from './encoder.ts';
export { CkksEncryptor } from './encryptor.ts';
export { CkksEvaluator } from './evaluator.ts';
export { expansionElements } from './expand-interleaved.ts';
export type { CkksIntent } from './intent.ts';
export { LinearTransform } from './linear-transform.ts';
export { type BootstrappingOptions, CkksParams, type CkksSpec } from './params.ts';
export { CkksPlaintext } from './plaintext.ts';
export { CkksRelease, type CkksReleaseTerms } from './release.ts';
