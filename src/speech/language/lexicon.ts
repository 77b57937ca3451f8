/** Pronunciation lexica: words and how they may be said, as phones of the CMU set without stress. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { DataError } from '../../base/errors.ts';

/** The 39 phones of the CMU pronouncing dictionary. */
export const PHONES: readonly string[] =
  'AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH'.split(
    ' ',
  );

/** One way to say a word. */
export type Pronunciation = readonly string[];

/** Words in the order of their first line, each with one or more distinct pronunciations. */
export class Lexicon {
  readonly words: readonly string[];
  readonly pronunciations: readonly (readonly Pronunciation[])[];
  readonly #index: ReadonlyMap<string, number>;

  /** @throws {DataError} when there is no word, a word repeats, or a word or pronunciation is empty. */
  constructor(entries: readonly (readonly [word: string, pronunciations: readonly Pronunciation[]])[]) {
    arg.checkArguments('new Lexicon', [entries], { entries: arg.list });
    if (entries.length === 0) throw new DataError('lexicon has no words');
    const index = new Map<string, number>();
    for (const [word, pronunciations] of entries) {
      if (word === '' || index.has(word)) throw new DataError(`lexicon word '${word}' is empty or repeated`);
      if (pronunciations.length === 0 || pronunciations.some((phones) => phones.length === 0)) {
        throw new DataError(`lexicon word '${word}' has an empty pronunciation`);
      }
      index.set(word, index.size);
    }
    this.words = entries.map(([word]) => word);
    this.pronunciations = entries.map(([, pronunciations]) => pronunciations);
    this.#index = index;
  }

  /** The number of a word, or undefined when the lexicon lacks it. */
  indexOf(word: string): number | undefined {
    return this.#index.get(word);
  }

  /** The numbers of all words. @throws {DataError} naming the first that the lexicon lacks. */
  indicesOf(words: readonly string[]): number[] {
    return words.map((word) => {
      const index = this.#index.get(word);
      if (index === undefined) throw new DataError(`word '${word}' is not in the lexicon`);
      return index;
    });
  }
}

/**
 * Reads lines of `WORD<TAB>PH ON ES`; a word may have several lines. Stress digits are dropped, pronunciations that
 * become equal are merged, empty lines are skipped.
 *
 * @throws {DataError} with the line number of a line that is not of that form or has a phone outside `PHONES`.
 */
export function parseLexicon(text: string): Lexicon {
  const known = new Set(PHONES);
  const entries = new Map<string, Map<string, Pronunciation>>();
  text.split(/\r?\n/).forEach((line, number) => {
    if (line.trim() === '') return;
    const [word, phoneText, ...rest] = line.split('\t');
    if (!word || !phoneText || rest.length > 0) {
      throw new DataError(`lexicon line ${number + 1} is not 'WORD<TAB>PHONES'`);
    }
    const phones = phoneText
      .trim()
      .split(/\s+/)
      .map((phone) => phone.replace(/[0-9]$/, ''));
    const stranger = phones.find((phone) => !known.has(phone));
    if (stranger !== undefined)
      throw new DataError(`lexicon line ${number + 1} has an unknown phone '${stranger}'`);
    const variants = entries.get(word) ?? new Map<string, Pronunciation>();
    entries.set(word, variants.set(phones.join(' '), phones));
  });
  return new Lexicon([...entries].map(([word, variants]) => [word, [...variants.values()]]));
}

/** The text that `parseLexicon` reads back as the same lexicon. */
export function formatLexicon(lexicon: Lexicon): string {
  const lines = lexicon.words.flatMap((word, i) => {
    return lexicon.pronunciations[i].map((phones) => `${word}\t${phones.join(' ')}`);
  });
  return lines.join('\n');
}

/** The ten digits, ZERO to NINE in that order; ZERO in its two common forms. */
export const DIGIT_LEXICON: Lexicon = parseLexicon(
  [
    'ZERO\tZ IY R OW',
    'ZERO\tZ IH R OW',
    'ONE\tW AH N',
    'TWO\tT UW',
    'THREE\tTH R IY',
    'FOUR\tF AO R',
    'FIVE\tF AY V',
    'SIX\tS IH K S',
    'SEVEN\tS EH V AH N',
    'EIGHT\tEY T',
    'NINE\tN AY N',
  ].join('\n'),
);

printOnOneLine(Lexicon);
arg.guard('Lexicon', Lexicon.prototype, { indexOf: { word: arg.text }, indicesOf: { words: arg.list } });
