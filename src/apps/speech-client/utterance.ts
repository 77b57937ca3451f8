/** One recording from samples to words, encrypted in between, with the time of every phase. */
import { DecodeError, LimitError, ProtocolError } from '../../base/errors.ts';
import type { Offer } from '../../compiler/offer.ts';
import { timeInRecording } from '../../speech/index.ts';
import type { AudioClip } from '../../speech/index.ts';
import type { RemoteModel } from '../transport/remote-model.ts';
import { audioPieces, checkRecordingLength } from './audio-pieces.ts';
import type { ClearInputs, Recogniser, SpokenClip } from './recogniser.ts';

export interface SentQuery {
  readonly bytes: Uint8Array;
}

/** A query that is encrypted while it is sent, anew for every attempt. */
export interface StreamedQuery {
  readonly byteLength: number;
  pieces(): Iterable<Uint8Array>;
}

/** A word and when it was said, in seconds from the beginning of the recording. */
export interface TimedWord {
  readonly word: string;
  readonly from: number;
  readonly to: number;
}

/** The part of the inference client that recognition needs. */
export interface AskingClient {
  readonly offer: Offer;
  readonly maxSamples: number;
  query(inputs: Float32Array, samples: number): SentQuery;
  open(query: SentQuery, reply: Uint8Array): Float32Array;
}

/** The same with its keys. */
export interface EncryptingClient extends AskingClient, Disposable {
  queryStream(inputs: Float32Array, samples: number): StreamedQuery;
  open(query: SentQuery | StreamedQuery, reply: Uint8Array): Float32Array;
  enrolment(): Uint8Array;
  exportSecret(): Uint8Array;
}

export interface PhaseTime {
  readonly name: string;
  /** Where it was spent. */
  readonly side: 'client' | 'network' | 'server';
  readonly ms: number;
}

export interface RecognisedUtterance {
  readonly words: readonly string[];
  readonly timing: readonly TimedWord[];
  readonly phases: readonly PhaseTime[];
  readonly totalMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly audioSeconds: number;
  /** What was sent of them: silence around speech and long pauses are not. */
  readonly spokenSeconds: number;
  readonly frames: number;
  readonly pieces: number;
  /** What about the inputs, and about the scores, is unlike anything that the model was trained on. */
  readonly unfamiliar: readonly string[];
  readonly serverPeakBytes: number;
  /** Clear inputs of each piece, for comparisons with clear networks. */
  readonly inputs: readonly ClearInputs[];
  /** Decrypted scores of each piece, [frames, outputs]. For the owner of the key alone. */
  readonly scores: readonly Float32Array[];
}

/** Largest piece: more would make a listener wait without making anything faster. */
const MAX_PIECE_SECONDS = 40;

/** Adds up times by name, in the order in which the names came. */
class PhaseClock {
  readonly #phases = new Map<string, PhaseTime>();

  add(name: string, side: PhaseTime['side'], ms: number): void {
    this.#phases.set(name, { name, side, ms: (this.#phases.get(name)?.ms ?? 0) + ms });
  }

  time<T>(name: string, work: () => T): T {
    const started = performance.now();
    const result = work();
    this.add(name, 'client', performance.now() - started);
    return result;
  }

  phases(): PhaseTime[] {
    return [...this.#phases.values()];
  }
}

/** A recording that the server has evaluated and nobody has opened yet. */
export interface ExchangedUtterance {
  readonly clock: PhaseClock;
  readonly spoken: SpokenClip;
  readonly pieces: readonly {
    /** Where the piece begins, in samples of the spoken part. */
    readonly start: number;
    readonly inputs: ClearInputs;
    readonly query: SentQuery;
    readonly reply: Uint8Array;
  }[];
  readonly exchangeMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly serverPeakBytes: number;
  readonly audioSeconds: number;
}

/**
 * Features, encryption and the exchange with the server, for what is spoken of one recording; a long one goes in pieces. Decrypts nothing:
 * callers exchange all they have to send before they open any of it, so that neither what is sent nor when depends on
 * a decrypted value.
 *
 * @throws {AudioError | LimitError} for audio that cannot be used, {@link TransportError | ProtocolError} for the exchange.
 */
export async function exchangeUtterance(
  audio: AudioClip,
  recogniser: Recogniser,
  client: AskingClient,
  remote: RemoteModel,
): Promise<ExchangedUtterance> {
  checkFit(recogniser, client.offer);
  const started = performance.now();
  const clock = new PhaseClock();
  const pieces: { start: number; inputs: ClearInputs; query: SentQuery; reply: Uint8Array }[] = [];
  let [start, bytesUp, bytesDown, serverPeakBytes] = [0, 0, 0, 0];
  checkRecordingLength(audio);
  const spoken = clock.time('features', () => recogniser.spokenPart(audio));
  checkOneWord(spoken, recogniser, client);
  for (const piece of audioPieces(
    spoken,
    Math.min(MAX_PIECE_SECONDS, client.maxSamples / recogniser.frameRate),
  )) {
    const inputs = clock.time('features', () => recogniser.inputsOf(piece));
    const query = clock.time('encrypt', () => client.query(inputs.data, inputs.frames));
    const { bytes: reply, exchange, steps, peakBytes } = await remote.ask(query.bytes);
    clock.add('upload', 'network', exchange.uploadMs);
    const evaluated = steps.reduce((sum, step) => sum + step.ms, 0);
    for (const step of steps) clock.add(step.name, 'server', step.ms);
    clock.add('queue', 'server', Math.max(0, exchange.waitMs - evaluated));
    clock.add('download', 'network', exchange.downloadMs);
    bytesUp += exchange.bytesUp;
    bytesDown += exchange.bytesDown;
    serverPeakBytes = Math.max(serverPeakBytes, peakBytes);
    pieces.push({ start, inputs, query, reply });
    start += piece.samples.length;
  }
  const audioSeconds = audio.samples.length / audio.rate;
  return {
    clock,
    spoken,
    pieces,
    exchangeMs: performance.now() - started,
    bytesUp,
    bytesDown,
    serverPeakBytes,
    audioSeconds,
  };
}

/** Decrypts and decodes. @throws {DecodeError | ProtocolError} when a reply does not open; a local matter, see above. */
export function openUtterance(
  exchanged: ExchangedUtterance,
  recogniser: Recogniser,
  client: AskingClient,
): RecognisedUtterance {
  const { clock, spoken, pieces, exchangeMs, bytesUp, bytesDown, serverPeakBytes, audioSeconds } = exchanged;
  const started = performance.now();
  const scores = pieces.map(({ query, reply }) => clock.time('decrypt', () => client.open(query, reply)));
  const { rate, spans, samples } = spoken;
  const { decision } = client.offer;
  const timing = (decision === undefined ? scores : []).flatMap((each, i) => {
    const secondsAt = (frame: number): number =>
      timeInRecording(spans, pieces[i]!.start + (frame / recogniser.frameRate) * rate) / rate;
    return clock
      .time('decode', () => recogniser.decodeTimed(each))
      .map(({ word, start, end }) => ({ word, from: secondsAt(start), to: secondsAt(end) }));
  });
  const unfamiliar = new Set([
    ...pieces.flatMap(({ inputs }) => recogniser.unfamiliarInputs(inputs)),
    ...(decision === undefined ? scores.flatMap((each) => recogniser.unfamiliarScores(each)) : []),
  ]);
  return {
    words:
      decision === undefined
        ? timing.map(({ word }) => word)
        : scores.map((answer) => decidedWord(answer, recogniser.words)),
    timing,
    phases: clock.phases(),
    totalMs: exchangeMs + performance.now() - started,
    bytesUp,
    bytesDown,
    audioSeconds,
    spokenSeconds: samples.length / rate,
    frames: pieces.reduce((sum, { inputs }) => sum + inputs.frames, 0),
    pieces: pieces.length,
    unfamiliar: [...unfamiliar],
    serverPeakBytes,
    inputs: pieces.map(({ inputs }) => inputs),
    scores,
  };
}

/** A server that decides gives one word for each query, so that what is spoken must fit one. */
function checkOneWord({ samples, rate }: SpokenClip, recogniser: Recogniser, client: AskingClient): void {
  const most = Math.min(MAX_PIECE_SECONDS, client.maxSamples / recogniser.frameRate);
  if (client.offer.decision === undefined || samples.length / rate <= most) return;
  throw new LimitError(
    'a recording of one word',
    `${most.toFixed(1)} s of speech`,
    `${(samples.length / rate).toFixed(1)} s`,
  );
}

/** The word that a server decided on. @throws {DecodeError} when its answer is no place among the words. */
function decidedWord([place]: Float32Array, words: readonly string[]): string {
  const word = words[place ?? -1];
  if (word === undefined) throw new DecodeError('an answer', `it is no place among ${words.length} words`);
  return word;
}

function checkFit(recogniser: Recogniser, offer: Offer): void {
  const outputs = offer.decision === undefined ? recogniser.outputs : recogniser.words.length;
  if (recogniser.inputs === offer.inputs && outputs === offer.outputs) return;
  throw new ProtocolError(
    `the server's model ${offer.model} takes ${offer.inputs} inputs and gives ${offer.outputs} scores, the model files here are for ${recogniser.inputs} and ${outputs}: both sides need the same version`,
  );
}
