/** What clients need of a speech model: the client's part, and for comparison the networks in the clear. */
import {
  type AudioClip,
  type DecodedWord,
  FRAMES_PER_SECOND,
  MEL_FILTERS,
  type SampleSpan,
} from '../../speech/index.ts';
import { readClientPart } from '../speech/client-part.ts';
import type { Embedder } from '../speech/embedder.ts';
import {
  INPUT_FACTS,
  inputFacts,
  LEAST_FRAMES,
  SCORE_FACTS,
  scoreFacts,
  unfamiliar,
} from '../speech/familiarity.ts';

export interface ClearInputs {
  /** [frames, inputs] */
  readonly data: Float32Array;
  readonly frames: number;
}

/** What is spoken of a recording, at the rate of the model, and where that lies in the recording at that rate. */
export interface SpokenClip extends AudioClip {
  readonly spans: readonly SampleSpan[];
}

/** All that a client has: features in front of the network, words behind it, no weight. */
export interface Recogniser {
  readonly task: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Its vocabulary: a model that decides answers with a place in it. */
  readonly words: readonly string[];
  /** Frames per second of audio. */
  readonly frameRate: number;
  /** The recording without silence around it and long pauses. @throws {AudioError} on audio that cannot be used. */
  spokenPart(audio: AudioClip): SpokenClip;
  /** Inputs of a spoken part, or a piece of one. @throws {AudioError} on audio that cannot be used. */
  inputsOf(spoken: AudioClip): ClearInputs;
  /** Words for scores [frames, outputs]. */
  decode(scores: Float32Array): readonly string[];
  /** The same words with the frames in which they were said. */
  decodeTimed(scores: Float32Array): readonly DecodedWord[];
  /** What about the inputs is unlike anything in training; nothing for a model that does not know. */
  unfamiliarInputs(inputs: ClearInputs): readonly string[];
  /** The same of decrypted scores. */
  unfamiliarScores(scores: Float32Array): readonly string[];
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

/**
 * From the bytes of a model's client part; `embedder` for models with an embedding beside the log-mels.
 * @throws {DecodeError} when they are damaged. @throws {DataError} when the embedder is missing.
 */
export function recogniserOf(bytes: Uint8Array, embedder?: Embedder): Recogniser {
  const { task, frontEnd, decoder, familiar } = readClientPart(bytes, embedder);
  return {
    task,
    inputs: frontEnd.inputs,
    outputs: decoder.logPriors.length,
    words: decoder.graph.inventory.lexicon.words,
    frameRate: FRAMES_PER_SECOND,
    spokenPart: (audio) => frontEnd.spokenPart(audio),
    inputsOf: (spoken) => frontEnd.inputsOfSpoken(spoken),
    decode: (scores) => decoder.decode(scores).words,
    decodeTimed: (scores) => decoder.decode(scores).timing,
    unfamiliarInputs: (inputs) =>
      familiar === undefined || inputs.frames < LEAST_FRAMES
        ? []
        : unfamiliar(inputFacts(inputs, MEL_FILTERS, frontEnd.context.beside), familiar.inputs, INPUT_FACTS),
    unfamiliarScores: (scores) =>
      familiar === undefined
        ? []
        : unfamiliar(scoreFacts(scores, decoder.logPriors.length), familiar.scores, SCORE_FACTS),
  };
}
