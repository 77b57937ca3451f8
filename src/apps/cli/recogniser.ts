/** What the commands need of a speech model: the client's part, and for comparison the networks in the clear. */
import type { AudioClip } from '../../speech/index.ts';

export interface ClearInputs {
  /** [frames, inputs] */
  readonly data: Float32Array;
  readonly frames: number;
}

/** All that a client has: features in front of the network, words behind it, no weight. */
export interface Recogniser {
  readonly task: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Frames per second of audio. */
  readonly frameRate: number;
  /** @throws {AudioError} on audio that cannot be used. */
  inputsOf(audio: AudioClip): ClearInputs;
  /** Words for scores [frames, outputs]. */
  decode(scores: Float32Array): readonly string[];
}

/** The network that runs under encryption, run in the clear. */
export interface ClearRun {
  /** [frames, outputs] */
  readonly scores: Float32Array;
  /** Layers whose values left the interval they had in training: there the polynomial may be far from the float network. */
  readonly leaves: readonly number[];
}

/** Networks on the client's side, for demonstrations. */
export interface ClearNetworks {
  polynomial(inputs: ClearInputs): ClearRun;
  /** The network that the polynomial one was made from; absent when it did not ship. */
  readonly float?: (inputs: ClearInputs) => Float32Array;
}
