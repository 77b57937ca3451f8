/** Program files by their paths. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, SubrosaError } from '../../base/errors.ts';
import type { AnyProgram } from '../../compiler/exact/exact-program.ts';
import { type ProgramFile, readProgram } from '../../compiler/program-file.ts';

export const PROGRAM_SUFFIX = '.subrosa';

/** @throws {DataError} that names the file and what is wrong with it. */
export function readProgramFile(path: string): ProgramFile {
  if (!existsSync(path)) throw new DataError(`there is no file ${path}`);
  try {
    return readProgram(readFileSync(path));
  } catch (error) {
    if (error instanceof SubrosaError) throw new DataError(`${path}: ${error.message}`);
    throw error;
  }
}

/** The program of a file, or those of a folder; undefined for what is neither. @throws {DataError} */
export function programsAt(path: string): { readonly program: AnyProgram }[] | undefined {
  if (path.endsWith(PROGRAM_SUFFIX)) return [{ program: readProgramFile(path).program }];
  if (!existsSync(path) || !statSync(path).isDirectory()) return undefined;
  const files = readdirSync(path).filter((file) => file.endsWith(PROGRAM_SUFFIX));
  if (files.length === 0) return undefined;
  return files.sort().map((file) => ({ program: readProgramFile(join(path, file)).program }));
}

/** The programs of a file or folder. @throws {DataError} when there are none. */
export function programsIn(path: string): { readonly program: AnyProgram }[] {
  const programs = programsAt(path);
  if (programs === undefined) throw new DataError(`${path} is no program file and no folder of them`);
  return programs;
}
