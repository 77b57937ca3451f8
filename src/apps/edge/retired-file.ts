/**
 * Which check vectors of a device are used up, in two files beside the device's, each a number of generations as text: `.retired` after a
 * failed check, `.checking` as long as an inference checks with them. A process that ends in between leaves the second one, and then
 * nobody knows whether a check had failed.
 */
import * as arg from '../../base/arguments.ts';
import { readFile, rm } from 'node:fs/promises';
import { KeyFileError } from '../../base/errors.ts';
import { replaceFile } from '../keystore/atomic-file.ts';
import { writingFile } from '../keystore/file-errors.ts';

export interface Retirement {
  /** Null when the vectors of this generation may be used; otherwise why not. @throws {KeyFileError} when a file cannot be understood. */
  reason(generation: number): Promise<'rejected' | 'checking' | null>;
  /** Also for a generation that was being checked with when a process ended. @throws {KeyFileError} */
  isRetired(generation: number): Promise<boolean>;
  /** Vectors of this generation and all before it, also after a power cut. @throws {FileWriteError} */
  retire(generation: number): Promise<void>;
  /** Checks begin; resolves once a restart would know. The function ends it. @throws {FileWriteError} */
  checking(generation: number): Promise<() => Promise<void>>;
}

/** Beside the device's file at `devicePath`, which one process at a time uses. */
export function retiredFile(devicePath: string): Retirement {
  arg.checkArguments('retiredFile', [devicePath], { devicePath: arg.text });
  const [retired, checking] = [`${devicePath}.retired`, `${devicePath}.checking`];
  const write = (path: string, generation: number) =>
    replaceFile(path, new TextEncoder().encode(String(generation)));
  const reason = async (generation: number) => {
    if (await covers(retired, generation)) return 'rejected';
    return (await covers(checking, generation)) ? 'checking' : null;
  };
  let running = 0;
  let writing = Promise.resolve();
  return {
    reason,
    isRetired: async (generation) => (await reason(generation)) !== null,
    retire: (generation) => write(retired, generation),
    async checking(generation) {
      if (running++ === 0) writing = writing.catch(() => undefined).then(() => write(checking, generation));
      try {
        await writing;
      } catch (error) {
        running--;
        throw error;
      }
      return async () => {
        if (--running > 0) return;
        writing = writing.then(() => writingFile(checking, () => rm(checking, { force: true })));
        await writing;
      };
    },
  };
}

/** Whether the number in the file is at least this generation. */
async function covers(path: string, generation: number): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  if (!/^\d{1,10}$/.test(text)) throw new KeyFileError(`${path} does not hold a number`);
  return generation <= Number(text);
}
