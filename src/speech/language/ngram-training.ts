/**
 * Interpolated modified Kneser-Ney estimation of an n-gram model. Source: [CG98, sections 2.7 and 3].
 *
 * p(w | h) = max(0, c(hw) - D(c)) / c(h.) + gamma(h) p(w | h'), where lower orders count distinct left neighbours
 * instead of occurrences, and the lowest is interpolated with the uniform distribution, which gives words
 * that the text lacks their share.
 */
import { DataError, LimitError, OutOfRangeError } from '../../base/errors.ts';
import type { NgramTables } from './ngram.ts';
import { MAX_VOCABULARY, NgramModel } from './ngram.ts';

/** Counts of the words that follow one context. */
type Followers = Map<number, number>;

/**
 * Estimates a model from sentences of word numbers in [0, vocabularySize).
 *
 * @throws {DataError} when there is no sentence or a word is outside the vocabulary.
 */
export function trainNgram(
  sentences: readonly (readonly number[])[],
  vocabularySize: number,
  order = 3,
): NgramModel {
  if (order !== 1 && order !== 2 && order !== 3)
    throw new OutOfRangeError('n-gram order', '1, 2 or 3', order);
  if (vocabularySize > MAX_VOCABULARY) throw new LimitError('vocabulary', MAX_VOCABULARY, vocabularySize);
  if (sentences.length === 0) throw new DataError('a language model needs at least one sentence');
  const counts = countNgrams(sentences, vocabularySize, order);
  const lower = withBigrams(unigramTables(counts.unigrams, vocabularySize), counts.bigrams);
  return new NgramModel(withTrigrams(lower, counts.trigrams));
}

/** The model of order 1, no context having any followers. */
function unigramTables(unigrams: Followers, vocabularySize: number): NgramTables {
  const { probabilities, leftover } = estimate(unigrams, discounts([unigrams]));
  const uniform = leftover / (vocabularySize + 1);
  return {
    ...NgramModel.uniform(vocabularySize).tables,
    unigram: Float32Array.from({ length: vocabularySize + 1 }, (_, word) => {
      return Math.log((probabilities.get(word) ?? 0) + uniform);
    }),
  };
}

function withBigrams(lower: NgramTables, bigrams: ReadonlyMap<number, Followers>): NgramTables {
  const discount = discounts(bigrams.values());
  const unigramBackoff = lower.unigramBackoff.slice();
  const start = [0];
  const words: number[] = [];
  const logProbabilities: number[] = [];
  for (let context = 0; context < unigramBackoff.length; context++) {
    const followers = bigrams.get(context);
    if (followers !== undefined) {
      const { probabilities, leftover } = estimate(followers, discount);
      unigramBackoff[context] = Math.log(leftover);
      for (const word of sortedKeys(followers)) {
        words.push(word);
        logProbabilities.push(Math.log(probabilities.get(word)! + leftover * Math.exp(lower.unigram[word])));
      }
    }
    start.push(words.length);
  }
  return {
    ...lower,
    unigramBackoff,
    bigramStart: Uint32Array.from(start),
    bigramWord: Uint16Array.from(words),
    bigram: Float32Array.from(logProbabilities),
    bigramBackoff: new Float32Array(words.length),
    trigramStart: new Uint32Array(words.length + 1),
  };
}

function withTrigrams(lower: NgramTables, trigrams: ReadonlyMap<number, Followers>): NgramTables {
  const discount = discounts(trigrams.values());
  const lowerModel = new NgramModel(lower);
  const width = lower.unigramBackoff.length;
  const bigramBackoff = lower.bigramBackoff.slice();
  const start = [0];
  const words: number[] = [];
  const logProbabilities: number[] = [];
  for (let context = 0; context < width; context++) {
    for (let pair = lower.bigramStart[context]; pair < lower.bigramStart[context + 1]; pair++) {
      const second = lower.bigramWord[pair];
      const followers = trigrams.get(context * width + second);
      if (followers !== undefined) {
        const { probabilities, leftover } = estimate(followers, discount);
        bigramBackoff[pair] = Math.log(leftover);
        for (const word of sortedKeys(followers)) {
          const shorter = Math.exp(lowerModel.logProbability(1 + second, word));
          words.push(word);
          logProbabilities.push(Math.log(probabilities.get(word)! + leftover * shorter));
        }
      }
      start.push(words.length);
    }
  }
  return {
    ...lower,
    bigramBackoff,
    trigramStart: Uint32Array.from(start),
    trigramWord: Uint16Array.from(words),
    trigram: Float32Array.from(logProbabilities),
  };
}

interface NgramCounts {
  readonly unigrams: Followers;
  /** By context word. */
  readonly bigrams: ReadonlyMap<number, Followers>;
  /** By context pair, first * (V + 2) + second. */
  readonly trigrams: ReadonlyMap<number, Followers>;
}

/** Occurrences at the highest order, and after the start of a sentence; distinct left neighbours elsewhere. */
function countNgrams(
  sentences: readonly (readonly number[])[],
  vocabularySize: number,
  order: number,
): NgramCounts {
  const width = vocabularySize + 2;
  const start = vocabularySize + 1;
  const unigrams: Followers = new Map();
  const bigrams = new Map<number, Followers>();
  const trigrams = new Map<number, Followers>();
  for (const sentence of sentences) {
    const words = [start, ...sentence, vocabularySize];
    for (let i = 1; i < words.length; i++) {
      if (i < words.length - 1 && !(words[i] >= 0 && words[i] < vocabularySize)) {
        throw new DataError(`word number ${words[i]} is outside the vocabulary of ${vocabularySize}`);
      }
      let isNew = true;
      if (order === 3 && i >= 2) isNew = increment(trigrams, words[i - 2] * width + words[i - 1], words[i]);
      if (order >= 2 && (isNew || words[i - 1] === start)) isNew = increment(bigrams, words[i - 1], words[i]);
      else isNew = isNew && order === 1;
      if (isNew) unigrams.set(words[i], (unigrams.get(words[i]) ?? 0) + 1);
    }
  }
  return { unigrams, bigrams, trigrams };
}

/** Counts `word` after `context`; true when it is the first time. */
function increment(table: Map<number, Followers>, context: number, word: number): boolean {
  let followers = table.get(context);
  if (followers === undefined) {
    followers = new Map();
    table.set(context, followers);
  }
  const count = followers.get(word) ?? 0;
  followers.set(word, count + 1);
  return count === 0;
}

/** What is taken off counts of 1, 2, and 3 or more. */
type Discounts = readonly [number, number, number];

/** Closed form of [CG98, eq. 26], kept within [0.1, count - 0.1] where few counts make it meaningless. */
function discounts(tables: Iterable<Followers>): Discounts {
  const n = [0, 0, 0, 0, 0];
  for (const followers of tables) {
    for (const count of followers.values()) if (count <= 4) n[count]++;
  }
  const y = n[1] / (n[1] + 2 * n[2]);
  const discountOf = (count: number): number => {
    const discount = count - ((count + 1) * y * n[count + 1]) / n[count];
    return Number.isFinite(discount) ? Math.max(0.1, Math.min(count - 0.1, discount)) : 0.75;
  };
  return [discountOf(1), discountOf(2), discountOf(3)];
}

/** Discounted relative frequencies, and the probability left over for the lower order. */
function estimate(
  followers: Followers,
  discount: Discounts,
): { probabilities: ReadonlyMap<number, number>; leftover: number } {
  let total = 0;
  for (const count of followers.values()) total += count;
  let leftover = 0;
  const probabilities = new Map<number, number>();
  for (const [word, count] of followers) {
    const off = discount[Math.min(count, 3) - 1];
    probabilities.set(word, (count - off) / total);
    leftover += off / total;
  }
  return { probabilities, leftover };
}

function sortedKeys(followers: Followers): number[] {
  return [...followers.keys()].sort((a, b) => a - b);
}
