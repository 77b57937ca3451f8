/**
 * Enrolments that arrive in parts, so that a link that breaks costs one part and not all of them. An upload belongs to one tenant and
 * is named by the SHA-256 of the whole message; parts may come in any order and more than once. What is held counts against the
 * principal, and makes room when it rests.
 */
import { createHash } from 'node:crypto';
import { ProtocolError } from '../../../base/errors.ts';
import type { ModelName, TenantId } from '../../../protocols/inference/names.ts';
import { KEY_PART_BYTES } from '../../transport/wire.ts';
import { ReceiveBudget } from '../admission/receive-budget.ts';
import { sameTenant } from '../tenant.ts';

export interface UploadRules {
  /** Bytes of parts in memory, over all principals, and how much of them one may take. */
  readonly capacityBytes: number;
  readonly principalShare: number;
  /** Uploads that nobody continued for so long may go when others need room, and go after `keptMs` in any case. */
  readonly idleMs: number;
  readonly keptMs: number;
  readonly now: () => number;
}

export interface UploadOwner {
  readonly tenant: TenantId;
  readonly principal: string;
}

interface Upload extends UploadOwner {
  readonly model: ModelName;
  readonly hash: string;
  readonly parts: (Uint8Array | undefined)[];
  bytes: number;
  touchedAt: number;
}

/** How many parts a message of `total` bytes has. */
export function keyPartsOf(total: number): number {
  return Math.ceil(total / KEY_PART_BYTES);
}

/** @throws {ProtocolError} when a message of `total` bytes has no such part, or it has another length than it must have. */
export function checkPart(total: number, index: number, bytes: Uint8Array): void {
  const count = keyPartsOf(total);
  const needed = Math.min(KEY_PART_BYTES, total - index * KEY_PART_BYTES);
  if (!(index >= 0 && index < count) || bytes.length !== needed)
    throw new ProtocolError(`part ${index} of ${count} has ${bytes.length} bytes`);
}

/** @throws {ProtocolError} when the parts are not the message that was named. */
export function wholeMessage(parts: readonly Uint8Array[], hash: string): Uint8Array {
  const message = Buffer.concat(parts);
  if (createHash('sha256').update(message).digest('hex') !== hash)
    throw new ProtocolError('the parts of an enrolment have another hash than was said');
  return message;
}

export class KeyUploads {
  readonly #rules: UploadRules;
  readonly #budget: ReceiveBudget;
  readonly #uploads: Upload[] = [];

  constructor(rules: UploadRules) {
    this.#rules = rules;
    this.#budget = new ReceiveBudget(rules.capacityBytes, rules.principalShare);
  }

  /** Bytes of parts that wait for the rest. */
  get bytes(): number {
    this.#expire();
    return this.#budget.bytes;
  }

  /** The numbers of the parts that are here; none for an upload that nobody began. */
  held(tenant: TenantId, model: ModelName, hash: string): number[] {
    this.#expire();
    const { parts = [] } = this.#find(tenant, model, hash) ?? {};
    return [...parts.keys()].filter((i) => parts[i] !== undefined);
  }

  /**
   * Keeps a part of a message of `total` bytes; one upload per tenant and model, so that another one takes the place of an earlier one.
   * False when there is no room.
   * @throws {ProtocolError} when there is no such part, or it has another length than it must have.
   */
  add(
    owner: UploadOwner,
    model: ModelName,
    hash: string,
    total: number,
    index: number,
    bytes: Uint8Array,
  ): boolean {
    this.#expire();
    checkPart(total, index, bytes);
    const others = this.#uploads.filter(
      (each) => sameTenant(each.tenant, owner.tenant) && each.model === model && each.hash !== hash,
    );
    for (const other of others) this.#remove(other);
    const known = this.#find(owner.tenant, model, hash);
    const upload = known ?? this.#begin(owner, model, hash, keyPartsOf(total));
    upload.touchedAt = this.#rules.now();
    if (upload.parts[index] !== undefined) return true;
    if (!this.#makeRoom(upload, bytes.length)) return false;
    if (known === undefined) this.#uploads.push(upload);
    upload.parts[index] = bytes;
    upload.bytes += bytes.length;
    return true;
  }

  /**
   * The whole message, which is not held any longer; null while parts are missing.
   * @throws {ProtocolError} when the parts are not the message that was named; all of them are dropped.
   */
  take(tenant: TenantId, model: ModelName, hash: string): Uint8Array | null {
    this.#expire();
    const upload = this.#find(tenant, model, hash);
    const parts = upload?.parts.filter((part) => part !== undefined) ?? [];
    if (upload === undefined || parts.length < upload.parts.length) return null;
    this.#remove(upload);
    return wholeMessage(parts, hash);
  }

  #begin(owner: UploadOwner, model: ModelName, hash: string, count: number): Upload {
    const { tenant, principal } = owner;
    const parts = new Array<Uint8Array | undefined>(count).fill(undefined);
    return { tenant, principal, model, hash, parts, bytes: 0, touchedAt: this.#rules.now() };
  }

  /** Resting uploads go, those that have rested longest first, until the part fits. */
  #makeRoom(upload: Upload, bytes: number): boolean {
    const before = this.#rules.now() - this.#rules.idleMs;
    const resting = this.#uploads
      .filter((each) => each !== upload && each.touchedAt <= before)
      .sort((a, b) => a.touchedAt - b.touchedAt);
    const { principal } = upload;
    // Above its share only what is its own makes room.
    const helps = (each: Upload): boolean =>
      each.principal === principal || this.#budget.isWithinShare(principal, bytes);
    while (!this.#budget.take(principal, bytes)) {
      const victim = resting.findIndex(helps);
      if (victim < 0) return false;
      for (const each of resting.splice(victim, 1)) this.#remove(each);
    }
    return true;
  }

  #expire(): void {
    const before = this.#rules.now() - this.#rules.keptMs;
    for (const upload of this.#uploads.filter(({ touchedAt }) => touchedAt <= before)) this.#remove(upload);
  }

  #find(tenant: TenantId, model: ModelName, hash: string): Upload | undefined {
    return this.#uploads.find(
      (each) => sameTenant(each.tenant, tenant) && each.model === model && each.hash === hash,
    );
  }

  #remove(upload: Upload): void {
    this.#uploads.splice(this.#uploads.indexOf(upload), 1);
    this.#budget.give(upload.principal, upload.bytes);
  }
}
