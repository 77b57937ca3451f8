/** What the page of a data owner and its worker say to each other, and what the trainer tells in the end. */
import type { SentError } from '../../client/worker-messages.ts';

/** What a trainer knows of a batch, told by the trainer. */
export interface TrainersView {
  /** P x of the first sample. */
  readonly products: readonly number[];
  /** Its reconstruction of every sample, 28 x 28 bytes each, base64. */
  readonly pictures: string;
  /** Of the samples, renamed. */
  readonly labels: readonly number[];
  /** The digit that it takes each name for. */
  readonly names: readonly number[];
  readonly bytes: number;
}

/** What the owner's own browser finds out before anything is encrypted. */
export interface OwnersMeasure {
  readonly rank: number;
  readonly features: number;
  /** Digits whose names the attack recovers. */
  readonly namesRecovered: number;
  readonly varianceExplained: number;
  /** What the attack makes of every drawing. */
  readonly pictures: readonly Uint8Array[];
  readonly ms: number;
}

export type OwnerCall =
  | { readonly kind: 'open'; readonly origin: string }
  | { readonly kind: 'measure'; readonly drawings: readonly Uint8Array[] }
  /** Only after the owner has said yes to what was measured. */
  | { readonly kind: 'send'; readonly drawings: readonly Uint8Array[] };

export type OwnerMessage =
  | { readonly kind: 'step'; readonly text: string; readonly share: number }
  | { readonly kind: 'opened'; readonly rank: number; readonly keyBytes: number }
  | { readonly kind: 'measured'; readonly measure: OwnersMeasure }
  | {
      readonly kind: 'sent';
      readonly view: TrainersView;
      /** The digit behind each secret name: for the owner alone. */
      readonly truth: readonly number[];
      readonly head: Uint8Array;
      readonly encryptMs: number;
      readonly totalMs: number;
    }
  | { readonly kind: 'failed'; readonly error: SentError };
