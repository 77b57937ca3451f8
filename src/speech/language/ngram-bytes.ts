/** A language model as bytes: two counts, then its arrays in the order of `NgramTables`. */
import type { ByteReader, ByteWriter, ReadBudget } from '../../base/bytes.ts';
import type { NgramTables } from './ngram.ts';
import { NgramModel } from './ngram.ts';
import { readNumbers, writeNumbers } from '../number-bytes.ts';

function arraysOf(tables: NgramTables): (Uint16Array | Uint32Array | Float32Array)[] {
  return [
    tables.unigram,
    tables.unigramBackoff,
    tables.bigramStart,
    tables.bigramWord,
    tables.bigram,
    tables.bigramBackoff,
    tables.trigramStart,
    tables.trigramWord,
    tables.trigram,
  ];
}

export function ngramByteLength(model: NgramModel): number {
  return arraysOf(model.tables).reduce((sum, array) => sum + array.byteLength, 8);
}

export function writeNgram(writer: ByteWriter, model: NgramModel): void {
  writer.u32(model.tables.bigram.length);
  writer.u32(model.tables.trigram.length);
  for (const array of arraysOf(model.tables)) writeNumbers(writer, array);
}

/** @throws {DecodeError} when the bytes end early, a number is not finite, or an index is out of order. */
export function readNgram(reader: ByteReader, vocabularySize: number, budget: ReadBudget): NgramModel {
  const bigrams = reader.u32();
  const trigrams = reader.u32();
  const f32 = (count: number): Float32Array => {
    const numbers = readNumbers(reader, Float32Array, count, budget);
    if (!numbers.every(Number.isFinite)) throw reader.error('a log probability is not finite');
    return numbers;
  };
  const tables: NgramTables = {
    unigram: f32(vocabularySize + 1),
    unigramBackoff: f32(vocabularySize + 2),
    bigramStart: readNumbers(reader, Uint32Array, vocabularySize + 3, budget),
    bigramWord: readNumbers(reader, Uint16Array, bigrams, budget),
    bigram: f32(bigrams),
    bigramBackoff: f32(bigrams),
    trigramStart: readNumbers(reader, Uint32Array, bigrams + 1, budget),
    trigramWord: readNumbers(reader, Uint16Array, trigrams, budget),
    trigram: f32(trigrams),
  };
  checkOrder(reader, tables.bigramStart, tables.bigramWord, vocabularySize);
  checkOrder(reader, tables.trigramStart, tables.trigramWord, vocabularySize);
  return new NgramModel(tables);
}

/** Offsets must rise from 0 to the end, and the words between two offsets must rise and be in the vocabulary. */
function checkOrder(
  reader: ByteReader,
  start: Uint32Array,
  words: Uint16Array,
  vocabularySize: number,
): void {
  if (start[0] !== 0 || start[start.length - 1] !== words.length)
    throw reader.error('n-gram offsets have gaps');
  for (let i = 0; i + 1 < start.length; i++) {
    if (start[i] > start[i + 1]) throw reader.error('n-gram offsets fall');
    for (let j = start[i]; j < start[i + 1]; j++) {
      const isRising = j === start[i] || words[j - 1] < words[j];
      if (words[j] > vocabularySize || !isRising) throw reader.error('n-gram words are out of order');
    }
  }
}
