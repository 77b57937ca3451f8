/** The page that recognises spoken digits: sound from the microphone or a file to a worker, words from the worker. */
import { receivedError } from '../../client/worker-messages.ts';
import { byId, element } from './elements.ts';
import { decodedByBrowser, microphoneError, microphoneMissing, MicrophoneRecording } from './microphone.ts';
import { FlowPanel, showFacts, showLearns, showSights, showTimes, StatusPanel } from './panels.ts';
import type { RecognisedWords, SentAudio, SpeechCall, SpeechMessage } from './speech-messages.ts';

const MODEL = 'digits';
const READY = 'Ready: say some digits in English';
/** A recording ends by itself. */
const MAX_MS = 40_000;

const status = new StatusPanel();
const flow = new FlowPanel();
const recordButton = byId<HTMLButtonElement>('record');
const worker = new Worker(new URL('./speech-worker.js', import.meta.url), { type: 'module' });
let waiting: { resolve(message: SpeechMessage): void; reject(error: Error): void } | undefined;
let recording: MicrophoneRecording | undefined;
let limit: ReturnType<typeof setTimeout> | undefined;
let connectionWarnings: readonly string[] = [];

worker.addEventListener('message', ({ data }: MessageEvent<SpeechMessage>) => {
  if (data.kind === 'progress') return status.progress(data.progress);
  if (data.kind === 'traffic') return flow.traffic(data.traffic);
  if (data.kind === 'failed') waiting?.reject(receivedError(data.error));
  else waiting?.resolve(data);
});
worker.addEventListener('error', () => waiting?.reject(new Error('the worker of this page does not run')));

/** One call at a time. */
function call<Kind extends SpeechMessage['kind']>(
  sent: SpeechCall,
  _kind: Kind,
): Promise<Extract<SpeechMessage, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    waiting = { resolve: resolve as (message: SpeechMessage) => void, reject };
    worker.postMessage(sent);
  });
}

/** What may be pressed: nothing while a question is under way, only the end while a recording is. */
function enable(isIdle: boolean): void {
  for (const id of ['file', 'example']) byId<HTMLButtonElement>(id).disabled = !isIdle;
  recordButton.disabled = (!isIdle && recording === undefined) || microphoneMissing() !== null;
}

async function during(work: () => Promise<void>): Promise<void> {
  enable(false);
  status.recover();
  try {
    await work();
  } catch (error) {
    status.fail(error);
  }
  enable(true);
}

async function recognise(audio: SentAudio): Promise<void> {
  const startedAt = performance.now();
  byId('words').textContent = '…';
  for (const id of ['times', 'said']) byId(id).replaceChildren();
  try {
    const { result } = await call({ kind: 'recognise', audio }, 'recognised');
    show(result, performance.now() - startedAt);
  } catch (error) {
    byId('words').textContent = '';
    throw error;
  }
}

async function soundOf(file: ArrayBuffer): ReturnType<typeof decodedByBrowser> {
  try {
    return await decodedByBrowser(file);
  } catch (error) {
    throw new Error('This browser finds no sound in the file.', { cause: error });
  }
}

async function recogniseFile(file: ArrayBuffer): Promise<void> {
  try {
    await recognise({ file: new Uint8Array(file) });
  } catch (error) {
    const { details } = error as { details?: { convertible?: boolean } };
    if (details?.convertible !== true) throw error;
    await recognise(await soundOf(file));
  }
}

function show(result: RecognisedWords, totalMs: number): void {
  const { words, phases, bytesUp, bytesDown, unfamiliar, warnings, audioSeconds } = result;
  byId('words').textContent = words.join(' ') || '(silence)';
  const bytes: Readonly<Record<string, number>> = { upload: bytesUp, download: bytesDown };
  const known = phases.map((phase) => ({
    ...phase,
    ...(phase.name in bytes && { bytes: bytes[phase.name] as number }),
  }));
  showTimes(known, totalMs);
  byId('sound').textContent = `${audioSeconds.toFixed(1)} s of sound`;
  const unlike =
    unfamiliar.length === 0
      ? []
      : [`unlike anything the model was trained on (${unfamiliar.join(', ')}): do not trust the words`];
  status.warn([...connectionWarnings, ...warnings, ...unlike]);
  status.rest(READY);
}

async function beginRecording(): Promise<void> {
  const level = byId<HTMLMeterElement>('level');
  recording = await MicrophoneRecording.begin((value) => {
    level.value = value;
  });
  status.say('Recording: press the button again at the end');
  recordButton.textContent = 'Stop and ask the server';
  recordButton.setAttribute('aria-pressed', 'true');
  limit = setTimeout(() => recordButton.click(), MAX_MS);
  enable(false);
}

async function endRecording(ended: MicrophoneRecording): Promise<void> {
  clearTimeout(limit);
  recording = undefined;
  recordButton.textContent = 'Record';
  recordButton.setAttribute('aria-pressed', 'false');
  byId<HTMLMeterElement>('level').value = 0;
  await during(async () => recognise(await ended.end()));
}

recordButton.addEventListener('click', () => {
  if (recording !== undefined) void endRecording(recording);
  else beginRecording().catch((error: unknown) => status.fail(microphoneError(error)));
});

byId<HTMLInputElement>('file').addEventListener('change', ({ target }) => {
  const input = target as HTMLInputElement;
  const [file] = input.files ?? [];
  if (file !== undefined) void during(async () => recogniseFile(await file.arrayBuffer()));
  input.value = '';
});

let nextExample = 0;
byId('example').addEventListener('click', () => {
  void during(async () => {
    const list = (await (await fetch('/recordings/')).json()) as { path: string; text: string }[];
    const example = list[nextExample++ % list.length];
    if (example === undefined) throw new Error('there are no recordings here');
    const bytes = await (await fetch(example.path)).arrayBuffer();
    const player = byId<HTMLAudioElement>('player');
    player.src = example.path;
    player.hidden = false;
    await recogniseFile(bytes);
    byId('said').replaceChildren('What was said: ', element('b', {}, example.text));
  });
});

async function start(): Promise<void> {
  showSights(flow, MODEL);
  const insecure = location.protocol === 'http:';
  const { facts } = await call({ kind: 'open', url: location.origin, model: MODEL, insecure }, 'opened');
  const missing = microphoneMissing();
  connectionWarnings = [...facts.warnings, ...(missing === null ? [] : [missing])];
  status.warn(connectionWarnings);
  status.rest(READY);
  showFacts(facts.describes, facts.keys);
  showLearns(facts.describes, [
    ['the scores of every hundredth of a second and the words', 'how long the layers of the network take'],
    ['the weights of the network, unless it asks very often'],
  ]);
}

enable(false);
void during(start);
