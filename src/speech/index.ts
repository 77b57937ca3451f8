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
 *   `alignWithScores` realigns with a trained network; `statePriors`, `estimateTransitions` count alignments
 * - language model: `trainNgram(sentences, vocabularySize, order)` or `NgramModel.uniform(vocabularySize)`; `perplexity`
 * - decoding: `new DecodingGraph(inventory, transitions, languageModel)`, `.toBytes()`/`DecodingGraph.fromBytes`;
 *   `new Decoder(graph, options).decode(scores)` -> Transcript, scores of
 *   `acousticScores(logits, logPriors, priorScale)`
 * - evaluation: `wordErrors(reference, hypothesis)` -> counts and rate, `sumWordErrors`
 */
export * from './acoustic-scores.ts';
export * from './align.ts';
export * from './audio-file.ts';
export * from './audio-kind.ts';
export * from './connected-digits.ts';
export * from './context-window.ts';
export * from './corpora.ts';
export * from './decoder.ts';
export * from './decoding-graph.ts';
export * from './features.ts';
export * from './lexicon.ts';
export * from './ngram-training.ts';
export * from './ngram.ts';
export * from './normalization.ts';
export * from './resample.ts';
export * from './sample-rates.ts';
export * from './spoken-features.ts';
export * from './spoken-part.ts';
export * from './state-inventory.ts';
export * from './viterbi.ts';
export * from './wav-format.ts';
export * from './wav-writer.ts';
export * from './wav.ts';
export * from './word-errors.ts';
