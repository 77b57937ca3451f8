/**
 * What the server sees, for a page to show: the lines of its own log as they are written, and the first bytes of every body that reaches
 * the protocol. Both are all that there is: no key here opens anything.
 */
import type { InferenceService } from '../server/index.ts';

/** One thing that the server saw. */
export type Sight =
  | { readonly kind: 'log'; readonly line: Readonly<Record<string, string | number>> }
  | {
      readonly kind: 'received';
      readonly what: 'keys' | 'query';
      readonly model: string;
      readonly bytes: number;
      /** Its first bytes, hex. */
      readonly head: string;
    }
  | {
      readonly kind: 'edge';
      readonly role: 'a' | 'b';
      /** The words of the first layer that this edge computes on, base64, 32 bits each, little-endian. */
      readonly words: string;
      /** They count modulo 2^bits. */
      readonly bits: number;
    };

type Listener = (sight: Sight) => void;

const HEAD_BYTES = 64;
/** Kept for pages that open later. */
const REMEMBERED = 40;

export class Witness {
  readonly #listeners = new Set<Listener>();
  readonly #last: Sight[] = [];

  /** The destination of a server's log. */
  readonly destination = {
    write: (text: string): void => {
      const { level: _, ...line } = JSON.parse(text) as Record<string, string | number>;
      this.#note({ kind: 'log', line });
    },
  };

  /** The service, seen from outside: nothing that it does changes. */
  watch(service: InferenceService): InferenceService {
    return {
      offers: () => service.offers(),
      isReady: () => service.isReady(),
      enrolmentBytes: (model) => service.enrolmentBytes(model),
      queryBytes: (model) => service.queryBytes(model),
      querySamples: (model, query) => service.querySamples(model, query),
      forget: (tenant, model, keyId) => service.forget(tenant, model, keyId),
      onKeysLost: (listener) => service.onKeysLost(listener),
      ...(service.keyPlace !== undefined && { keyPlace: service.keyPlace }),
      ...(service.serves !== undefined && { serves: (model) => service.serves?.(model) ?? false }),
      predictedMs: (model, block) => service.predictedMs?.(model, block),
      enrol: (tenant, model, message, principal) => {
        this.#received('keys', model, message);
        return service.enrol(tenant, model, message, principal);
      },
      answer: (tenant, model, keyId, query, signal) => {
        this.#received('query', model, query);
        return service.answer(tenant, model, keyId, query, signal);
      },
    };
  }

  /** What an edge computes on; not kept for later pages. */
  saw(role: 'a' | 'b', words: Int32Array, bits: number): void {
    const { buffer, byteOffset, byteLength } = words;
    const text = Buffer.from(buffer, byteOffset, byteLength).toString('base64');
    for (const listener of this.#listeners) listener({ kind: 'edge', role, words: text, bits });
  }

  /** Tells what was seen lately and from now on; the result ends it. */
  listen(listener: Listener): () => void {
    for (const sight of this.#last) listener(sight);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #received(what: 'keys' | 'query', model: string, body: Uint8Array): void {
    const head = Buffer.from(body.subarray(0, HEAD_BYTES)).toString('hex');
    this.#note({ kind: 'received', what, model, bytes: body.length, head });
  }

  #note(sight: Sight): void {
    if (this.#last.push(sight) > REMEMBERED) this.#last.shift();
    for (const listener of this.#listeners) listener(sight);
  }
}
