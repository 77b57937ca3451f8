/**
 * WAV files: RIFF/WAVE with integer PCM (8, 16, 24, 32 bits) or IEEE float (32, 64 bits), mixed down to mono.
 *
 * Layout after the Microsoft RIFF MCI specification: chunks of `id u32, length u32, body`, each body padded to
 * an even length. Lengths in the file are claims by a stranger: nothing is allocated before a claim has been
 * compared with the bytes that are there.
 */
import { AudioError } from '../base/errors.ts';

/** Mono audio: samples nominally in [-1, 1], `rate` in Hz. */
export interface AudioClip {
  readonly samples: Float32Array;
  readonly rate: number;
}

export interface WavLimits {
  /** Longer audio is refused. */
  readonly maxSeconds?: number;
}

/** Sample rates outside this interval (Hz) are taken for damage, not for audio. */
export const MIN_SAMPLE_RATE = 1000;
export const MAX_SAMPLE_RATE = 768_000;

const FORMAT_PCM = 1;
const FORMAT_FLOAT = 3;
const FORMAT_EXTENSIBLE = 0xfffe;
// Float files may exceed full scale by some headroom; far beyond it the squares of the features overflow.
const MAX_FLOAT_SAMPLE = 1e6;

interface WavFormat {
  readonly encoding: 'int' | 'float';
  readonly bits: number;
  readonly channels: number;
  readonly rate: number;
  /** Bytes per sample of all channels. */
  readonly blockAlign: number;
}

/**
 * Reads a whole WAV file; channels are averaged.
 *
 * Chunks other than `fmt ` and `data` are skipped, wherever they stand. A RIFF length that disagrees with the
 * file is ignored, as many recorders leave it wrong; a data length that exceeds the file is an error.
 *
 * @throws {AudioError} when the bytes are not WAV audio that can be used, are cut short, or exceed the limit.
 */
export function readWav(bytes: Uint8Array, limits: WavLimits = {}): AudioClip {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkContainer(view);
  let format: WavFormat | undefined;
  let offset = 12;
  while (offset + 8 <= view.byteLength) {
    const id = fourCc(view, offset);
    const length = view.getUint32(offset + 4, true);
    const body = offset + 8;
    const available = view.byteLength - body;
    if (length > available) {
      throw new AudioError(
        `WAV file is truncated: chunk '${id}' claims ${length} bytes, ${available} are there`,
      );
    }
    if (id === 'fmt ') format = readFormat(view, body, length);
    if (id === 'data') {
      if (format === undefined) throw new AudioError("WAV file has its 'data' chunk before any 'fmt ' chunk");
      return readSamples(view, body, length, format, limits);
    }
    offset = body + length + (length & 1);
  }
  throw new AudioError(`WAV file has no 'data' chunk${format === undefined ? " and no 'fmt ' chunk" : ''}`);
}

function checkContainer(view: DataView): void {
  if (view.byteLength < 12)
    throw new AudioError(`not a WAV file: ${view.byteLength} bytes, at least 12 are needed`);
  const container = fourCc(view, 0);
  if (container !== 'RIFF')
    throw new AudioError(`not a WAV file: starts with '${container}', 'RIFF' is needed`);
  const kind = fourCc(view, 8);
  if (kind !== 'WAVE') throw new AudioError(`not a WAV file: RIFF of kind '${kind}', 'WAVE' is needed`);
}

/** The four characters at `offset`; bytes that cannot be printed show as '.'. */
function fourCc(view: DataView, offset: number): string {
  let text = '';
  for (let i = 0; i < 4; i++) {
    const byte = view.getUint8(offset + i);
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
  }
  return text;
}

function readFormat(view: DataView, body: number, length: number): WavFormat {
  if (length < 16) throw new AudioError(`WAV 'fmt ' chunk has ${length} bytes, at least 16 are needed`);
  let tag = view.getUint16(body, true);
  const channels = view.getUint16(body + 2, true);
  const rate = view.getUint32(body + 4, true);
  const blockAlign = view.getUint16(body + 12, true);
  const bits = view.getUint16(body + 14, true);
  if (tag === FORMAT_EXTENSIBLE) {
    if (length < 40) throw new AudioError(`WAV extensible format has ${length} bytes, 40 are needed`);
    // The GUID of the sub-format begins with the plain format tag.
    tag = view.getUint16(body + 24, true);
  }
  if (tag !== FORMAT_PCM && tag !== FORMAT_FLOAT) {
    throw new AudioError(`WAV encoding ${tag} is not supported; PCM (1) or IEEE float (3) is needed`);
  }
  const encoding = tag === FORMAT_PCM ? 'int' : 'float';
  const widths = encoding === 'int' ? [8, 16, 24, 32] : [32, 64];
  if (!widths.includes(bits)) {
    throw new AudioError(
      `WAV ${encoding} samples of ${bits} bits are not supported; ${widths.join(', ')} are`,
    );
  }
  if (channels === 0) throw new AudioError('WAV file has zero channels');
  if (rate < MIN_SAMPLE_RATE || rate > MAX_SAMPLE_RATE) {
    throw new AudioError(
      `WAV sample rate is ${rate} Hz; ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE} are supported`,
    );
  }
  if (blockAlign !== (channels * bits) / 8) {
    throw new AudioError(
      `WAV block size is ${blockAlign} bytes; ${channels} x ${bits} bits need ${(channels * bits) / 8}`,
    );
  }
  return { encoding, bits, channels, rate, blockAlign };
}

function readSamples(
  view: DataView,
  body: number,
  length: number,
  format: WavFormat,
  limits: WavLimits,
): AudioClip {
  const { channels, blockAlign, rate } = format;
  const count = Math.floor(length / blockAlign);
  if (count === 0) throw new AudioError('WAV file holds no samples');
  if (count * blockAlign !== length) {
    throw new AudioError(`WAV data of ${length} bytes ends within a sample of ${blockAlign} bytes`);
  }
  const maxSeconds = limits.maxSeconds ?? Number.POSITIVE_INFINITY;
  if (count / rate > maxSeconds) {
    throw new AudioError(`audio is ${(count / rate).toFixed(1)} s long, over the limit of ${maxSeconds} s`);
  }
  const sampleAt = sampleReader(view, format);
  const bytesPerSample = format.bits / 8;
  const samples = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += sampleAt(body + i * blockAlign + c * bytesPerSample);
    if (!(Math.abs(sum) <= MAX_FLOAT_SAMPLE))
      throw new AudioError(`WAV sample ${i} is not a finite number near [-1, 1]`);
    samples[i] = sum / channels;
  }
  return { samples, rate };
}

function sampleReader(view: DataView, format: WavFormat): (offset: number) => number {
  if (format.encoding === 'float') {
    return format.bits === 32 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  }
  switch (format.bits) {
    case 8:
      // The only unsigned width: 128 is silence.
      return (at) => (view.getUint8(at) - 128) / 128;
    case 16:
      return (at) => view.getInt16(at, true) / 0x8000;
    case 24:
      return (at) => (view.getUint8(at) | (view.getInt16(at + 1, true) << 8)) / 0x800000;
    default:
      return (at) => view.getInt32(at, true) / 0x80000000;
  }
}

/**
 * A mono 16-bit WAV file. Samples are rounded to the nearest step and clipped to [-1, 1).
 *
 * @throws {AudioError} when the clip has no samples or a rate outside the supported interval.
 */
export function writeWav(clip: AudioClip): Uint8Array {
  const { samples, rate } = clip;
  if (samples.length === 0) throw new AudioError('a WAV file needs at least one sample');
  if (!Number.isInteger(rate) || rate < MIN_SAMPLE_RATE || rate > MAX_SAMPLE_RATE) {
    throw new AudioError(
      `WAV sample rate is ${rate} Hz; ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE} are supported`,
    );
  }
  const bytes = new Uint8Array(44 + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const text = (offset: number, id: string): void => {
    for (let i = 0; i < 4; i++) view.setUint8(offset + i, id.charCodeAt(i));
  };
  text(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  text(8, 'WAVE');
  text(12, 'fmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, FORMAT_PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; i++) {
    const step = Math.round(samples[i] * 0x8000);
    view.setInt16(44 + 2 * i, Math.max(-0x8000, Math.min(0x7fff, step)), true);
  }
  return bytes;
}
