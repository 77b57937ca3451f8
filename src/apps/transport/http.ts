/** The calls of encrypted inference over Node's own HTTP client. */
import { HttpExchange, type HttpOptions } from './exchange.ts';
import { InferenceTransport } from './inference-transport.ts';

export class HttpTransport extends InferenceTransport {
  /** @throws {UsageError} for an address that is not http(s), or plain HTTP to another machine. */
  constructor(address: string, options: HttpOptions) {
    super(new HttpExchange(address, options));
  }
}
