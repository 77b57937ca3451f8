/** What a client may know of a program: enough to make keys, encrypt and decrypt; no weight, no step. */
import type { InputDescription } from '../nn/graph/model-graph.ts';
import type { TailGraph } from '../nn/graph/tail-graph.ts';
import { InvalidParamsError } from '../base/errors.ts';
import { CkksParams, type CkksSpec } from '../schemes/ckks/params.ts';
import { BgvCrtParams } from '../schemes/bgv/crt/crt-params.ts';
import type { DecisionTerms } from './decision/decision.ts';
import type { ExactTerms } from './exact/exact-offer.ts';
import type { RlweParams } from '../schemes/rlwe/params.ts';
import type { KeyPlan } from '../schemes/rlwe/keys/key-plan.ts';
import { ciphertextsOf, type Layout } from './packed/layout.ts';

/** How many samples a request may hold, and what follows from it. */
export interface Bucket {
  /** Samples per feature, a power of two; shorter requests are padded, which hides the length up to the bucket. */
  readonly block: number;
  /** Features per ciphertext on the wire: slots / block. */
  readonly interleave: number;
}

/** How a file becomes inputs, and what the scores mean. */
export interface ModelDescription {
  readonly input: InputDescription;
  /** What the client computes from the scores of a sample in the clear. */
  readonly tail: TailGraph;
}

/** Evaluation keys with the highest level that each serves; Galois elements ascending. */
export interface PackedKeys {
  /** Absent when nothing is relinearised. */
  readonly relinearize?: number;
  readonly galois: readonly { readonly element: number; readonly maxLevel: number }[];
}

/** Of a model that takes one sample in the slots of few ciphertexts. */
export interface PackedOffer {
  readonly input: Layout;
  readonly output: Layout;
  /** Replies carry the trace of their ciphertext alone, in the subring of the output's period. Absent: the whole. */
  readonly isTraced?: true;
  readonly keys: PackedKeys;
}

/** Ring and primes; the scale is that of an approximate program. */
export type OfferedParams = Pick<CkksSpec, 'logN' | 'logQ' | 'logP'> & Partial<Pick<CkksSpec, 'logScale'>>;

export interface Offer {
  readonly model: string;
  /** SHA-256 over the program, hex: a reply of another program cannot be mistaken. */
  readonly programId: string;
  readonly params: OfferedParams;
  readonly paramsId: string;
  /** Galois elements of the evaluation keys; relinearisation is always needed. */
  readonly galois: readonly number[];
  readonly buckets: readonly Bucket[];
  readonly inputs: number;
  readonly outputs: number;
  /** Scale of the encrypted input, at the highest level. */
  readonly inputScale: number;
  /** Inputs are clipped to [-inputBound, inputBound] by the client; the program's bounds assume it. */
  readonly inputBound: number;
  /** Scale of the reply, at level 0. */
  readonly outputScale: number;
  /** Expected standard deviation of a score's error, in score units; the meter's estimate, flooding and the bits dropped. */
  readonly outputError: number;
  /** Interval of the scores over the training data. */
  readonly outputRange: readonly [low: number, high: number];
  /** Of a program on integers: BGV in place of CKKS. */
  readonly exact?: ExactTerms;
  /** Of an imported model; the speech models bring a client's part of their own. */
  readonly about?: ModelDescription;
  readonly packed?: PackedOffer;
  /** Of a model whose scores do not leave: the reply is a place among the outputs. */
  readonly decision?: DecisionTerms;
}

/** What an offer or a program says of keys. */
export interface OfferedKeys {
  readonly galois: readonly number[];
  readonly packed?: { readonly keys: PackedKeys };
}

/** Ciphertexts of a query in a bucket. */
export function queryCiphertexts(
  { inputs, packed }: Pick<Offer, 'inputs' | 'packed'>,
  { interleave }: Bucket,
): number {
  return packed === undefined ? Math.ceil(inputs / interleave) : ciphertextsOf(packed.input);
}

/** Ciphertexts of a reply. */
export function replyCiphertexts(
  { outputs, packed }: Pick<Offer, 'outputs' | 'packed'>,
  { interleave }: Bucket,
): number {
  return packed === undefined ? Math.ceil(outputs / interleave) : ciphertextsOf(packed.output);
}

type OfferedScheme = Pick<Offer, 'params' | 'exact'>;

/** Of an approximate program. @throws {InvalidParamsError} for an exact one. {@link InsecureParamsError} */
export function ckksParamsOf({ params, exact }: OfferedScheme): CkksParams {
  const { logN, logQ, logP, logScale } = params;
  if (exact !== undefined || logScale === undefined)
    throw new InvalidParamsError(
      'the offer is that of an exact program, which only infer and InferenceClient ask',
      {},
    );
  return CkksParams.create({ logN, logQ, logP, logScale });
}

/** Of an exact program. @throws {InvalidParamsError} for another. {@link InsecureParamsError} */
export function bgvParamsOf({ params, exact }: OfferedScheme): BgvCrtParams {
  const { logN, logQ, logP, logScale } = params;
  if (exact === undefined || logScale !== undefined)
    throw new InvalidParamsError('the offer is not that of an exact program', {});
  return BgvCrtParams.create({ logN, logQ, logP, plaintextModuli: exact.moduli });
}

/** Of either: what keys and sizes follow from. @throws {InvalidParamsError} {@link InsecureParamsError} */
export function ringParamsOf(offer: OfferedScheme): RlweParams {
  return offer.exact === undefined ? ckksParamsOf(offer) : bgvParamsOf(offer).components[0]!;
}

/** The evaluation keys that a client makes and a server expects for an offer. */
export function offeredKeyPlan(offer: OfferedKeys): KeyPlan {
  const keys = offer.packed?.keys;
  if (keys !== undefined)
    return {
      relinearize: keys.relinearize === undefined ? false : { maxLevel: keys.relinearize },
      galois: keys.galois,
    };
  return { relinearize: true, galois: offer.galois };
}
