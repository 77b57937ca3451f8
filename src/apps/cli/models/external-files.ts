/** The data files of an ONNX model that are allowed by `--external-data DIR`: inside that folder, after every link has been followed. */
import { closeSync, existsSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';
import { DataError, LimitError } from '../../../base/errors.ts';
import type { ExternalData } from '../../../nn/onnx/constant-tensor.ts';
import { printable } from '../terminal/terminal.ts';

/** Of all tensors together. */
const MAX_EXTERNAL_BYTES = 2 ** 30;

/**
 * Reads runs of bytes of files in the folder. A location that leads out of it, by `..`, as a whole path or by a link, is refused; messages
 * name it as the model does, never the folder's own place.
 *
 * @throws {DataError} when there is no such folder. What it returns throws {@link DataError} and {@link LimitError}.
 */
export function externalFiles(folder: string): ExternalData {
  if (!existsSync(folder)) throw new DataError(`there is no folder ${folder} (--external-data)`);
  const root = realpathSync(folder);
  let left = MAX_EXTERNAL_BYTES;
  return (location, offset, length) => {
    const shown = printable(location).slice(0, 200);
    const refuse = (reason: string) => new DataError(`the model's data file ${shown} ${reason}`);
    const isPlain = location !== '' && !location.includes('\0') && !isAbsolute(location);
    if (!isPlain || location.split(/[\\/]/).includes('..')) throw refuse('is outside of --external-data');
    const path = join(root, location);
    if (!existsSync(path)) throw refuse('is not in --external-data');
    const real = realpathSync(path);
    if (!real.startsWith(root.endsWith(sep) ? root : root + sep))
      throw refuse('is outside of --external-data');
    const file = openSync(real, 'r');
    try {
      const status = fstatSync(file);
      if (!status.isFile()) throw refuse('is no file');
      const count = length ?? status.size - offset;
      if (!(count >= 0 && offset + count <= status.size))
        throw refuse(`has ${status.size} bytes, not the ${offset + Math.max(0, count)} that are asked for`);
      if (count > left) throw new LimitError('the external data of a model', MAX_EXTERNAL_BYTES, 'more');
      left -= count;
      const bytes = new Uint8Array(count);
      for (let at = 0; at < count; ) {
        const read = readSync(file, bytes, at, count - at, offset + at);
        if (read === 0) throw refuse('was cut short while it was read');
        at += read;
      }
      return bytes;
    } finally {
      closeSync(file);
    }
  };
}
