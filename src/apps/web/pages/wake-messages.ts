/** What the page that listens for a word and its worker say to each other. No message has room for a key. */
import type { ClientProgress, ClientTraffic, InferenceStats } from '../../client/client-types.ts';
import type { OpenedFacts, SentError } from '../../client/worker-messages.ts';

/** Where the server of the pages tells which word there is, or why there is none; files of the speech embedding are beside it. */
export const WAKE_PATH = '/wake-word/';

export type WakeWordOffer =
  | { readonly word: string; readonly model: string }
  /** One sentence: what to install. */
  | { readonly missing: string };

export type WakeCall =
  | { readonly kind: 'open'; readonly url: string; readonly model: string; readonly insecure: boolean }
  /** A new sound: what was there before is forgotten. */
  | { readonly kind: 'begin' }
  /** The next piece of it, at 16 kHz. */
  | { readonly kind: 'sound'; readonly samples: Float32Array }
  | { readonly kind: 'file'; readonly bytes: Uint8Array }
  /** The end of the sound; answered by `ended` when every window has its score, not at all when the sound has failed before. */
  | { readonly kind: 'end' };

export type WakeMessage =
  | { readonly kind: 'progress'; readonly progress: ClientProgress }
  | { readonly kind: 'traffic'; readonly traffic: ClientTraffic }
  | { readonly kind: 'opened'; readonly facts: OpenedFacts }
  | {
      readonly kind: 'scored';
      /** From 0, one every 80 ms. */
      readonly window: number;
      readonly score: number;
      /** To make the window, of this one alone. */
      readonly embedMs: number;
      readonly stats: InferenceStats;
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: SentError };
