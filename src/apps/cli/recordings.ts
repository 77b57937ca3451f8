/** The recordings that ship with the package, and the user's own. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { AudioError } from '../../base/errors.ts';
import { type AudioClip, readWav } from '../../speech/index.ts';
import { MAX_RECORDING_SECONDS } from './audio-pieces.ts';
import { installation } from './installation.ts';

export interface Recording {
  readonly path: string;
  readonly name: string;
  readonly task: string;
  /** What was said, where it is known. */
  readonly text?: string;
}

const transcriptsSchema = z.array(z.object({ file: z.string(), task: z.string(), text: z.string() }));

/** The shipped recordings of one task, or of all. */
export function shippedRecordings(tasks: readonly string[]): Recording[] {
  const listed = transcriptsSchema.parse(
    JSON.parse(readFileSync(join(installation.recordings, 'transcripts.json'), 'utf8')),
  );
  return listed
    .filter(({ task }) => tasks.includes(task))
    .map(({ file, task, text }) => ({ path: join(installation.recordings, file), name: file, task, text }));
}

export function ownRecording(path: string, task: string): Recording {
  return { path, name: basename(path), task };
}

/**
 * Reads a recording whole.
 * @throws {AudioError} when it is not WAV audio, longer than two hours, or silent; the system's error when it cannot be read.
 */
export function readRecording(path: string): AudioClip {
  const audio = readWav(readFileSync(path), { maxSeconds: MAX_RECORDING_SECONDS });
  if (!audio.samples.some((sample) => sample !== 0)) {
    throw new AudioError('the recording holds nothing but zeros: there is nothing to recognise');
  }
  return audio;
}
