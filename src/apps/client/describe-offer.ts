/** An offer in words and numbers for whoever asks the model. */
import { type Offer, ringParamsOf } from '../../compiler/offer.ts';
import { offeredEnrolmentBytes, offeredQueryBytes } from '../../protocols/inference/message-sizes.ts';
import type { OfferDescription } from './client-types.ts';

export function describeOffer(offer: Offer): OfferDescription {
  const params = ringParamsOf(offer);
  const { model, inputs, outputs, inputBound, outputError, outputRange, buckets } = offer;
  const smallest = Math.min(...buckets.map(({ block }) => block));
  const largest = Math.max(...buckets.map(({ block }) => block));
  return {
    ...{ model, inputs, outputs, interval: [-inputBound, inputBound], maxSamples: largest },
    ...{ error: outputError, range: outputRange },
    security: { bits: 128, ringDegree: params.n, modulusBits: Math.round(params.logQP) },
    bytes: {
      keys: offeredEnrolmentBytes(offer),
      queries: buckets.map((bucket) => ({ samples: bucket.block, bytes: offeredQueryBytes(offer, bucket) })),
    },
    learns: [
      'that somebody with a random token asked, from which address and when',
      `which model was asked: ${model}`,
      largest === 1
        ? 'that one sample was asked about'
        : `the number of samples, rounded up to a power of two from ${smallest} to ${largest}`,
    ],
    hidden: ['the inputs', 'every value inside the network', 'the scores and what follows from them'],
  };
}
