/**
 * Which programs a fleet serves. A program is a blob that never changes; a name in the broker's table says which one is offered under
 * it, and which earlier ones are still answered, so that clients who hold an older offer go on without noticing. An upgrade writes the
 * name, a rollback writes it back.
 */
import { z } from 'zod';
import { DataError, DecodeError, ProtocolError } from '../../base/errors.ts';
import type { Offer } from '../../compiler/offer.ts';
import type { AnyProgram } from '../../compiler/exact/exact-program.ts';
import { MODEL_NAME } from '../../compiler/program.ts';
import { programId, readProgram, writeProgram } from '../../compiler/program-file.ts';
import { offerOf } from '../../compiler/program-facts.ts';
import { LARGEST_MODEL_BYTES } from '../../nn/files/model-bytes.ts';
import { offeredEnrolmentBytes, offeredQueryBytes } from '../../protocols/inference/message-sizes.ts';
import { type BlobStore, withBlobRetries } from './blobs/blob-store.ts';
import type { FleetBroker } from './broker/broker.ts';
import { blobs, type KeysId, keysIdOf } from './fleet-names.ts';

/** Programs that are answered under one name, the offered one included. */
const MOST_ACCEPTED = 8;

const id = z.string().regex(/^[0-9a-f]{64}$/);
const entrySchema = z.strictObject({
  v: z.literal(1),
  current: id,
  /** Earlier programs, and until when queries for them are answered: milliseconds since the epoch. */
  accepted: z.array(z.strictObject({ id, until: z.number().int().min(0) })).max(MOST_ACCEPTED - 1),
  since: z.number().int().min(0),
});
export type CatalogueEntry = z.infer<typeof entrySchema>;

/** One entry of the broker's table for all models: every process reads it every second. */
const KEY = 'catalogue';
const MOST_CHARACTERS = 262_144;
const catalogueSchema = z.array(z.tuple([z.string().regex(MODEL_NAME), entrySchema])).max(256);

/** By name. @throws {DecodeError} */
export function parseCatalogue(text: string): Map<string, CatalogueEntry> {
  if (text.length > MOST_CHARACTERS) throw new DecodeError('a catalogue', 'it is too long');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new DecodeError('a catalogue', 'it is no JSON');
  }
  const result = catalogueSchema.safeParse(value);
  if (!result.success) throw new DecodeError('a catalogue', 'a field is wrong');
  return new Map(result.data);
}

/** What the broker's table says now. @throws {BrokerError} {@link DecodeError} */
export async function catalogueEntries(broker: FleetBroker): Promise<Map<string, CatalogueEntry>> {
  return parseCatalogue((await broker.entry('models', KEY))?.value ?? '[]');
}

/** What gateways and workers know of a program. */
export interface FleetProgram {
  readonly program: AnyProgram;
  readonly offer: Offer;
  readonly keysId: KeysId;
  readonly enrolmentBytes: number;
  /** Of the longest query. */
  readonly queryBytes: number;
}

export interface FleetModel {
  readonly current: FleetProgram;
  /** By program id, the current one included. */
  readonly accepted: ReadonlyMap<string, FleetProgram>;
}

export class FleetCatalogue {
  readonly #broker: FleetBroker;
  readonly #store: BlobStore;
  readonly #programs = new Map<string, FleetProgram>();
  #models: ReadonlyMap<string, FleetModel> = new Map();
  #entries = '';

  constructor(broker: FleetBroker, store: BlobStore) {
    this.#broker = broker;
    this.#store = store;
  }

  /** As of the last {@link refresh}. */
  get models(): ReadonlyMap<string, FleetModel> {
    return this.#models;
  }

  /**
   * Offers a program under its name from now on; the one before is answered for `graceMs` more. Publishing what is offered already
   * changes nothing.
   * @throws {BrokerError} {@link BlobStoreError}
   */
  async publish(program: AnyProgram, graceMs: number, now = Date.now()): Promise<string> {
    const published = programId(program);
    await withBlobRetries(() => this.#store.putOnce(blobs.program(published), writeProgram({ program })));
    await this.#offer(program.name, published, graceMs, now);
    return published;
  }

  /**
   * Offers an earlier program of a name again: the one before the current one, or that of `to`.
   * @throws {DataError} when there is none
   */
  async rollBack(name: string, graceMs: number, to?: string, now = Date.now()): Promise<string> {
    const entries = await catalogueEntries(this.#broker);
    const earlier = entries.get(name)?.accepted.map((each) => each.id) ?? [];
    const target = to ?? earlier[0];
    if (target === undefined || !(await withBlobRetries(() => this.#store.has(blobs.program(target)))))
      throw new DataError(
        `there is no ${to === undefined ? 'earlier program' : `program ${to.slice(0, 12)}`} of ${name}`,
      );
    await this.#offer(name, target, graceMs, now);
    return target;
  }

  /** Takes a model out of the offers; queries are refused as for one that there never was. */
  async withdraw(name: string): Promise<void> {
    await this.#change((entries) => entries.delete(name));
  }

  async #offer(name: string, current: string, graceMs: number, now: number): Promise<void> {
    await this.#change((entries) => {
      const before = entries.get(name);
      if (before?.current === current) return false;
      const earlier =
        before === undefined ? [] : [{ id: before.current, until: now + graceMs }, ...before.accepted];
      const accepted = earlier.filter((each) => each.id !== current && each.until > now);
      entries.set(name, {
        ...{ v: 1, current, accepted: accepted.slice(0, MOST_ACCEPTED - 1), since: now },
      });
      return true;
    });
  }

  /** `change` returns false when there is nothing to change. */
  async #change(change: (entries: Map<string, CatalogueEntry>) => boolean): Promise<void> {
    await this.#broker.replaceEntry('models', KEY, (value) => {
      const entries = parseCatalogue(value ?? '[]');
      return change(entries) ? JSON.stringify([...entries]) : null;
    });
  }

  /** Reads the table, and programs that are new. True when something changed. @throws {BrokerError} {@link BlobStoreError} {@link DecodeError} */
  async refresh(now = Date.now()): Promise<boolean> {
    const read = await catalogueEntries(this.#broker);
    const entries = new Map(
      [...read].map(([name, entry]) => {
        const accepted = entry.accepted.filter(({ until }) => until > now);
        return [name, { ...entry, accepted }] as const;
      }),
    );
    const text = JSON.stringify([...entries]);
    if (text === this.#entries) return false;
    const models = new Map<string, FleetModel>();
    for (const [name, entry] of entries) {
      const accepted = new Map<string, FleetProgram>();
      for (const each of [entry.current, ...entry.accepted.map((one) => one.id)])
        accepted.set(each, await this.program(each));
      models.set(name, { current: accepted.get(entry.current) as FleetProgram, accepted });
    }
    const used = new Set([...models.values()].flatMap((model) => [...model.accepted.keys()]));
    for (const each of this.#programs.keys()) if (!used.has(each)) this.#programs.delete(each);
    this.#models = models;
    this.#entries = text;
    return true;
  }

  /** A program by its id, which is a hash of it: whoever changes the store is found out. @throws {BlobStoreError} {@link ProtocolError} */
  async program(wanted: string): Promise<FleetProgram> {
    const known = this.#programs.get(wanted);
    if (known !== undefined) return known;
    const bytes = await withBlobRetries(() => this.#store.get(blobs.program(wanted), LARGEST_MODEL_BYTES));
    if (bytes === null) throw new ProtocolError(`the store has no program ${wanted.slice(0, 12)}`);
    const { program } = readProgram(bytes);
    if (programId(program) !== wanted)
      throw new ProtocolError(`the store has another program under ${wanted.slice(0, 12)}`);
    const offer = offerOf(program);
    const facts: FleetProgram = {
      ...{ program, offer, keysId: keysIdOf(offer), enrolmentBytes: offeredEnrolmentBytes(offer) },
      queryBytes: Math.max(...offer.buckets.map((bucket) => offeredQueryBytes(offer, bucket))),
    };
    this.#programs.set(wanted, facts);
    return facts;
  }
}
