/** The worker of the page that recognises speech: features, keys, encryption, connection, decryption and the search for words. */
import { isPlausible } from '../../../protocols/inference/plausibility.ts';
import { AudioError } from '../../../base/errors.ts';
import { type ReadAudio, readWav, recogniseAudio } from '../../../speech/index.ts';
import { TRAFFIC_HEAD } from '../../client/client-types.ts';
import { InferenceSession } from '../../client/inference-session.ts';
import { sentError } from '../../client/worker-messages.ts';
import { workerScope } from '../../client/worker-scope.ts';
import { MAX_RECORDING_SECONDS } from '../../speech-client/audio-pieces.ts';
import { type Recogniser, recogniserOf } from '../../speech-client/recogniser.ts';
import { type AskingClient, exchangeUtterance, openUtterance } from '../../speech-client/utterance.ts';
import type { RecognisedWords, SentAudio, SpeechCall, SpeechMessage } from './speech-messages.ts';

const scope = workerScope<SpeechMessage, SpeechCall>();
let session: InferenceSession | undefined;
let recogniser: Recogniser | undefined;

async function open({ url, model, insecure }: Extract<SpeechCall, { kind: 'open' }>): Promise<SpeechMessage> {
  const file = fetch(new URL(`/models/${model}/client.bin`, url));
  session = await InferenceSession.open(url, {
    ...{ model, insecure },
    onProgress: (progress) => scope.postMessage({ kind: 'progress', progress }),
    onTraffic: (traffic) => scope.postMessage({ kind: 'traffic', traffic }),
  });
  const response = await file;
  if (!response.ok)
    throw new Error(`the client's part of the model is not to be had (HTTP ${response.status})`);
  recogniser = recogniserOf(new Uint8Array(await response.arrayBuffer()));
  const { describes, keys, warnings } = session;
  return { kind: 'opened', facts: { describes, keys, warnings } };
}

/** The client of the session, whose queries the page shows as they leave. */
function shown({ client }: InferenceSession): AskingClient {
  return {
    offer: client.offer,
    maxSamples: client.maxSamples,
    query: (inputs, samples) => {
      progress('encrypt', 0);
      const query = client.query(inputs, samples);
      const { bytes } = query;
      const traffic = {
        what: 'query',
        direction: 'up',
        bytes: bytes.length,
        head: bytes.slice(0, TRAFFIC_HEAD),
      } as const;
      scope.postMessage({ kind: 'traffic', traffic });
      progress('wait', 0);
      return query;
    },
    open: (query, reply) => client.open(query as Parameters<typeof client.open>[0], reply),
  };
}

function progress(phase: 'encrypt' | 'wait' | 'decrypt', done: number): void {
  scope.postMessage({ kind: 'progress', progress: { phase, done, total: 1 } });
}

/** What is no WAV is for the browser's own decoder. @throws {AudioError} */
function readFile(bytes: Uint8Array): ReadAudio {
  if (recogniseAudio(bytes).kind === 'wav') return readWav(bytes, { maxSeconds: MAX_RECORDING_SECONDS });
  throw new AudioError('this file is no WAV', true);
}

/** Everything is exchanged before anything is opened: what is sent depends on no decrypted value. */
async function recognise(audio: SentAudio): Promise<SpeechMessage> {
  if (session === undefined || recogniser === undefined) throw new Error('the worker is not connected yet');
  const clip = 'file' in audio ? readFile(audio.file) : { ...audio, warnings: [] };
  const client = shown(session);
  const exchanged = await exchangeUtterance(clip, recogniser, client, session.remote);
  progress('decrypt', 0);
  let anomalies = 1;
  try {
    const { inputs: _, scores, ...opened } = openUtterance(exchanged, recogniser, client);
    anomalies = scores.every((each) => isPlausible(each, client.offer)) ? 0 : 1;
    const result: RecognisedWords = { ...opened, warnings: clip.warnings };
    return { kind: 'recognised', result };
  } finally {
    await session.conclude(anomalies);
  }
}

scope.addEventListener('message', ({ data }) => {
  const run = data.kind === 'open' ? open(data) : recognise(data.audio);
  run
    .catch((error: unknown): SpeechMessage => ({ kind: 'failed', error: sentError(error) }))
    .then((message) => scope.postMessage(message));
});
