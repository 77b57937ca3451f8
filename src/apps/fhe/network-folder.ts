/**
 * Files of a network's training under encryption: the folder of the owner, as owner-folder.ts has it; encrypted batches, a file for each step;
 * and the folder of a run, whose checkpoint is the encrypted model.
 *
 * The owner's notes hold a seed: the first weights and the order of samples come from it, so that the owner can run every step again in the clear.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, DecodeError, KeyFileError } from '../../base/errors.ts';
import type { Arena } from '../../ring/arena.ts';
import {
  type EncryptedBatch,
  parsePerceptronProgram,
  type PerceptronProgram,
  readCheckpoint,
  readTrainingFile,
  type TrainingCheckpoint,
  type TrainingFileKind,
  writeCheckpoint,
  writeTrainingFile,
} from '../../runtime/training/index.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import { replaceFile, replaceFileSync } from '../keystore/atomic-file.ts';
import { writingFileSync } from '../keystore/file-errors.ts';
import { loadLargeFile } from './large-file.ts';
import { loadNotes, loadProgramJson, publicFolder } from './owner-folder.ts';

const MAX_FILE = 2 ** 33;
const NAMES = { first: 'first.state', run: 'state.checkpoint' } as const;
const SEED_BYTES = 32;
/** Grey levels at a fixed scale; standardised by the training pictures; the same of pictures that were straightened before. */
export const INPUT_SCALES = ['fixed', 'standardised', 'straightened'] as const;
export type InputScale = (typeof INPUT_SCALES)[number];
const notesSchema = z.strictObject({
  seed: z.string().regex(/^[0-9a-f]{64}$/),
  images: z.number().int().min(1),
  keysDigest: z.string(),
  // Folders of former versions have none: their inputs are grey levels at a fixed scale.
  inputs: z.enum(INPUT_SCALES).default('fixed'),
});

/** What stays with the owner besides the key. */
export interface NetworkNotes {
  readonly seed: string;
  /** Of the data set that it was made for. */
  readonly images: number;
  readonly keysDigest: string;
  readonly inputs: InputScale;
}

/** Parameters for tests in place of those of 128 bits. */
export interface NetworkOptions {
  readonly insecure?: CkksParams | undefined;
}

/** Of a public folder, or of a file. @throws {DataError} As the program's constructor. */
export function loadNetworkProgram(path: string, { insecure }: NetworkOptions): PerceptronProgram {
  return parsePerceptronProgram(loadProgramJson(path), insecure);
}

export interface NetworkFolder {
  readonly path: string;
  readonly program: PerceptronProgram;
  readonly notes: NetworkNotes;
}

/** @throws {KeyFileError} {@link DataError} */
export function openNetworkFolder(path: string, options: NetworkOptions): NetworkFolder {
  const program = loadNetworkProgram(publicFolder(path), options);
  const notes = notesSchema.safeParse(loadNotes(path));
  if (!notes.success) throw new KeyFileError(`the notes in ${path} are not those of a network's training`);
  return { path, program, notes: notes.data };
}

/** Numbers in [0, 1) from a secret seed: the first weights, then the order of samples. */
export function seededNumbers(seed: string): () => number {
  const key = Buffer.from(seed, 'hex');
  if (key.length !== SEED_BYTES) throw new KeyFileError('the seed of a run is damaged');
  let [block, at, counter] = [Buffer.alloc(0), 0, 0];
  return () => {
    if (at + 4 > block.length) {
      block = createHash('sha512').update(key).update(String(counter++)).digest();
      at = 0;
    }
    const value = block.readUInt32LE(at) / 2 ** 32;
    at += 4;
    return value;
  };
}

/** What files of different uses are told apart by: the program, the use, and the step. */
function fileId({ id }: PerceptronProgram, use: string): string {
  return createHash('sha256').update(`${id} ${use}`).digest('hex');
}

function batchPath(directory: string, step: number): string {
  return join(directory, `batch-${String(step).padStart(6, '0')}.enc`);
}

export function batchExists(directory: string, step: number): boolean {
  return existsSync(batchPath(directory, step));
}

async function writeCiphertexts(
  path: string,
  kind: TrainingFileKind,
  id: string,
  ciphertexts: readonly CkksCiphertext[],
): Promise<number> {
  const bytes = writeTrainingFile(kind, { id, ciphertexts: ciphertexts.length }, ciphertexts);
  await replaceFile(path, bytes);
  return bytes.length;
}

function readCiphertexts(
  path: string,
  kind: TrainingFileKind,
  filed: { readonly id: string; readonly ciphertexts: number },
  context: CkksContext,
  arena: Arena,
): CkksCiphertext[] {
  try {
    return readTrainingFile(kind, filed, context, loadLargeFile(path, { atMost: MAX_FILE }), arena);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new DataError(`${path} is not what is needed here (${error.message})`);
  }
}

/** Bytes of the file. @throws {FileWriteError} */
export function keepNetworkBatch(
  directory: string,
  program: PerceptronProgram,
  step: number,
  { inputs, labels }: EncryptedBatch,
): Promise<number> {
  makeDirectory(directory);
  const id = fileId(program, `batch ${step}`);
  return writeCiphertexts(batchPath(directory, step), 'rows', id, [...inputs, labels]);
}

/** @throws {DataError} */
export function loadNetworkBatch(
  directory: string,
  program: PerceptronProgram,
  step: number,
  context: CkksContext,
  arena: Arena,
): EncryptedBatch {
  const filed = { id: fileId(program, `batch ${step}`), ciphertexts: program.batchCiphertexts };
  const all = readCiphertexts(batchPath(directory, step), 'rows', filed, context, arena);
  return { inputs: all.slice(0, -1), labels: all.at(-1)! };
}

/** Samples to ask about. @throws {FileWriteError} */
export function keepAsked(
  path: string,
  program: PerceptronProgram,
  inputs: readonly CkksCiphertext[],
): Promise<number> {
  return writeCiphertexts(path, 'rows', fileId(program, 'asked'), inputs);
}

/** @throws {DataError} */
export function loadAsked(
  path: string,
  program: PerceptronProgram,
  context: CkksContext,
  arena: Arena,
): CkksCiphertext[] {
  const filed = { id: fileId(program, 'asked'), ciphertexts: program.layout.inputCiphertexts };
  return readCiphertexts(path, 'rows', filed, context, arena);
}

/** @throws {FileWriteError} */
export function keepScores(
  path: string,
  program: PerceptronProgram,
  scores: CkksCiphertext,
): Promise<number> {
  return writeCiphertexts(path, 'weights', fileId(program, 'scores'), [scores]);
}

/** @throws {DataError} */
export function loadScores(
  path: string,
  program: PerceptronProgram,
  context: CkksContext,
  arena: Arena,
): CkksCiphertext {
  const filed = { id: fileId(program, 'scores'), ciphertexts: 1 };
  return readCiphertexts(path, 'weights', filed, context, arena)[0]!;
}

function makeDirectory(directory: string): void {
  writingFileSync(directory, () => mkdirSync(directory, { recursive: true }));
}

/** The state that training starts from, beside the batches. @throws {FileWriteError} */
export function keepFirstState(
  directory: string,
  { id }: PerceptronProgram,
  states: readonly CkksCiphertext[],
): void {
  makeDirectory(directory);
  replaceFileSync(join(directory, NAMES.first), writeCheckpoint(id, { step: 0, states }));
}

/** The state that a run left in its folder, which is the encrypted model. @throws {FileWriteError} */
export function keepRunState(directory: string, { id }: PerceptronProgram, state: TrainingCheckpoint): void {
  makeDirectory(directory);
  replaceFileSync(join(directory, NAMES.run), writeCheckpoint(id, state));
}

export function hasRunState(directory: string): boolean {
  return existsSync(join(directory, NAMES.run));
}

/** Of a run's folder, or of the folder of batches with `isFirst`. @throws {DataError} */
export function loadNetworkState(
  directory: string,
  program: PerceptronProgram,
  context: CkksContext,
  arena: Arena,
  isFirst = false,
): TrainingCheckpoint {
  const path = join(directory, isFirst ? NAMES.first : NAMES.run);
  const { id, stateCiphertexts, levels, params, spec } = program;
  const expected = {
    ...{ programId: id, states: stateCiphertexts, level: levels.input, scale: params.defaultScale },
    steps: isFirst ? 0 : spec.steps,
  };
  try {
    return readCheckpoint(expected, context, loadLargeFile(path, { atMost: MAX_FILE }), arena);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new DataError(`${path} cannot be used (${error.message})`);
  }
}
