/**
 * One HTTP request, once: whole body up, whole reply down. Time is counted from the last byte that moved, so that a slow link gets what its
 * progress needs and one that stands still is cut.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { ProtocolError } from '../../base/errors.ts';
import {
  type Attempt,
  type AttemptReply,
  type Connections,
  type RequestBody,
  StalledError,
} from './attempt.ts';
import { ProgressWatch, sendBufferMs } from './progress-watch.ts';
import { TLS_CLIENT } from './tls-failure.ts';

const CHUNK_BYTES = 16 * 1024;

/** Connections of one client to one server, kept between requests. */
export class HttpConnections implements Connections {
  readonly #agent: HttpAgent;
  readonly #request: typeof requestHttp;

  /** `ca` is trusted instead of the system's certificates, PEM. */
  constructor(isTls: boolean, ca: Uint8Array | undefined) {
    const kept = { keepAlive: true };
    this.#agent = isTls
      ? new HttpsAgent({ ...kept, ...TLS_CLIENT, ...(ca !== undefined && { ca: Buffer.from(ca) }) })
      : new HttpAgent(kept);
    this.#request = isTls ? requestHttps : requestHttp;
  }

  run(attempt: Attempt): Promise<AttemptReply> {
    const { method, url, headers, body, signal } = attempt;
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const watch = new ProgressWatch(attempt.timeoutMs, () => fail(new StalledError()));
      const length = body === undefined ? {} : { 'content-length': String(body.byteLength) };
      const request = this.#request(url, { method, headers: { ...headers, ...length }, agent: this.#agent });
      const leave = () => fail(signal?.reason);
      const settled = () => {
        watch.stop();
        signal?.removeEventListener('abort', leave);
      };
      const fail = (error: unknown) => {
        settled();
        reject(error);
        request.destroy();
      };
      request.on('error', fail);
      request.on('response', (response) => {
        const answered = performance.now();
        watch.begin();
        const receive = async () => {
          const bytes = await readBounded(response, attempt.maxReplyBytes, (count) => watch.moved(count));
          settled();
          // An answer before the end of the request: the rest of it would only be thrown away.
          if (!request.writableFinished) request.destroy();
          const { statusCode = 0, rawHeaders } = response;
          const times = { answerMs: answered - started, downloadMs: performance.now() - answered };
          resolve({ status: statusCode, headers: headersOf(rawHeaders), body: bytes, ...times });
        };
        receive().catch(fail);
      });
      signal?.addEventListener('abort', leave, { once: true });
      if (signal?.aborted === true) return leave();
      if (body === undefined) request.end();
      else upload(request, body, watch, fail);
    });
  }
}

/** Writes piece after piece; each counts as moved when the system has taken it. The caller watches errors of the request. */
function upload(
  request: ReturnType<typeof requestHttp>,
  body: RequestBody,
  watch: ProgressWatch,
  fail: (error: unknown) => void,
): void {
  const bufferMs = sendBufferMs(body.byteLength);
  const pieces = chunksOf(body);
  const send = () => {
    try {
      const { value: piece, done } = pieces.next();
      if (done === true) {
        watch.begin(bufferMs);
        request.end();
        return;
      }
      request.write(piece, (error) => {
        if (error || request.destroyed) {
          pieces.return();
          return;
        }
        watch.moved(piece.length);
        send();
      });
    } catch (error) {
      fail(error);
    }
  };
  watch.begin(bufferMs / 3);
  send();
}

function* chunksOf(body: RequestBody): Generator<Uint8Array, void, undefined> {
  for (const piece of body instanceof Uint8Array ? [body] : body.pieces())
    for (let at = 0; at < piece.length; at += CHUNK_BYTES) yield piece.subarray(at, at + CHUNK_BYTES);
}

async function readBounded(
  response: IncomingMessage,
  limit: number,
  moved: (bytes: number) => void,
): Promise<Uint8Array> {
  if (Number(response.headers['content-length'] ?? 0) > limit)
    throw new ProtocolError(`the server announced a reply of more than ${limit} bytes`);
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    total += chunk.length;
    if (total > limit) throw new ProtocolError(`the server sent a reply of more than ${limit} bytes`);
    chunks.push(chunk);
    moved(chunk.length);
  }
  return new Uint8Array(Buffer.concat(chunks, total));
}

function headersOf(raw: readonly string[]): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < raw.length; i += 2) headers.append(raw[i] as string, raw[i + 1] as string);
  return headers;
}
