/**
 * The messages inside the records of a session. Every one names its request; shares are bit-packed ({@link packShares}).
 *
 *   begin    1, request u64, batch u32, mode u8, input seed (32), output mask seed (32)    device -> edge
 *   input    2, request u64, layer u32, shares                                             device -> edge
 *   again    3, request u64, layer u32, shares or nothing: answer without relay            device -> edge
 *   output   4, request u64, layer u32, own and relayed work u32 each, shares              edge -> device
 *   relayed  5, device (16), request u64, layer u32, work u32, shares                      edge B -> edge A
 *   end      6, request u64                                                                device -> edge
 *
 * Work is what an edge says it computed for, in microseconds: for reports only.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { PARTY_ID_BYTES } from './secure-channel.ts';

/**
 * What an edge does with the layers of a request: `seeded` expands its input shares from the seed and answers every layer at once;
 * `vector` waits for each layer's shares. The relay modes do the same, and A adds what B sends it before it answers.
 */
export const REQUEST_MODES = ['seeded', 'vector', 'relay-seeded', 'relay-vector'] as const;
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
    }
  | {
      readonly kind: 'input' | 'again';
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
      readonly kind: 'relayed';
      readonly device: Uint8Array;
      readonly request: number;
      readonly layer: number;
      readonly work: number;
      readonly shares: Uint8Array;
    }
  | { readonly kind: 'end'; readonly request: number };

const KINDS = [
  'begin',
  'input',
  'again',
  'output',
  'relayed',
  'end',
] as const satisfies readonly EdgeMessage['kind'][];
const SEED_BYTES = 32;
/** Bytes around the shares in a record, at most: kind, device, request, layer and the record's tag. */
export const MESSAGE_OVERHEAD = 64;

export function writeEdgeMessage(message: EdgeMessage): Uint8Array {
  const writer = new ByteWriter(messageBytes(message));
  writer.u8(KINDS.indexOf(message.kind));
  if (message.kind === 'relayed') writer.bytes(message.device);
  writer.u64(message.request);
  switch (message.kind) {
    case 'begin':
      writer.u32(message.batch);
      writer.u8(REQUEST_MODES.indexOf(message.mode));
      writer.bytes(message.inputSeed);
      writer.bytes(message.outputSeed);
      break;
    case 'end':
      break;
    default:
      writer.u32(message.layer);
      if (message.kind === 'relayed' || message.kind === 'output') writer.u32(message.work);
      if (message.kind === 'output') writer.u32(message.relayedWork);
      writer.bytes(message.shares);
  }
  return writer.finish();
}

function messageBytes(message: EdgeMessage): number {
  switch (message.kind) {
    case 'begin':
      return 1 + 8 + 4 + 1 + 2 * SEED_BYTES;
    case 'end':
      return 1 + 8;
    case 'relayed':
      return 1 + PARTY_ID_BYTES + 8 + 4 + 4 + message.shares.length;
    case 'output':
      return 1 + 8 + 4 + 8 + message.shares.length;
    default:
      return 1 + 8 + 4 + message.shares.length;
  }
}

/** The shares are a view; their length is for the reader who knows the layer. @throws {DecodeError} */
export function readEdgeMessage(bytes: Uint8Array): EdgeMessage {
  const reader = new ByteReader('an edge message', bytes);
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw reader.error('no such kind');
  if (kind === 'relayed') {
    const device = reader.bytes(PARTY_ID_BYTES);
    return {
      kind,
      device,
      request: reader.u64(),
      layer: reader.u32(),
      work: reader.u32(),
      shares: reader.bytes(reader.remaining),
    };
  }
  const request = reader.u64();
  if (kind === 'end') {
    reader.end();
    return { kind, request };
  }
  if (kind === 'output') {
    const [layer, work, relayedWork] = [reader.u32(), reader.u32(), reader.u32()];
    return { kind, request, layer, work, relayedWork, shares: reader.bytes(reader.remaining) };
  }
  if (kind !== 'begin') return { kind, request, layer: reader.u32(), shares: reader.bytes(reader.remaining) };
  const batch = reader.u32();
  const mode = REQUEST_MODES[reader.u8()];
  if (mode === undefined) throw reader.error('no such mode');
  const inputSeed = reader.bytes(SEED_BYTES);
  const outputSeed = reader.bytes(SEED_BYTES);
  reader.end();
  return { kind, request, batch, mode, inputSeed, outputSeed };
}
