/** `--look-alike`: images that look like the data, from a file or drawn by code. */
import { UsageError } from '../../../base/errors.ts';
import { DRAWN, drawnSource, type LookAlikeSource } from '../../cryptonn/measured-leak.ts';
import { readIdxImages } from '../../train/idx-files.ts';

/** Undefined without a file. @throws {DataError} {@link UsageError} */
export function lookAlikeSource(
  file: string | undefined,
  labels: string | undefined,
): LookAlikeSource | undefined {
  if (file === undefined) {
    if (labels !== undefined) throw new UsageError('--look-alike-labels belongs to --look-alike');
    return undefined;
  }
  if (file === DRAWN) return drawnSource();
  const beside = file.replace('images-idx3', 'labels-idx1');
  if (labels === undefined && beside === file)
    throw new UsageError(`the labels of ${file} are not beside it by its name: --look-alike-labels FILE`);
  return { name: file, images: readIdxImages(file, labels ?? beside) };
}
