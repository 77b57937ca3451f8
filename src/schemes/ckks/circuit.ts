/**
 * A computation as a value, written once and run on ciphertexts by a {@link CkksEvaluator} or on bounds by {@link CkksBounds}: what the
 * owner of a key declares before it publishes a result.
 */
import type { DroppedBits } from '../rlwe/wire/dropped-bits.ts';
import type { EncryptionKey } from '../rlwe/release/own-encryptions.ts';
import type { LinearTransform } from './linear-transform.ts';
import type { CkksPlaintext } from './plaintext.ts';

/** The operations of {@link CkksEvaluator} on single ciphertexts, documented there; `C` is a ciphertext or a bound on one. */
export interface CkksOperations<C> {
  add(a: C, b: C | CkksPlaintext | number): C;
  sub(a: C, b: C | CkksPlaintext | number): C;
  negate(a: C): C;
  mul(a: C, b: C | CkksPlaintext): C;
  mulLazy(a: C, b: C): C;
  relinearize(a: C): C;
  mulConstant(a: C, weight: number, scale?: number): C;
  mulMonomial(a: C, exponent: number): C;
  rescale(a: C): C;
  multiplyRelinearizeRescale(a: C, b: C): C;
  squareRelinearizeRescale(a: C): C;
  align(a: C, b: C): [a: C, b: C];
  declareMaxAbs(a: C, maxAbs: number): C;
  dropTo(a: C, level: number): C;
  rotate(a: C, by: number): C;
  conjugate(a: C): C;
  linearTransform(a: C, transform: LinearTransform): C;
}

export interface CkksCircuitInput {
  /** Of every slot, imaginary parts included. */
  readonly maxAbs: number;
  /** What encrypts it; default the secret key. A public key is noisier. */
  readonly key?: EncryptionKey;
  /** Default: the highest level. */
  readonly level?: number;
  /** Default: the default scale of the parameters. */
  readonly scale?: number;
}

export interface CkksCircuit {
  readonly inputs: readonly CkksCircuitInput[];
  /** Low bits that the result may lack when it arrives: of {@link CiphertextBatch.toRoundedBytes}. Default none. */
  readonly dropped?: DroppedBits;
  /** May use nothing of its inputs but `on`: it is given ciphertexts or bounds. Plaintexts and constants are its own. */
  run<C>(on: CkksOperations<C>, inputs: readonly C[]): C;
}
