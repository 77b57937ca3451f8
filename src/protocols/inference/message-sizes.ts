/** How long the messages of an offer are, known before any of them is made, and how many samples a query holds. */
import { ProtocolError } from '../../base/errors.ts';
import {
  bgvParamsOf,
  type Bucket,
  ckksParamsOf,
  type Offer,
  offeredKeyPlan,
  queryCiphertexts,
  ringParamsOf,
} from '../../compiler/offer.ts';
import { bgvCiphertextBytes } from '../../schemes/bgv/ciphertext-wire.ts';
import { ciphertextBytes } from '../../schemes/ckks/ciphertext-wire.ts';
import { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { PublicKey } from '../../schemes/rlwe/keys/public-key.ts';
import { ENROLMENT_PREFIX_BYTES, QUERY_PREFIX_BYTES, readQuery } from './messages.ts';

/** Bytes of an enrolment. */
export function offeredEnrolmentBytes(offer: Offer): number {
  const params = ringParamsOf(offer);
  const keys = EvaluationKeys.byteLength(params, offeredKeyPlan(offer));
  return ENROLMENT_PREFIX_BYTES + PublicKey.byteLength(params) + keys;
}

/** Bytes of a query in one of the offer's buckets, all its messages together. */
export function offeredQueryBytes(offer: Offer, bucket: Bucket): number {
  const count = queryCiphertexts(offer, bucket);
  if (offer.exact !== undefined) {
    const { components } = bgvParamsOf(offer);
    const shape = { parts: 2, level: components[0]!.maxLevel, isSeeded: true, count };
    return components.length * (QUERY_PREFIX_BYTES + bgvCiphertextBytes(components[0]!, shape));
  }
  const params = ckksParamsOf(offer);
  return (
    QUERY_PREFIX_BYTES + ciphertextBytes(params, { parts: 2, level: params.maxLevel, isSeeded: true, count })
  );
}

/**
 * Samples that a query may hold, by its bucket. Each message to an exact program counts: one plaintext modulus shows as much of the
 * model as all of them. @throws {DecodeError} {@link ProtocolError}
 */
export function offeredQuerySamples({ buckets, exact }: Offer, query: Uint8Array): number {
  const index = readQuery(query).bucket;
  if (exact !== undefined && index >= exact.moduli.length)
    throw new ProtocolError('no such plaintext modulus');
  const bucket = exact === undefined ? buckets[index] : buckets[0];
  if (bucket === undefined) throw new ProtocolError('no such bucket');
  return bucket.block;
}
