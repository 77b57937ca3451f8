/** Which of a server's models is meant. */
import { ProtocolError, UsageError } from '../../base/errors.ts';
import type { Offer } from '../../compiler/offer.ts';

/**
 * The offer called `name`, or the only one. `how` says how the caller's user names one.
 * @throws {UsageError} when that does not single one out. {@link ProtocolError} when there is none.
 */
export function chosenOffer(
  offers: readonly Offer[],
  name: string | undefined,
  how = 'choose one with --model',
): Offer {
  const names = offers.map((offer) => offer.model).join(', ');
  if (offers.length === 0) throw new ProtocolError('the server offers no model');
  if (name === undefined && offers.length > 1) throw new UsageError(`the server offers ${names}: ${how}`);
  const offer = name === undefined ? offers[0] : offers.find(({ model }) => model === name);
  if (offer === undefined) throw new UsageError(`the server offers ${names}, not ${name}`);
  return offer;
}
