/** The authority's secret state: one root, and one random salt per open data set. Closing a data set forgets its salt. */
import { shake256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Seed } from '../../../base/brand.ts';
import { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import type { RandomSource } from '../../../base/random.ts';
import type { AuthorityStorage } from './authority-storage.ts';
import type { AxisName } from '../agreement/dataset-spec.ts';

const MAGIC = 0x31415253;
const KEY_BYTES = 32;
const MAX_DATASETS = 4096;

export class AuthoritySecrets implements Disposable {
  readonly #root: Uint8Array;
  readonly #salts: Map<string, Uint8Array>;
  /** Master seeds that were asked for, by digest, then by axis: each request asks again. */
  readonly #seeds = new Map<string, Map<AxisName, Seed>>();

  private constructor(root: Uint8Array, salts: Map<string, Uint8Array>) {
    this.#root = root;
    this.#salts = salts;
  }

  static create(random: RandomSource): AuthoritySecrets {
    return new AuthoritySecrets(random.seed(), new Map());
  }

  /** Null before the first {@link AuthoritySecrets.save}. @throws {DecodeError} */
  static async load(storage: AuthorityStorage): Promise<AuthoritySecrets | null> {
    const stored = await storage.readSecrets();
    if (stored === null) return null;
    try {
      return AuthoritySecrets.fromBytes(stored);
    } finally {
      stored.fill(0);
    }
  }

  async save(storage: AuthorityStorage): Promise<void> {
    const bytes = this.toBytes();
    try {
      await storage.writeSecrets(bytes);
    } finally {
      bytes.fill(0);
    }
  }

  /** @throws {DecodeError} */
  static fromBytes(bytes: Uint8Array): AuthoritySecrets {
    const reader = new ByteReader('authority secrets', bytes);
    if (reader.u32() !== MAGIC) throw reader.error('bad magic');
    // Copies by construction: slice() of a Buffer would be a view into bytes that are wiped.
    const root = Uint8Array.from(reader.bytes(KEY_BYTES));
    const count = reader.u32();
    if (count > MAX_DATASETS) throw reader.error('too many data sets');
    const salts = new Map<string, Uint8Array>();
    for (let i = 0; i < count; i++) {
      const name = bytesToHex(reader.bytes(KEY_BYTES));
      salts.set(name, Uint8Array.from(reader.bytes(KEY_BYTES)));
    }
    reader.end();
    return new AuthoritySecrets(root, salts);
  }

  /** Secret bytes: whoever holds them opens every data set. The caller seals and wipes them. */
  toBytes(): Uint8Array {
    const writer = new ByteWriter(4 + KEY_BYTES + 4 + this.#salts.size * 2 * KEY_BYTES);
    writer.u32(MAGIC);
    writer.bytes(this.#root);
    writer.u32(this.#salts.size);
    for (const [digest, salt] of this.#salts) {
      writer.bytes(hexToBytes(digest));
      writer.bytes(salt);
    }
    return writer.finish();
  }

  /** Data sets are known by the digest of their specification. */
  has(digest: string): boolean {
    return this.#salts.has(digest);
  }

  open(digest: string, random: RandomSource): void {
    this.forget(digest);
    this.#salts.set(digest, random.seed());
  }

  forget(digest: string): void {
    this.#salts.get(digest)?.fill(0);
    this.#salts.delete(digest);
    for (const seed of this.#seeds.get(digest)?.values() ?? []) seed.fill(0);
    this.#seeds.delete(digest);
  }

  /** SHAKE256 of root, salt, digest of the specification and axis. The caller wipes it; undefined for a closed data set. */
  masterSeed(digest: string, axis: AxisName): Seed | undefined {
    const salt = this.#salts.get(digest);
    if (salt === undefined) return undefined;
    const known = this.#seeds.get(digest) ?? new Map<AxisName, Seed>();
    let seed = known.get(axis);
    if (seed === undefined) {
      const label = utf8ToBytes(`master key ${axis}`);
      const secret = concatBytes(this.#root, salt, hexToBytes(digest), label);
      seed = shake256(secret, { dkLen: KEY_BYTES }) as Seed;
      secret.fill(0);
      this.#seeds.set(digest, known.set(axis, seed));
    }
    return Uint8Array.from(seed) as Seed;
  }

  logKey(): Uint8Array {
    return shake256(concatBytes(this.#root, utf8ToBytes('audit log')), { dkLen: KEY_BYTES });
  }

  [Symbol.dispose](): void {
    this.#root.fill(0);
    for (const digest of [...this.#salts.keys()]) this.forget(digest);
  }
}
