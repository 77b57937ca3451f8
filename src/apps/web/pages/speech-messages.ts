/** What the page that recognises speech and its worker say to each other. No message has room for a key or for scores. */
import type { ClientProgress, ClientTraffic } from '../../client/client-types.ts';
import type { OpenedFacts, SentError } from '../../client/worker-messages.ts';
import type { RecognisedUtterance } from '../../speech-client/utterance.ts';

/** Sound as it was recorded, or a file with it. */
export type SentAudio =
  | { readonly samples: Float32Array; readonly rate: number }
  | { readonly file: Uint8Array };

export type SpeechCall =
  | { readonly kind: 'open'; readonly url: string; readonly model: string; readonly insecure: boolean }
  | { readonly kind: 'recognise'; readonly audio: SentAudio };

export type RecognisedWords = Omit<RecognisedUtterance, 'inputs' | 'scores'> & {
  readonly warnings: readonly string[];
};

export type SpeechMessage =
  | { readonly kind: 'progress'; readonly progress: ClientProgress }
  | { readonly kind: 'traffic'; readonly traffic: ClientTraffic }
  | { readonly kind: 'opened'; readonly facts: OpenedFacts }
  | { readonly kind: 'recognised'; readonly result: RecognisedWords }
  | { readonly kind: 'failed'; readonly error: SentError };
