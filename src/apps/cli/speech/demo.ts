/** `subrosa demo`: a server process that cannot hear, a client that can, and the recordings in between. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../../base/errors.ts';
import type { Offer } from '../../../compiler/offer.ts';
import type { ReadAudio } from '../../../speech/index.ts';
import type { ClientSession } from '../../speech-client/client-session.ts';
import { openSession, serverOffers } from './open-session.ts';
import { serverKnowledge } from './disclosure.ts';
import { installation } from '../installation.ts';
import type { EngineParts } from '../parts.ts';
import type { ClearNetworks } from '../../speech-client/recogniser.ts';
import { ownRecording, type Recording, readRecording, shippedRecordings } from './recordings.ts';
import { checkInputPaths } from '../terminal/standard-input.ts';
import type { ServerReady } from '../server-process.ts';
import { Spinner } from '../terminal/spinner.ts';
import { formatBytes, formatMs, plural } from '../terminal/table.ts';
import { type Paint, paintFor, printable, type Terminal } from '../terminal/terminal.ts';
import {
  type ExchangedUtterance,
  exchangeUtterance,
  openUtterance,
  type RecognisedUtterance,
} from '../../speech-client/utterance.ts';
import {
  formatPhases,
  formatTranscripts,
  type Transcripts,
  utteranceJson,
  utteranceNotes,
} from './utterance-report.ts';

export interface DemoFlags {
  readonly task: 'digits' | 'sentences' | 'both';
  readonly wav?: readonly string[];
  readonly models: string;
  readonly json?: boolean;
}

/** One recording after the demo: what came out, encrypted and clear. */
interface DemoResult {
  readonly recording: Recording;
  readonly transcripts: Transcripts;
  readonly utterance: RecognisedUtterance;
  /** Layers whose values left the interval of the training data, seen in the clear run. */
  readonly leaves: readonly number[];
  /** What was wrong with the file. */
  readonly audioWarnings: readonly string[];
}

interface Sent {
  readonly recording: Recording;
  readonly session: ClientSession;
  readonly exchanged: ExchangedUtterance;
  readonly audioWarnings: readonly string[];
}

const TASKS = ['digits', 'sentences'];

/** With `--wav` and no `--task`, own recordings go to the sentences model. */
function plannedRecordings({ task, wav, models }: DemoFlags): { tasks: string[]; recordings: Recording[] } {
  if (wav !== undefined) {
    const tasks = [task === 'both' ? 'sentences' : task];
    return { tasks, recordings: wav.map((path) => ownRecording(path, tasks[0] as string)) };
  }
  const tasks = task === 'both' ? TASKS.filter((each) => existsSync(join(models, each))) : [task];
  if (tasks.length === 0)
    throw new DataError(`${models} holds none of the models ${TASKS.join(', ')}: subrosa train makes them`);
  return { tasks, recordings: shippedRecordings(tasks) };
}

export async function demo(flags: DemoFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  const { tasks, recordings } = plannedRecordings(flags);
  checkInputPaths(recordings.map(({ path }) => path));
  const audio: ReadAudio[] = [];
  for (const { path } of recordings) audio.push(await readRecording(path, terminal));
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const print = (text: string) => {
    if (flags.json !== true) terminal.out(text);
  };
  const notes = new Set<string>();
  using spinner = new Spinner(terminal, 'starting a server process');
  using kernel = await parts.openKernel((reason) => void notes.add(reason));
  await using server = await parts.startServer(
    [...tasks, '--models', flags.models, '--log-level', 'silent'],
    (line) => addNote(notes, line),
  );
  using sessions = new SessionGroup();
  for (const offer of await serverOffers(parts, { server: server.ready.url, http: {} })) {
    spinner.say(`making keys for the model "${offer.model}"`);
    sessions.add(
      await openSession(parts, kernel, offer, {
        server: server.ready.url,
        http: {},
        modelsDirectory: flags.models,
      }),
    );
  }
  const sent: Sent[] = [];
  for (const [i, recording] of recordings.entries()) {
    spinner.say(`${printable(recording.name)} (${i + 1} of ${recordings.length})`);
    const session = sessions.of(recording.task);
    const clip = audio[i];
    if (clip === undefined) throw new Error('a recording without audio');
    const exchanged = await exchangeUtterance(clip, session.recogniser, session.client, session.remote);
    sent.push({ recording, session, exchanged, audioWarnings: clip.warnings });
  }
  const clear = new Map<string, ClearNetworks>();
  for (const task of tasks) clear.set(task, await parts.loadClearNetworks(join(flags.models, task), kernel));
  const results = sent.map((each) => openResult(each, clear.get(each.recording.task)));
  spinner[Symbol.dispose]();
  print(opening(server.ready, sessions.all, [...notes], paint));
  for (const result of results) print(formatResult(result, paint));
  print(closing(results, sessions.all, paint));
  if (flags.json === true) terminal.out(`${JSON.stringify(demoJson(server.ready, sessions.all, results))}\n`);
}

/** What the server process says on standard error, without the frame that Node puts around warnings. */
function addNote(notes: Set<string>, line: string): void {
  const text = line.replace(/^\(node:\d+\) (\w*Warning: )?/, '').trim();
  if (text !== '' && !text.startsWith('(Use `node')) notes.add(text);
}

class SessionGroup implements Disposable {
  readonly all: ClientSession[] = [];

  add(session: ClientSession): void {
    this.all.push(session);
  }

  of(task: string): ClientSession {
    const session = this.all.find(({ offer }) => offer.model === task);
    if (session === undefined) throw new Error(`no session for ${task}`);
    return session;
  }

  [Symbol.dispose](): void {
    for (const session of this.all) session[Symbol.dispose]();
  }
}

/** Decrypts, and runs the clear networks on the same features. */
function openResult(
  { recording, session, exchanged, audioWarnings }: Sent,
  clear: ClearNetworks | undefined,
): DemoResult {
  if (clear === undefined) throw new Error(`no clear networks for ${recording.task}`);
  const { recogniser, client } = session;
  const utterance = openUtterance(exchanged, recogniser, client);
  const polynomial = utterance.inputs.map((inputs) => clear.polynomial(inputs));
  const textOf = (scores: readonly Float32Array[]) =>
    scores.flatMap((each) => recogniser.decode(each)).join(' ');
  const transcripts: Transcripts = {
    encrypted: utterance.words.join(' '),
    polynomial: textOf(polynomial.map(({ scores }) => scores)),
    ...(recording.text === undefined ? {} : { spoken: recording.text }),
    ...(clear.float === undefined ? {} : { float: textOf(utterance.inputs.map(clear.float)) }),
  };
  const leaves = [...new Set(polynomial.flatMap((run) => run.leaves))].sort();
  return { recording, transcripts, utterance, leaves, audioWarnings };
}

function opening(
  ready: ServerReady,
  sessions: readonly ClientSession[],
  notes: readonly string[],
  paint: Paint,
): string {
  const { name, isa, threads } = ready.kernel;
  const lines = [
    '',
    `${paint.bold('subrosa')} ${installation.version}  ${paint.dim('speech recognition by a server that cannot hear')}`,
    '',
    `  server  process ${ready.pid} at ${ready.url}, ${name} kernel (${isa}), ${plural(threads, 'thread')}`,
    ...sessions.map(({ offer, keys }) => {
      const ring = `N = 2^${offer.params.logN}`;
      const made = `keys made in ${formatMs(keys.keygenMs)} ms`;
      return `  keys    ${offer.model}: ${ring}, ${made}, ${formatBytes(keys.keyBytes)} uploaded once in ${formatMs(keys.uploadMs)} ms`;
    }),
    ...notes.map((note) => `  ${paint.yellow('note')}    ${printable(note)}`),
  ];
  return `${lines.join('\n')}\n`;
}

function formatResult(result: DemoResult, paint: Paint): string {
  const { recording, transcripts, utterance, leaves, audioWarnings } = result;
  const facts = `${utterance.audioSeconds.toFixed(2)} s of audio, ${utterance.frames} frames, model "${recording.task}"`;
  const outside =
    leaves.length === 0
      ? []
      : [`values of layer ${leaves.join(', ')} left the interval of the training data`];
  const notes = [...audioWarnings, ...utteranceNotes(utterance), ...outside].map(
    (note) => `  ${paint.yellow('note')} ${note}\n`,
  );
  return [
    `\n${paint.bold(printable(recording.name))}  ${paint.dim(facts)}\n`,
    formatTranscripts(transcripts, paint),
    '\n',
    formatPhases(utterance, paint),
    ...notes,
  ].join('');
}

function closing(results: readonly DemoResult[], sessions: readonly ClientSession[], paint: Paint): string {
  const agreeing = results.filter(
    ({ transcripts }) => transcripts.encrypted === transcripts.polynomial,
  ).length;
  const asked = sessions.map(({ offer }) => {
    const own = results.filter(({ recording }) => recording.task === offer.model);
    return {
      offer,
      requests: own.length,
      buckets: own.flatMap(({ utterance }) => bucketsOf(offer, utterance)),
    };
  });
  const frameRate = sessions[0]?.recogniser.frameRate ?? 1;
  const verdict = `${agreeing} of ${results.length} encrypted transcripts equal those of the same network in the clear.`;
  return `\n${agreeing === results.length ? paint.green(verdict) : paint.red(verdict)}\n\n${serverKnowledge(asked, frameRate)}\n`;
}

function bucketsOf(offer: Offer, { inputs }: RecognisedUtterance): number[] {
  return inputs.map(({ frames }) => offer.buckets.find(({ block }) => block >= frames)?.block ?? frames);
}

function demoJson(ready: ServerReady, sessions: readonly ClientSession[], results: readonly DemoResult[]) {
  return {
    kernel: ready.kernel,
    keys: sessions.map(({ offer, keys }) => ({ model: offer.model, paramsId: offer.paramsId, ...keys })),
    recordings: results.map(({ recording, transcripts, utterance, leaves, audioWarnings }) => ({
      name: recording.name,
      task: recording.task,
      transcripts,
      layersOutOfRange: leaves,
      audioWarnings,
      ...utteranceJson(utterance),
    })),
  };
}
