/**
 * Read English sentences from speechocean762 (16 kHz Opus, non-native speakers, children and adults).
 *
 * Every tenth training speaker is kept for tuning; the dev speakers are the test. Decoded audio is kept as 16-bit PCM in the
 * user's cache, because decoding takes longer than everything else that is read.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OggOpusDecoder } from 'ogg-opus-decoder';
import { DataError } from '../../base/errors.ts';
import { parseSentenceTable, resample, sentenceValidationSpeakers } from '../../speech/index.ts';
import type { SentenceRecording } from '../../speech/index.ts';
import { audioCacheDirectory, pcmFromSamples, requireData, samplesFromPcm } from './corpus.ts';
import type { SpeechCorpus, Utterance } from './corpus.ts';

const SENTENCES_RATE = 16_000;
const OPUS_RATE = 48_000;

function readListing(path: string): SentenceRecording[] {
  requireData('the sentences task', path);
  return parseSentenceTable(readFileSync(path, 'utf8'));
}

/** The text of the pronunciation lexicon: a word, a tab and its phones per line. */
export function readLexiconText(directory: string): string {
  const path = join(directory, 'speechocean762', 'lexicon.txt');
  requireData('the sentences task', path);
  return readFileSync(path, 'utf8');
}

/** Only training reads Opus, so the package is an optional peer dependency. */
async function openDecoder(): Promise<OggOpusDecoder> {
  const { OggOpusDecoder } = await import('ogg-opus-decoder').catch(() => {
    throw new DataError(
      'the sentences corpus needs the package ogg-opus-decoder: npm install ogg-opus-decoder@1',
    );
  });
  return new OggOpusDecoder();
}

async function decodeOpus(path: string, decoder: OggOpusDecoder): Promise<Float32Array> {
  requireData('the sentences task', path);
  const { channelData, errors } = await decoder.decodeFile(readFileSync(path));
  await decoder.reset();
  const channel = channelData[0];
  if (errors.length > 0 || channel === undefined || channel.length === 0) {
    throw new DataError(`${path} does not decode as Ogg Opus`);
  }
  return resample(channel, OPUS_RATE, SENTENCES_RATE);
}

/** Decodes what the cache lacks; `progress` is told how many of the files are ready. */
async function fillCache(
  source: string,
  cache: string,
  listings: readonly SentenceRecording[],
  progress: (done: number, total: number) => void,
): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const missing = listings.filter(({ utterance: id }) => !existsSync(join(cache, `${id}.pcm`)));
  if (missing.length === 0) return;
  const decoder = await openDecoder();
  await decoder.ready;
  for (const [i, { utterance: id }] of missing.entries()) {
    const samples = await decodeOpus(join(source, `${id}.opus`), decoder);
    const partial = join(cache, `${id}.${process.pid}.part`);
    try {
      writeFileSync(partial, pcmFromSamples(samples));
    } catch (error) {
      throw new DataError(
        `cannot write ${partial} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      );
    }
    renameSync(partial, join(cache, `${id}.pcm`));
    progress(i + 1, missing.length);
  }
  decoder.free();
}

function utterancesOf(listings: readonly SentenceRecording[], cache: string): Utterance[] {
  return listings.map(({ utterance: id, speaker, words }) => ({
    id,
    speaker,
    words,
    samples: () => samplesFromPcm(readFileSync(join(cache, `${id}.pcm`))),
  }));
}

export interface SentencesSelection {
  /** At most so many utterances of each part, evenly spread; all when absent. */
  readonly limit?: number;
  /** Only the test part: what an evaluation needs. */
  readonly testOnly?: boolean;
}

function thinned<T>(all: readonly T[], limit: number | undefined): T[] {
  if (limit === undefined || all.length <= limit) return [...all];
  return Array.from({ length: limit }, (_, i) => all[Math.floor((i * all.length) / limit)]);
}

/**
 * Reads `DIR/speechocean762`.
 * @throws {DataError} when a file is missing or malformed.
 */
export async function readSentencesCorpus(
  directory: string,
  selection: SentencesSelection = {},
  progress: (done: number, total: number) => void = () => {},
): Promise<SpeechCorpus> {
  const root = join(directory, 'speechocean762');
  requireData('the sentences task', root);
  const cacheOf = (part: string): string => join(audioCacheDirectory(), 'speechocean762', part);
  const listed = selection.testOnly ? [] : readListing(join(root, 'train.tsv'));
  const kept = sentenceValidationSpeakers(listed);
  const train = thinned(
    listed.filter(({ speaker }) => !kept.has(speaker)),
    selection.limit,
  );
  const tuning = thinned(
    listed.filter(({ speaker }) => kept.has(speaker)),
    selection.limit,
  );
  const test = thinned(readListing(join(root, 'dev.tsv')), selection.limit);
  await fillCache(join(root, 'train'), cacheOf('train'), [...train, ...tuning], progress);
  await fillCache(join(root, 'dev'), cacheOf('dev'), test, progress);
  return {
    task: 'sentences',
    rate: SENTENCES_RATE,
    train: utterancesOf(train, cacheOf('train')),
    tuning: utterancesOf(tuning, cacheOf('train')),
    test: utterancesOf(test, cacheOf('dev')),
  };
}
