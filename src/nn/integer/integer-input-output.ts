/** How real numbers enter a network over integers, and how they leave it. */
import type { SampleShape } from '../tensor/tensor.ts';

/** How real numbers enter: round half up of (x - offset) / scale, clamped to [low, high]. */
export interface IntegerInput {
  readonly shape: SampleShape;
  /** The real value of one unit. */
  readonly scale: number;
  readonly offset: number;
  /** -128 to 127 unless the network was made for another interval. */
  readonly low: number;
  readonly high: number;
  /** What the owner of the input does to it first, see {@link normaliseInput}; nothing by default. */
  readonly normalisation?: InputNormalisation;
}

/** `drawing`: {@link normaliseDrawing} of grey pixels. */
export type InputNormalisation = 'drawing';

/** How real numbers leave: each output is `scale` units; then perhaps the softmax. */
export interface IntegerOutput {
  readonly scale: number;
  readonly softmax: boolean;
  /** Names of the classes, one per output, for people; whoever prints them must make them printable first. */
  readonly labels?: readonly string[];
}
