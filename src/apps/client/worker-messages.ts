/** What a page and its worker say to each other. No message has room for a key. */
import * as errors from '../../base/errors.ts';
import type {
  ClientProgress,
  ClientTraffic,
  ConnectOptions,
  InferenceResult,
  KeyOrigin,
  OfferDescription,
} from './client-types.ts';

/** Options that can be sent; the others stay with the page. */
export type SentOptions = Omit<ConnectOptions, 'onProgress' | 'onTraffic' | 'signal' | 'worker'> & {
  readonly wantsTraffic: boolean;
};

export type WorkerCall =
  | { readonly kind: 'open'; readonly url: string; readonly options: SentOptions }
  | { readonly kind: 'infer'; readonly inputs: Float32Array }
  | { readonly kind: 'infer-many'; readonly samples: readonly Float32Array[] }
  | { readonly kind: 'forget' };

export type PageMessage =
  | { readonly kind: 'call'; readonly id: number; readonly call: WorkerCall }
  | { readonly kind: 'abort'; readonly id: number };

export interface OpenedFacts {
  readonly describes: OfferDescription;
  readonly keys: KeyOrigin;
  readonly warnings: readonly string[];
}

export type WorkerMessage =
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly value: OpenedFacts | InferenceResult | InferenceResult[] | undefined;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly error: SentError }
  | { readonly kind: 'progress'; readonly progress: ClientProgress }
  | { readonly kind: 'traffic'; readonly traffic: ClientTraffic };

/** An error without its prototype, which no message carries. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly details?: object;
}

export function sentError(error: unknown): SentError {
  if (error instanceof errors.SubrosaError) {
    const { name, message, code, details } = error;
    return { name, message, code, details };
  }
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: 'Error', message: 'the worker failed' };
}

/** The error with the class that it had in the worker, so that `instanceof` and `code` tell a page what they would tell Node. */
export function receivedError({ name, message, code, details }: SentError): Error {
  const error = new Error(message);
  const known = (errors as Readonly<Record<string, unknown>>)[name];
  if (code !== undefined && typeof known === 'function')
    Object.setPrototypeOf(error, known.prototype as object);
  const own = { name, ...(code !== undefined && { code, details: Object.freeze(details ?? {}) }) };
  for (const [key, value] of Object.entries(own))
    Object.defineProperty(error, key, { value, configurable: true });
  return error;
}
