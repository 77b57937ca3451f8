/** Decoder settings by search: the fewest word errors on utterances that training has not seen and the test does not use. */
import type { DecodingGraph, WordErrors } from '../../speech/index.ts';
import type { SpeechTask } from '../speech/speech-task.ts';
import { DEFAULT_DECODER_SETTINGS, WordDecoder, wordErrorRate } from '../speech/word-decoder.ts';
import type { DecoderSettings, ScoredUtterance } from '../speech/word-decoder.ts';

/** Where the search starts, and the values tried for one setting after the other while the others stay. */
export interface DecoderSearch {
  readonly start: DecoderSettings;
  readonly candidates: readonly (readonly [keyof DecoderSettings, readonly number[]])[];
}

export const DECODER_SEARCHES: Readonly<Record<SpeechTask, DecoderSearch>> = {
  digits: {
    start: DEFAULT_DECODER_SETTINGS,
    candidates: [
      ['lmWeight', [0.5, 1, 1.5, 2, 3, 4]],
      ['acousticScale', [0.15, 0.25, 0.4, 0.6, 0.8]],
      ['wordPenalty', [-4, -2, -1, 0, 1]],
      ['priorScale', [0.3, 0.5, 0.8, 1]],
      ['lmWeight', [0.7, 1.2, 2.5]],
      ['silencePenalty', [-3, -1, 1]],
      ['wordPenalty', [-3, -1.5, -0.5, 0.5]],
    ],
  },
  // A large vocabulary is searched more widely, and a small language-model weight costs too much time to try.
  sentences: {
    start: {
      ...DEFAULT_DECODER_SETTINGS,
      acousticScale: 0.2,
      wordPenalty: 1.5,
      priorScale: 0.5,
      beam: 15,
      wordEndBeam: 11,
      maxActive: 3000,
    },
    candidates: [
      ['acousticScale', [0.16, 0.25, 0.3]],
      ['lmWeight', [1.2, 1.8]],
      ['wordPenalty', [0.5, 2.5]],
      ['priorScale', [0.3, 0.8]],
    ],
  },
};

/** Coordinate descent from the start of the search; ties keep the earlier settings. */
export function tuneDecoder(
  graph: DecodingGraph,
  logPriors: Float32Array,
  utterances: readonly ScoredUtterance[],
  search: DecoderSearch,
  report: (settings: DecoderSettings, errors: WordErrors) => void = () => {},
): DecoderSettings {
  let best = search.start;
  let least = Number.POSITIVE_INFINITY;
  const attempt = (settings: DecoderSettings): void => {
    const errors = wordErrorRate(new WordDecoder(graph, logPriors, settings), utterances);
    report(settings, errors);
    const count = errors.substitutions + errors.insertions + errors.deletions;
    if (count >= least) return;
    least = count;
    best = settings;
  };
  attempt(search.start);
  for (const [name, values] of search.candidates) {
    const around = best;
    for (const value of values) if (value !== around[name]) attempt({ ...around, [name]: value });
  }
  return best;
}
