/**
 * The folder of an owner of encrypted training: the secret key, sealed; what stays with the owner; and a folder `public` for the trainer.
 *
 *   owner.key             the secret key under a passphrase
 *   owner.json            label, standardisation, what was released: reveals means of the data, so mode 0600
 *   public/program.json   the program
 *   public/evaluation/, public/encapsulation.keys   keys to compute with, a file for each; one file of older folders is read as well
 *
 * The secret key is there before the others: a folder whose making was interrupted is gone on with.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, KeyFileError } from '../../base/errors.ts';
import {
  type LabelledTable,
  parseTableProgram,
  type Standardisation,
  type TableProgram,
  type TrainerKeys,
} from '../../runtime/training/index.ts';
import { EncapsulationKeys } from '../../schemes/rlwe/keys/encapsulation-keys.ts';
import { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import type { KeyGenerator } from '../../schemes/rlwe/keys/key-generator.ts';
import { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import type { KeyPlan } from '../../schemes/rlwe/keys/key-plan.ts';
import { replaceFile, replaceFileByParts, replaceFileSync } from '../keystore/atomic-file.ts';
import { writingFileSync } from '../keystore/file-errors.ts';
import { readPrivateFile, readPrivateText } from '../keystore/private-file.ts';
import { openSecret, sealSecret } from '../keystore/sealed-box.ts';
import { keyFolderDigest, loadKeyFiles, makeKeyFiles } from './key-folder.ts';
import { loadLargeFile, partsOf } from './large-file.ts';

const NAMES = {
  secret: 'owner.key',
  notes: 'owner.json',
  public: 'public',
  program: 'program.json',
  keys: 'evaluation',
  evaluation: 'evaluation.keys',
  encapsulation: 'encapsulation.keys',
} as const;
const MAX_PROGRAM_BYTES = 65_536;

const numbers = z.array(z.number());
const notesSchema = z.strictObject({
  label: z.string(),
  columns: z.array(z.string()),
  means: numbers,
  deviations: numbers,
  heldOutOneIn: z.number().int().min(2),
  released: z.number().int().min(0),
  keysDigest: z.string(),
  rowsDigest: z.string(),
});

/** What stays with the owner besides the key. */
export interface OwnerNotes extends Standardisation {
  readonly label: string;
  readonly columns: readonly string[];
  /** Every so many-th row of each class is held out for the AUC. */
  readonly heldOutOneIn: number;
  /** Results that were published under this key. */
  readonly released: number;
  /** SHA-256 of the evaluation keys that were made, and of the rows that were encrypted last; empty before. */
  readonly keysDigest: string;
  readonly rowsDigest: string;
}

export interface OwnerFolder {
  readonly path: string;
  readonly program: TableProgram;
  readonly notes: OwnerNotes;
}

export function publicFolder(path: string): string {
  return join(path, NAMES.public);
}

/** What a folder needs to know of a program, whatever it trains. */
export interface KeyedProgram {
  readonly id: string;
  readonly spec: object;
  readonly params: CkksParams;
  readonly keyPlan: KeyPlan;
  /** Programs that bootstrap have encapsulation keys. */
  readonly bootstrap?: object | undefined;
}

/** A folder of whatever program, with the owner's notes for it. */
export interface KeyedFolder {
  readonly path: string;
  readonly program: KeyedProgram;
  readonly notes: object;
}

/** A new folder with the secret key; an existing one with keys is not touched. @throws {KeyFileError} {@link FileWriteError} */
export async function createOwnerFolder(
  { path, program, notes }: KeyedFolder,
  secretKey: SecretKey,
  passphrase: string,
): Promise<void> {
  makeFolder(path);
  replaceFileSync(join(publicFolder(path), NAMES.program), `${JSON.stringify(program.spec, null, 2)}\n`);
  await writeNotes(path, notes);
  const secret = secretKey.exportSecretBytes();
  try {
    await replaceFile(join(path, NAMES.secret), await sealSecret(secret, program.id, passphrase));
  } finally {
    secret.fill(0);
  }
}

/**
 * The keys of the public folder that are not there yet; when all are, the owner's notes have their digest.
 *
 * @throws {FileWriteError} what is there stays.
 */
export async function completeOwnerFolder(
  { path, program, notes }: KeyedFolder,
  context: CkksContext,
  generator: KeyGenerator,
  secret: SecretKey,
  onKey: (there: number, of: number) => void,
): Promise<void> {
  const open = publicFolder(path);
  await makeKeyFiles(join(open, NAMES.keys), program, context, generator, secret, onKey);
  const pair = join(open, NAMES.encapsulation);
  if (program.bootstrap !== undefined && !existsSync(pair)) {
    using encapsulation = generator.encapsulationKeys(secret);
    await replaceFileByParts(pair, partsOf(encapsulation.toBytes()));
  }
  await writeNotes(path, { ...notes, keysDigest: keyFolderDigest(join(open, NAMES.keys), program) });
}

/** SHA-256, in hexadecimal digits. */
export function fileDigest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** @throws {KeyFileError} when there are keys already. */
export function assertNewFolder(path: string): void {
  try {
    readFileSync(join(path, NAMES.secret));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new KeyFileError(`cannot use ${path}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
  throw new KeyFileError(
    `${path} already holds keys, which are not replaced: choose another folder, or go on with --resume`,
  );
}

function makeFolder(path: string): void {
  assertNewFolder(path);
  writingFileSync(path, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
  writingFileSync(publicFolder(path), () => mkdirSync(publicFolder(path), { recursive: true }));
}

/** Before a result is published: what was spent stays spent. @throws {FileWriteError} */
export function writeNotes(path: string, notes: object): Promise<void> {
  return replaceFile(join(path, NAMES.notes), new TextEncoder().encode(`${JSON.stringify(notes)}\n`));
}

/** The JSON that {@link writeNotes} wrote, unchecked. @throws {KeyFileError} */
export function loadNotes(path: string): unknown {
  try {
    return JSON.parse(readPrivateText(join(path, NAMES.notes)));
  } catch (error) {
    throw error instanceof KeyFileError ? error : new KeyFileError(`${join(path, NAMES.notes)} is damaged`);
  }
}

/** @throws {KeyFileError} {@link DataError} */
export function openOwnerFolder(path: string): OwnerFolder {
  const program = loadProgram(publicFolder(path));
  const notes = notesSchema.safeParse(loadNotes(path));
  if (!notes.success) throw new KeyFileError(`${join(path, NAMES.notes)} is damaged`);
  const { columns, means, deviations } = notes.data;
  if (![columns, means, deviations].every(({ length }) => length === program.spec.features))
    throw new KeyFileError(`${join(path, NAMES.notes)} does not belong to this program`);
  return { path, program, notes: notes.data };
}

/** The secret key; the caller disposes it. @throws {KeyFileError} */
export async function openOwnerKey(
  { path, program }: { readonly path: string; readonly program: Pick<KeyedProgram, 'id'> },
  context: CkksContext,
  passphrase: string,
): Promise<SecretKey> {
  const file = readPrivateFile(join(path, NAMES.secret));
  const secret = await openSecret(file, program.id, passphrase);
  try {
    return SecretKey.fromSecretBytes(context, secret);
  } finally {
    secret.fill(0);
  }
}

/** The program of a public folder, or of a file. @throws {DataError} As the program's constructor. */
export function loadProgram(path: string): TableProgram {
  return parseTableProgram(loadProgramJson(path));
}

/** The JSON of a program, unchecked. @throws {DataError} */
export function loadProgramJson(path: string): unknown {
  const file = path.endsWith('.json') ? path : join(path, NAMES.program);
  const bytes = loadLargeFile(file, { atMost: MAX_PROGRAM_BYTES });
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new DataError(`${file} is not JSON`);
  }
}

/**
 * The trainer's keys; the caller disposes them. With `digest`, evaluation keys that are not the ones that were made are refused.
 *
 * @throws {DataError} {@link KeyFileError} {@link DecodeError} {@link ParamsMismatchError}
 */
export function loadTrainerKeys(
  path: string,
  program: KeyedProgram,
  context: CkksContext,
  digest?: string,
): TrainerKeys {
  const { params } = program;
  const evaluation = loadEvaluationKeys(path, program, context, digest);
  if (program.bootstrap === undefined) return { evaluation };
  try {
    const exactly = EncapsulationKeys.byteLength(params);
    const pair = loadLargeFile(join(path, NAMES.encapsulation), { exactly });
    return { evaluation, encapsulation: EncapsulationKeys.fromBytes(context, pair) };
  } catch (error) {
    evaluation[Symbol.dispose]();
    throw error;
  }
}

/** Of a folder with a file for each, or of the one file of an older folder. */
function loadEvaluationKeys(
  path: string,
  program: KeyedProgram,
  context: CkksContext,
  digest: string | undefined,
): EvaluationKeys {
  const changed = (what: string): KeyFileError =>
    new KeyFileError(`${what} was changed since the owner made it: nothing is published`);
  const [folder, file] = [join(path, NAMES.keys), join(path, NAMES.evaluation)];
  if (existsSync(folder) || !existsSync(file)) {
    if (digest !== undefined && keyFolderDigest(folder, program) !== digest) throw changed(folder);
    return loadKeyFiles(folder, program, context);
  }
  const { params, keyPlan } = program;
  const bytes = loadLargeFile(file, { exactly: EvaluationKeys.byteLength(params, keyPlan) });
  if (digest !== undefined && fileDigest(bytes) !== digest) throw changed(file);
  return EvaluationKeys.fromBytes(context, bytes, keyPlan);
}

/** @throws {DataError} when the table's columns are not those that the keys were made for. */
export function assertSameColumns({ notes }: OwnerFolder, table: LabelledTable): void {
  const other = notes.columns.find((name, j) => table.columns[j] !== name);
  if (other !== undefined || table.columns.length !== notes.columns.length)
    throw new DataError(
      `the table's columns are not those that the keys were made for (${notes.columns.slice(0, 10).join(', ')})`,
    );
}
