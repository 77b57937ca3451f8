/**
 * Back-off n-gram language model up to order 3 over a closed vocabulary, as the sorted trie that a decoder walks.
 *
 * Words are numbers in [0, V); V is the end of the sentence. A state stands for the longest context that can
 * change a later probability: 0 is the empty context, 1 + w the single word w (V + 1 being the start of the
 * sentence), and 1 + (V + 2) + b the pair of words of bigram b. All probabilities are natural logarithms.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError } from '../../base/errors.ts';

/** The arrays of a model. Children of an entry are contiguous and sorted by word. */
export interface NgramTables {
  /** `[V + 1]`: words, then the end of the sentence. */
  readonly unigram: Float32Array;
  /** `[V + 2]`: back-off weight of every single-word context; the last is the start of the sentence. */
  readonly unigramBackoff: Float32Array;
  /** `[V + 3]`: bigrams of context w are `[bigramStart[w], bigramStart[w + 1])`. */
  readonly bigramStart: Uint32Array;
  readonly bigramWord: Uint16Array;
  readonly bigram: Float32Array;
  readonly bigramBackoff: Float32Array;
  /** [bigrams + 1], likewise for trigrams. */
  readonly trigramStart: Uint32Array;
  readonly trigramWord: Uint16Array;
  readonly trigram: Float32Array;
}

/** The largest vocabulary: word numbers take 16 bits and two are taken. */
export const MAX_VOCABULARY = 0xfffd;

export class NgramModel {
  readonly vocabularySize: number;
  /** The number of the end of the sentence, a word that only ever comes last. */
  readonly endOfSentence: number;
  readonly startState: number;
  readonly tables: NgramTables;
  readonly #pairBase: number;

  constructor(tables: NgramTables) {
    arg.checkArguments('new NgramModel', [tables], {
      tables: arg.like('a NgramTables', 'unigram', 'unigramBackoff'),
    });
    this.tables = tables;
    this.vocabularySize = tables.unigram.length - 1;
    this.endOfSentence = this.vocabularySize;
    this.#pairBase = this.vocabularySize + 3;
    const start = this.vocabularySize + 1;
    this.startState = this.#hasBigrams(start) ? 1 + start : 0;
  }

  /** A grammar in which every word follows with the same probability and a sentence ends with `endProbability`. */
  static uniform(vocabularySize: number, endProbability = 0.1): NgramModel {
    if (!(endProbability > 0 && endProbability < 1)) {
      throw new OutOfRangeError('end probability', 'within (0, 1)', endProbability);
    }
    const unigram = new Float32Array(vocabularySize + 1).fill(
      Math.log((1 - endProbability) / vocabularySize),
    );
    unigram[vocabularySize] = Math.log(endProbability);
    return new NgramModel({
      unigram,
      unigramBackoff: new Float32Array(vocabularySize + 2),
      bigramStart: new Uint32Array(vocabularySize + 3),
      bigramWord: new Uint16Array(0),
      bigram: new Float32Array(0),
      bigramBackoff: new Float32Array(0),
      trigramStart: new Uint32Array(1),
      trigramWord: new Uint16Array(0),
      trigram: new Float32Array(0),
    });
  }

  /** log P(word | state); `word` may be `endOfSentence`. */
  logProbability(state: number, word: number): number {
    const { tables } = this;
    let backoff = 0;
    let context = state - 1;
    if (state >= this.#pairBase) {
      const pair = state - this.#pairBase;
      const found = search(
        tables.trigramWord,
        tables.trigramStart[pair],
        tables.trigramStart[pair + 1],
        word,
      );
      if (found >= 0) return tables.trigram[found];
      backoff += tables.bigramBackoff[pair];
      context = tables.bigramWord[pair];
    }
    if (context >= 0) {
      const found = this.#bigramAt(context, word);
      if (found >= 0) return backoff + tables.bigram[found];
      backoff += tables.unigramBackoff[context];
    }
    return backoff + tables.unigram[word];
  }

  /** The state after `word` was said in `state`. */
  nextState(state: number, word: number): number {
    const { tables } = this;
    const context = state >= this.#pairBase ? tables.bigramWord[state - this.#pairBase] : state - 1;
    if (context >= 0) {
      const pair = this.#bigramAt(context, word);
      if (pair >= 0 && tables.trigramStart[pair] < tables.trigramStart[pair + 1])
        return this.#pairBase + pair;
    }
    return this.#hasBigrams(word) ? 1 + word : 0;
  }

  #bigramAt(context: number, word: number): number {
    const { bigramWord, bigramStart } = this.tables;
    return search(bigramWord, bigramStart[context], bigramStart[context + 1], word);
  }

  #hasBigrams(context: number): boolean {
    return this.tables.bigramStart[context] < this.tables.bigramStart[context + 1];
  }
}

/** Position of `word` in the sorted interval [low, high), or -1. */
function search(words: Uint16Array, low: number, high: number, word: number): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = words[middle];
    if (found === word) return middle;
    if (found < word) low = middle + 1;
    else high = middle;
  }
  return -1;
}

/** The inverse of the geometric mean probability of a word, ends of sentences counted as words. */
export function perplexity(model: NgramModel, sentences: readonly (readonly number[])[]): number {
  let total = 0;
  let count = 0;
  for (const sentence of sentences) {
    let state = model.startState;
    for (const word of sentence) {
      total += model.logProbability(state, word);
      state = model.nextState(state, word);
    }
    total += model.logProbability(state, model.endOfSentence);
    count += sentence.length + 1;
  }
  return Math.exp(-total / count);
}

printOnOneLine(NgramModel);
arg.guard('NgramModel', NgramModel, {
  uniform: { vocabularySize: arg.number, endProbability: arg.optional(arg.number) },
});
arg.guard('NgramModel', NgramModel.prototype, {
  logProbability: { state: arg.number, word: arg.number },
  nextState: { state: arg.number, word: arg.number },
});
