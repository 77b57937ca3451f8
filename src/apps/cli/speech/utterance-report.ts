/** The result of one recording as a person reads it: transcripts side by side, then where the time went. */
import { formatBar, formatBytes, formatMs, formatTable } from '../terminal/table.ts';
import { type Paint, printable } from '../terminal/terminal.ts';
import type { PhaseTime, RecognisedUtterance } from '../../speech-client/utterance.ts';

/** Transcripts of one recording; `spoken` is what was really said, where that is known. */
export interface Transcripts {
  readonly spoken?: string;
  readonly encrypted: string;
  readonly polynomial: string;
  readonly float?: string;
}

const BAR_WIDTH = 36;
/** A table is 100 columns wide at most. */
const TEXT_WIDTH = 78;

export function formatTranscripts(transcripts: Transcripts, paint: Paint): string {
  const { spoken, encrypted, polynomial, float } = transcripts;
  const row = (label: string, words: string, mark = '') => [
    paint.dim(label),
    wrapped(words === '' ? '(silence)' : words) + mark,
  ];
  const same = encrypted === polynomial ? '' : `  ${paint.red('differs from the clear polynomial network')}`;
  const rows = [
    ...(spoken === undefined ? [] : [row('spoken', spoken)]),
    [
      paint.bold('encrypted'),
      paint.bold(paint.green(wrapped(encrypted === '' ? '(silence)' : encrypted))) + same,
    ],
    row('clear polynomial', polynomial),
    ...(float === undefined ? [] : [row('clear float', float)]),
  ];
  return formatTable(rows, [{}, {}]);
}

function wrapped(text: string): string {
  const clean = printable(text);
  return clean.length <= TEXT_WIDTH ? clean : `${clean.slice(0, TEXT_WIDTH - 1)}…`;
}

/** Milliseconds per phase with bars, bytes where they belong, the total and its share of real time. */
export function formatPhases(utterance: RecognisedUtterance, paint: Paint): string {
  const { phases, totalMs, audioSeconds, bytesUp, bytesDown } = utterance;
  const longest = Math.max(1e-9, ...phases.map(({ ms }) => ms));
  const colour = { client: paint.cyan, network: paint.yellow, server: paint.magenta };
  const note = ({ name }: PhaseTime) =>
    name === 'upload' ? formatBytes(bytesUp) : name === 'download' ? formatBytes(bytesDown) : '';
  const rows = phases.map((phase) => [
    colour[phase.side](phase.side),
    printable(phase.name),
    formatMs(phase.ms),
    note(phase),
    colour[phase.side](formatBar(phase.ms / longest, BAR_WIDTH)),
  ]);
  const realTime = `${(totalMs / 1000 / audioSeconds).toFixed(2)} × real time`;
  const head = ['where', 'phase', 'ms', '', ''].map((text) => paint.dim(text));
  const total = [paint.bold('total'), '', paint.bold(formatMs(totalMs)), '', paint.bold(realTime)];
  return formatTable([head, ...rows, total], [{}, {}, { align: 'right' }, { align: 'right' }, {}]);
}

/** Shorter silence that was left out is not worth a line. */
const LEAST_SILENCE_SECONDS = 1;

/** What went on that a person should know, one line each. */
export function utteranceNotes(utterance: RecognisedUtterance): string[] {
  const notes: string[] = [];
  if (utterance.pieces > 1) notes.push(`sent in ${utterance.pieces} pieces, cut where it is quiet`);
  const silent = utterance.audioSeconds - utterance.spokenSeconds;
  if (silent >= LEAST_SILENCE_SECONDS)
    notes.push(`${silent.toFixed(1)} s without speech were left out; the rest was sent`);
  if (utterance.unfamiliar.length > 0) {
    const what = utterance.unfamiliar.join(', ');
    notes.push(`unlike anything the model was trained on (${what}): do not trust the transcript`);
  }
  return notes;
}

/** The same facts for programs; never the scores, which a stranger must not have (see SECURITY.md). */
export function utteranceJson(utterance: RecognisedUtterance) {
  const { phases, totalMs, bytesUp, bytesDown, audioSeconds, spokenSeconds } = utterance;
  const { frames, pieces, unfamiliar, serverPeakBytes, timing } = utterance;
  return {
    phases: phases.map(({ name, side, ms }) => ({ name, side, ms: Number(ms.toFixed(3)) })),
    totalMs: Number(totalMs.toFixed(3)),
    bytesUp,
    bytesDown,
    audioSeconds,
    spokenSeconds,
    realTimeFactor: totalMs / 1000 / audioSeconds,
    frames,
    pieces,
    unfamiliar,
    timing: timing.map(({ word, from, to }) => ({
      word,
      from: Number(from.toFixed(2)),
      to: Number(to.toFixed(2)),
    })),
    serverPeakBytes,
  };
}
