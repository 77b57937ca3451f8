/**
 * Models that take the same evaluation keys. An enrolment is made for parameters and a key plan, not for weights: a client that enrolled for
 * one of these models may ask all of them, with one secret key.
 */
import { type Offer, offeredKeyPlan } from '../../compiler/offer.ts';
import type { ModelName } from './names.ts';

/** Equal for offers of one parameter set and key plan. Batches and exact programs have keys of their own model. */
export function keyPlanOf(offer: Offer): string {
  if (offer.packed === undefined) return offer.model;
  return `${offer.paramsId} ${JSON.stringify(offeredKeyPlan(offer))}`;
}

/** The model under whose name enrolments for `model` are kept: the first, by name, of those that share its keys. */
export function keyModelIn(offers: readonly Offer[], model: ModelName): ModelName {
  const own = offers.find((offer) => offer.model === model);
  if (own === undefined) return model;
  const plan = keyPlanOf(own);
  const sharing = offers.filter((offer) => keyPlanOf(offer) === plan).map((offer) => offer.model);
  return sharing.sort()[0] as ModelName;
}
