/**
 * An authenticated, encrypted conversation: between a device and an edge, between two edges, between a party of a joint training and its
 * host. A key that somebody gave to both ends authenticates each to the other; ephemeral X25519 [RFC 7748] makes the record keys, so that neither recorded traffic nor a key
 * stolen later opens a finished session. Records are AES-256-GCM under one key per direction with the record number as nonce:
 * a changed, lost, repeated or reordered record ends the session.
 *
 *   hello    'SEH1' subject id (32) party id (16) nonce (32) X25519 (32)
 *   welcome  'SEW1' operator (u8 length, UTF-8) nonce (32) X25519 (32) HMAC (32)
 *   proof    'SEP1' HMAC (32)
 *
 * Each HMAC-SHA256 is over a label, with the purpose of the conversation in it, and everything that was said before it.
 */
import { printOnOneLine } from '../../base/inspect.ts';
import { x25519 } from '@noble/curves/ed25519.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { constantTimeEqual } from '../../base/constant-time.ts';
import { ProtocolError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { sha256Digest, sha256Mac } from '../../base/sha256.ts';

const HELLO = 0x31484553;
const WELCOME = 0x31574553;
const PROOF = 0x31504553;
export const PARTY_ID_BYTES = 16;
const HELLO_BYTES = 4 + 32 + PARTY_ID_BYTES + 64;
const MAX_OPERATOR_BYTES = 64;
/** Bytes of a record beyond its message: the tag. */
export const RECORD_OVERHEAD = 16;
const utf8 = new TextEncoder();

type Bytes = Uint8Array<ArrayBuffer>;

/** What the two ends do: keys of one purpose open nothing of another. With what each end says of the other's missing key. */
const PURPOSES = {
  edge: {
    stranger: 'the device is not known here',
    impostor: 'the edge does not hold the key that the owner gave it for this device',
  },
  joint: {
    stranger: 'the party holds no invitation to this session',
    impostor: 'the host does not hold the key of this invitation',
  },
} as const;
export type ChannelPurpose = keyof typeof PURPOSES;

function tagged(
  purpose: ChannelPurpose,
  key: Uint8Array,
  label: string,
  ...said: readonly Uint8Array[]
): Bytes {
  const text = utf8.encode(`subrosa ${purpose} ${label}|`);
  return Uint8Array.from(sha256Mac(key, concatBytes(text, sha256Digest(concatBytes(...said)))));
}

/** Sealed records in one direction each; made by a handshake. */
export class SecureChannel {
  readonly #send: CryptoKey;
  readonly #receive: CryptoKey;
  #sent = 0;
  #received = 0;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(send: CryptoKey, receive: CryptoKey) {
    this.#send = send;
    this.#receive = receive;
  }

  static async open(
    secret: Uint8Array,
    initiator: boolean,
    purpose: ChannelPurpose = 'edge',
  ): Promise<SecureChannel> {
    const keyOf = (label: string) =>
      globalThis.crypto.subtle.importKey('raw', tagged(purpose, secret, label), 'AES-GCM', false, [
        'encrypt',
        'decrypt',
      ]);
    const [up, down] = await Promise.all([keyOf('records up'), keyOf('records down')]);
    secret.fill(0);
    return initiator ? new SecureChannel(up, down) : new SecureChannel(down, up);
  }

  /** Calls may overlap; results resolve in the order of the calls. */
  seal(message: Uint8Array): Promise<Uint8Array> {
    const iv = recordNonce(this.#sent++);
    const work = globalThis.crypto.subtle.encrypt({ name: 'AES-GCM', iv }, this.#send, message as Bytes);
    const result = this.#tail.then(async () => new Uint8Array(await work));
    work.catch(() => undefined);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** @throws {ProtocolError} unless this is the next record of the other side. Records must be opened one after another. */
  async open(record: Uint8Array): Promise<Uint8Array> {
    const iv = recordNonce(this.#received++);
    if (record.length < RECORD_OVERHEAD) throw new ProtocolError('a record is too short');
    try {
      const opened = await globalThis.crypto.subtle.decrypt(
        { name: 'AES-GCM', iv },
        this.#receive,
        record as Bytes,
      );
      return new Uint8Array(opened);
    } catch {
      throw new ProtocolError(
        'a record is not the next one of this connection: changed, lost, repeated or out of order',
      );
    }
  }
}

function recordNonce(number: number): Bytes {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setBigUint64(4, BigInt(number));
  return iv;
}

function sessionSecret(
  purpose: ChannelPurpose,
  key: Uint8Array,
  own: Uint8Array,
  theirs: Uint8Array,
  said: readonly Uint8Array[],
): Uint8Array {
  let shared: Uint8Array;
  try {
    shared = x25519.getSharedSecret(own, theirs);
  } catch {
    throw new ProtocolError('the other side sent a key of low order');
  }
  const secret = tagged(purpose, key, 'session', shared, ...said);
  shared.fill(0);
  own.fill(0);
  return secret;
}

/** The side that opens the connection: a device, edge B towards edge A, a party. */
export class HandshakeInitiator {
  readonly hello: Uint8Array;
  readonly #purpose: ChannelPurpose;
  readonly #key: Uint8Array;
  readonly #ephemeral: Uint8Array;

  constructor(key: Uint8Array, modelId: Uint8Array, partyId: Uint8Array, purpose: ChannelPurpose = 'edge') {
    this.#purpose = purpose;
    this.#key = key;
    this.#ephemeral = systemRandom.seed();
    const writer = new ByteWriter(HELLO_BYTES);
    writer.u32(HELLO);
    writer.bytes(modelId);
    writer.bytes(partyId);
    writer.bytes(systemRandom.seed());
    writer.bytes(x25519.getPublicKey(this.#ephemeral));
    this.hello = writer.finish();
  }

  /** @throws {DecodeError} {@link ProtocolError} when the other side does not know the key. */
  async finish(
    welcome: Uint8Array,
  ): Promise<{ operator: string; proof: Uint8Array; channel: SecureChannel }> {
    const reader = new ByteReader('a welcome', welcome);
    if (reader.u32() !== WELCOME) throw reader.error('bad magic');
    const length = reader.u8();
    if (length > MAX_OPERATOR_BYTES) throw reader.error('the operator has too long a name');
    const operator = new TextDecoder().decode(reader.bytes(length));
    reader.bytes(32);
    const theirs = reader.bytes(32);
    const tag = reader.bytes(32);
    reader.end();
    const body = welcome.subarray(0, welcome.length - 32);
    if (!constantTimeEqual(tag, tagged(this.#purpose, this.#key, 'welcome', this.hello, body))) {
      throw new ProtocolError(PURPOSES[this.#purpose].impostor);
    }
    const writer = new ByteWriter(36);
    writer.u32(PROOF);
    writer.bytes(tagged(this.#purpose, this.#key, 'proof', this.hello, welcome));
    const said = [this.hello, welcome];
    const secret = sessionSecret(this.#purpose, this.#key, this.#ephemeral, theirs, said);
    const channel = await SecureChannel.open(secret, true, this.#purpose);
    return { operator, proof: writer.finish(), channel };
  }
}

export interface Hello {
  readonly bytes: Uint8Array;
  readonly modelId: Uint8Array;
  readonly partyId: Uint8Array;
}

/** @throws {DecodeError} */
export function readHello(bytes: Uint8Array): Hello {
  const reader = new ByteReader('a hello', bytes);
  if (reader.u32() !== HELLO) throw reader.error('bad magic');
  const modelId = reader.bytes(32);
  const partyId = reader.bytes(PARTY_ID_BYTES);
  reader.bytes(64);
  reader.end();
  return { bytes, modelId, partyId };
}

/** The side that was connected to. For a party that nobody knows, a random `key` makes the answer look like any other. */
export class HandshakeResponder {
  readonly welcome: Uint8Array;
  readonly #hello: Hello;
  readonly #purpose: ChannelPurpose;
  readonly #key: Uint8Array;
  readonly #ephemeral: Uint8Array;

  constructor(hello: Hello, key: Uint8Array, operator: string, purpose: ChannelPurpose = 'edge') {
    this.#hello = hello;
    this.#purpose = purpose;
    this.#key = key;
    this.#ephemeral = systemRandom.seed();
    const name = utf8.encode(operator).subarray(0, MAX_OPERATOR_BYTES);
    const writer = new ByteWriter(4 + 1 + name.length + 96);
    writer.u32(WELCOME);
    writer.u8(name.length);
    writer.bytes(name);
    writer.bytes(systemRandom.seed());
    writer.bytes(x25519.getPublicKey(this.#ephemeral));
    const tag = writer.reserve(32);
    this.welcome = writer.finish();
    const said = this.welcome.subarray(0, this.welcome.length - 32);
    tag.set(tagged(purpose, key, 'welcome', hello.bytes, said));
  }

  /** @throws {DecodeError} {@link ProtocolError} when the party does not hold the key. */
  finish(proof: Uint8Array): Promise<SecureChannel> {
    const reader = new ByteReader('a proof', proof);
    if (reader.u32() !== PROOF) throw reader.error('bad magic');
    const tag = reader.bytes(32);
    reader.end();
    if (!constantTimeEqual(tag, tagged(this.#purpose, this.#key, 'proof', this.#hello.bytes, this.welcome))) {
      throw new ProtocolError(PURPOSES[this.#purpose].stranger);
    }
    const theirs = this.#hello.bytes.subarray(HELLO_BYTES - 32);
    const said = [this.#hello.bytes, this.welcome];
    const secret = sessionSecret(this.#purpose, this.#key, this.#ephemeral, theirs, said);
    return SecureChannel.open(secret, false, this.#purpose);
  }
}

printOnOneLine(HandshakeInitiator, HandshakeResponder, SecureChannel);
