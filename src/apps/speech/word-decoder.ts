/** From network outputs to words, and word error rates over many utterances. */
import { acousticScores, Decoder, sumWordErrors, wordErrors } from '../../speech/index.ts';
import type { DecoderOptions, DecodingGraph, Transcript, WordErrors } from '../../speech/index.ts';

/** Everything that turns scores into words; chosen on the tuning part of a corpus and stored with the model. */
export interface DecoderSettings extends Required<DecoderOptions> {
  /** How much of the log-priors is subtracted from the log posteriors. */
  readonly priorScale: number;
}

export const DEFAULT_DECODER_SETTINGS: DecoderSettings = {
  acousticScale: 0.4,
  lmWeight: 1.5,
  wordPenalty: 0,
  silencePenalty: 0,
  beam: 12,
  wordEndBeam: 9,
  maxActive: 1500,
  priorScale: 0.8,
};

/** Keeps its decoder, whose tables depend on the graph and the settings alone. */
export class WordDecoder {
  readonly graph: DecodingGraph;
  readonly logPriors: Float32Array;
  readonly settings: DecoderSettings;
  readonly #decoder: Decoder;

  constructor(graph: DecodingGraph, logPriors: Float32Array, settings: DecoderSettings) {
    this.graph = graph;
    this.logPriors = logPriors;
    this.settings = settings;
    const { priorScale: _, ...options } = settings;
    this.#decoder = new Decoder(graph, options);
  }

  /** `logits`: [frames, states], before the softmax. @throws {ShapeError} when they are not whole frames. */
  decode(logits: Float32Array): Transcript {
    return this.#decoder.decode(acousticScores(logits, this.logPriors, this.settings.priorScale));
  }
}

/** Outputs and reference words of one utterance. */
export interface ScoredUtterance {
  readonly logits: Float32Array;
  readonly words: readonly string[];
}

/** Errors over all utterances; the rate is errors per reference word. */
export function wordErrorRate(decoder: WordDecoder, utterances: Iterable<ScoredUtterance>): WordErrors {
  const parts: WordErrors[] = [];
  for (const { logits, words } of utterances) parts.push(wordErrors(words, decoder.decode(logits).words));
  return sumWordErrors(parts);
}
