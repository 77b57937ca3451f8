/**
 * The worker of the page that listens for a word: the public speech embedding in the clear, keys, encryption, connection, decryption. A
 * question goes out for every 80 ms of sound, whatever is said and whatever the answers are.
 */
import { AudioError } from '../../../base/errors.ts';
import { openKernel } from '../../../kernel/open.ts';
import { readWav, recogniseAudio, resample } from '../../../speech/index.ts';
import { InferenceSession } from '../../client/inference-session.ts';
import { sentError } from '../../client/worker-messages.ts';
import { workerScope } from '../../client/worker-scope.ts';
import { type Embedder, EMBEDDING_FILES } from '../../speech/embedder.ts';
import { SpeechEmbedding } from '../../speech/speech-embedding.ts';
import { MAX_RECORDING_SECONDS } from '../../speech-client/audio-pieces.ts';
import { WORD_RATE, WordWindows } from '../../speech-client/word-windows.ts';
import { CallOrder } from './call-order.ts';
import { WAKE_PATH, type WakeCall, type WakeMessage } from './wake-messages.ts';

const scope = workerScope<WakeMessage, WakeCall>();
let session: InferenceSession | undefined;
let embedder: Embedder | undefined;
let windows: WordWindows | undefined;
let asked = 0;

async function loadEmbedder(url: string): Promise<Embedder> {
  const [mel, embedding] = await Promise.all(
    EMBEDDING_FILES.map(async (name) => {
      const response = await fetch(new URL(`${WAKE_PATH}${name}`, url));
      if (!response.ok) throw new Error(`${name} is not to be had (HTTP ${response.status})`);
      return new Uint8Array(await response.arrayBuffer());
    }),
  );
  return new SpeechEmbedding(mel as Uint8Array, embedding as Uint8Array, await openKernel());
}

async function open({ url, model, insecure }: Extract<WakeCall, { kind: 'open' }>): Promise<WakeMessage> {
  const loading = loadEmbedder(url);
  let isOpen = false;
  session = await InferenceSession.open(url, {
    ...{ model, insecure },
    onProgress: (progress) => {
      if (!isOpen) scope.postMessage({ kind: 'progress', progress });
    },
    onTraffic: (traffic) => scope.postMessage({ kind: 'traffic', traffic }),
  });
  embedder = await loading;
  isOpen = true;
  const { describes, keys, warnings } = session;
  return { kind: 'opened', facts: { describes, keys, warnings } };
}

function begin(): void {
  if (embedder === undefined || session === undefined) throw new Error('the worker is not connected yet');
  windows = new WordWindows(embedder, session.offer.about?.input.shape[0] ?? 0);
  asked = 0;
}

async function ask(take: (windows: WordWindows) => Float32Array[]): Promise<void> {
  if (session === undefined || windows === undefined) throw new Error('no sound was begun');
  const startedAt = performance.now();
  const taken = take(windows);
  const embedMs = (performance.now() - startedAt) / Math.max(1, taken.length);
  for (const window of taken) {
    const { output, stats, warnings } = await session.infer(window);
    const score = output[0] as number;
    scope.postMessage({ kind: 'scored', window: asked++, score, embedMs, stats, warnings });
  }
}

/** What is no WAV is for the browser's own decoder. @throws {AudioError} */
function samplesOf(bytes: Uint8Array): Float32Array {
  if (recogniseAudio(bytes).kind !== 'wav') throw new AudioError('this file is no WAV', true);
  const { samples, rate } = readWav(bytes, { maxSeconds: MAX_RECORDING_SECONDS });
  return resample(samples, rate, WORD_RATE);
}

async function handle(call: WakeCall): Promise<void> {
  if (call.kind === 'open') scope.postMessage(await open(call));
  else if (call.kind === 'begin') begin();
  else if (call.kind === 'sound') await ask((each) => each.push(call.samples));
  else if (call.kind === 'file') await ask((each) => each.push(samplesOf(call.bytes)));
  else {
    await ask((each) => each.finish());
    scope.postMessage({ kind: 'ended' });
  }
}

/** Windows are of one sound; of one that failed nothing more is asked, and its end is not told. */
const calls = new CallOrder<WakeCall>(
  handle,
  ({ kind }) => kind === 'begin',
  (error) => scope.postMessage({ kind: 'failed', error: sentError(error) }),
);

scope.addEventListener('message', ({ data }) => void calls.take(data));
