/**
 * Where a browser's keys rest between visits: IndexedDB, sealed with AES-256-GCM under a WebCrypto key that is not extractable, so that a
 * copy of the data base without the browser's own key storage opens nothing. Programs of the same origin can use both: the origin is the
 * border. There is one record per server, token and parameter set, bound to that by the authenticated label.
 */
import { DecodeError, KeyFileError } from '../../base/errors.ts';
import {
  type ClientKeys,
  type KeySubject,
  packClientKeys,
  unpackClientKeys,
} from '../keystore/client-keys.ts';

/** A place for keys. */
export interface KeyCabinet {
  /** Null when there are none. The caller wipes them. @throws {KeyFileError} when they cannot be had any more. */
  load(subject: CabinetSubject): Promise<ClientKeys | null>;
  /** @throws {KeyFileError} when there is no room, or no permission. */
  save(subject: CabinetSubject, keys: ClientKeys): Promise<void>;
  remove(subject: CabinetSubject): Promise<void>;
}

export interface CabinetSubject extends KeySubject {
  /** SHA-256 of the token that the caller chose, in hex; empty for one that was made with the keys. */
  readonly tenant: string;
}

const DATABASE = 'subrosa';
/** Of the data base: raised when a store is added. */
const VERSION = 1;
/** Of a record: what another release wrote otherwise is not read. */
const RECORD_VERSION = 1;
const SEALING_KEY = 'sealing key';

interface SealedRecord {
  readonly version: number;
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly sealed: ArrayBuffer;
}

/**
 * The cabinet of this browser and origin, or the sentence why there is none: no secure context, storage that is blocked, a private window
 * of a browser that has no data base there.
 */
export async function openKeyCabinet(): Promise<KeyCabinet | string> {
  const { indexedDB, crypto, isSecureContext } = globalThis as Partial<typeof globalThis>;
  if (isSecureContext === false || crypto?.subtle === undefined)
    return 'keys end with this page: keeping them needs https, or an address of this machine';
  if (indexedDB === undefined || indexedDB === null)
    return 'keys end with this page: there is no IndexedDB to keep them in';
  try {
    return new IndexedCabinet(await openDatabase(indexedDB), crypto.subtle);
  } catch (error) {
    return `keys end with this page: the browser does not let it store anything (${nameOf(error)})`;
  }
}

class IndexedCabinet implements KeyCabinet {
  readonly #database: IDBDatabase;
  readonly #subtle: SubtleCrypto;

  constructor(database: IDBDatabase, subtle: SubtleCrypto) {
    this.#database = database;
    this.#subtle = subtle;
  }

  async load(subject: CabinetSubject): Promise<ClientKeys | null> {
    const label = labelOf(subject);
    try {
      const record = await this.#request<SealedRecord | undefined>('keys', 'readonly', (store) =>
        store.get(label),
      );
      const key = await this.#existingKey();
      if (record === undefined || key === undefined || record.version !== RECORD_VERSION) return null;
      const opened = new Uint8Array(
        await this.#subtle.decrypt(algorithmOf(record.nonce, label), key, record.sealed),
      );
      try {
        return unpackClientKeys(opened);
      } finally {
        opened.fill(0);
      }
    } catch (error) {
      const what = error instanceof DecodeError ? error.message : nameOf(error);
      throw new KeyFileError(`the keys that this browser kept do not open (${what})`, { cause: error });
    }
  }

  async save(subject: CabinetSubject, keys: ClientKeys): Promise<void> {
    const label = labelOf(subject);
    const packed = packClientKeys(keys) as Uint8Array<ArrayBuffer>;
    try {
      const key = (await this.#existingKey()) ?? (await this.#makeKey());
      const nonce = crypto.getRandomValues(new Uint8Array(12));
      const sealed = await this.#subtle.encrypt(algorithmOf(nonce, label), key, packed);
      const record: SealedRecord = { version: RECORD_VERSION, nonce, sealed };
      await this.#request('keys', 'readwrite', (store) => store.put(record, label));
    } catch (error) {
      throw new KeyFileError(`the browser does not store the keys (${nameOf(error)})`, { cause: error });
    } finally {
      packed.fill(0);
    }
  }

  async remove(subject: CabinetSubject): Promise<void> {
    await this.#request('keys', 'readwrite', (store) => store.delete(labelOf(subject))).catch(
      () => undefined,
    );
  }

  #existingKey(): Promise<CryptoKey | undefined> {
    return this.#request('sealing', 'readonly', (store) => store.get(SEALING_KEY));
  }

  /** Two pages at once keep the key of whoever was first. */
  async #makeKey(): Promise<CryptoKey> {
    const key = await this.#subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [
      'encrypt',
      'decrypt',
    ]);
    await this.#request('sealing', 'readwrite', (store) => store.add(key, SEALING_KEY)).catch((error) => {
      if ((error as DOMException).name !== 'ConstraintError') throw error;
    });
    return (await this.#existingKey()) ?? key;
  }

  /** Resolves when the transaction is on its way to the disk, not before. */
  #request<T>(
    name: 'keys' | 'sealing',
    mode: IDBTransactionMode,
    work: (store: IDBObjectStore) => IDBRequest,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(name, mode);
      const request = work(transaction.objectStore(name));
      transaction.addEventListener('complete', () => resolve(request.result as T));
      transaction.addEventListener('abort', () =>
        reject(request.error ?? transaction.error ?? new Error('aborted')),
      );
    });
  }
}

function openDatabase(factory: IDBFactory): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(DATABASE, VERSION);
    request.addEventListener('upgradeneeded', () => {
      for (const name of ['keys', 'sealing']) request.result.createObjectStore(name);
    });
    request.addEventListener('success', () => {
      // Another page with a newer release must not wait for this one.
      request.result.addEventListener('versionchange', () => request.result.close());
      resolve(request.result);
    });
    request.addEventListener('error', () => reject(request.error ?? new Error('unknown')));
    request.addEventListener('blocked', () => reject(new Error('blocked')));
  });
}

function algorithmOf(nonce: Uint8Array<ArrayBuffer>, label: string): AesGcmParams {
  return { name: 'AES-GCM', iv: nonce, additionalData: new TextEncoder().encode(label) };
}

function labelOf({ server, tenant, model, paramsId }: CabinetSubject): string {
  return JSON.stringify(['subrosa client keys', RECORD_VERSION, server, tenant, model, paramsId]);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}
