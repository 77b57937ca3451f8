/**
 * Speech: from samples to network inputs, and from network scores to words. Knows nothing of networks or encryption.
 *
 * In the order in which a training pipeline meets them:
 * - audio: `readAudio(bytes, { maxSeconds })` of any kind and `readWav`, with warnings; `writeWav(clip)`;
 *   `resample(samples, from, to)`
 * - features: `logMelFeatures(samples, rate)` -> FeatureMatrix [frames, 40]; `frameCount`
 * - speech alone: `spokenPart(samples, rate)` cuts long pauses; `spokenFeatures(samples, rate)` has the mean of the speech
 *   removed; `timeInRecording(spans, at)`
 * - network input: `networkInput(features, { left, right, coefficients })` -> [frames, 40 * coefficients], order
 *   input[k * 40 + filter]; `ContextWindow.frameInto` for one frame at a time;
 *   `NormalizationStatistics.add/finish` -> InputNormalization, `normalizeInto`
 * - corpora: `parseSentenceTable`, `sentenceValidationSpeakers`; `parseDigitFileName`, `digitSplit`;
 *   `drawDigitStrings` and `joinDigits` make connected strings of single digits
 * - targets: `parseLexicon` or `DIGIT_LEXICON` -> `new StateInventory(lexicon, 'phone' | 'word', statesPerUnit)`;
 *   `trainAligner(utterances, inventory, options, onProgress)` -> Aligner, `.align(utterance)` -> state per frame;
 *   `alignWithScores` realigns with a trained network; `statePriors`, `estimateTransitions` count alignments;
 *   phones in context: `new StateInventory(lexicon, 'triphone', 3, tying)`, `tieStates(inventory, statistics, outputs)`
 * - language model: `trainNgram(sentences, vocabularySize, order)` or `NgramModel.uniform(vocabularySize)`; `perplexity`
 * - decoding: `new DecodingGraph(inventory, transitions, languageModel)`, `.toBytes()`/`DecodingGraph.fromBytes`;
 *   `new Decoder(graph, options).decode(scores)` -> Transcript, scores of
 *   `acousticScores(logits, logPriors, priorScale)`
 * - evaluation: `wordErrors(reference, hypothesis)` -> counts and rate, `sumWordErrors`
 */
export * from './decoding/acoustic-scores.ts';
export * from './alignment/align.ts';
export * from './audio/audio-file.ts';
export * from './audio/audio-kind.ts';
export * from './alignment/connected-digits.ts';
export * from './features/context-window.ts';
export * from './alignment/corpora.ts';
export * from './decoding/decoder.ts';
export * from './decoding/decoding-graph.ts';
export * from './features/features.ts';
export * from './language/lexicon.ts';
export * from './language/ngram-training.ts';
export * from './language/ngram.ts';
export * from './features/normalization.ts';
export * from './audio/resample.ts';
export * from './audio/sample-rates.ts';
export * from './features/spoken-features.ts';
export * from './features/spoken-part.ts';
export * from './decoding/state-inventory.ts';
export * from './alignment/state-tying.ts';
export { cepstralFeatures } from './features/cepstra.ts';
export * from './alignment/viterbi.ts';
export * from './audio/wav-format.ts';
export * from './audio/wav-writer.ts';
export * from './audio/wav.ts';
export * from './decoding/word-errors.ts';
