/** How long the messages of an offer are: known before any of them is made. */
import { type Bucket, type Offer, offeredKeyPlan, queryCiphertexts } from '../../compiler/offer.ts';
import { ciphertextBytes } from '../../schemes/ckks/ciphertext-wire.ts';
import { CkksParams } from '../../schemes/ckks/params.ts';
import { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { PublicKey } from '../../schemes/rlwe/keys/public-key.ts';
import { ENROLMENT_PREFIX_BYTES, QUERY_PREFIX_BYTES } from './messages.ts';

/** Bytes of an enrolment. */
export function offeredEnrolmentBytes(offer: Offer): number {
  const params = CkksParams.create(offer.params);
  const keys = EvaluationKeys.byteLength(params, offeredKeyPlan(offer));
  return ENROLMENT_PREFIX_BYTES + PublicKey.byteLength(params) + keys;
}

/** Bytes of a query in one of the offer's buckets. */
export function offeredQueryBytes(offer: Offer, bucket: Bucket): number {
  const params = CkksParams.create(offer.params);
  const count = queryCiphertexts(offer, bucket);
  const shape = { parts: 2, level: params.maxLevel, isSeeded: true, count };
  return QUERY_PREFIX_BYTES + ciphertextBytes(params, shape);
}
