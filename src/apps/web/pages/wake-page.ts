/** The page that listens for a word: sound from the microphone or a file to a worker, a score for every 80 ms from the worker. */
import { receivedError } from '../../client/worker-messages.ts';
import { heardWords, secondsOf, WORD_RATE } from '../../speech-client/word-windows.ts';
import { byId, element, bytesText } from './elements.ts';
import { decodedByBrowser, microphoneError, microphoneMissing, MicrophoneRecording } from './microphone.ts';
import {
  FlowPanel,
  phasesOf,
  showFacts,
  showLearns,
  showSights,
  showTimes,
  StatusPanel,
  type TimedPhase,
} from './panels.ts';
import { WAKE_PATH, type WakeCall, type WakeMessage, type WakeWordOffer } from './wake-messages.ts';

/** Windows that the strip shows: eight seconds. */
const STRIP = 100;
/** Listening ends by itself. */
const MAX_MS = 300_000;

const status = new StatusPanel();
const flow = new FlowPanel();
const listenButton = byId<HTMLButtonElement>('listen');
const worker = new Worker(new URL('./wake-worker.js', import.meta.url), { type: 'module' });
let waiting: { resolve(message: WakeMessage): void; reject(error: Error): void } | undefined;
let recording: MicrophoneRecording | undefined;
let limit: ReturnType<typeof setTimeout> | undefined;
let connectionWarnings: readonly string[] = [];
let word = '';
let [bytesUp, bytesDown] = [0, 0];
const scores: number[] = [];

worker.addEventListener('message', ({ data }: MessageEvent<WakeMessage>) => {
  if (data.kind === 'progress') return status.progress(data.progress);
  if (data.kind === 'traffic') return flow.traffic(data.traffic);
  if (data.kind === 'scored') return show(data);
  if (data.kind === 'failed') failed(receivedError(data.error));
  else waiting?.resolve(data);
  waiting = undefined;
});
worker.addEventListener('error', () => waiting?.reject(new Error('the worker of this page does not run')));

/** What is awaited fails; where nothing is, the microphone was heard, and listening ends. */
function failed(error: Error): void {
  if (waiting !== undefined) waiting.reject(error);
  else if (recording !== undefined) void endListening(recording, error);
}

const send = (sent: WakeCall): void => worker.postMessage(sent);

/** Whatever comes next that is no score. */
function answered<Kind extends 'opened' | 'ended'>(
  _kind: Kind,
): Promise<Extract<WakeMessage, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    waiting = { resolve: resolve as (message: WakeMessage) => void, reject };
  });
}

function enable(isIdle: boolean): void {
  for (const id of ['file', 'example']) byId<HTMLButtonElement>(id).disabled = !isIdle;
  listenButton.disabled = (!isIdle && recording === undefined) || microphoneMissing() !== null;
}

async function during(work: () => Promise<void>): Promise<void> {
  enable(false);
  status.recover();
  try {
    await work();
    status.rest(`Ready: say "${word}"`);
  } catch (error) {
    status.fail(error);
  }
  enable(true);
}

function begin(): void {
  scores.length = 0;
  [bytesUp, bytesDown] = [0, 0];
  byId('times').replaceChildren();
  showScores();
  send({ kind: 'begin' });
}

/** From the model's score to its own output between 0 and 1. */
const certainty = (score: number): number => 1 / (1 + Math.exp(-score));

function show({ window, score, embedMs, stats, warnings }: Extract<WakeMessage, { kind: 'scored' }>): void {
  scores[window] = score;
  bytesUp += stats.bytesUp;
  bytesDown += stats.bytesDown;
  showScores();
  const listening: TimedPhase = { name: 'embedding', side: 'client', ms: embedMs };
  showTimes([listening, ...phasesOf(stats)], embedMs + stats.totalMs);
  if (warnings.length > 0) status.warn([...connectionWarnings, ...warnings]);
}

function showScores(): void {
  const shown = scores.slice(-STRIP);
  byId('strip').replaceChildren(
    ...shown.map((score) => {
      const column = element('i', score > 0 ? { class: 'heard' } : {});
      column.style.setProperty('--share', String(certainty(score)));
      return column;
    }),
  );
  const heard = heardWords(scores);
  const seconds = scores.length === 0 ? 0 : secondsOf(scores.length - 1);
  byId('strip').setAttribute(
    'aria-label',
    `${scores.length} questions about ${seconds.toFixed(1)} seconds; the word was in ${heard.length} places`,
  );
  byId('asked').textContent =
    scores.length === 0
      ? ''
      : `${scores.length} encrypted questions about ${seconds.toFixed(1)} s: ${bytesText(bytesUp)} up, ${bytesText(bytesDown)} down`;
  const lines = heard.map(
    (each) => `Heard it at ${each.seconds.toFixed(2)} s, ${(100 * certainty(each.score)).toFixed(0)} %`,
  );
  const list = byId('heard');
  const known = [...list.children].map(({ textContent }) => textContent);
  const none = scores.length === 0 ? 'Nothing asked yet' : 'Not heard';
  const wanted = lines.length === 0 ? [none] : lines;
  // A screen reader reads what changes.
  if (wanted.join() !== known.join()) list.replaceChildren(...wanted.map((line) => element('li', {}, line)));
}

async function askWhole(sound: WakeCall): Promise<void> {
  begin();
  status.say('A question for every 80 ms');
  send(sound);
  const ended = answered('ended');
  send({ kind: 'end' });
  await ended;
}

async function askFile(file: ArrayBuffer): Promise<void> {
  try {
    await askWhole({ kind: 'file', bytes: new Uint8Array(file) });
  } catch (error) {
    const { details } = error as { details?: { convertible?: boolean } };
    if (details?.convertible !== true) throw error;
    await askWhole({ kind: 'sound', samples: (await soundOf(file)).samples });
  }
}

async function soundOf(file: ArrayBuffer): ReturnType<typeof decodedByBrowser> {
  try {
    return await decodedByBrowser(file);
  } catch (error) {
    throw new Error('This browser finds no sound in the file.', { cause: error });
  }
}

async function beginListening(): Promise<void> {
  const level = byId<HTMLMeterElement>('level');
  enable(false);
  begin();
  recording = await MicrophoneRecording.begin(
    (value) => {
      level.value = value;
    },
    { rate: WORD_RATE, onSamples: (samples) => send({ kind: 'sound', samples }) },
  );
  status.recover();
  status.say(`Listening for "${word}": a question goes out every 80 ms`);
  listenButton.textContent = 'Stop';
  listenButton.setAttribute('aria-pressed', 'true');
  limit = setTimeout(() => listenButton.click(), MAX_MS);
  enable(false);
}

async function endListening(ended: MicrophoneRecording, failure?: Error): Promise<void> {
  clearTimeout(limit);
  recording = undefined;
  listenButton.textContent = 'Listen';
  listenButton.setAttribute('aria-pressed', 'false');
  byId<HTMLMeterElement>('level').value = 0;
  await during(async () => {
    if (failure !== undefined) {
      await ended.end();
      throw failure;
    }
    await Promise.all([answered('ended'), ended.end().then(() => send({ kind: 'end' }))]);
  });
}

listenButton.addEventListener('click', () => {
  if (recording !== undefined) void endListening(recording);
  else
    beginListening().catch((error: unknown) => {
      enable(true);
      status.fail(microphoneError(error));
    });
});

byId<HTMLInputElement>('file').addEventListener('change', ({ target }) => {
  const input = target as HTMLInputElement;
  const [file] = input.files ?? [];
  if (file !== undefined) void during(async () => askFile(await file.arrayBuffer()));
  input.value = '';
});

let nextExample = 0;
byId('example').addEventListener('click', () => {
  void during(async () => {
    const list = (await (await fetch('/recordings/')).json()) as { path: string }[];
    const example = list[nextExample++ % list.length];
    if (example === undefined) throw new Error('there are no recordings here');
    await askFile(await (await fetch(example.path)).arrayBuffer());
  });
});

async function start(): Promise<void> {
  const offer = (await (await fetch(WAKE_PATH)).json()) as WakeWordOffer;
  if ('missing' in offer) throw new Error(offer.missing);
  ({ word } = offer);
  for (const each of document.querySelectorAll('.word')) each.textContent = word;
  showSights(flow, offer.model);
  const insecure = location.protocol === 'http:';
  const opened = answered('opened');
  send({ kind: 'open', url: location.origin, model: offer.model, insecure });
  const { facts } = await opened;
  const missing = microphoneMissing();
  connectionWarnings = [...facts.warnings, ...(missing === null ? [] : [missing])];
  status.warn(connectionWarnings);
  status.rest(`Ready: say "${word}"`);
  enable(true);
  showFacts(facts.describes, facts.keys);
  showLearns(facts.describes, [
    ['the score of every window, so whether and when the word was said', 'how long the layers take'],
    ['the weights of the network, unless it asks very often'],
  ]);
}

enable(false);
showScores();
start().catch((error: unknown) => status.fail(error));
