/** What training and evaluation read: utterances of known words, split by speaker or recording into three parts. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DataError } from '../../base/errors.ts';
import type { SpeechTask } from './speech-task.ts';

export interface Utterance {
  readonly id: string;
  readonly speaker: string;
  /** In capitals, as the lexicon has them. */
  readonly words: readonly string[];
  /** Mono samples in [-1, 1] at the rate of the corpus; read or made anew by every call. */
  samples(): Float32Array;
}

export interface SpeechCorpus {
  readonly task: SpeechTask;
  /** Hz. */
  readonly rate: number;
  readonly train: readonly Utterance[];
  /** Never trained on; decoder settings are chosen here. */
  readonly tuning: readonly Utterance[];
  /** Never trained on and never tuned on; accuracy is reported here. */
  readonly test: readonly Utterance[];
}

/** @throws {DataError} naming the data set and the missing path, which docs/data.md explains. */
export function requireData(dataSet: string, path: string): void {
  if (existsSync(path)) return;
  throw new DataError(
    `${dataSet} needs ${path}, which does not exist; docs/data.md says where to get the data`,
  );
}

/** Where decoded audio is kept between runs: $XDG_CACHE_HOME/subrosa or ~/.cache/subrosa. */
export function audioCacheDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'];
  return join(cache === undefined || cache === '' ? join(homedir(), '.cache') : cache, 'subrosa');
}

/** 16-bit little-endian samples as floats in [-1, 1). */
export function samplesFromPcm(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.byteLength >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true) / 0x8000;
  return samples;
}

/** Floats as 16-bit little-endian samples, clipped. */
export function pcmFromSamples(samples: Float32Array): Uint8Array {
  const bytes = new Uint8Array(2 * samples.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < samples.length; i++) {
    const step = Math.round(samples[i] * 0x8000);
    view.setInt16(2 * i, Math.max(-0x8000, Math.min(0x7fff, step)), true);
  }
  return bytes;
}
