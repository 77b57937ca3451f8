/** An inference with both edges as the terminal reports it. */
import type { EdgeInference } from '../../../protocols/edge/device.ts';

export interface TimedInference extends EdgeInference {
  readonly ms: number;
  /** Of all layers and both connections, handshakes included. */
  readonly traffic: { readonly up: number; readonly down: number };
}
