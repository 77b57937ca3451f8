/** Where edge A keeps what edge B relayed until its own share is there, and waits for what has not come. Bounded per device. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { LimitError, ProtocolError } from '../../base/errors.ts';
import type { EdgeMessage } from './messages.ts';

/** What edge B hands to edge A. */
export type RelayedMessage = Extract<EdgeMessage, { kind: 'relayed' }>;

/** Layers that may wait per device: B is at most one ahead of A, and one more while A is busy. */
const MOST_WAITING = 4;
/** Devices whose relays are kept at once. */
const MOST_DEVICES = 1024;

/** B's part of one layer. */
export type RelayedPart = Pick<RelayedMessage, 'shares' | 'work' | 'signature'>;

interface Slot {
  readonly request: number;
  readonly arrived: Map<number, RelayedPart>;
  readonly awaited: Map<number, (part: RelayedPart | null) => void>;
}

export class RelayBox {
  readonly #slots = new Map<string, Slot>();

  /** Of edge B. Bytes are copied. A relay for an older request is dropped. @throws {ProtocolError} for a second one of a layer */
  put({ device, request, layer, ...part }: RelayedMessage): void {
    const slot = this.#slot(device, request);
    if (slot === null) return;
    const kept = { work: part.work, shares: part.shares.slice(), signature: part.signature.slice() };
    const awaiting = slot.awaited.get(layer);
    if (awaiting !== undefined) {
      slot.awaited.delete(layer);
      awaiting(kept);
      return;
    }
    if (slot.arrived.has(layer) || slot.arrived.size >= MOST_WAITING)
      throw new ProtocolError('a relay that was not asked for');
    slot.arrived.set(layer, kept);
  }

  /** Null when the request is cancelled before anything comes. */
  take(device: Uint8Array, request: number, layer: number): Promise<RelayedPart | null> {
    const slot = this.#slot(device, request);
    if (slot === null) return Promise.resolve(null);
    const part = slot.arrived.get(layer);
    if (part === undefined) return new Promise((resolve) => slot.awaited.set(layer, resolve));
    slot.arrived.delete(layer);
    return Promise.resolve(part);
  }

  cancel(device: Uint8Array, request: number): void {
    const slot = this.#slots.get(bytesToHex(device));
    if (slot?.request !== request) return;
    for (const awaiting of slot.awaited.values()) awaiting(null);
    slot.awaited.clear();
    slot.arrived.clear();
  }

  forget(device: Uint8Array): void {
    const slot = this.#slots.get(bytesToHex(device));
    if (slot === undefined) return;
    this.cancel(device, slot.request);
    this.#slots.delete(bytesToHex(device));
  }

  #slot(device: Uint8Array, request: number): Slot | null {
    const name = bytesToHex(device);
    const old = this.#slots.get(name);
    if (old !== undefined && old.request > request) return null;
    if (old?.request === request) return old;
    if (old !== undefined) this.cancel(device, old.request);
    else if (this.#slots.size >= MOST_DEVICES)
      throw new LimitError('the number of relaying devices', MOST_DEVICES, this.#slots.size + 1);
    const slot: Slot = { request, arrived: new Map(), awaited: new Map() };
    this.#slots.set(name, slot);
    return slot;
  }
}
