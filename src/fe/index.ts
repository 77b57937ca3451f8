/**
 * subrosa/fe: functional encryption of inner products.
 *
 *   InnerProductScheme             setup, encrypt, deriveKeys, decrypt; one interface for every scheme
 *   LatticeInnerProduct            module-LWE: one key opens an inner product with each of `packing` vectors
 *   LatticeParams, logQCeiling     its parameters, noise and security ceiling
 *   DdhInnerProduct                DDH over ristretto255, for results small enough for a discrete logarithm
 */
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
