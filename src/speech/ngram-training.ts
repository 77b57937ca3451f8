/**
 * Interpolated modified Kneser-Ney estimation of an n-gram model. Source: [CG98, sections 2.7 and 3].
 *
 * p(w | h) = max(0, c(hw) - D(c)) / c(h.) + gamma(h) p(w | h'), where lower orders count distinct left neighbours
 * instead of occurrences, and the lowest is interpolated with the uniform distribution, which gives words
 * that the text lacks their share.
 */
import { DataError, LimitError, OutOfRangeError } from '../base/errors.ts';
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
  const end = vocabularySize;
  const start = vocabularySize + 1;
  const width = vocabularySize + 2;
  const counts = countNgrams(sentences, vocabularySize, order);

  const unigram = new Float32Array(vocabularySize + 1);
  const root = estimate(counts.unigrams, discounts([counts.unigrams]));
  const uniform = root.leftover / (vocabularySize + 1);
  for (let word = 0; word <= end; word++)
    unigram[word] = Math.log((root.probabilities.get(word) ?? 0) + uniform);

  const unigramBackoff = new Float32Array(width);
  const bigramStart = new Uint32Array(width + 1);
  const bigramWord: number[] = [];
  const bigram: number[] = [];
  const bigramBackoff: number[] = [];
  const trigramStart: number[] = [0];
  const trigramWord: number[] = [];
  const trigram: number[] = [];
  const bigramDiscounts = discounts(counts.bigrams.values());
  const trigramDiscounts = discounts(counts.trigrams.values());
  for (let context = 0; context <= start; context++) {
    const followers = counts.bigrams.get(context);
    if (followers !== undefined) {
      const pair = estimate(followers, bigramDiscounts);
      unigramBackoff[context] = Math.log(pair.leftover);
      for (const word of sortedKeys(followers)) {
        const probability = pair.probabilities.get(word)! + pair.leftover * Math.exp(unigram[word]);
        bigramWord.push(word);
        bigram.push(Math.log(probability));
      }
    }
    bigramStart[context + 1] = bigramWord.length;
  }
  const lookup = new NgramModel({
    unigram,
    unigramBackoff,
    bigramStart,
    bigramWord: Uint16Array.from(bigramWord),
    bigram: Float32Array.from(bigram),
    bigramBackoff: new Float32Array(bigram.length),
    trigramStart: new Uint32Array(bigram.length + 1),
    trigramWord: new Uint16Array(0),
    trigram: new Float32Array(0),
  });
  for (let context = 0; context <= start; context++) {
    for (let b = bigramStart[context]; b < bigramStart[context + 1]; b++) {
      const followers = counts.trigrams.get(context * width + bigramWord[b]);
      let backoff = 0;
      if (followers !== undefined) {
        const triple = estimate(followers, trigramDiscounts);
        backoff = Math.log(triple.leftover);
        for (const word of sortedKeys(followers)) {
          const lower = Math.exp(lookup.logProbability(1 + bigramWord[b], word));
          trigramWord.push(word);
          trigram.push(Math.log(triple.probabilities.get(word)! + triple.leftover * lower));
        }
      }
      bigramBackoff.push(backoff);
      trigramStart.push(trigramWord.length);
    }
  }
  return new NgramModel({
    ...lookup.tables,
    bigramBackoff: Float32Array.from(bigramBackoff),
    trigramStart: Uint32Array.from(trigramStart),
    trigramWord: Uint16Array.from(trigramWord),
    trigram: Float32Array.from(trigram),
  });
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
  return [1, 2, 3].map((count) => {
    const discount = count - ((count + 1) * y * n[count + 1]) / n[count];
    return Number.isFinite(discount) ? Math.max(0.1, Math.min(count - 0.1, discount)) : 0.75;
  }) as unknown as Discounts;
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
