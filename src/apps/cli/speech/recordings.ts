/** The recordings that ship with the package, and the user's own. */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import * as z from 'zod';
import { AudioError, LimitError } from '../../../base/errors.ts';
import { type ReadAudio, readAudio } from '../../../speech/index.ts';
import { MAX_RECORDING_SECONDS } from '../../speech-client/audio-pieces.ts';
import { installation } from '../installation.ts';
import { collectBytes, readStandardInput, STANDARD_INPUT } from '../terminal/standard-input.ts';
import type { Terminal } from '../terminal/terminal.ts';

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

/** Two hours of 48 kHz in 24 bits just fit. */
const LIMIT = { what: 'a recording', bytes: 2 ** 30 };

/**
 * Reads a recording whole; `-` is standard input.
 * @throws {AudioError} when it is no audio that is read here, longer than two hours, or silent. @throws {LimitError} above 1 GiB.
 * @throws {UsageError} when standard input is a terminal; the system's error when a file cannot be read.
 */
export async function readRecording(path: string, { input }: Terminal): Promise<ReadAudio> {
  const bytes = path === STANDARD_INPUT ? await readStandardInput(input, LIMIT) : await readWhole(path);
  const audio = await readAudio(bytes, { maxSeconds: MAX_RECORDING_SECONDS }).catch((error: unknown) => {
    if (!(error instanceof AudioError && error.details.convertible)) throw error;
    throw new AudioError(`${error.message}. To convert it: ${conversionCommand(path)}`, true);
  });
  if (!audio.samples.some((sample) => sample !== 0)) {
    throw new AudioError('the recording holds nothing but zeros: there is nothing to recognise');
  }
  return audio;
}

async function readWhole(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const { size } = await file.stat();
  if (size > LIMIT.bytes) throw new LimitError('the bytes of a recording', LIMIT.bytes, size);
  return await collectBytes(file.createReadStream({ autoClose: false }), LIMIT);
}

/** What a person can paste into a shell. */
function conversionCommand(path: string): string {
  if (path === STANDARD_INPUT) return 'ffmpeg -i - -ar 16000 -ac 1 -f wav - in the pipe before this command';
  const stem = path.slice(0, path.length - extname(path).length);
  const target = extname(path).toLowerCase() === '.wav' ? `${stem}-16k.wav` : `${stem}.wav`;
  return `ffmpeg -i ${quoted(path)} -ar 16000 -ac 1 ${quoted(target)}`;
}

/** As one word of a POSIX shell; a leading dash would be taken for an option. */
function quoted(path: string): string {
  const safe = path.startsWith('-') ? `./${path}` : path;
  return /^[\w./+@%:,-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", "'\\''")}'`;
}
