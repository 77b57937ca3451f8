/**
 * The client's side of one HTTP connection: requests with time limits, and retries that depend on the transport alone.
 *
 * A retry sends the same bytes (a streamed body: the same question under new randomness), a bounded number of times, and only when the server was absent, slow, busy or went
 * away. Nothing that was decrypted has a way in here, so a server learns nothing from watching what a client repeats.
 * Texts from the server are never shown: it may be malicious, and a terminal obeys escape sequences.
 */
import { ProtocolError, QueryBudgetError, TransportError, UsageError } from '../../base/errors.ts';
import { isLoopback } from '../../base/loopback.ts';
import { type AttemptReply, type Connections, type RequestBody, StalledError } from './attempt.ts';
import { base64Url } from './base64-url.ts';
import { Patience, type PatienceOptions, retryAfterMs } from './patience.ts';
import { tlsFailure } from './tls-failure.ts';
import { BINARY, parseTimings, TIMING_HEADER, WIRE_CODES, type WireCode } from './wire.ts';

export interface ExchangeOptions extends PatienceOptions {
  /** 32 random bytes; whoever has them may use and delete the keys enrolled with them. */
  readonly token: Uint8Array;
  /** An attempt ends when nothing has moved for so long, up or down, or no answer has begun. Default 120,000. */
  readonly timeoutMs?: number;
  /** Default 128 MiB. */
  readonly maxReplyBytes?: number;
  /** Permits plain HTTP to another machine. */
  readonly insecure?: boolean;
}

/** What one exchange cost, over its last attempt; `attempts` counts them all. */
export interface Exchange {
  readonly attempts: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly uploadMs: number;
  /** Queueing and evaluation, by the server's own clock. */
  readonly waitMs: number;
  readonly downloadMs: number;
}

/** An answer that was received whole. */
export interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly exchange: Exchange;
}

/** Failures that another attempt cannot mend. */
const FINAL_CAUSES = /INVALID_URL|ENOTFOUND/;
/** What a server or a proxy before it says when a request did not arrive, or when there is no server behind the proxy at the moment. */
const AGAIN: Readonly<Record<number, string>> = {
  408: 'the request did not arrive in the time that the server gives it (HTTP 408)',
  502: 'a proxy cannot reach the server (HTTP 502)',
  504: 'a proxy got no answer from the server (HTTP 504)',
};

export class RetryingExchange {
  readonly #base: string;
  readonly #host: string;
  readonly #token: Uint8Array;
  readonly #timeoutMs: number;
  readonly #maxReplyBytes: number;
  readonly #connections: Connections;
  readonly #patience: Patience;

  /** @throws {UsageError} for an address that is not http(s), or plain HTTP to another machine. */
  constructor(address: string, options: ExchangeOptions, connect: (isTls: boolean) => Connections) {
    const url = URL.canParse(address) ? new URL(address) : null;
    if (url === null || !['http:', 'https:'].includes(url.protocol)) {
      throw new UsageError(
        `the server address must be an http(s) URL, for example http://127.0.0.1:8414; got "${address}"`,
      );
    }
    const isTls = url.protocol === 'https:';
    if (!isTls && !isLoopback(url.hostname) && options.insecure !== true) {
      throw new UsageError(
        `${url.hostname} is another machine: use https, or --insecure-connect to send without TLS`,
      );
    }
    if (options.token.length !== 32) throw new UsageError('the token must be 32 bytes');
    this.#base = url.origin + url.pathname.replace(/\/$/, '');
    this.#host = url.host;
    this.#token = options.token;
    this.#timeoutMs = options.timeoutMs ?? 120_000;
    this.#maxReplyBytes = options.maxReplyBytes ?? 128 * 2 ** 20;
    this.#connections = connect(isTls);
    this.#patience = new Patience(options);
  }

  /** Attempts until the server has answered; statuses of `expected` codes are returned, other refusals thrown. */
  async send(
    method: string,
    path: string,
    body?: RequestBody,
    expected: readonly WireCode[] = [],
    signal?: AbortSignal,
  ): Promise<Received> {
    const turn = this.#patience.turn(signal);
    for (;;) {
      try {
        const received = await this.#attempt(method, path, body, turn.attempts + 1, signal);
        if (received.status < 300) return turn.ends(received);
        const code = refusalCode(received);
        if (code !== null && expected.includes(code)) return turn.ends(received);
        if (code === 'query-budget') throw new QueryBudgetError();
        const again = code === 'storage' ? 'the server could not write to its disk' : AGAIN[received.status];
        if (again !== undefined) throw new TransportError(again, true);
        if (received.status !== 503 && received.status !== 429)
          throw refusal(received.status, code, body?.byteLength ?? 0);
        await turn.waitWhileBusy(retryAfterMs(received.headers));
      } catch (error) {
        if (!(error instanceof TransportError) || !error.details.retryable) throw error;
        await turn.waitAfter(error);
      }
    }
  }

  async #attempt(
    method: string,
    path: string,
    body: RequestBody | undefined,
    attempts: number,
    signal: AbortSignal | undefined,
  ): Promise<Received> {
    const headers: Record<string, string> = {
      authorization: `Bearer ${base64Url(this.#token)}`,
    };
    if (body !== undefined) headers['content-type'] = BINARY;
    let reply: AttemptReply;
    try {
      reply = await this.#connections.run({
        ...{ method, headers, url: new URL(this.#base + path) },
        ...{ timeoutMs: this.#timeoutMs, maxReplyBytes: this.#maxReplyBytes },
        ...(body !== undefined && { body }),
        ...(signal !== undefined && { signal }),
      });
    } catch (error) {
      throw this.#transportError(error, signal);
    }
    if (reply.status >= 300 && reply.status < 400)
      throw new TransportError(`${this.#base} sends clients elsewhere (HTTP ${reply.status})`, false);
    const serverMs = serverTime(reply.headers);
    const exchange: Exchange = {
      attempts,
      bytesUp: body?.byteLength ?? 0,
      bytesDown: reply.body.length,
      uploadMs: Math.max(0, reply.answerMs - serverMs),
      waitMs: serverMs,
      downloadMs: reply.downloadMs,
    };
    return { status: reply.status, headers: reply.headers, body: reply.body, exchange };
  }

  #transportError(error: unknown, signal: AbortSignal | undefined): unknown {
    if (error instanceof ProtocolError || signal?.aborted === true) return error;
    const options = { cause: error };
    if (error instanceof StalledError) {
      const seconds = this.#timeoutMs / 1000;
      const what = `no full answer from ${this.#base}: nothing moved within ${seconds} s (--timeout)`;
      return new TransportError(what, true, options);
    }
    const ofTls = tlsFailure(error, this.#host);
    if (ofTls !== null) return new TransportError(ofTls, false, options);
    const { code: known, message } = error as { code?: unknown; message?: string };
    const code = String(known ?? message ?? 'connection lost').slice(0, 80);
    const what = `cannot talk to ${this.#base} (${code}): is the server running there?`;
    return new TransportError(what, !FINAL_CAUSES.test(code), options);
  }
}

/** Queueing and evaluation as the server reports them; reception is part of the upload. */
function serverTime(headers: Headers): number {
  return parseTimings(headers.get(TIMING_HEADER)).reduce(
    (sum, { name, ms }) => sum + (name === 'receive' ? 0 : ms),
    0,
  );
}

/** @throws {ProtocolError} when the answer is no JSON of at most 1 MiB. */
export function jsonOf({ body }: Received): unknown {
  try {
    if (body.length > 2 ** 20) throw new RangeError('over 1 MiB');
    return JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    throw new ProtocolError(
      `the server sent no JSON where it was due: it is not a subrosa server (${(error as Error).name})`,
    );
  }
}

/** The code in a refusal, or null when it is none of ours. */
export function refusalCode({ body }: Received): WireCode | null {
  try {
    const { code } = JSON.parse(new TextDecoder().decode(body.subarray(0, 4096))) as { code?: unknown };
    return WIRE_CODES.find((known) => known === code) ?? null;
  } catch {
    return null;
  }
}

function refusal(status: number, code: WireCode | null, bytes: number): ProtocolError {
  if (status === 413 && code === null) {
    return new ProtocolError(
      `a proxy before the server refuses a body of ${bytes} bytes (HTTP 413): it must allow bodies of ${mebibytes(bytes)} (nginx: client_max_body_size)`,
    );
  }
  return new ProtocolError(`the server refused the request: ${code ?? 'no reason given'} (HTTP ${status})`);
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
