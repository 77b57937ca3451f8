/** Audio files of any kind that is read, told apart by content: WAV here, compressed ones by libraries that are loaded when needed. */
import { AudioError } from '../../base/errors.ts';
import { recogniseAudio } from './audio-kind.ts';
import type { AudioKind } from './audio-kind.ts';
import { MAX_SAMPLE_RATE, MIN_SAMPLE_RATE } from './sample-rates.ts';
import { readWav } from './wav.ts';
import type { ReadAudio } from './wav.ts';

type CompressedKind = Exclude<AudioKind, 'wav' | 'other' | 'unknown'>;

/** What the decoders of one family give for some bytes. */
interface DecodedPart {
  readonly channelData: readonly Float32Array[];
  readonly samplesDecoded: number;
  readonly sampleRate: number;
  readonly errors: readonly unknown[];
}

interface StreamDecoder {
  readonly ready: Promise<void>;
  decode(bytes: Uint8Array): DecodedPart | Promise<DecodedPart>;
  /** What is left at the end of a stream; decoders without it keep nothing back. */
  flush?(): Promise<DecodedPart>;
  free(): void;
}

/** Optional packages: somebody who only has WAV installs none of them. */
const DECODERS: Readonly<Record<CompressedKind, { readonly from: string; load(): Promise<StreamDecoder> }>> =
  {
    mp3: {
      from: 'mpg123-decoder',
      load: async () => new (await import('mpg123-decoder')).MPEGDecoder(),
    },
    flac: {
      from: '@wasm-audio-decoders/flac',
      load: async () => new (await import('@wasm-audio-decoders/flac')).FLACDecoder(),
    },
    'ogg-opus': {
      from: 'ogg-opus-decoder',
      load: async () => new (await import('ogg-opus-decoder')).OggOpusDecoder(),
    },
    'ogg-vorbis': {
      from: '@wasm-audio-decoders/ogg-vorbis',
      load: async () => new (await import('@wasm-audio-decoders/ogg-vorbis')).OggVorbisDecoder(),
    },
  };

export interface AudioLimits {
  /** Longer audio is refused, as soon as that much has been decoded. */
  readonly maxSeconds: number;
}

/** Decoders get this many bytes at a time: a part that unpacks a thousandfold stays small. */
const PART_BYTES = 4096;

/**
 * A whole audio file, channels averaged: WAV and its kin, MP3, FLAC, Ogg Opus and Ogg Vorbis.
 * @throws {AudioError} when it is none of these, cannot be decoded or is too long; `convertible` when a converter can read it,
 * also where the package that decodes it is not installed.
 */
export async function readAudio(bytes: Uint8Array, limits: AudioLimits): Promise<ReadAudio> {
  if (bytes.length === 0) throw new AudioError('the file is empty: 0 bytes');
  const { kind, name } = recogniseAudio(bytes);
  if (kind === 'wav') return readWav(bytes, limits);
  if (kind === 'other') throw new AudioError(`this is ${name}, which is not read here`, true);
  if (kind === 'unknown') {
    if (name === 'text') throw new AudioError('not a WAV file but text');
    throw new AudioError('not a WAV file, nor MP3, FLAC, Ogg or anything else that is known');
  }
  return await decodeCompressed(bytes, kind, name, limits);
}

async function decodeCompressed(
  bytes: Uint8Array,
  kind: CompressedKind,
  name: string,
  { maxSeconds }: AudioLimits,
): Promise<ReadAudio> {
  const decoder = await openDecoder(kind, name);
  const sink = new MonoSink(name, maxSeconds);
  try {
    for (let at = 0; at < bytes.length; at += PART_BYTES) {
      const part = bytes.subarray(at, at + PART_BYTES);
      if (!(await sink.take(() => decoder.decode(part)))) break;
    }
    await sink.take(() => decoder.flush?.());
    return sink.finish();
  } finally {
    decoder.free();
  }
}

async function openDecoder(kind: CompressedKind, name: string): Promise<StreamDecoder> {
  const { from, load } = DECODERS[kind];
  let decoder: StreamDecoder;
  try {
    decoder = await load();
  } catch {
    throw new AudioError(`this is ${name}, which needs the package ${from}: npm install ${from}`, true);
  }
  await decoder.ready;
  return decoder;
}

/** Collects decoded parts, averaged to one channel. */
class MonoSink {
  readonly #name: string;
  readonly #maxSeconds: number;
  readonly #parts: Float32Array[] = [];
  #length = 0;
  #rate = 0;
  #errors = 0;

  constructor(name: string, maxSeconds: number) {
    this.#name = name;
    this.#maxSeconds = maxSeconds;
  }

  /** Adds what `decode` gives; false when the decoder gave up, which damage can make it do with any error. */
  async take(decode: () => DecodedPart | Promise<DecodedPart> | undefined): Promise<boolean> {
    let part: DecodedPart | undefined;
    try {
      part = await decode();
    } catch {
      this.#errors++;
      return false;
    }
    if (part !== undefined) this.#add(part);
    return true;
  }

  #add({ channelData, samplesDecoded, sampleRate, errors }: DecodedPart): void {
    this.#errors += errors.length;
    if (samplesDecoded === 0 || channelData.length === 0) return;
    if (this.#rate === 0) this.#rate = sampleRate;
    if (sampleRate !== this.#rate)
      throw new AudioError(`the ${this.#name} changes from ${this.#rate} to ${sampleRate} Hz within`, true);
    this.#length += samplesDecoded;
    if (this.#length / sampleRate > this.#maxSeconds)
      throw new AudioError(`audio is over the limit of ${this.#maxSeconds} s`);
    const mono = new Float32Array(samplesDecoded);
    for (const channel of channelData)
      for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / channelData.length;
    this.#parts.push(mono);
  }

  finish(): ReadAudio {
    if (this.#length === 0)
      throw new AudioError(`the ${this.#name} is damaged: it holds no audio that decodes`);
    if (this.#rate < MIN_SAMPLE_RATE || this.#rate > MAX_SAMPLE_RATE)
      throw new AudioError(
        `the ${this.#name} has ${this.#rate} Hz; ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE} are supported`,
      );
    const samples = new Float32Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      samples.set(part, at);
      at += part.length;
    }
    // Damage in a compressed stream can decode to anything.
    if (!samples.every(Number.isFinite))
      throw new AudioError(`the ${this.#name} decodes to values that are no numbers`);
    const warnings =
      this.#errors === 0
        ? []
        : [`the ${this.#name} is damaged or cut short: ${this.#length} samples were decoded`];
    return { samples, rate: this.#rate, warnings };
  }
}
