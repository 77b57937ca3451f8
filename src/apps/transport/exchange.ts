/**
 * The client's side of one HTTP connection: fetch with time limits, and retries that depend on the transport alone.
 *
 * A retry sends the same bytes, a bounded number of times, and only when the server was absent, slow, busy or went
 * away. Nothing that was decrypted has a way in here, so a server learns nothing from watching what a client repeats.
 * Texts from the server are never shown: it may be malicious, and a terminal obeys escape sequences.
 */
import { ProtocolError, QueryBudgetError, TransportError, UsageError } from '../../base/errors.ts';
import { isLoopback } from '../../base/loopback.ts';
import { BINARY, parseTimings, TIMING_HEADER, WIRE_CODES, type WireCode } from './wire.ts';

export interface HttpOptions {
  /** 32 random bytes; whoever has them may use and delete the keys enrolled with them. */
  readonly token: Uint8Array;
  /** Time limit of one attempt, from sending to the last byte of the reply. Default 120,000. */
  readonly timeoutMs?: number;
  /** Attempts after the first. Default 4. */
  readonly retries?: number;
  /** Wait before the first retry; doubles each time, at most 10 s. Default 200. */
  readonly backoffMs?: number;
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

const MAX_BACKOFF_MS = 10_000;
/** Failures that another attempt cannot mend. */
const FINAL_CAUSES = /CERT|TLS|SELF_SIGNED|UNABLE_TO|INVALID_URL|ENOTFOUND|EPROTO/;

export class HttpExchange {
  readonly #base: string;
  readonly #options: Required<Omit<HttpOptions, 'insecure'>>;

  /** @throws {UsageError} for an address that is not http(s), or plain HTTP to another machine. */
  constructor(address: string, options: HttpOptions) {
    const url = URL.canParse(address) ? new URL(address) : null;
    if (url === null || !['http:', 'https:'].includes(url.protocol)) {
      throw new UsageError(
        `the server address must be an http(s) URL, for example http://127.0.0.1:8414; got "${address}"`,
      );
    }
    if (url.protocol === 'http:' && !isLoopback(url.hostname) && options.insecure !== true) {
      throw new UsageError(
        `${url.hostname} is another machine: use https, or --insecure-connect to send without TLS`,
      );
    }
    if (options.token.length !== 32) throw new UsageError('the token must be 32 bytes');
    this.#base = url.origin + url.pathname.replace(/\/$/, '');
    this.#options = {
      token: options.token,
      timeoutMs: options.timeoutMs ?? 120_000,
      retries: options.retries ?? 4,
      backoffMs: options.backoffMs ?? 200,
      maxReplyBytes: options.maxReplyBytes ?? 128 * 2 ** 20,
    };
  }

  /** Attempts until the server has answered; statuses of `expected` codes are returned, other refusals thrown. */
  async send(
    method: string,
    path: string,
    body?: Uint8Array,
    expected: readonly WireCode[] = [],
    signal?: AbortSignal,
  ): Promise<Received> {
    const { retries, backoffMs } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const last = attempt >= retries;
      let waitMs = Math.min(MAX_BACKOFF_MS, backoffMs * 2 ** attempt);
      try {
        const received = await this.#attempt(method, path, body, attempt + 1, signal);
        if (received.status < 300) return received;
        const code = refusalCode(received);
        if (code !== null && expected.includes(code)) return received;
        if (code === 'query-budget') throw new QueryBudgetError();
        if (received.status !== 503 && received.status !== 429) throw refusal(received.status, code);
        if (last)
          throw new TransportError(
            `the server stayed busy over ${attempt + 1} attempts: try again later`,
            true,
          );
        waitMs = Math.max(waitMs, retryAfterMs(received.headers));
      } catch (error) {
        if (!(error instanceof TransportError) || !error.details.retryable || last) throw error;
      }
      await pause(waitMs, signal);
    }
  }

  async #attempt(
    method: string,
    path: string,
    body: Uint8Array | undefined,
    attempts: number,
    signal: AbortSignal | undefined,
  ): Promise<Received> {
    const { token, timeoutMs, maxReplyBytes } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    const headers: Record<string, string> = {
      authorization: `Bearer ${Buffer.from(token).toString('base64url')}`,
    };
    if (body !== undefined) headers['content-type'] = BINARY;
    const started = performance.now();
    try {
      const response = await fetch(this.#base + path, {
        method,
        headers,
        redirect: 'error',
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      });
      const answered = performance.now();
      const bytes = await readBounded(response, maxReplyBytes);
      const serverMs = serverTime(response.headers);
      const exchange: Exchange = {
        attempts,
        bytesUp: body?.length ?? 0,
        bytesDown: bytes.length,
        uploadMs: Math.max(0, answered - started - serverMs),
        waitMs: serverMs,
        downloadMs: performance.now() - answered,
      };
      return { status: response.status, headers: response.headers, body: bytes, exchange };
    } catch (error) {
      throw this.#transportError(error, timeout, signal);
    }
  }

  #transportError(error: unknown, timeout: AbortSignal, signal: AbortSignal | undefined): unknown {
    if (error instanceof ProtocolError || signal?.aborted === true) return error;
    if (timeout.aborted) {
      const seconds = this.#options.timeoutMs / 1000;
      return new TransportError(`no full answer from ${this.#base} within ${seconds} s (--timeout)`, true, {
        cause: error,
      });
    }
    const cause = (error as { cause?: { code?: unknown; message?: unknown } }).cause;
    const code = String(cause?.code ?? cause?.message ?? 'connection lost').slice(0, 80);
    return new TransportError(
      `cannot talk to ${this.#base} (${code}): is the server running there?`,
      !FINAL_CAUSES.test(code),
      {
        cause: error,
      },
    );
  }
}

/** Queueing and evaluation as the server reports them; reception is part of the upload. */
function serverTime(headers: Headers): number {
  return parseTimings(headers.get(TIMING_HEADER)).reduce(
    (sum, { name, ms }) => sum + (name === 'receive' ? 0 : ms),
    0,
  );
}

async function readBounded(response: Response, limit: number): Promise<Uint8Array> {
  if (Number(response.headers.get('content-length') ?? 0) > limit) {
    await response.body?.cancel();
    throw new ProtocolError(`the server announced a reply of more than ${limit} bytes`);
  }
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    total += chunk.length;
    if (total > limit) throw new ProtocolError(`the server sent a reply of more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : new Uint8Array(Buffer.concat(chunks, total));
}

/** @throws {ProtocolError} when the answer is no JSON of at most 1 MiB. */
export function jsonOf({ body }: Received): unknown {
  try {
    if (body.length > 2 ** 20) throw new RangeError('over 1 MiB');
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    throw new ProtocolError(
      `the server sent no JSON where it was due: it is not a subrosa server (${(error as Error).name})`,
    );
  }
}

/** The code in a refusal, or null when it is none of ours. */
export function refusalCode({ body }: Received): WireCode | null {
  try {
    const { code } = JSON.parse(Buffer.from(body).subarray(0, 4096).toString('utf8')) as { code?: unknown };
    return WIRE_CODES.find((known) => known === code) ?? null;
  } catch {
    return null;
  }
}

function refusal(status: number, code: WireCode | null): ProtocolError {
  return new ProtocolError(`the server refused the request: ${code ?? 'no reason given'} (HTTP ${status})`);
}

function retryAfterMs(headers: Headers): number {
  const seconds = Number(headers.get('retry-after') ?? 0);
  return Number.isFinite(seconds) ? Math.min(30, Math.max(0, seconds)) * 1000 : 0;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', leave);
      resolve();
    }, ms);
    signal?.addEventListener('abort', leave, { once: true });
    if (signal?.aborted === true) leave();
  });
}
