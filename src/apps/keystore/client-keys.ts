/** What a client keeps about one model of one server, as bytes that are only ever written sealed. Runs wherever JavaScript does. */
import { ByteReader, ByteWriter } from '../../base/bytes.ts';

/** What the keys are for. */
export interface KeySubject {
  /** The server's origin, for example https://speech.example:8414. */
  readonly server: string;
  readonly model: string;
  readonly paramsId: string;
}

export interface ClientKeys {
  /** As exported by the inference client. */
  readonly secret: Uint8Array;
  /** Bearer token, 32 bytes. */
  readonly token: Uint8Array;
  /** What the server called the evaluation keys, or null before the first upload. */
  readonly keyId: string | null;
  /** Replies that did not open with these keys so far, at most 255. */
  readonly anomalies: number;
}

/**
 * A server that sends replies made to decrypt to sense or not, depending on the key, and learns which did, gains at most a bit of it
 * per reply. So few bits say nothing; keys are not used for longer than that. Retiring them shows once, about keys that are gone.
 */
export const MAX_ANOMALIES = 32;

const TOKEN_BYTES = 32;

/** The caller wipes the result. */
export function packClientKeys({ secret, token, keyId, anomalies }: ClientKeys): Uint8Array {
  const id = new TextEncoder().encode(keyId ?? '');
  const writer = new ByteWriter(TOKEN_BYTES + 2 + id.length + secret.length);
  writer.bytes(token.subarray(0, TOKEN_BYTES));
  writer.u8(Math.min(255, anomalies));
  writer.u8(id.length);
  writer.bytes(id);
  writer.bytes(secret);
  return writer.finish();
}

/** Copies, so that the argument can be wiped. @throws {DecodeError} */
export function unpackClientKeys(bytes: Uint8Array): ClientKeys {
  const reader = new ByteReader('client keys', bytes);
  const token = Uint8Array.from(reader.bytes(TOKEN_BYTES));
  const anomalies = reader.u8();
  const keyId = new TextDecoder().decode(reader.bytes(reader.u8()));
  const secret = Uint8Array.from(reader.bytes(reader.remaining));
  return { token, keyId: keyId === '' ? null : keyId, anomalies, secret };
}
