import { concatBytes } from '@noble/hashes/utils.js';
import type { AuthorityStorage } from '../../../src/protocols/cryptonn/authority/authority-storage.ts';

/** Thrown where the process would have died. */
export class Killed extends Error {}

/** Storage in memory whose owner can be killed at any step of any call, leaving what a real disk would. */
export class MemoryStorage implements AuthorityStorage {
  secrets: Uint8Array | null = null;
  log: Uint8Array = new Uint8Array(0);
  anchor: Uint8Array | null = null;
  /** Steps until death; a call has two: before and after its effect. */
  stepsLeft = Number.POSITIVE_INFINITY;
  /** Share of an append that reaches the disk when death comes in its middle. */
  torn = 0.5;

  #step(): void {
    if (--this.stepsLeft < 0) throw new Killed();
  }

  async readSecrets(): Promise<Uint8Array | null> {
    return this.secrets?.slice() ?? null;
  }

  async writeSecrets(bytes: Uint8Array): Promise<void> {
    this.#step();
    this.secrets = bytes.slice();
    this.#step();
  }

  async readLog(): Promise<Uint8Array> {
    return this.log.slice();
  }

  async appendLog(bytes: Uint8Array): Promise<void> {
    try {
      this.#step();
    } catch (error) {
      this.log = concatBytes(this.log, bytes.subarray(0, Math.floor(this.torn * bytes.length)));
      throw error;
    }
    this.log = concatBytes(this.log, bytes);
    this.#step();
  }

  async truncateLog(length: number): Promise<void> {
    this.#step();
    this.log = this.log.slice(0, length);
    this.#step();
  }

  /** Parts that were put aside, by their last entry. */
  readonly archived = new Map<number, Uint8Array>();

  async rotateLog(first: Uint8Array, lastEntry: number): Promise<void> {
    this.#step();
    this.archived.set(lastEntry, this.log);
    this.log = first.slice();
    this.#step();
  }

  async archivedLogs(): Promise<number[]> {
    return [...this.archived.keys()].sort((a, b) => a - b);
  }

  async readArchivedLog(lastEntry: number): Promise<Uint8Array> {
    return this.archived.get(lastEntry) ?? new Uint8Array(0);
  }

  async readAnchor(): Promise<Uint8Array | null> {
    return this.anchor?.slice() ?? null;
  }

  async writeAnchor(bytes: Uint8Array): Promise<void> {
    this.#step();
    this.anchor = bytes.slice();
    this.#step();
  }
}
