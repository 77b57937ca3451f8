/**
 * Reads a body, with or without a declared length, for as long as it makes progress: a slow link gets the time that it needs, a
 * stalled one is cut.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { LimitError } from '../../base/errors.ts';
import type { ReceiveBudget } from './admission/receive-budget.ts';
import { factsOf } from './request-facts.ts';

/** Reasons that are no fault of the bytes. The server's map from errors to answers knows them by `wire`. */
export class ReceiveError extends Error {
  readonly wire: 'timeout' | 'busy' | 'client-left';
  constructor(wire: ReceiveError['wire'], message: string) {
    super(message);
    this.name = 'ReceiveError';
    this.wire = wire;
  }
}

export interface ProgressRules {
  /** Longest silence within a body. */
  readonly stallTimeoutMs: number;
  /** A body that has come more slowly than this on the whole, is cut; the first `stallTimeoutMs` are free. */
  readonly minBytesPerSecond: number;
}

/** @throws {LimitError} above `limit` bytes. {@link ReceiveError} */
export function receiveBody(
  request: FastifyRequest,
  payload: IncomingMessage,
  {
    budget,
    limit,
    stallTimeoutMs,
    minBytesPerSecond,
  }: ProgressRules & {
    readonly budget: ReceiveBudget;
    readonly limit: number;
  },
): Promise<Buffer> {
  const facts = factsOf(request);
  const chunks: Buffer[] = [];
  const started = performance.now();
  let total = 0;
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(stalled);
      payload.off('data', take).off('end', ended).off('close', left);
      if (error === undefined)
        resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, total));
      else {
        // What still comes is not kept; the socket is closed when the answer is out.
        payload.resume();
        reject(error);
      }
    };
    const cut = () => settle(new ReceiveError('timeout', `the body stalled after ${total} bytes`));
    const stalled = setTimeout(cut, stallTimeoutMs);
    const take = (chunk: Buffer) => {
      if (total + chunk.length > limit) return settle(new LimitError('a body', `${limit} bytes`, 'larger'));
      if (!budget.take(facts.principal, chunk.length))
        return settle(new ReceiveError('busy', 'no memory for more bodies'));
      facts.reserved += chunk.length;
      total += chunk.length;
      chunks.push(chunk);
      const seconds = (performance.now() - started - stallTimeoutMs) / 1000;
      if (total < minBytesPerSecond * seconds) cut();
      else stalled.refresh();
    };
    const left = () => settle(new ReceiveError('client-left', 'the client left within its body'));
    const ended = () => settle();
    payload.on('data', take).once('end', ended).once('error', left).once('close', left);
  });
}
