/** What the commands need of a speech model: the client's clear parts, and the clear networks to compare with. */
import type { PolynomialNetwork } from '../../nn/index.ts';
import type { AudioClip } from '../../speech/index.ts';

export interface ClearInputs {
  /** [frames, inputs] */
  readonly data: Float32Array;
  readonly frames: number;
}

/** The network that runs under encryption, run in the clear. */
export interface ClearRun {
  /** [frames, outputs] */
  readonly scores: Float32Array;
  /** Layers whose values left the interval they had in training: there the polynomial may be far from the float network. */
  readonly leaves: readonly number[];
}

export interface Recogniser {
  readonly task: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Frames per second of audio. */
  readonly frameRate: number;
  /** The network that runs under encryption. */
  readonly polynomial: PolynomialNetwork;
  /** The network it was made from; absent in models that ship without it. */
  readonly floatScores?: (inputs: ClearInputs) => Float32Array;
  clearPolynomial(inputs: ClearInputs): ClearRun;
  inputsOf(audio: AudioClip): ClearInputs;
  /** Words for scores [frames, outputs]. */
  decode(scores: Float32Array): readonly string[];
}
