/** What the server and its evaluation thread say to each other. */
import type { Offer } from '../../compiler/offer.ts';
import type { KernelOptions } from '../../kernel/kernel.ts';
import type { InferenceAnswer } from '../../protocols/inference/responder.ts';
import type { KeyId, ModelName, TenantId } from '../../protocols/inference/names.ts';

/** Slots of the shared cancellation table; a request uses slot id mod CANCEL and writes its id there. */
export const CANCEL = 256;

export interface ThreadSetup {
  readonly models: readonly (
    | { readonly name: string; readonly network: Uint8Array }
    | { readonly program: Uint8Array }
  )[];
  readonly kernel: KernelOptions;
  readonly cancelled: SharedArrayBuffer;
  /** Replies are derived from it: a thread that takes the place of another answers as that one did. */
  readonly replySecret: Uint8Array;
}

interface ThreadCall {
  readonly id: number;
  readonly tenant: TenantId;
  readonly model: ModelName;
}

export type ThreadRequest =
  | (ThreadCall & { readonly kind: 'enrol'; readonly message: Uint8Array })
  | (ThreadCall & { readonly kind: 'answer'; readonly keyId: KeyId; readonly query: Uint8Array })
  | (ThreadCall & { readonly kind: 'forget'; readonly keyId: KeyId })
  | { readonly kind: 'rotate'; readonly id: number; readonly replySecret: Uint8Array };

export interface KernelFacts {
  readonly name: string;
  readonly isa: string;
  readonly threads: number;
}

export type ThreadReply =
  | {
      readonly kind: 'ready';
      readonly kernel: KernelFacts;
      readonly models: readonly {
        readonly offer: Offer;
        readonly enrolmentBytes: number;
        readonly queryBytes: number;
        /** Of an evaluation on a reference processor, by bucket. */
        readonly predictedMs: readonly number[];
      }[];
    }
  | { readonly kind: 'enrolled'; readonly id: number; readonly keyId: KeyId }
  | { readonly kind: 'forgotten'; readonly id: number }
  | { readonly kind: 'answered'; readonly id: number; readonly answer: InferenceAnswer }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string; readonly message: string };
