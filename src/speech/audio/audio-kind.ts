/** What kind of audio bytes are, by their content: names lie. */

/** Kinds with a decoder; `other` is audio without one, `unknown` anything else. */
export type AudioKind = 'wav' | 'mp3' | 'flac' | 'ogg-opus' | 'ogg-vorbis' | 'other' | 'unknown';

export interface RecognisedAudio {
  readonly kind: AudioKind;
  /** For people: `MP3`, `M4A or MP4`. */
  readonly name: string;
}

const of = (kind: AudioKind, name: string): RecognisedAudio => ({ kind, name });

/** Starts of files. */
const SIGNATURES: readonly (readonly [at: number, start: string, audio: RecognisedAudio])[] = [
  [0, 'RIFF', of('wav', 'WAV')],
  [0, 'RF64', of('wav', 'WAV')],
  [0, 'BW64', of('wav', 'WAV')],
  [0, 'riff', of('wav', 'Wave64')],
  [0, 'RIFX', of('other', 'WAV with the other byte order (RIFX)')],
  [0, 'fLaC', of('flac', 'FLAC')],
  [0, 'FORM', of('other', 'AIFF')],
  [0, 'caff', of('other', 'CAF')],
  [0, '.snd', of('other', 'AU')],
  [0, '#!AMR', of('other', 'AMR')],
  [0, 'wvpk', of('other', 'WavPack')],
  [0, 'MAC ', of('other', "Monkey's Audio")],
  [0, 'ADIF', of('other', 'AAC')],
  [0, 'MThd', of('other', 'MIDI')],
  [0, '\x1a\x45\xdf\xa3', of('other', 'WebM or Matroska')],
  [0, '\x30\x26\xb2\x75', of('other', 'Windows Media')],
  [4, 'ftyp', of('other', 'M4A or MP4')],
];

/** What the first page of an Ogg stream starts with, at byte 28 where it has one segment. */
const OGG_STREAMS: readonly (readonly [start: string, audio: RecognisedAudio])[] = [
  ['OpusHead', of('ogg-opus', 'Ogg Opus')],
  ['\x01vorbis', of('ogg-vorbis', 'Ogg Vorbis')],
  ['\x7fFLAC', of('other', 'FLAC in Ogg')],
  ['Speex   ', of('other', 'Ogg Speex')],
];

/** Looks at the first bytes, and behind ID3 tags; allocates nothing. */
export function recogniseAudio(bytes: Uint8Array): RecognisedAudio {
  const start = afterId3(bytes);
  const body = bytes.subarray(start);
  const known = SIGNATURES.find(([at, text]) => startsWith(body, at, text));
  if (known !== undefined) return known[2];
  if (startsWith(body, 0, 'OggS')) {
    const first = 27 + (body[26] ?? 0);
    return OGG_STREAMS.find(([text]) => startsWith(body, first, text))?.[1] ?? of('other', 'Ogg');
  }
  if (start > 0 || isMpegFrame(body)) return of('mp3', 'MP3');
  if (body[0] === 0xff && ((body[1] ?? 0) & 0xf6) === 0xf0) return of('other', 'AAC');
  return of('unknown', isText(bytes) ? 'text' : 'unknown');
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

const ID3_HEADER = 10;

/** Where the file goes on after ID3v2 tags, whose lengths have seven bits a byte; its end when they fill it. */
export function afterId3(bytes: Uint8Array): number {
  let at = 0;
  while (startsWith(bytes, at, 'ID3') && at + ID3_HEADER <= bytes.length) {
    let length = 0;
    for (let i = 6; i < ID3_HEADER; i++) length = 128 * length + (bytes[at + i] & 0x7f);
    const footer = bytes[at + 5] & 0x10 ? ID3_HEADER : 0;
    at = Math.min(bytes.length, at + ID3_HEADER + length + footer);
  }
  return at;
}

/** The header of an MPEG audio frame without its reserved values (ISO 11172-3, 2.4.2.3). */
function isMpegFrame(bytes: Uint8Array): boolean {
  if (bytes.length < 4 || bytes[0] !== 0xff || (bytes[1] & 0xe0) !== 0xe0) return false;
  const [version, layer, rate, frequency] = [
    (bytes[1] >> 3) & 3,
    (bytes[1] >> 1) & 3,
    bytes[2] >> 4,
    (bytes[2] >> 2) & 3,
  ];
  return version !== 1 && layer !== 0 && rate !== 0 && rate !== 15 && frequency !== 3;
}

const TEXT_BYTES = 512;

function isText(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, TEXT_BYTES);
  if (start.length === 0 || start.some((byte) => byte < 0x20 && (byte < 0x09 || byte > 0x0d))) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true });
    return true;
  } catch {
    return false;
  }
}
