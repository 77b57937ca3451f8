/** What gateways remember between requests, where all of them see it: in the blob store and in the broker's tables. */
import { QueryBudgetError } from '../../../base/errors.ts';
import type { ModelName, TenantId } from '../../../protocols/inference/names.ts';
import type { SampleBudget, ServerLimits, ServerMemory, UploadRecord } from '../../server/index.ts';
import { ReceiveBudget } from '../../server/admission/receive-budget.ts';
import { checkPart, keyPartsOf, wholeMessage } from '../../server/keys/key-uploads.ts';
import { KEY_PART_BYTES } from '../../transport/wire.ts';
import { type BlobStore, withBlobRetries } from '../blobs/blob-store.ts';
import type { FleetBroker } from '../broker/broker.ts';
import { blobs, principalTag } from '../fleet-names.ts';
import { FleetKeys } from './fleet-keys.ts';
import { FleetTurns } from './fleet-turns.ts';
import type { FleetService } from './fleet-service.ts';

export interface GatewayParts {
  readonly broker: FleetBroker;
  readonly store: BlobStore;
  readonly service: FleetService;
  readonly secret: Uint8Array;
  readonly limits: ServerLimits;
  /** Predicted waiting above which queries are refused. */
  readonly maxWaitMs: number;
}

export function gatewayMemory(parts: GatewayParts): ServerMemory & { readonly turns: FleetTurns } {
  const { broker, store, service, secret, limits } = parts;
  const tagOf = (principal: string) => principalTag(secret, principal);
  return {
    keys: new FleetKeys({
      ...{ broker, store, service, principalTag: tagOf },
      maxPerTenant: limits.maxKeysPerTenant,
      bytesPerPrincipal: limits.principalShare * limits.keyCapacityBytes,
    }),
    turns: new FleetTurns(broker, service, parts.maxWaitMs),
    budget: new FleetBudget(broker, limits.samplesPerPrincipal, tagOf),
    uploads: new FleetUploads(store, service, limits),
  };
}

/** Samples by principal and model, counted in a table with compare and set: no gateway can be played against another. */
class FleetBudget implements SampleBudget {
  readonly #broker: FleetBroker;
  readonly #limit: number;
  readonly #tag: (principal: string) => string;

  constructor(broker: FleetBroker, limit: number, tag: (principal: string) => string) {
    this.#broker = broker;
    this.#limit = limit;
    this.#tag = tag;
  }

  async check(principal: string, model: string, samples: number): Promise<void> {
    if (this.#limit === Number.POSITIVE_INFINITY) return;
    const entry = await this.#broker.entry('usage', this.#key(principal, model));
    this.#checked(entry?.value ?? null, samples);
  }

  async spend(principal: string, model: string, samples: number): Promise<void> {
    if (this.#limit === Number.POSITIVE_INFINITY) return;
    await this.#broker.replaceEntry('usage', this.#key(principal, model), (before) =>
      String(this.#checked(before, samples)),
    );
  }

  #checked(before: string | null, samples: number): number {
    const spent = before === null ? 0 : Number(before);
    // What cannot be read counts as spent.
    if (!(spent + samples <= this.#limit)) throw new QueryBudgetError();
    return spent + samples;
  }

  #key(principal: string, model: string): string {
    return `samples.${this.#tag(principal)}.${model}`;
  }
}

/** Parts of keys as blobs, so that each may come to another gateway. What a principal has under way is bounded per gateway. */
class FleetUploads implements UploadRecord {
  readonly #store: BlobStore;
  readonly #service: FleetService;
  readonly #budget: ReceiveBudget;
  readonly #keptMs: number;

  constructor(store: BlobStore, service: FleetService, limits: ServerLimits) {
    this.#store = store;
    this.#service = service;
    this.#budget = new ReceiveBudget(limits.maxReceivingBytes, limits.principalShare);
    this.#keptMs = limits.uploadKeptMs;
  }

  get bytes(): number {
    return this.#budget.bytes;
  }

  async held(tenant: TenantId, _model: ModelName, hash: string): Promise<number[]> {
    const prefix = blobs.upload(this.#service.tagOf(tenant), hash);
    return withBlobRetries(async () => {
      const parts: number[] = [];
      for await (const { name } of this.#store.list(prefix)) parts.push(Number(name.slice(prefix.length)));
      return parts.filter(Number.isInteger).sort((a, b) => a - b);
    });
  }

  async add(
    owner: { readonly tenant: TenantId; readonly principal: string },
    _model: ModelName,
    hash: string,
    total: number,
    index: number,
    bytes: Uint8Array,
  ): Promise<boolean> {
    checkPart(total, index, bytes);
    const { principal } = owner;
    if (!this.#budget.take(principal, bytes.length)) return false;
    setTimeout(() => this.#budget.give(principal, bytes.length), this.#keptMs).unref();
    const blob = blobs.part(this.#service.tagOf(owner.tenant), hash, index);
    await withBlobRetries(() => this.#store.putOnce(blob, bytes));
    return true;
  }

  async take(tenant: TenantId, model: ModelName, hash: string): Promise<Uint8Array | null> {
    const tag = this.#service.tagOf(tenant);
    const count = keyPartsOf(this.#service.enrolmentBytes(model));
    const parts: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const part = await withBlobRetries(() => this.#store.get(blobs.part(tag, hash, i), KEY_PART_BYTES));
      if (part === null) return null;
      parts.push(part);
    }
    for (let i = 0; i < count; i++) await withBlobRetries(() => this.#store.remove(blobs.part(tag, hash, i)));
    return wholeMessage(parts, hash);
  }
}
