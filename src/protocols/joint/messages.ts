/**
 * The messages of a joint training. Every party sends one message in each round, the host hands each the others', and nobody goes on before
 * all are there. A message names everything that was said before it by a hash and is signed, so that whoever is shown other messages than
 * the rest says so with its next one.
 *
 *   message  'SRJM' round u32, party u8, kind u8, zero u16, hash of the rounds before (32), length u32, body, Ed25519 signature (64)
 *   bundle   'SRJB' zero u32, for each other party in order: length u32, message           host -> party
 *   end      'SRJE' reason (UTF-8, at most 200 bytes)                                      host -> party
 *
 *   hello     1   key of the party's signatures (32), commitment to its nonce (32)
 *   nonce     2   nonce (32)
 *   commit    3   commitment to the first share (32)
 *   share     4   share of a key, commitment to the next share, or to the rows (32)
 *   rows      5   encrypted rows
 *   agree     6   step u32, hash of the ciphertext that is answered next (32)
 *   refresh   7   answer to a refresh
 *   release   8   answer to the release
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { ProtocolError } from '../../base/errors.ts';
import { sha256Digest } from '../../base/sha256.ts';

const MESSAGE = 0x4d4a5253; // 'SRJM'
const BUNDLE = 0x424a5253; // 'SRJB'
const END = 0x454a5253; // 'SRJE'
export const HASH_BYTES = 32;
const SIGNATURE_BYTES = 64;
const BEFORE_BODY = 4 + 4 + 1 + 1 + 2 + HASH_BYTES + 4;
/** Bytes around a body. */
export const MESSAGE_OVERHEAD = BEFORE_BODY + SIGNATURE_BYTES;
const MOST_REASON = 200;
const utf8 = new TextEncoder();

export const JOINT_KINDS = [
  'hello',
  'nonce',
  'commit',
  'share',
  'rows',
  'agree',
  'refresh',
  'release',
] as const;
export type JointKind = (typeof JOINT_KINDS)[number];

/** Where a message stands. */
export interface JointPlace {
  readonly round: number;
  readonly party: number;
  readonly kind: JointKind;
  /** Of all rounds before. */
  readonly before: Uint8Array;
}

function digestOf(signed: Uint8Array): Uint8Array {
  return sha256Digest(concatBytes(utf8.encode('subrosa joint message 1|'), signed));
}

/** `key` is the party's secret signing key, 32 bytes. */
export function writeJointMessage(
  { round, party, kind, before }: JointPlace,
  body: Uint8Array,
  key: Uint8Array,
): Uint8Array {
  const writer = new ByteWriter(MESSAGE_OVERHEAD + body.length);
  writer.u32(MESSAGE);
  writer.u32(round);
  writer.u8(party);
  writer.u8(JOINT_KINDS.indexOf(kind) + 1);
  writer.u16(0);
  writer.bytes(before);
  writer.u32(body.length);
  writer.bytes(body);
  const signature = writer.reserve(SIGNATURE_BYTES);
  const message = writer.finish();
  signature.set(ed25519.sign(digestOf(message.subarray(0, BEFORE_BODY + body.length)), key));
  return message;
}

/**
 * The body of a message that must stand at this place and have so many bytes; a view. `keyOf` finds the key that must have signed it, for a
 * hello in its own body.
 *
 * @throws {DecodeError} {@link ProtocolError} when its author was shown other messages before, or it is signed by somebody else.
 */
export function readJointMessage(
  place: JointPlace,
  bytes: Uint8Array,
  bodyBytes: number,
  keyOf: (body: Uint8Array) => Uint8Array,
): Uint8Array {
  const reader = new ByteReader('a message of a joint training', bytes);
  if (reader.u32() !== MESSAGE) throw reader.error('bad magic');
  const [round, party] = [reader.u32(), reader.u8()];
  const kind = JOINT_KINDS[reader.u8() - 1];
  if (reader.u16() !== 0) throw reader.error('reserved bytes are not zero');
  if (round !== place.round || party !== place.party || kind !== place.kind)
    throw new ProtocolError(
      `a ${place.kind} of party ${place.party} in round ${place.round} was expected, something else came`,
    );
  const before = reader.bytes(HASH_BYTES);
  if (reader.u32() !== bodyBytes) throw reader.error(`a ${kind} of another length`);
  const body = reader.bytes(bodyBytes);
  const signature = reader.bytes(SIGNATURE_BYTES);
  reader.end();
  const signed = bytes.subarray(0, BEFORE_BODY + bodyBytes);
  if (!isSignedBy(keyOf(body), signature, digestOf(signed)))
    throw new ProtocolError(`a message of party ${party} is not signed by it`);
  if (before.some((byte, i) => byte !== place.before[i]))
    throw new ProtocolError(`party ${party} was shown other messages than this one: the session is over`);
  return body;
}

function isSignedBy(key: Uint8Array, signature: Uint8Array, digest: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, digest, key, { zip215: false });
  } catch {
    return false;
  }
}

/** Round and kind of a message, as the host needs them; checks nothing else. @throws {DecodeError} */
export function peekJointMessage(bytes: Uint8Array): Omit<JointPlace, 'before'> {
  const reader = new ByteReader('a message of a joint training', bytes);
  if (reader.u32() !== MESSAGE) throw reader.error('bad magic');
  const [round, party] = [reader.u32(), reader.u8()];
  const kind = JOINT_KINDS[reader.u8() - 1];
  if (kind === undefined) throw reader.error('no such kind');
  return { round, party, kind };
}

/** The body of a message, unchecked; a view. @throws {DecodeError} when there are not so many bytes. */
export function peekJointBody(message: Uint8Array, bodyBytes: number): Uint8Array {
  const reader = new ByteReader('a message of a joint training', message);
  reader.bytes(BEFORE_BODY);
  return reader.bytes(bodyBytes);
}

/** What the host hands a party: the others' messages in their order. */
export function writeBundle(messages: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter(messages.reduce((sum, { length }) => sum + 4 + length, 8));
  writer.u32(BUNDLE);
  writer.u32(0);
  for (const message of messages) {
    writer.u32(message.length);
    writer.bytes(message);
  }
  return writer.finish();
}

/**
 * The messages in a bundle, of these lengths; views.
 *
 * @throws {DecodeError} {@link ProtocolError} with the host's reason when it ended the session.
 */
export function readBundle(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const reader = new ByteReader('the messages of a round', bytes);
  const magic = reader.u32();
  if (magic === END) {
    if (reader.remaining > MOST_REASON) throw reader.error('too long a reason');
    const reason = new TextDecoder().decode(reader.bytes(reader.remaining));
    throw new ProtocolError(`the host ended the session: ${printed(reason)}`);
  }
  if (magic !== BUNDLE || reader.u32() !== 0) throw reader.error('bad magic');
  const messages = lengths.map((length) => {
    if (reader.u32() !== length) throw reader.error('a message of another length');
    return reader.bytes(length);
  });
  reader.end();
  return messages;
}

/** Without what a terminal would obey. */
function printed(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

export function writeEnd(reason: string): Uint8Array {
  const text = utf8.encode(printed(reason)).subarray(0, MOST_REASON);
  const writer = new ByteWriter(4 + text.length);
  writer.u32(END);
  writer.bytes(text);
  return writer.finish();
}

/** The hash that stands for all rounds so far. */
export function nextTranscript(before: Uint8Array, messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(
    sha256Digest(concatBytes(utf8.encode('subrosa joint round|'), before, ...messages.map(sha256Digest))),
  );
}
