/** The exchange of Node's own HTTP client: connections that are kept, TLS 1.3, certificates of one's own. */
import { HttpConnections } from './http-attempt.ts';
import { type ExchangeOptions, RetryingExchange } from './retrying-exchange.ts';

export interface HttpOptions extends ExchangeOptions {
  /** Certificates to trust instead of the system's, PEM. */
  readonly ca?: Uint8Array;
}

export class HttpExchange extends RetryingExchange {
  /** @throws {UsageError} for an address that is not http(s), or plain HTTP to another machine. */
  constructor(address: string, options: HttpOptions) {
    super(address, options, (isTls) => new HttpConnections(isTls, options.ca));
  }
}
