/**
 * subrosa/fe: functional encryption of inner products.
 *
 *   InnerProductScheme             setup, encrypt, deriveKeys, decrypt; one interface for every scheme
 *   LatticeInnerProduct            module-LWE: one key opens an inner product with each of `packing` vectors
 *   LatticeParams, logQCeiling     its parameters, noise and security ceiling
 *   DdhInnerProduct                DDH over ristretto255, for results small enough for a discrete logarithm
 *   encryptMatrix, deriveMatrixKeys, decryptProduct   an encrypted matrix times a clear one, with either scheme
 *   DdhBasicOperations             + - * / of encrypted numbers with public ones, a key per entry
 *   scalarColumns, scalarWeights   + - * with a number for whole ciphertexts, as inner products of length 2
 *   openKernel, systemRandom, seedFromBytes   what the schemes compute with, and where their secrets come from
 */
export type { Seed } from '../base/brand.ts';
export { type RandomSource, seedFromBytes, systemRandom } from '../base/random.ts';
export { openKernel, type OpenKernelOptions } from '../kernel/open.ts';
export {
  BasicCiphertext,
  BasicCommitments,
  BasicKeys,
  type BasicOperation,
  BasicPublicKey,
  BasicSecretKey,
} from './ddh/basic-objects.ts';
export { DdhBasicOperations, type BasicOperationsSpec } from './ddh/basic-operations.ts';
export { DdhInnerProduct } from './ddh/scheme.ts';
export type {
  FunctionKeys,
  InnerProductCiphertext,
  InnerProductScheme,
  InnerProductSpec,
  MasterKeys,
  MasterPublicKey,
  MasterSecretKey,
} from './inner-product-scheme.ts';
export { LatticeParams, type LatticeSpec, logQCeiling } from './lattice/params.ts';
export { LatticeInnerProduct } from './lattice/scheme.ts';
export { scalarColumns, type ScalarOperation, scalarWeights } from './scalar-operations.ts';
export {
  decryptProduct,
  deriveMatrixKeys,
  EncryptedMatrix,
  encryptMatrix,
  type IntegerMatrix,
} from './secure-matrix.ts';
