/** What the page with two edges and its worker say to each other. No message has room for a key or for a share. */
import type { LayerReport } from '../../../protocols/edge/device.ts';
import type { SentError } from '../../client/worker-messages.ts';

export type EdgesCall =
  | { readonly kind: 'open'; readonly origin: string }
  | { readonly kind: 'infer'; readonly pixels: Uint8Array };

export interface EdgesResult {
  /** Of the classes, reals. */
  readonly scores: readonly number[];
  readonly layers: readonly LayerReport[];
  /** Own work between the layers. */
  readonly activationMs: number;
  readonly totalMs: number;
  /** The first bytes of what went to each edge. */
  readonly heads: Readonly<Record<'a' | 'b', Uint8Array>>;
}

export type EdgesMessage =
  | { readonly kind: 'step'; readonly text: string; readonly share: number }
  | {
      readonly kind: 'opened';
      readonly layers: readonly string[];
      readonly fileBytes: number;
      readonly ports: Readonly<Record<'a' | 'b', number>>;
    }
  | { readonly kind: 'inferred'; readonly result: EdgesResult }
  | { readonly kind: 'failed'; readonly error: SentError };
