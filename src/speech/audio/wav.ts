/**
 * WAV files as recorders, pipes and editors leave them: RIFF/WAVE, its 64-bit forms RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088)
 * and Wave64 (Sony), mixed down to mono.
 *
 * Chunks are `id u32, length u32, body`, each body padded to an even length; in Wave64 `id 16 bytes, length u64 with this header`,
 * padded to eight. Lengths in the file are claims by a stranger: nothing is allocated before a claim has been compared with the
 * bytes that are there, and where a claim is impossible the samples are read that are there, with a warning.
 */
import { AudioError } from '../../base/errors.ts';
import { afterId3 } from './audio-kind.ts';
import { readWavFormat, sampleReader } from './wav-format.ts';
import type { WavFormat } from './wav-format.ts';

/** Mono audio: samples nominally in [-1, 1], `rate` in Hz. */
export interface AudioClip {
  readonly samples: Float32Array;
  readonly rate: number;
}

/** Audio from a file, and what was wrong with the file: a sentence each, for the person whose file it is. */
export interface ReadAudio extends AudioClip {
  readonly warnings: readonly string[];
}

export interface WavLimits {
  /** Longer audio is refused. */
  readonly maxSeconds?: number;
}

// Float files may exceed full scale by some headroom; far beyond it the squares of the features overflow.
const MAX_FLOAT_SAMPLE = 1e6;
/** Lengths from here on are placeholders: what a program writes that cannot go back (ffmpeg 2^32 - 1, sox and arecord near 2^31). */
const PLACEHOLDER_LENGTH = 0x7fff0000;
/** Bytes after the data that are neither chunks nor a tag are audio when there are as many: a recorder that wrote its lengths once. */
const LEAST_UNDECLARED = 4096;
/** The GUIDs of Wave64 begin with the four letters; `riff` differs from all others in what follows. */
const WAVE64_RIFF = [0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 0x04, 0xc1, 0, 0];
const WAVE64_OTHER = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];

interface Chunk {
  readonly id: string;
  /** Where its body starts, and the length that its header gives; infinite when it gives none. */
  readonly body: number;
  readonly length: number;
}

/** How chunks stand in one kind of container. */
interface Container {
  /** Of the first chunk. */
  readonly start: number;
  /** Bytes of a chunk's header. */
  readonly header: number;
  readonly alignment: number;
  /** RF64 keeps the true length of the data elsewhere. */
  readonly has64BitSizes: boolean;
}

/**
 * Reads a whole WAV file; channels are averaged. Integers of 8 to 32 bits, floats, A-law and mu-law.
 *
 * Chunks other than `fmt ` and `data` are skipped, wherever they stand, with and without padding. Data whose length is 0, a
 * placeholder or more than there is are read to the end of the file; each departure from the format is a warning.
 *
 * @throws {AudioError} when the bytes are not WAV audio that can be used, or exceed the limit; `convertible` when they are compressed.
 */
export function readWav(bytes: Uint8Array, limits: WavLimits = {}): ReadAudio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const warnings: string[] = [];
  const container = readContainer(view, afterId3(bytes), warnings);
  let [format, data]: [WavFormat | undefined, Chunk | undefined] = [undefined, undefined];
  let dataSize = Number.POSITIVE_INFINITY;
  let chunk = chunkAt(view, container.start, container);
  while (chunk !== undefined) {
    const { id, body, length } = chunk;
    const available = view.byteLength - body;
    if (id === 'data') data ??= chunk;
    else if (length > available)
      warnings.push(`chunk '${id}' claims ${lengthText(length)}, ${available} are there`);
    if (id === 'fmt ')
      format ??= readWavFormat(
        new DataView(view.buffer, view.byteOffset + body, Math.min(length, available)),
        warnings,
      );
    if (id === 'ds64' && container.has64BitSizes && Math.min(length, available) >= 16)
      dataSize = size64(view, body + 8);
    if (data !== undefined && format !== undefined) break;
    chunk = following(view, chunk, container);
  }
  if (data === undefined)
    throw new AudioError(`WAV file has no 'data' chunk${format === undefined ? " and no 'fmt ' chunk" : ''}`);
  if (format === undefined) throw new AudioError("WAV file has no 'fmt ' chunk");
  const claimed =
    container.has64BitSizes && data.length === 0xffffffff ? { ...data, length: dataSize } : data;
  const length = dataLength(view, claimed, container, warnings);
  return { ...readSamples(view, data.body, length, format, limits, warnings), warnings };
}

/** The container that begins at `start`: behind tags of MP3 programs, where there are any. */
function readContainer(view: DataView, start: number, warnings: string[]): Container {
  if (view.byteLength - start < 12)
    throw new AudioError(`not a WAV file: ${view.byteLength} bytes, at least 12 are needed`);
  if (start > 0) warnings.push(`${start} bytes of ID3 tags before the audio were skipped`);
  const id = fourCc(view, start);
  if (id === 'riff' && hasGuid(view, start, WAVE64_RIFF)) {
    if (
      view.byteLength - start < 40 ||
      fourCc(view, start + 24) !== 'wave' ||
      !hasGuid(view, start + 24, WAVE64_OTHER)
    )
      throw new AudioError("not a WAV file: Wave64 without 'wave'");
    return { start: start + 40, header: 24, alignment: 8, has64BitSizes: false };
  }
  if (id !== 'RIFF' && id !== 'RF64' && id !== 'BW64')
    throw new AudioError(`not a WAV file: starts with '${id}', 'RIFF' is needed`);
  const kind = fourCc(view, start + 8);
  if (kind !== 'WAVE') throw new AudioError(`not a WAV file: ${id} of kind '${kind}', 'WAVE' is needed`);
  return { start: start + 12, header: 8, alignment: 2, has64BitSizes: id !== 'RIFF' };
}

function hasGuid(view: DataView, offset: number, tail: readonly number[]): boolean {
  return offset + 16 <= view.byteLength && tail.every((byte, i) => view.getUint8(offset + 4 + i) === byte);
}

/** The chunk whose header is at `offset`; none where no header fits or it makes no sense. */
function chunkAt(view: DataView, offset: number, { header }: Container): Chunk | undefined {
  if (offset + header > view.byteLength) return undefined;
  const [id, body] = [fourCc(view, offset), offset + header];
  if (header === 8)
    return id.includes('.') ? undefined : { id, body, length: view.getUint32(offset + 4, true) };
  const size = size64(view, offset + 16);
  // Chunks with a GUID of their own are skipped by their length.
  if (hasGuid(view, offset, WAVE64_OTHER)) return { id, body, length: Math.max(0, size - header) };
  return size < header ? undefined : { id: 'GUID', body, length: size - header };
}

/** Ids that settle where a chunk starts, when both places could be one. */
const FAMILIAR = ['fmt ', 'data', 'fact', 'LIST'];

/** The next chunk after one, where its padding puts it or, as some programs leave that out, right behind it. */
function following(view: DataView, { body, length }: Chunk, container: Container): Chunk | undefined {
  const end = body + length;
  if (!(end <= view.byteLength)) return undefined;
  // By its own length: behind a chunk that lacks its padding all others stand at odd places.
  const padding = Math.ceil(length / container.alignment) * container.alignment - length;
  const padded = chunkAt(view, end + padding, container);
  if (padding === 0 || (padded !== undefined && FAMILIAR.includes(padded.id))) return padded;
  const close = chunkAt(view, end, container);
  return close !== undefined && FAMILIAR.includes(close.id) ? close : (padded ?? close);
}

/** A u64; infinite above 2^53, which no file reaches. */
function size64(view: DataView, offset: number): number {
  const value = view.getUint32(offset, true) + 2 ** 32 * view.getUint32(offset + 4, true);
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

/** The bytes of samples that are there, with a warning where the header says something else. */
function dataLength(view: DataView, data: Chunk, container: Container, warnings: string[]): number {
  const available = view.byteLength - data.body;
  const { length } = data;
  if (length > available) {
    warnings.push(
      length >= PLACEHOLDER_LENGTH
        ? `the header does not say how long the audio is, as in files from a pipe: ${available} bytes were read, to the end`
        : `the file is cut short: the header promises ${length} bytes of audio, ${available} are there`,
    );
    return available;
  }
  const rest = available - length;
  if (rest <= container.alignment - 1 || isChainOfChunks(view, data, container)) return length;
  if (length > 0 && (rest < LEAST_UNDECLARED || isTag(view, data.body + length))) return length;
  warnings.push(
    `the header says ${length} bytes of audio, as from a recorder that was stopped before it wrote the length: ` +
      `${available} bytes were read, to the end`,
  );
  return available;
}

/** Whether what follows a chunk is chunks up to the end of the file. */
function isChainOfChunks(view: DataView, chunk: Chunk, container: Container): boolean {
  let last = chunk;
  for (
    let next = following(view, last, container);
    next !== undefined;
    next = following(view, last, container)
  )
    last = next;
  return last !== chunk && Math.abs(last.body + last.length - view.byteLength) < container.alignment;
}

/** Tags of MP3 programs, which some append to any file. */
function isTag(view: DataView, offset: number): boolean {
  const id = fourCc(view, offset);
  return id.startsWith('ID3') || id.startsWith('TAG') || id === 'APET';
}

const lengthText = (length: number): string => (Number.isFinite(length) ? `${length} bytes` : 'no length');

/** The four characters at `offset`; bytes that cannot be printed show as '.'. */
function fourCc(view: DataView, offset: number): string {
  let text = '';
  for (let i = 0; i < 4; i++) {
    const byte = view.getUint8(offset + i);
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
  }
  return text;
}

function readSamples(
  view: DataView,
  body: number,
  length: number,
  format: WavFormat,
  limits: WavLimits,
  warnings: string[],
): AudioClip {
  const { channels, width, rate } = format;
  const block = channels * width;
  const count = Math.floor(length / block);
  if (count === 0) throw new AudioError('WAV file holds no samples');
  if (count * block !== length)
    warnings.push(`the last ${length - count * block} bytes are no whole sample of ${block} bytes: left out`);
  const maxSeconds = limits.maxSeconds ?? Number.POSITIVE_INFINITY;
  if (count / rate > maxSeconds) {
    throw new AudioError(`audio is ${(count / rate).toFixed(1)} s long, over the limit of ${maxSeconds} s`);
  }
  const sampleAt = sampleReader(view, format);
  const samples = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += sampleAt(body + i * block + c * width);
    if (!(Math.abs(sum) <= MAX_FLOAT_SAMPLE))
      throw new AudioError(`WAV sample ${i} is not a finite number near [-1, 1]`);
    samples[i] = sum / channels;
  }
  return { samples, rate };
}
