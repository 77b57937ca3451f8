/**
 * Which keys the fleet holds, and whose: the keys are blobs, lists per tenant and per principal are in the broker's table of usage. A
 * tenant's newest keys take the place of its oldest; a principal above its share gets no more.
 */
import { z } from 'zod';
import type { KeyId, ModelName, TenantId } from '../../../protocols/inference/names.ts';
import type { KeyRecord } from '../../server/index.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { FleetBroker } from '../broker/broker.ts';
import type { FleetService } from './fleet-service.ts';

export interface FleetKeysOptions {
  readonly broker: FleetBroker;
  readonly store: BlobStore;
  readonly service: FleetService;
  readonly principalTag: (principal: string) => string;
  readonly maxPerTenant: number;
  /** Memory of prepared keys, as limits count it, that one principal may have. */
  readonly bytesPerPrincipal: number;
}

/** How long a gateway believes that keys are there without looking. */
const BELIEVED_MS = 10_000;
const MOST_BELIEVED = 10_000;
const MOST_PER_PRINCIPAL = 4096;

const listSchema = z
  .array(
    z.strictObject({
      key: z.string().max(300),
      principal: z.string().max(64),
      bytes: z.number().int().min(0),
    }),
  )
  .max(MOST_PER_PRINCIPAL);
type HeldKeys = z.infer<typeof listSchema>;

/** What cannot be read is nothing: the keys themselves are still there. */
function heldIn(text: string | null): HeldKeys {
  if (text === null) return [];
  try {
    return listSchema.parse(JSON.parse(text));
  } catch {
    return [];
  }
}

interface Owner {
  readonly tenant: TenantId;
  readonly principal: string;
}

export class FleetKeys implements KeyRecord {
  readonly #options: FleetKeysOptions;
  /** Keys that were there, and until when that is believed. */
  readonly #believed = new Map<string, number>();
  readonly size = 0;
  readonly bytes = 0;

  constructor(options: FleetKeysOptions) {
    this.#options = options;
  }

  async hasRoom({ tenant, principal }: Owner, bytes: number): Promise<boolean> {
    const { broker, bytesPerPrincipal } = this.#options;
    const list = heldIn((await broker.entry('usage', this.#ofPrincipal(principal)))?.value ?? null);
    const tag = this.#options.service.tagOf(tenant);
    // Keys of this tenant may have to go for the new ones.
    const others = list.filter(({ key }) => !key.startsWith(`${tag}/`));
    return sumOf(others) + bytes <= Math.max(bytes, bytesPerPrincipal);
  }

  async add(owner: Owner, model: ModelName, keyId: KeyId, bytes: number): Promise<boolean> {
    const { broker, bytesPerPrincipal, maxPerTenant, principalTag, service } = this.#options;
    const tag = service.tagOf(owner.tenant);
    const entry = { key: `${tag}/${model}/${keyId}`, principal: principalTag(owner.principal), bytes };
    let victims: HeldKeys = [];
    await broker.replaceEntry('usage', `tenant.${tag}`, (before) => {
      const list = heldIn(before).filter(({ key }) => key !== entry.key);
      victims = list.slice(0, Math.max(0, list.length + 1 - maxPerTenant));
      return JSON.stringify([...list.slice(victims.length), entry]);
    });
    for (const victim of victims) await this.#forget(owner.tenant, victim);
    let isRoom = true;
    await broker.replaceEntry('usage', this.#ofPrincipal(owner.principal), (before) => {
      const list = heldIn(before).filter(({ key }) => key !== entry.key);
      isRoom = sumOf(list) + bytes <= Math.max(bytes, bytesPerPrincipal) && list.length < MOST_PER_PRINCIPAL;
      return isRoom ? JSON.stringify([...list, entry]) : null;
    });
    if (isRoom) this.#believe(this.#name(owner.tenant, model, keyId));
    else await this.#unlist(`tenant.${tag}`, entry.key);
    return isRoom;
  }

  async has(tenant: TenantId, model: ModelName, keyId: KeyId): Promise<boolean> {
    const name = this.#name(tenant, model, keyId);
    if ((this.#believed.get(name) ?? 0) > performance.now()) return true;
    const isHeld = await this.#options.service.holdsKeys(tenant, model, keyId);
    if (isHeld) this.#believe(name);
    return isHeld;
  }

  async using<T>(
    tenant: TenantId,
    model: ModelName,
    keyId: KeyId,
    use: () => Promise<T>,
  ): Promise<T | undefined> {
    return (await this.has(tenant, model, keyId)) ? await use() : undefined;
  }

  async remove(tenant: TenantId, model: ModelName, keyId: KeyId): Promise<boolean> {
    if (!(await this.has(tenant, model, keyId))) return false;
    const tag = this.#options.service.tagOf(tenant);
    const key = `${tag}/${model}/${keyId}`;
    const list = heldIn((await this.#options.broker.entry('usage', `tenant.${tag}`))?.value ?? null);
    const entry = list.find((each) => each.key === key);
    await this.#unlist(`tenant.${tag}`, key);
    await this.#forget(tenant, entry ?? { key, principal: '', bytes: 0 });
    return true;
  }

  /** Another gateway, or a worker, has found that keys are gone. */
  doubt(tenant: TenantId, model: ModelName, keyId: KeyId): void {
    this.#believed.delete(this.#name(tenant, model, keyId));
  }

  clear(): void {
    this.#believed.clear();
  }

  async #forget(tenant: TenantId, { key, principal }: HeldKeys[number]): Promise<void> {
    const [, model = '', keyId = ''] = key.split('/');
    this.doubt(tenant, model as ModelName, keyId as KeyId);
    await this.#options.service.removeKeys(tenant, model as ModelName, keyId as KeyId);
    if (principal !== '') await this.#unlist(`principal.${principal}`, key);
  }

  async #unlist(entry: string, key: string): Promise<void> {
    await this.#options.broker.replaceEntry('usage', entry, (before) => {
      const list = heldIn(before);
      const left = list.filter((each) => each.key !== key);
      return left.length === list.length ? null : JSON.stringify(left);
    });
  }

  #believe(name: string): void {
    const now = performance.now();
    if (this.#believed.size >= MOST_BELIEVED)
      for (const [each, until] of this.#believed) if (until <= now) this.#believed.delete(each);
    if (this.#believed.size < MOST_BELIEVED) this.#believed.set(name, now + BELIEVED_MS);
  }

  #name(tenant: TenantId, model: ModelName, keyId: KeyId): string {
    return `${tenant} ${model} ${keyId}`;
  }

  #ofPrincipal(principal: string): string {
    return `principal.${this.#options.principalTag(principal)}`;
  }
}

function sumOf(list: HeldKeys): number {
  return list.reduce((sum, { bytes }) => sum + bytes, 0);
}
