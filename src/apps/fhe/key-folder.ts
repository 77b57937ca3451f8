/**
 * A trainer's evaluation keys as a folder with one file for each: gigabytes that are made, sent and read a file at a time, and gone on with
 * after an interruption. A file that is there is whole: it is written under another name first.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../base/errors.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import type { KeyGenerator } from '../../schemes/rlwe/keys/key-generator.ts';
import { type KeyPlan, resolveKeyPlan } from '../../schemes/rlwe/keys/key-plan.ts';
import type { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import { replacedBy, replaceFileByParts } from '../keystore/atomic-file.ts';
import { writingFileSync } from '../keystore/file-errors.ts';
import { loadLargeFile, partsOf } from './large-file.ts';

interface KeyFile {
  readonly name: string;
  readonly plan: KeyPlan;
  readonly bytes: number;
}

/** Whose keys these are: any program. */
export interface KeyedParams {
  readonly params: CkksParams;
  readonly keyPlan: KeyPlan;
}

/** The files of a program's keys, by the automorphism that each is for. */
export function keyFiles({ params, keyPlan }: KeyedParams): KeyFile[] {
  const { relinearizeLevel, galois } = resolveKeyPlan(params, keyPlan);
  const file = (name: string, plan: KeyPlan): KeyFile => ({
    name: `${name}.key`,
    plan,
    bytes: EvaluationKeys.byteLength(params, plan),
  });
  return [
    ...(relinearizeLevel === null
      ? []
      : [file('relinearize', { relinearize: { maxLevel: relinearizeLevel } })]),
    ...galois.map(({ element, maxLevel }) => file(`galois-${element}`, { galois: [{ element, maxLevel }] })),
  ];
}

function isThere(path: string, { name, bytes }: KeyFile): boolean {
  const file = join(path, name);
  return existsSync(file) && statSync(file).size === bytes;
}

/** What a process that was killed left of a file that it was writing. */
function removeLeftOvers(path: string, files: readonly KeyFile[]): void {
  const known = new Set<string | undefined>(files.map(({ name }) => name));
  for (const name of readdirSync(path))
    if (known.has(replacedBy(name))) writingFileSync(path, () => rmSync(join(path, name)));
}

/**
 * Makes the keys whose files are not there. `onKey` is told how many are, of how many.
 *
 * @throws {FileWriteError} what is there stays, to be gone on with.
 */
export async function makeKeyFiles(
  path: string,
  program: KeyedParams,
  context: CkksContext,
  generator: KeyGenerator,
  secret: SecretKey,
  onKey: (there: number, of: number) => void = () => undefined,
): Promise<void> {
  writingFileSync(path, () => mkdirSync(path, { recursive: true }));
  const files = keyFiles(program);
  removeLeftOvers(path, files);
  for (const [i, file] of files.entries()) {
    if (!isThere(path, file)) {
      using key = generator.evaluationKeys(secret, file.plan);
      await replaceFileByParts(join(path, file.name), partsOf(key.toBytes(context)));
    }
    onKey(i + 1, files.length);
  }
}

/** @throws {DataError} for files that are missing, cut off or of something else: before any is read. */
function assertFiles(path: string, files: readonly KeyFile[]): void {
  const wrong = files.filter((file) => !isThere(path, file));
  if (wrong.length > 0)
    throw new DataError(
      `${path}: ${wrong.length} of ${files.length} keys are missing or cut off, ${wrong[0]!.name} the first: the owner goes on with fhe keys --resume, or sends them again`,
    );
  const known = new Set(files.map(({ name }) => name));
  const stray = readdirSync(path).find((name) => !known.has(name));
  if (stray !== undefined)
    throw new DataError(`${path}: ${JSON.stringify(stray.slice(0, 40))} is no key of this program`);
}

/** SHA-256 over the files: what tells the owner that they are the ones that it made. @throws {DataError} */
export function keyFolderDigest(path: string, program: KeyedParams): string {
  const files = keyFiles(program);
  assertFiles(path, files);
  const all = createHash('sha256');
  for (const { name, bytes } of files) {
    const one = createHash('sha256').update(loadLargeFile(join(path, name), { exactly: bytes }));
    all.update(`${name} `).update(one.digest());
  }
  return all.digest('hex');
}

/** The keys; the caller disposes them. @throws {DataError} {@link DecodeError} {@link ParamsMismatchError} */
export function loadKeyFiles(path: string, program: KeyedParams, context: CkksContext): EvaluationKeys {
  const files = keyFiles(program);
  assertFiles(path, files);
  const parts: EvaluationKeys[] = [];
  try {
    for (const { name, plan, bytes } of files) {
      const file = loadLargeFile(join(path, name), { exactly: bytes });
      parts.push(EvaluationKeys.fromBytes(context, file, plan));
    }
    return EvaluationKeys.joined(context, parts);
  } catch (error) {
    for (const part of parts) part[Symbol.dispose]();
    throw error;
  }
}
