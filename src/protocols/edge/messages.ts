/**
 * The messages inside the records of a session. Every one names its request; shares are bit-packed ({@link packShares}).
 *
 *   begin    0, request u64, batch u32, mode u8, input seed (32), output mask seed (32), nonce (32, with a relay)    device -> edge
 *   input    1, request u64, layer u32, shares                                                                     device -> edge
 *   output   3, request u64, layer u32, own and relayed work u32 each, shares                                      edge -> device
 *   end      5, request u64                                                                                        device -> edge
 *   joint    6, request u64, layer u32, own and relayed work u32 each, digest (32), signature (64), shares         edge A -> device
 *   relayed  7, device (16), request u64, layer u32, work u32, signature (64), shares                              edge B -> edge A
 *
 * 2 and 4 were other messages once.
 * Work is what an edge says it computed for, in microseconds: for reports only.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DIGEST_BYTES, NONCE_BYTES, type RelayProof, SIGNATURE_BYTES } from './relay-proof.ts';
import { PARTY_ID_BYTES } from '../channel/secure-channel.ts';

/**
 * What an edge does with the layers of a request: `seeded` expands its input shares from the seed and answers every layer at once;
 * `vector` waits for each layer's shares. The relay modes do the same, and A adds what B sends it before it answers.
 */
const REQUEST_MODES = ['seeded', 'vector', 'relay-seeded', 'relay-vector'] as const;
export type RequestMode = (typeof REQUEST_MODES)[number];

export type EdgeMessage =
  | {
      readonly kind: 'begin';
      readonly request: number;
      readonly batch: number;
      readonly mode: RequestMode;
      /** Of the input shares of edge A. Zeros for an edge that gets vectors. */
      readonly inputSeed: Uint8Array;
      /** Of the masks that edge B puts on relayed outputs; zeros elsewhere. */
      readonly outputSeed: Uint8Array;
      /** 32 bytes with a relay, otherwise none. Fresh, the same for both edges, no secret: what B signs is about this request. */
      readonly nonce: Uint8Array;
    }
  | {
      readonly kind: 'input';
      readonly request: number;
      readonly layer: number;
      readonly shares: Uint8Array;
    }
  | {
      readonly kind: 'output';
      readonly request: number;
      readonly layer: number;
      readonly work: number;
      readonly relayedWork: number;
      readonly shares: Uint8Array;
    }
  | {
      /** A's answer plus B's. */
      readonly kind: 'joint';
      readonly request: number;
      readonly layer: number;
      readonly work: number;
      readonly relayedWork: number;
      readonly proof: RelayProof;
      readonly shares: Uint8Array;
    }
  | {
      readonly kind: 'relayed';
      readonly device: Uint8Array;
      readonly request: number;
      readonly layer: number;
      readonly work: number;
      readonly signature: Uint8Array;
      readonly shares: Uint8Array;
    }
  | { readonly kind: 'end'; readonly request: number };

const CODES: Readonly<Record<EdgeMessage['kind'], number>> = {
  begin: 0,
  input: 1,
  output: 3,
  end: 5,
  joint: 6,
  relayed: 7,
};
const KINDS = new Map(Object.entries(CODES).map(([kind, code]) => [code, kind as EdgeMessage['kind']]));
/** Requests of one device at once: while one waits for the device, the edges work on the other. */
export const MAX_OPEN_REQUESTS = 2;
const SEED_BYTES = 32;
/** Bytes around the shares in a record, at most: the fields of the longest kind, and the record's tag. */
export const MESSAGE_OVERHEAD = 160;

export function writeEdgeMessage(message: EdgeMessage): Uint8Array {
  const writer = new ByteWriter(messageBytes(message));
  writer.u8(CODES[message.kind]);
  if (message.kind === 'relayed') writer.bytes(message.device);
  writer.u64(message.request);
  switch (message.kind) {
    case 'begin':
      writer.u32(message.batch);
      writer.u8(REQUEST_MODES.indexOf(message.mode));
      writer.bytes(message.inputSeed);
      writer.bytes(message.outputSeed);
      writer.bytes(message.nonce);
      break;
    case 'end':
      break;
    default:
      writer.u32(message.layer);
      if (message.kind !== 'input') writer.u32(message.work);
      if (message.kind === 'output' || message.kind === 'joint') writer.u32(message.relayedWork);
      if (message.kind === 'joint') {
        writer.bytes(message.proof.digest);
        writer.bytes(message.proof.signature);
      }
      if (message.kind === 'relayed') writer.bytes(message.signature);
      writer.bytes(message.shares);
  }
  return writer.finish();
}

function messageBytes(message: EdgeMessage): number {
  const start = 1 + 8;
  switch (message.kind) {
    case 'begin':
      return start + 4 + 1 + 2 * SEED_BYTES + message.nonce.length;
    case 'end':
      return start;
    case 'input':
      return start + 4 + message.shares.length;
    case 'output':
      return start + 4 + 8 + message.shares.length;
    case 'joint':
      return start + 4 + 8 + DIGEST_BYTES + SIGNATURE_BYTES + message.shares.length;
    case 'relayed':
      return start + PARTY_ID_BYTES + 4 + 4 + SIGNATURE_BYTES + message.shares.length;
  }
}

/** The shares are a view; their length is for the reader who knows the layer. @throws {DecodeError} */
export function readEdgeMessage(bytes: Uint8Array): EdgeMessage {
  const reader = new ByteReader('an edge message', bytes);
  const kind = KINDS.get(reader.u8());
  if (kind === undefined) throw reader.error('no such kind');
  const device = kind === 'relayed' ? reader.bytes(PARTY_ID_BYTES) : null;
  const request = reader.u64();
  if (kind === 'begin') return readBegin(reader, request);
  if (kind === 'end') {
    reader.end();
    return { kind, request };
  }
  const layer = reader.u32();
  const rest = () => reader.bytes(reader.remaining);
  if (kind === 'input') return { kind, request, layer, shares: rest() };
  const work = reader.u32();
  if (device !== null) {
    const signature = reader.bytes(SIGNATURE_BYTES);
    return { kind: 'relayed', device, request, layer, work, signature, shares: rest() };
  }
  const relayedWork = reader.u32();
  if (kind === 'output') return { kind, request, layer, work, relayedWork, shares: rest() };
  const proof = { digest: reader.bytes(DIGEST_BYTES), signature: reader.bytes(SIGNATURE_BYTES) };
  return { kind: 'joint', request, layer, work, relayedWork, proof, shares: rest() };
}

function readBegin(reader: ByteReader, request: number): EdgeMessage {
  const batch = reader.u32();
  const mode = REQUEST_MODES[reader.u8()];
  if (mode === undefined) throw reader.error('no such mode');
  const inputSeed = reader.bytes(SEED_BYTES);
  const outputSeed = reader.bytes(SEED_BYTES);
  const nonce = reader.bytes(reader.remaining === 0 ? 0 : NONCE_BYTES);
  reader.end();
  return { kind: 'begin', request, batch, mode, inputSeed, outputSeed, nonce };
}
