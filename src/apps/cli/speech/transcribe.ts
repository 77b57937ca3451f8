/** `subrosa transcribe`: recordings in, words out, by a server elsewhere that cannot hear them. */
import { ProtocolError } from '../../../base/errors.ts';
import type { Offer } from '../../../compiler/offer.ts';
import { isPlausible } from '../../../protocols/inference/plausibility.ts';
import { ClientSession, type KeyFilePlan } from '../../speech-client/client-session.ts';
import { chosenOffer } from '../../transport/chosen-offer.ts';
import { openSession, serverOffers } from './open-session.ts';
import type { EngineParts } from '../parts.ts';
import { KeyStore, keyDirectory } from '../../keystore/key-store.ts';
import { passphraseFor } from '../terminal/passphrase.ts';
import { readRecording } from './recordings.ts';
import { checkInputPaths } from '../terminal/standard-input.ts';
import { DONE, errorLine, FAILED } from '../terminal/report-error.ts';
import { Spinner } from '../terminal/spinner.ts';
import { formatBytes, formatMs } from '../terminal/table.ts';
import { paintFor, printable, type Terminal } from '../terminal/terminal.ts';
import { trustedCertificates } from '../tls-files.ts';
import {
  type ExchangedUtterance,
  exchangeUtterance,
  openUtterance,
  type RecognisedUtterance,
} from '../../speech-client/utterance.ts';
import { formatPhases, utteranceJson, utteranceNotes } from './utterance-report.ts';

export interface TranscribeFlags {
  readonly server: string;
  readonly model?: string;
  /** Who makes words of scores. */
  readonly decoder: DecoderPlace;
  readonly models: string;
  readonly passphraseFile?: string;
  /** False with --no-key-file: keys end with the process. */
  readonly keyFile: boolean;
  readonly timeout: number;
  readonly retries?: number;
  readonly ca?: string;
  readonly insecureConnect?: boolean;
  readonly table?: boolean;
  readonly json?: boolean;
}

export const DECODER_PLACES = ['client', 'server'] as const;
export type DecoderPlace = (typeof DECODER_PLACES)[number];

/** One file after its exchange: with a result to open, or with what was wrong. */
interface FileOutcome {
  readonly path: string;
  readonly exchanged?: ExchangedUtterance;
  /** What was wrong with the file, although it could be read. */
  readonly audioWarnings: readonly string[];
  readonly error?: unknown;
}

/** Returns the exit code: 1 when any file failed. */
export async function transcribe(
  files: readonly string[],
  flags: TranscribeFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<number> {
  checkInputPaths(files);
  using spinner = new Spinner(terminal, `asking ${printable(flags.server)} what it offers`);
  const http = {
    timeoutMs: flags.timeout * 1000,
    insecure: flags.insecureConnect === true,
    ...(flags.retries !== undefined && { retries: flags.retries }),
    ...trustedCertificates(flags),
    onRetry: (reason: string, waitMs: number) =>
      spinner.say(`${reason}; trying again in ${(waitMs / 1000).toFixed(1)} s`),
  };
  const offers = await serverOffers(parts, { server: flags.server, http });
  const offer = chosenOffer(decodedAt(flags.decoder, offers), flags.model);
  using kernel = await parts.openKernel((reason) => terminal.err(`note ${reason}\n`));
  spinner.say(`preparing keys for "${offer.model}"`);
  using session = await openSession(parts, kernel, offer, {
    server: flags.server,
    http,
    modelsDirectory: flags.models,
    ...(flags.keyFile ? { keyFile: keyFilePlan(flags, terminal, spinner) } : {}),
  });
  const outcomes = await exchangeFiles(files, session, spinner, terminal);
  spinner[Symbol.dispose]();
  if (flags.json !== true && session.keys.keyBytes > 0) reportKeys(session, terminal);
  const rows = outcomes.map((outcome) => openOutcome(outcome, session, flags, terminal));
  await session.conclude(rows.filter(({ isAnomaly }) => isAnomaly).length);
  if (flags.json === true) {
    const { model, paramsId } = offer;
    const reported = rows.map(({ row }) => row);
    terminal.out(`${JSON.stringify({ model, paramsId, keys: session.keys, files: reported })}\n`);
  }
  return rows.some(({ row }) => 'error' in row) ? FAILED : DONE;
}

/** Of those offers the ones whose scores are made words of there. @throws {ProtocolError} when there is none. */
function decodedAt(place: DecoderPlace, offers: readonly Offer[]): Offer[] {
  const fitting = offers.filter(({ decision }) => (decision === undefined) === (place === 'client'));
  if (fitting.length > 0 || offers.length === 0) return fitting;
  const names = offers.map(({ model }) => model).join(', ');
  throw new ProtocolError(
    place === 'server'
      ? `the server offers ${names}, and decides nothing itself: use --decoder client`
      : `the server offers ${names}, whose scores stay there: use --decoder server`,
  );
}

interface OpenedOutcome {
  /** For --json. */
  readonly row: object;
  /** The server replied, and the reply did not open, or to nothing that the model can give. */
  readonly isAnomaly: boolean;
}

/** Decrypts one recording and prints its words, or what was wrong with it. */
function openOutcome(
  { path, exchanged, error, audioWarnings }: FileOutcome,
  session: ClientSession,
  flags: TranscribeFlags,
  terminal: Terminal,
): OpenedOutcome {
  for (const warning of audioWarnings) terminal.err(`warning ${printable(path)}: ${printable(warning)}\n`);
  try {
    if (exchanged === undefined) throw error;
    const utterance = openUtterance(exchanged, session.recogniser, session.client);
    if (flags.json !== true) printTranscript(path, utterance, flags, terminal);
    const text = utterance.words.join(' ');
    const row = { file: path, text, audioWarnings, ...utteranceJson(utterance) };
    const isAnomaly = !utterance.scores.every((scores) => isPlausible(scores, session.client.offer));
    return { row, isAnomaly };
  } catch (failure) {
    const paint = paintFor(terminal.errIsTerminal, terminal.env);
    terminal.err(`${paint.red('error')} ${printable(path)}: ${errorLine(failure)}\n`);
    return {
      row: { file: path, error: errorLine(failure), audioWarnings },
      isAnomaly: exchanged !== undefined,
    };
  }
}

function keyFilePlan(flags: TranscribeFlags, terminal: Terminal, spinner: Spinner): KeyFilePlan {
  return {
    store: new KeyStore(keyDirectory(terminal.env)),
    passphrase: (isNew) => spinner.hiddenFor(() => passphraseFor(flags.passphraseFile, terminal, isNew)),
  };
}

/**
 * Sends everything before anything is opened. A file that fails does not stop the others. Where the server is gone for good, the
 * transport waits for it twice and then tries once for each file, so that a long list ends soon.
 */
async function exchangeFiles(
  files: readonly string[],
  session: ClientSession,
  spinner: Spinner,
  terminal: Terminal,
): Promise<FileOutcome[]> {
  const outcomes: FileOutcome[] = [];
  for (const [i, path] of files.entries()) {
    spinner.say(`${printable(path)} (${i + 1} of ${files.length})`);
    let audioWarnings: readonly string[] = [];
    try {
      const audio = await readRecording(path, terminal);
      audioWarnings = audio.warnings;
      const exchanged = await exchangeUtterance(audio, session.recogniser, session.client, session.remote);
      outcomes.push({ path, exchanged, audioWarnings });
    } catch (error) {
      outcomes.push({ path, error, audioWarnings });
    }
  }
  return outcomes;
}

function reportKeys({ keys, offer }: ClientSession, terminal: Terminal): void {
  if (!terminal.errIsTerminal) return;
  const paint = paintFor(true, terminal.env);
  const what = `${keys.source === 'made' ? 'new keys' : 'keys from the key file'} for "${offer.model}"`;
  terminal.err(
    paint.dim(`${what}: ${formatBytes(keys.keyBytes)} uploaded in ${formatMs(keys.uploadMs)} ms\n`),
  );
}

function printTranscript(
  path: string,
  utterance: RecognisedUtterance,
  flags: TranscribeFlags,
  terminal: Terminal,
): void {
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  terminal.out(
    `${paint.dim(`${printable(path)}:`)} ${utterance.words.join(' ') || paint.dim('(silence)')}\n`,
  );
  if (flags.table === true) terminal.out(formatPhases(utterance, paint));
  for (const note of utteranceNotes(utterance)) terminal.err(`note ${printable(path)}: ${note}\n`);
}
