/**
 * The three messages of encrypted inference, as bytes. Ciphertexts and keys inside are in the schemes' own wire format, which
 * checks every length against the parameters before it allocates and every residue against its prime.
 *
 *   enrolment  'SRE1'  u32 length of the public key, public key, evaluation keys; for a model that decides exit key and TFHE keys
 *   query      'SRQ1'  program id (32), nonce (32), bucket index u32, ciphertext batch (seeded)
 *   reply      'SRR1'  program id (32), nonce of the query (32), ciphertext batch, or the TFHE ciphertext of a decision
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';

const ENROLMENT = 0x31455253;
const QUERY = 0x31515253;
const REPLY = 0x31525253;

export interface EnrolmentMessage {
  readonly publicKey: Uint8Array;
  /** And whatever follows them. */
  readonly evaluationKeys: Uint8Array;
}

/** Bytes of an enrolment and of a query besides the keys and ciphertexts inside. */
export const ENROLMENT_PREFIX_BYTES = 8;
export const QUERY_PREFIX_BYTES = 72;
const REPLY_PREFIX_BYTES = 68;

export function writeEnrolment(message: EnrolmentMessage): Uint8Array {
  const writer = new ByteWriter(
    ENROLMENT_PREFIX_BYTES + message.publicKey.length + message.evaluationKeys.length,
  );
  writer.u32(ENROLMENT);
  writer.u32(message.publicKey.length);
  writer.bytes(message.publicKey);
  writer.bytes(message.evaluationKeys);
  return writer.finish();
}

/** @throws {DecodeError} */
export function readEnrolment(bytes: Uint8Array): EnrolmentMessage {
  const reader = new ByteReader('an enrolment', bytes);
  if (reader.u32() !== ENROLMENT) throw reader.error('bad magic');
  const publicKey = reader.bytes(reader.u32());
  return { publicKey, evaluationKeys: reader.bytes(reader.remaining) };
}

export interface QueryMessage {
  readonly programId: string;
  /** 32 random bytes, hex; the reply repeats them. */
  readonly nonce: string;
  readonly bucket: number;
  readonly ciphertexts: Uint8Array;
}

export function writeQuery(message: QueryMessage): Uint8Array {
  const writer = new ByteWriter(QUERY_PREFIX_BYTES + message.ciphertexts.length);
  writer.u32(QUERY);
  writer.bytes(hexToBytes(message.programId));
  writer.bytes(hexToBytes(message.nonce));
  writer.u32(message.bucket);
  writer.bytes(message.ciphertexts);
  return writer.finish();
}

/** @throws {DecodeError} */
export function readQuery(bytes: Uint8Array): QueryMessage {
  const reader = new ByteReader('a query', bytes);
  if (reader.u32() !== QUERY) throw reader.error('bad magic');
  const programId = bytesToHex(reader.bytes(32));
  const nonce = bytesToHex(reader.bytes(32));
  const bucket = reader.u32();
  return { programId, nonce, bucket, ciphertexts: reader.bytes(reader.remaining) };
}

export interface ReplyMessage {
  readonly programId: string;
  /** Of the query that this answers. */
  readonly nonce: string;
  readonly ciphertexts: Uint8Array;
}

export function writeReply(message: ReplyMessage): Uint8Array {
  const writer = new ByteWriter(REPLY_PREFIX_BYTES + message.ciphertexts.length);
  writer.u32(REPLY);
  writer.bytes(hexToBytes(message.programId));
  writer.bytes(hexToBytes(message.nonce));
  writer.bytes(message.ciphertexts);
  return writer.finish();
}

/** @throws {DecodeError} */
export function readReply(bytes: Uint8Array): ReplyMessage {
  const reader = new ByteReader('a reply', bytes);
  if (reader.u32() !== REPLY) throw reader.error('bad magic');
  const programId = bytesToHex(reader.bytes(32));
  const nonce = bytesToHex(reader.bytes(32));
  return { programId, nonce, ciphertexts: reader.bytes(reader.remaining) };
}
