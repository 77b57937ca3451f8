/** The request counter of a device in a file: 8 bytes, little-endian. */
import * as arg from '../../base/arguments.ts';
import { readFile } from 'node:fs/promises';
import { KeyFileError } from '../../base/errors.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { CounterStorage } from '../../protocols/edge/request-counter.ts';
import { replaceFile } from '../keystore/atomic-file.ts';

const COUNTER_BYTES = 8;

/** `save` resolves after the file and its directory were flushed to the disk. Mode 0600. */
export function counterFile(path: string): CounterStorage {
  arg.checkArguments('counterFile', [path], { path: arg.text });
  return {
    async load() {
      let bytes: Uint8Array;
      try {
        bytes = await readFile(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
        throw error;
      }
      if (bytes.length !== COUNTER_BYTES)
        throw new KeyFileError(`${path} holds ${bytes.length} bytes, a request counter has ${COUNTER_BYTES}`);
      return new ByteReader('a request counter', bytes).u64();
    },
    async save(firstFree) {
      const writer = new ByteWriter(COUNTER_BYTES);
      writer.u64(firstFree);
      await replaceFile(path, writer.finish());
    },
  };
}
