/** How the samples of a WAV file are stored: the `fmt ` chunk, and one reader for every encoding that is read. */
import { AudioError } from '../../base/errors.ts';
import { MAX_SAMPLE_RATE, MIN_SAMPLE_RATE } from './sample-rates.ts';

const FORMAT_PCM = 1;
const FORMAT_FLOAT = 3;
const FORMAT_A_LAW = 6;
const FORMAT_MU_LAW = 7;
const FORMAT_EXTENSIBLE = 0xfffe;

/** Encodings that files carry and this reader does not; names for the message. */
const OTHER_ENCODINGS: Readonly<Record<number, string>> = {
  0x0002: 'Microsoft ADPCM',
  0x0011: 'IMA ADPCM',
  0x0022: 'TrueSpeech',
  0x0031: 'GSM 6.10',
  0x0040: 'G.721 ADPCM',
  0x0045: 'G.726 ADPCM',
  0x0050: 'MPEG audio',
  0x0055: 'MP3',
  0x0064: 'G.726 ADPCM',
  0x0065: 'G.722 ADPCM',
  0x00ff: 'AAC',
  0x0161: 'Windows Media Audio',
  0x0162: 'Windows Media Audio',
  0x674f: 'Ogg Vorbis',
  0x704f: 'Opus',
  0xf1ac: 'FLAC',
};

/** A GUID of the extensible format is a format tag and these bytes, or else no plain encoding. */
const PLAIN_GUID_TAIL = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

export interface WavFormat {
  readonly encoding: 'integer' | 'float' | 'a-law' | 'mu-law';
  /** Bytes of one sample of one channel. */
  readonly width: number;
  readonly channels: number;
  /** Hz. */
  readonly rate: number;
}

const notRead = (encoding: string): AudioError =>
  new AudioError(`the WAV file holds ${encoding}; PCM, float, A-law and mu-law are read`, true);

/**
 * The body of a `fmt ` chunk. Samples of 1 to 32 bits stand left-justified in whole bytes, so their container says all; a block
 * size that contradicts it is replaced by what the channels need, with a warning.
 * @throws {AudioError} for a compressed encoding, with `convertible`, and for what no file can mean.
 */
export function readWavFormat(body: DataView, warnings: string[]): WavFormat {
  const length = body.byteLength;
  if (length < 16) throw new AudioError(`WAV 'fmt ' chunk has ${length} bytes, at least 16 are needed`);
  const tag = formatTag(body);
  const channels = body.getUint16(2, true);
  const rate = body.getUint32(4, true);
  const bits = body.getUint16(14, true);
  const encoding = encodingOf(tag);
  if (channels === 0) throw new AudioError('WAV file has zero channels');
  if (rate < MIN_SAMPLE_RATE || rate > MAX_SAMPLE_RATE) {
    throw new AudioError(
      `WAV sample rate is ${rate} Hz; ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE} are supported`,
    );
  }
  const width = containerWidth(encoding, bits, body.getUint16(12, true), channels, warnings);
  return { encoding, width, channels, rate };
}

function formatTag(body: DataView): number {
  const tag = body.getUint16(0, true);
  if (tag !== FORMAT_EXTENSIBLE) return tag;
  if (body.byteLength < 40)
    throw new AudioError(`WAV extensible format has ${body.byteLength} bytes, 40 are needed`);
  if (PLAIN_GUID_TAIL.some((byte, i) => body.getUint8(26 + i) !== byte))
    throw notRead('samples of an extensible format that is no standard one');
  return body.getUint16(24, true);
}

function encodingOf(tag: number): WavFormat['encoding'] {
  switch (tag) {
    case FORMAT_PCM:
      return 'integer';
    case FORMAT_FLOAT:
      return 'float';
    case FORMAT_A_LAW:
      return 'a-law';
    case FORMAT_MU_LAW:
      return 'mu-law';
    default:
      throw notRead(OTHER_ENCODINGS[tag] ?? `encoding 0x${tag.toString(16).padStart(4, '0')}`);
  }
}

function containerWidth(
  encoding: WavFormat['encoding'],
  bits: number,
  blockSize: number,
  channels: number,
  warnings: string[],
): number {
  const [least, most] = { integer: [1, 32], float: [32, 64], 'a-law': [8, 8], 'mu-law': [8, 8] }[encoding];
  if (bits < least || bits > most || (encoding === 'float' && bits % 32 !== 0)) {
    const known = { integer: '1 to 32', float: '32 and 64', 'a-law': '8', 'mu-law': '8' }[encoding];
    throw new AudioError(`WAV ${encoding} samples of ${bits} bits are not supported; ${known} are`);
  }
  const width = Math.ceil(bits / 8);
  const stored = blockSize / channels;
  if (stored === width) return width;
  // 24 bits in four bytes, and odd numbers of bits in more than they need.
  const isLarger = Number.isInteger(stored) && stored > width && stored <= 4;
  if (encoding === 'integer' && isLarger && (stored === 4 || bits % 8 !== 0)) return stored;
  warnings.push(
    `the header says ${blockSize} bytes per block where ${channels} x ${bits} bits need ${channels * width}: taken as ${channels * width}`,
  );
  return width;
}

/** Reads one sample at a byte offset, to [-1, 1] nominally. */
export function sampleReader(view: DataView, { encoding, width }: WavFormat): (offset: number) => number {
  switch (encoding) {
    case 'float':
      return width === 4 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
    case 'a-law':
      return (at) => A_LAW[view.getUint8(at)] as number;
    case 'mu-law':
      return (at) => MU_LAW[view.getUint8(at)] as number;
    case 'integer':
      return integerReader(view, width);
  }
}

function integerReader(view: DataView, width: number): (offset: number) => number {
  switch (width) {
    case 1:
      // The only unsigned width: 128 is silence.
      return (at) => (view.getUint8(at) - 128) / 128;
    case 2:
      return (at) => view.getInt16(at, true) / 0x8000;
    case 3:
      return (at) => (view.getUint8(at) | (view.getInt16(at + 1, true) << 8)) / 0x800000;
    default:
      return (at) => view.getInt32(at, true) / 0x80000000;
  }
}

/** ITU-T G.711, A-law: even bits inverted; sign, 3 bits of segment, 4 bits of step; 13 bits on a scale of 16. */
const A_LAW = Float32Array.from({ length: 256 }, (_, byte) => {
  const code = byte ^ 0x55;
  const segment = (code >> 4) & 7;
  const step = ((code & 15) << 4) + 8;
  const magnitude = segment === 0 ? step : (step + 0x100) << (segment - 1);
  return (code & 0x80 ? magnitude : -magnitude) / 0x8000;
});

/** ITU-T G.711, mu-law: all bits inverted; 14 bits on a scale of 16, with a bias of 33. */
const MU_LAW = Float32Array.from({ length: 256 }, (_, byte) => {
  const code = ~byte & 0xff;
  const magnitude = ((((code & 15) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
  return (code & 0x80 ? -magnitude : magnitude) / 0x8000;
});
