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

/** As {@link chosenOffer}, of a model whose scores its client gets. @throws {UsageError} for one that answers with a word. */
export function chosenScores(offers: readonly Offer[], name: string | undefined, how?: string): Offer {
  const scored = offers.filter(({ decision }) => decision === undefined);
  const offer = chosenOffer(name === undefined && scored.length > 0 ? scored : offers, name, how);
  if (offer.decision === undefined) return offer;
  throw new UsageError(
    `the scores of ${offer.model} stay at the server, which answers with a word: transcribe --decoder server`,
  );
}
