/** Requests by `fetch`: for browsers, workers, and every other engine that has it. */
import { ProtocolError } from '../../base/errors.ts';
import { type Attempt, type AttemptReply, type Connections, StalledError, wholeBody } from './attempt.ts';
import { ProgressWatch, slowestMs } from './progress-watch.ts';

export class FetchConnections implements Connections {
  async run(attempt: Attempt): Promise<AttemptReply> {
    const { method, url, headers, body, signal, maxReplyBytes } = attempt;
    const cut = new AbortController();
    const leave = () => cut.abort(signal?.reason);
    const watch = new ProgressWatch(attempt.timeoutMs, () => cut.abort(new StalledError()));
    // Nobody sees a body move before all of it is there.
    watch.begin(slowestMs(body?.byteLength ?? 0));
    signal?.addEventListener('abort', leave, { once: true });
    if (signal?.aborted === true) leave();
    const started = performance.now();
    try {
      const response = await fetch(url, {
        ...{ method, headers, signal: cut.signal },
        // Nothing of a browser's own may go along, and nothing may be kept or followed.
        ...{ credentials: 'omit', cache: 'no-store', redirect: 'manual', referrerPolicy: 'no-referrer' },
        ...(body !== undefined && { body: wholeBody(body) as Uint8Array<ArrayBuffer> }),
      });
      const answered = performance.now();
      watch.begin();
      // A browser hides where a redirect leads; its status is 0 then.
      const status = response.type === 'opaqueredirect' ? 302 : response.status;
      const bytes = await readBounded(response, maxReplyBytes, (count) => watch.moved(count));
      const times = { answerMs: answered - started, downloadMs: performance.now() - answered };
      return { status, headers: response.headers, body: bytes, ...times };
    } catch (error) {
      throw cut.signal.aborted && !(error instanceof ProtocolError)
        ? cut.signal.reason
        : systemError(error, url);
    } finally {
      watch.stop();
      signal?.removeEventListener('abort', leave);
    }
  }
}

/** Node says what was wrong in the cause; a browser tells a page nothing, so the sentence names what it can be. */
function systemError(error: unknown, url: URL): unknown {
  if (!(error instanceof TypeError)) return error;
  const { cause } = error;
  if (cause instanceof Error && 'code' in cause) return cause;
  const origin = (globalThis as { location?: { origin?: string } }).location?.origin;
  const isForeign = origin !== undefined && origin !== url.origin;
  return new Error(
    isForeign ? `no connection, or the server does not allow pages of ${origin}` : 'no connection',
    { cause: error },
  );
}

async function readBounded(
  response: Response,
  limit: number,
  moved: (count: number) => void,
): Promise<Uint8Array> {
  const over = () => new ProtocolError(`the server's answer is larger than ${limit} bytes`);
  const declared = Number(response.headers.get('content-length') ?? 0);
  if (declared > limit) {
    await response.body?.cancel();
    throw over();
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const next = await reader?.read();
    if (next === undefined || next.done) break;
    moved(next.value.length);
    length += next.value.length;
    if (length > limit) {
      await reader?.cancel();
      throw over();
    }
    chunks.push(next.value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
