/**
 * Speech: from samples to network inputs, and from network scores to words. Knows nothing of networks or encryption.
 *
 * In the order in which a training pipeline meets them:
 * - audio: `readWav(bytes, { maxSeconds })` and `writeWav(clip)`; `resample(samples, from, to)`
 * - features: `logMelFeatures(samples, rate)` -> FeatureMatrix [frames, 40]; `frameCount`
 * - network input: `networkInput(features, { left, right, coefficients })` -> [frames, 40 * coefficients], order
 *   input[k * 40 + filter]; `ContextWindow.frameInto` for one frame at a time;
 *   `NormalizationStatistics.add/finish` -> InputNormalization, `normalizeInto`
 * - corpora: `parseSentenceTable`, `sentenceValidationSpeakers`; `parseDigitFileName`, `digitSplit`;
 *   `connectedDigits` makes digit strings of single digits
 * - targets: `parseLexicon` or `DIGIT_LEXICON` -> `new StateInventory(lexicon, 'phone' | 'word', statesPerUnit)`;
 *   `trainAligner(utterances, inventory, options, onProgress)` -> Aligner, `.align(utterance)` -> state per frame;
 *   `alignWithScores` realigns with a trained network; `statePriors`, `estimateTransitions` count alignments
 * - language model: `trainNgram(sentences, vocabulary)` or `NgramModel.uniform`; `perplexity`
 * - decoding: `new DecodingGraph(inventory, transitions, languageModel)`, `.toBytes()`/`DecodingGraph.fromBytes`;
 *   `new Decoder(graph, options).decode(logLikelihoods, frames)` with `acousticScores(logits, priors)`
 * - evaluation: `wordErrors(reference, hypothesis)`, `sumWordErrors`
 */
export * from './align.ts';
export * from './context-window.ts';
export * from './corpora.ts';
export * from './features.ts';
export * from './lexicon.ts';
export * from './normalization.ts';
export * from './resample.ts';
export * from './state-inventory.ts';
export * from './wav.ts';
