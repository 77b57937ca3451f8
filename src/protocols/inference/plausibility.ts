/**
 * Whether scores can be what the model gave. A reply that its sender could not open itself, such as garbage or a valid one changed by
 * amounts that depend on the secret key, decrypts to values as wide as the modulus; scores take an eighth of it at most, which
 * `parseOffer` insists on. Changes that stay within the range are not seen: only what a person does about the words could show those.
 *
 * The verdict is for the owner of the key alone, like the scores.
 */
import type { Offer } from '../../compiler/offer.ts';

/** The compiler leaves this factor between the scores of the training data and the modulus; beyond it no evaluation is right. */
const MARGIN = 4;

/** False when a score is outside of what the model can give, or is no number; for a model that decides, when an answer is no place. */
export function isPlausible(
  scores: Float32Array,
  { outputRange: [low, high], outputs, decision }: Pick<Offer, 'outputRange' | 'outputs' | 'decision'>,
): boolean {
  if (decision !== undefined) return scores.every((place) => place >= 0 && place < outputs);
  const most = MARGIN * Math.max(Math.abs(low), Math.abs(high));
  return scores.every((score) => Math.abs(score) <= most);
}
