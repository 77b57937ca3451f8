/** The calls of encrypted inference over HTTP, as a client makes them. */
import { ProtocolError } from '../../base/errors.ts';
import { KEY_ID, MODEL_NAME } from '../../protocols/inference/names.ts';
import { type Exchange, HttpExchange, type HttpOptions, jsonOf } from './exchange.ts';
import { PEAK_HEADER, parseTimings, routes, TIMING_HEADER, type TimedStep } from './wire.ts';

export interface QueryAnswer {
  readonly bytes: Uint8Array;
  readonly exchange: Exchange;
  readonly steps: readonly TimedStep[];
  readonly peakBytes: number;
}

export class HttpTransport {
  readonly #exchange: HttpExchange;

  /** @throws {UsageError} for an address that is not http(s), or plain HTTP to another machine. */
  constructor(address: string, options: HttpOptions) {
    this.#exchange = new HttpExchange(address, options);
  }

  /** What the server offers, unchecked JSON: callers validate each offer. @throws {TransportError | ProtocolError} */
  async models(): Promise<readonly unknown[]> {
    const reply = jsonOf(await this.#exchange.send('GET', routes.models));
    const models = (reply as { models?: unknown } | null)?.models;
    if (!Array.isArray(models))
      throw new ProtocolError('the server sent no list of models: it is not a subrosa server');
    return models.map((entry) => (entry as { offer?: unknown } | null)?.offer);
  }

  /** Uploads public and evaluation keys. @throws {TransportError | ProtocolError} */
  async enrol(model: string, message: Uint8Array): Promise<{ keyId: string; exchange: Exchange }> {
    const received = await this.#exchange.send('PUT', routes.keys(checkedName(model)), message);
    const keyId = (jsonOf(received) as { keyId?: unknown } | null)?.keyId;
    if (typeof keyId !== 'string' || !KEY_ID.test(keyId))
      throw new ProtocolError('the server answered an enrolment without a key id');
    return { keyId, exchange: received.exchange };
  }

  async hasKey(model: string, keyId: string): Promise<boolean> {
    const received = await this.#exchange.send('GET', routes.key(checkedName(model), keyId), undefined, [
      'unknown-key',
    ]);
    return received.status === 200;
  }

  /** Null when the server does not have the keys (any more). @throws {TransportError | ProtocolError | QueryBudgetError} */
  async query(
    model: string,
    keyId: string,
    bytes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<QueryAnswer | null> {
    const path = routes.queries(checkedName(model), keyId);
    const received = await this.#exchange.send('POST', path, bytes, ['unknown-key'], signal);
    if (received.status !== 200) return null;
    const steps = parseTimings(received.headers.get(TIMING_HEADER));
    const peak = Number(received.headers.get(PEAK_HEADER) ?? 0);
    return {
      bytes: received.body,
      exchange: received.exchange,
      steps: steps.filter(({ name }) => name !== 'receive' && name !== 'queue'),
      peakBytes: Number.isSafeInteger(peak) && peak > 0 ? peak : 0,
    };
  }

  /** True when the server had the keys and has dropped them. */
  async forget(model: string, keyId: string): Promise<boolean> {
    const received = await this.#exchange.send('DELETE', routes.key(checkedName(model), keyId), undefined, [
      'unknown-key',
    ]);
    return received.status === 204;
  }
}

function checkedName(model: string): string {
  if (!MODEL_NAME.test(model)) throw new ProtocolError('the server offers a model with a malformed name');
  return model;
}
