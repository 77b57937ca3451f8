/** One HTTP request, once, whatever carries it out: Node's own client or the `fetch` of a browser. */

/** Bytes that are made while they are sent. Every call of `pieces` begins anew, possibly with other bytes that serve as well. */
export interface StreamedBody {
  readonly byteLength: number;
  pieces(): Iterable<Uint8Array>;
}

export type RequestBody = Uint8Array | StreamedBody;

/** All of a body at once, for what cannot send it in pieces. */
export function wholeBody(body: RequestBody): Uint8Array {
  if (body instanceof Uint8Array) return body;
  const whole = new Uint8Array(body.byteLength);
  let at = 0;
  for (const piece of body.pieces()) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export interface Attempt {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** The attempt ends when nothing has moved for so long. */
  readonly timeoutMs: number;
  readonly maxReplyBytes: number;
  readonly signal?: AbortSignal;
}

export interface AttemptReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
  /** From the start to the first byte of the answer, and from there to the last. */
  readonly answerMs: number;
  readonly downloadMs: number;
}

/** Nothing moved for so long, or next to nothing. */
export class StalledError extends Error {}

/** What carries out the requests of one client to one server. */
export interface Connections {
  /** @throws {StalledError}, {@link ProtocolError} for a reply over the limit, the signal's reason, or the system's error. */
  run(attempt: Attempt): Promise<AttemptReply>;
}
