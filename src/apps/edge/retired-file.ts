/** Which check vectors of a device a failed check has used up, in a file beside the device's: a number of generations, as text. */
import { readFile } from 'node:fs/promises';
import { KeyFileError } from '../../base/errors.ts';
import { replaceFile } from '../keystore/atomic-file.ts';

export interface Retirement {
  /** @throws {KeyFileError} when the file says nothing that can be understood. */
  isRetired(generation: number): Promise<boolean>;
  /** Vectors of this generation and all before it, also after a power cut. */
  retire(generation: number): Promise<void>;
}

/** Beside the device's file at `devicePath`. */
export function retiredFile(devicePath: string): Retirement {
  const path = `${devicePath}.retired`;
  return {
    async isRetired(generation) {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw error;
      }
      if (!/^\d{1,10}$/.test(text)) throw new KeyFileError(`${path} does not hold a number`);
      return generation <= Number(text);
    },
    retire: (generation) => replaceFile(path, new TextEncoder().encode(String(generation))),
  };
}
