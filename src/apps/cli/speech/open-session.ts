/** Sessions of the commands: over HTTP, with models and keys from files. */
import { join } from 'node:path';
import { systemRandom } from '../../../base/random.ts';
import type { Offer } from '../../../compiler/offer.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { ClientSession, type KeyFilePlan, type SessionParts } from '../../speech-client/client-session.ts';
import type { HttpOptions } from '../../transport/exchange.ts';
import { HttpTransport } from '../../transport/http.ts';
import type { EngineParts } from '../parts.ts';

export interface CommandSessionOptions {
  readonly server: string;
  readonly http: Omit<HttpOptions, 'token'>;
  readonly modelsDirectory: string;
  readonly keyFile?: KeyFilePlan;
}

/** Every model that the server offers, checked. @throws {TransportError | ProtocolError | DecodeError} */
export async function serverOffers(
  parts: EngineParts,
  { server, http }: Pick<CommandSessionOptions, 'server' | 'http'>,
): Promise<readonly Offer[]> {
  const transport = new HttpTransport(server, { ...http, token: systemRandom.seed() });
  return (await transport.models()).map((offer) => parts.parseOffer(offer));
}

/** @throws {KeyFileError | DataError | TransportError | ProtocolError} as {@link ClientSession.open} does. */
export function openSession(
  parts: EngineParts,
  kernel: Kernel,
  offer: Offer,
  { server, http, modelsDirectory, keyFile }: CommandSessionOptions,
): Promise<ClientSession> {
  const sessionParts: SessionParts = {
    loadRecogniser: (model, borrowed) => parts.loadRecogniser(join(modelsDirectory, model), borrowed),
    createClient: (...of) => parts.createClient(...of),
    restoreClient: (...of) => parts.restoreClient(...of),
  };
  const connect = (token: Uint8Array) => new HttpTransport(server, { ...http, token });
  return ClientSession.open(sessionParts, kernel, offer, {
    ...{ server, connect },
    ...(keyFile !== undefined && { keyFile }),
  });
}
