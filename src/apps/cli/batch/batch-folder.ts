/**
 * The folder of a batch: what `batch encrypt` makes and the other commands go on with, here or on another machine. Every file in it is
 * written whole or not at all, so that what is there is done and what is missing is to be done:
 *
 *   manifest.json     what is asked, of which model, in how many blocks
 *   secret            the secret key and the bearer token; needed to open replies, never sent
 *   enrolment         public key and evaluation keys
 *   blocks/N.query    an encrypted block
 *   blocks/N.job      what the server calls it, once it has it
 *   blocks/N.reply    its encrypted answer
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { DataError } from '../../../base/errors.ts';
import type { Offer } from '../../../compiler/offer.ts';
import { parseOffer } from '../../../protocols/inference/offer.ts';
import { KEY_ID } from '../../../protocols/inference/names.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { readPrivateFile } from '../../keystore/private-file.ts';

const MANIFEST = 'manifest.json';
const TOKEN_BYTES = 32;

const manifestSchema = z.strictObject({
  version: z.literal(1),
  offer: z.unknown(),
  /** Rows, and those of a full block; the last one may have fewer. */
  samples: z.int().min(1).max(1e12),
  samplesPerBlock: z
    .int()
    .min(1)
    .max(2 ** 20),
  /** SHA-256 of the rows as they were encoded: another input cannot go on with this folder. */
  inputHash: z.string().regex(/^[0-9a-f]{64}$/),
});

export interface BatchManifest {
  readonly offer: Offer;
  readonly samples: number;
  readonly samplesPerBlock: number;
  readonly inputHash: string;
}

export type BlockPart = 'query' | 'job' | 'reply';

export class BatchFolder {
  readonly path: string;
  readonly manifest: BatchManifest;

  private constructor(path: string, manifest: BatchManifest) {
    this.path = path;
    this.manifest = manifest;
  }

  /** @throws {DataError} when the folder is none of a batch. */
  static open(path: string): BatchFolder {
    const found = BatchFolder.find(path);
    if (found === null)
      throw new DataError(`${path} holds no batch: make one with \`subrosa batch encrypt\``);
    return found;
  }

  /** Null when there is no manifest. @throws {DataError} for one that is damaged */
  static find(path: string): BatchFolder | null {
    const file = join(path, MANIFEST);
    if (!existsSync(file)) return null;
    try {
      const { offer, samples, samplesPerBlock, inputHash } = manifestSchema.parse(
        JSON.parse(readFileSync(file, 'utf8')),
      );
      return new BatchFolder(path, { offer: parseOffer(offer), samples, samplesPerBlock, inputHash });
    } catch {
      throw new DataError(`${file} is damaged, or of another version`);
    }
  }

  /** Writes the manifest last: a folder that has one has keys. @throws {FileWriteError} */
  static async make(
    path: string,
    manifest: BatchManifest,
    keys: { readonly secret: Uint8Array; readonly token: Uint8Array; readonly enrolment: Uint8Array },
  ): Promise<BatchFolder> {
    mkdirSync(join(path, 'blocks'), { recursive: true, mode: 0o700 });
    const secret = new Uint8Array(TOKEN_BYTES + keys.secret.length);
    secret.set(keys.token);
    secret.set(keys.secret, TOKEN_BYTES);
    await replaceFile(join(path, 'secret'), secret);
    secret.fill(0);
    await replaceFile(join(path, 'enrolment'), keys.enrolment);
    const text = JSON.stringify({ version: 1, ...manifest });
    await replaceFile(join(path, MANIFEST), new TextEncoder().encode(text));
    return new BatchFolder(path, manifest);
  }

  get blocks(): number {
    return Math.ceil(this.manifest.samples / this.manifest.samplesPerBlock);
  }

  /** First row of a block, and how many it has. */
  rowsOf(block: number): { readonly first: number; readonly count: number } {
    const { samples, samplesPerBlock } = this.manifest;
    const first = block * samplesPerBlock;
    return { first, count: Math.min(samplesPerBlock, samples - first) };
  }

  /** The blocks of which there is this part. */
  with(part: BlockPart): Set<number> {
    const names = readdirSync(join(this.path, 'blocks'));
    const blocks = names.flatMap((name) => {
      const [, number, kind] = /^(\d{6})\.(query|job|reply)$/.exec(name) ?? [];
      return number !== undefined && kind === part ? [Number(number)] : [];
    });
    return new Set(blocks.filter((block) => block < this.blocks));
  }

  read(block: number, part: BlockPart): Uint8Array {
    return readFileSync(this.#fileOf(block, part));
  }

  /** @throws {FileWriteError} */
  async write(block: number, part: BlockPart, bytes: Uint8Array): Promise<void> {
    await replaceFile(this.#fileOf(block, part), bytes);
  }

  /** The job and the keys of a block that the server has. @throws {DataError} */
  jobOf(block: number): { readonly job: string; readonly keyId: string } {
    const [job = '', keyId = ''] = new TextDecoder().decode(this.read(block, 'job')).trim().split(' ');
    if (!/^[0-9a-f]{64}$/.test(job) || !KEY_ID.test(keyId))
      throw new DataError(`${this.#fileOf(block, 'job')} is damaged: remove it and submit again`);
    return { job, keyId };
  }

  /** The bearer token. @throws {KeyFileError} when others may read it. */
  token(): Uint8Array {
    const bytes = this.#readSecret();
    // Not slice(): what a file gives is a Buffer, whose slices share its memory.
    const token = Uint8Array.from(bytes.subarray(0, TOKEN_BYTES));
    bytes.fill(0);
    return token;
  }

  /** The secret key, for the caller to wipe. @throws {KeyFileError} when others may read it. */
  secret(): Uint8Array {
    return this.#readSecret().subarray(TOKEN_BYTES);
  }

  /** As large as a server's keys are. */
  enrolment(): Uint8Array {
    return readFileSync(join(this.path, 'enrolment'));
  }

  #readSecret(): Uint8Array {
    return readPrivateFile(join(this.path, 'secret'));
  }

  #fileOf(block: number, part: BlockPart): string {
    return join(this.path, 'blocks', `${String(block).padStart(6, '0')}.${part}`);
  }
}
