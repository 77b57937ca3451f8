/** Where edge A keeps what edge B relayed until its own share is there, and waits for what has not come. Bounded per device. */
import { printOnOneLine } from '../../base/inspect.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { LimitError, ProtocolError } from '../../base/errors.ts';
import { type EdgeMessage, MAX_OPEN_REQUESTS } from './messages.ts';

/** What edge B hands to edge A. */
export type RelayedMessage = Extract<EdgeMessage, { kind: 'relayed' }>;

/** Layers that may wait per request: B is at most one ahead of A, and one more while A is busy. */
const MAX_WAITING = 4;
/** Devices whose relays are kept at once. */
const MAX_DEVICES = 1024;

/** B's part of one layer. */
export type RelayedPart = Pick<RelayedMessage, 'shares' | 'work' | 'signature'>;

interface Slot {
  readonly request: number;
  /** Ended or given up: what still comes is dropped. */
  isOver: boolean;
  readonly arrived: Map<number, RelayedPart>;
  readonly awaited: Map<number, (part: RelayedPart | null) => void>;
}

export class RelayBox {
  /** Of each device, the newest request last. */
  readonly #slots = new Map<string, Slot[]>();

  /** Of edge B. Bytes are copied. A relay for an older request is dropped. @throws {ProtocolError} for a second one of a layer */
  put({ device, request, layer, ...part }: RelayedMessage): void {
    const slot = this.#slot(device, request);
    if (slot === null || slot.isOver) return;
    const kept = { work: part.work, shares: part.shares.slice(), signature: part.signature.slice() };
    const awaiting = slot.awaited.get(layer);
    if (awaiting !== undefined) {
      slot.awaited.delete(layer);
      awaiting(kept);
      return;
    }
    if (slot.arrived.has(layer) || slot.arrived.size >= MAX_WAITING)
      throw new ProtocolError('a relay that was not asked for');
    slot.arrived.set(layer, kept);
  }

  /** Null when the request is cancelled before anything comes. */
  take(device: Uint8Array, request: number, layer: number): Promise<RelayedPart | null> {
    const slot = this.#slot(device, request);
    if (slot === null || slot.isOver) return Promise.resolve(null);
    const part = slot.arrived.get(layer);
    if (part === undefined) return new Promise((resolve) => slot.awaited.set(layer, resolve));
    slot.arrived.delete(layer);
    return Promise.resolve(part);
  }

  /** The request is over. Its place is kept, so that nothing that is late is kept for it, until a newer one takes it. */
  cancel(device: Uint8Array, request: number): void {
    const slot = this.#slot(device, request);
    if (slot !== null) end(slot);
  }

  /** Null for a request that newer ones have taken the place of. */
  #slot(device: Uint8Array, request: number): Slot | null {
    const name = bytesToHex(device);
    const slots = this.#slots.get(name) ?? [];
    const known = slots.find((slot) => slot.request === request);
    if (known !== undefined) return known;
    if (slots.length === 0) this.#makeRoom();
    if (slots.length >= MAX_OPEN_REQUESTS) {
      if (request < slots[0]!.request) return null;
      end(slots.shift()!);
    }
    const slot: Slot = { request, isOver: false, arrived: new Map(), awaited: new Map() };
    slots.push(slot);
    slots.sort((first, second) => first.request - second.request);
    this.#slots.set(name, slots);
    return slot;
  }

  /** For one more device. @throws {LimitError} */
  #makeRoom(): void {
    if (this.#slots.size < MAX_DEVICES) return;
    for (const [name, slots] of this.#slots) {
      if (!slots.every((slot) => slot.isOver)) continue;
      this.#slots.delete(name);
      return;
    }
    throw new LimitError('the number of relaying devices', MAX_DEVICES, this.#slots.size + 1);
  }
}

function end(slot: Slot): void {
  slot.isOver = true;
  for (const awaiting of slot.awaited.values()) awaiting(null);
  slot.awaited.clear();
  slot.arrived.clear();
}

printOnOneLine(RelayBox);
