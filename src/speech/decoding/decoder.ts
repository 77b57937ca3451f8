/**
 * Speech to words: time-synchronous Viterbi beam search by token passing over the prefix tree of the lexicon.
 *
 * A token is a path that stands in one state of the tree with one language-model state; paths that agree in both
 * are recombined. The unigram language model is applied early, as the best word below a node (look-ahead), and replaced by
 * the true probability when a word ends. Source: [NO00] for look-ahead and recombination, [YRT89] for tokens.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { DecodingGraph } from './decoding-graph.ts';
import { bestBelow, ROOT } from './prefix-tree.ts';
import { SILENCE_UNIT } from './state-inventory.ts';
import { TokenSet } from './token-set.ts';

/** All scores are natural logarithms; a path scores acousticScale * acoustics + transitions + lmWeight * lm + penalties. */
export interface DecoderOptions {
  readonly acousticScale?: number;
  readonly lmWeight?: number;
  /** Added per word; negative values make words rarer. */
  readonly wordPenalty?: number;
  /** Added per optional silence. */
  readonly silencePenalty?: number;
  /** Paths this far below the best are dropped after every frame. */
  readonly beam?: number;
  /** The narrower beam for paths at the end of a word. */
  readonly wordEndBeam?: number;
  /** About so many tokens survive a frame. */
  readonly maxActive?: number;
}

const DEFAULT_DECODER_OPTIONS: Required<DecoderOptions> = {
  acousticScale: 0.2,
  lmWeight: 1,
  wordPenalty: 0,
  silencePenalty: 0,
  beam: 14,
  wordEndBeam: 9,
  maxActive: 2500,
};

/** A word and the frames [start, end) in which it was said. */
export interface DecodedWord {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

export interface Transcript {
  readonly words: readonly string[];
  readonly timing: readonly DecodedWord[];
  /** The score of the path; comparable only between searches with the same options. */
  readonly score: number;
  /** False when no path ended with a whole word, and the words are those that the best path had finished. */
  readonly isComplete: boolean;
}

/** Silence is a node beside the tree, numbered after its last. */
export class Decoder {
  readonly graph: DecodingGraph;
  readonly options: Required<DecoderOptions>;
  readonly #lookAhead: Float64Array;
  readonly #silenceNode: number;
  readonly #tokens: [TokenSet, TokenSet];
  /** Finished words of all paths: predecessor, word, first frame and end. */
  #trace: { previous: number; word: number; start: number; end: number }[] = [];

  /** @throws {OutOfRangeError} when a beam, scale or limit is not positive. */
  constructor(graph: DecodingGraph, options: DecoderOptions = {}) {
    arg.checkArguments('new Decoder', [graph, options], {
      graph: arg.like('a DecodingGraph', 'toBytes', 'inventory'),
      options: arg.optional(arg.options),
    });
    this.graph = graph;
    this.options = { ...DEFAULT_DECODER_OPTIONS, ...options };
    const { acousticScale, beam, wordEndBeam, maxActive } = this.options;
    for (const [what, value] of Object.entries({ acousticScale, beam, wordEndBeam, maxActive })) {
      if (!(value > 0)) throw new OutOfRangeError(`decoder option ${what}`, 'positive', value);
    }
    const { languageModel, tree } = graph;
    const unigrams = Float64Array.from({ length: languageModel.vocabularySize }, (_, word) => {
      return this.options.lmWeight * languageModel.logProbability(0, word);
    });
    this.#lookAhead = bestBelow(tree, unigrams);
    this.#lookAhead[ROOT] = 0;
    this.#silenceNode = tree.nodeCount;
    const { tying } = graph.inventory;
    this.#tokens = [new TokenSet(tying), new TokenSet(tying)];
  }

  /**
   * The best word sequence for [frames, outputs] acoustic scores: log p(x | state) up to a constant per frame,
   * such as log posteriors minus log priors. Equal inputs give equal outputs; ties go to the earlier token.
   *
   * @throws {ShapeError} when the scores are not whole rows, or there are none.
   */
  decode(scores: Float32Array): Transcript {
    const { inventory, languageModel } = this.graph;
    const width = inventory.outputCount;
    if (scores.length === 0 || scores.length % width !== 0) {
      throw new ShapeError('acoustic scores', `a positive multiple of ${width} long`, scores.length);
    }
    const frames = scores.length / width;
    this.#trace = [];
    let [current, next] = this.#tokens;
    next.begin(scores.subarray(0, width), this.options);
    this.#enterWords(next, languageModel.startState, 0, -1, 0);
    this.#enterSilence(next, languageModel.startState, 0, -1, 0);
    for (let t = 1; t < frames; t++) {
      [current, next] = [next, current];
      next.begin(scores.subarray(t * width, (t + 1) * width), this.options);
      this.#advance(current, next, t);
    }
    return this.#finish(next, frames);
  }

  /** Moves every surviving token of frame t - 1 into frame t. */
  #advance(current: TokenSet, next: TokenSet, t: number): void {
    const { tree, inventory, transitions } = this.graph;
    const depth = inventory.statesPerUnit;
    const lookAhead = this.#lookAhead;
    const silence = this.#silenceNode;
    const endings = new WordEndings();
    const threshold = current.threshold(this.options.maxActive);
    for (let i = 0; i < current.count; i++) {
      const score = current.score[i];
      if (score < threshold) continue;
      const place = current.place[i];
      const state = current.state[i];
      const lm = current.lm[i];
      const trace = current.trace[i];
      const entry = current.entry[i];
      next.offer(place, state, lm, score + transitions.stay[state], trace, entry);
      const leaving = score + transitions.leave[state];
      if ((place + 1) % depth !== 0) {
        next.offer(place + 1, state + 1, lm, leaving, trace, entry);
        continue;
      }
      const node = (place + 1) / depth - 1;
      if (node === silence) {
        this.#enterWords(next, lm, leaving, trace, t);
        continue;
      }
      for (let child = tree.childStart[node]; child < tree.childStart[node + 1]; child++) {
        const score = leaving + lookAhead[child] - lookAhead[node];
        next.offer(child * depth, tree.unit[child] * depth, lm, score, trace, entry);
      }
      if (tree.wordStart[node] < tree.wordStart[node + 1])
        this.#endWords(endings, node, lm, leaving, trace, entry);
    }
    this.#startAfter(endings, next, t);
  }

  /** Offers the words of a node as finished, with their true language-model score. */
  #endWords(
    endings: WordEndings,
    node: number,
    lm: number,
    leaving: number,
    trace: number,
    entry: number,
  ): void {
    const { tree, languageModel } = this.graph;
    const { lmWeight, wordPenalty, wordEndBeam } = this.options;
    const base = leaving - this.#lookAhead[node] + wordPenalty;
    for (let i = tree.wordStart[node]; i < tree.wordStart[node + 1]; i++) {
      const word = tree.word[i];
      const score = base + lmWeight * languageModel.logProbability(lm, word);
      if (score < endings.best - wordEndBeam) continue;
      endings.offer(languageModel.nextState(lm, word), word, score, trace, entry);
    }
  }

  /** Records the words that ended with frame t - 1 and starts silence and new words after them. */
  #startAfter(endings: WordEndings, next: TokenSet, t: number): void {
    for (const ending of endings.byState.values()) {
      if (ending.score < endings.best - this.options.wordEndBeam) continue;
      const trace = this.#trace.length;
      this.#trace.push({ previous: ending.trace, word: ending.word, start: ending.entry, end: t });
      this.#enterSilence(next, ending.lm, ending.score, trace, t);
      this.#enterWords(next, ending.lm, ending.score, trace, t);
    }
  }

  #enterWords(next: TokenSet, lm: number, score: number, trace: number, t: number): void {
    const { tree, inventory } = this.graph;
    const depth = inventory.statesPerUnit;
    for (let child = tree.childStart[ROOT]; child < tree.childStart[ROOT + 1]; child++) {
      next.offer(child * depth, tree.unit[child] * depth, lm, score + this.#lookAhead[child], trace, t);
    }
  }

  #enterSilence(next: TokenSet, lm: number, score: number, trace: number, t: number): void {
    const depth = this.graph.inventory.statesPerUnit;
    next.offer(
      this.#silenceNode * depth,
      SILENCE_UNIT * depth,
      lm,
      score + this.options.silencePenalty,
      trace,
      t,
    );
  }

  #finish(tokens: TokenSet, frames: number): Transcript {
    const { tree, inventory, languageModel, transitions } = this.graph;
    const { lmWeight, wordPenalty } = this.options;
    const depth = inventory.statesPerUnit;
    let best = { score: Number.NEGATIVE_INFINITY, trace: -1 };
    for (let i = 0; i < tokens.count; i++) {
      if ((tokens.place[i] + 1) % depth !== 0) continue;
      const node = (tokens.place[i] + 1) / depth - 1;
      const lm = tokens.lm[i];
      const leaving = tokens.score[i] + transitions.leave[tokens.state[i]];
      if (node === this.#silenceNode) {
        const score = leaving + lmWeight * languageModel.logProbability(lm, languageModel.endOfSentence);
        if (score > best.score) best = { score, trace: tokens.trace[i] };
        continue;
      }
      for (let w = tree.wordStart[node]; w < tree.wordStart[node + 1]; w++) {
        const word = tree.word[w];
        const after = languageModel.nextState(lm, word);
        const logProbability =
          languageModel.logProbability(lm, word) +
          languageModel.logProbability(after, languageModel.endOfSentence);
        const score = leaving - this.#lookAhead[node] + wordPenalty + lmWeight * logProbability;
        if (score <= best.score) continue;
        best = { score, trace: this.#trace.length };
        this.#trace.push({ previous: tokens.trace[i], word, start: tokens.entry[i], end: frames });
      }
    }
    const isComplete = best.score > Number.NEGATIVE_INFINITY;
    if (!isComplete) {
      for (let i = 0; i < tokens.count; i++) {
        if (tokens.score[i] > best.score) best = { score: tokens.score[i], trace: tokens.trace[i] };
      }
    }
    const timing = this.#wordsOf(best.trace);
    return { words: timing.map(({ word }) => word), timing, score: best.score, isComplete };
  }

  #wordsOf(trace: number): DecodedWord[] {
    const words: DecodedWord[] = [];
    for (let i = trace; i >= 0; i = this.#trace[i].previous) {
      const { word, start, end } = this.#trace[i];
      words.push({ word: this.graph.inventory.lexicon.words[word], start, end });
    }
    return words.reverse();
  }
}

interface WordEnding {
  readonly lm: number;
  readonly word: number;
  readonly score: number;
  readonly trace: number;
  readonly entry: number;
}

/** The best finished word per language-model state of one frame. */
class WordEndings {
  readonly byState = new Map<number, WordEnding>();
  best = Number.NEGATIVE_INFINITY;

  offer(lm: number, word: number, score: number, trace: number, entry: number): void {
    const known = this.byState.get(lm);
    if (known !== undefined && known.score >= score) return;
    this.byState.set(lm, { lm, word, score, trace, entry });
    if (score > this.best) this.best = score;
  }
}

printOnOneLine(Decoder);
arg.guard('Decoder', Decoder.prototype, { decode: { scores: arg.typed('a Float32Array', Float32Array) } });
