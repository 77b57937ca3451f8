/** One utterance through a real server process, phase by phase; and a request whose slots are full. */
import { readFileSync } from 'node:fs';
import { openSession, serverOffers } from '../../src/apps/cli/speech/open-session.ts';
import { chosenOffer } from '../../src/apps/transport/chosen-offer.ts';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { shippedRecordings } from '../../src/apps/cli/speech/recordings.ts';
import {
  exchangeUtterance,
  openUtterance,
  type RecognisedUtterance,
} from '../../src/apps/speech-client/utterance.ts';
import type { SpeechTask } from '../../src/apps/speech/speech-task.ts';
import type { SpeechModel } from '../../src/apps/speech/speech-model.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { PolynomialRunner } from '../../src/nn/index.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { type AudioClip, readWav } from '../../src/speech/index.ts';
import { type BenchRow, timeMedian } from '../report.ts';

const SECONDS = 4;

/** The task's shipped recordings in a row, cut to exactly four seconds. */
function fourSeconds(task: SpeechTask): AudioClip {
  const clips = shippedRecordings([task]).map(({ path }) => readWav(readFileSync(path)));
  const rate = clips[0]!.rate;
  const samples = new Float32Array(SECONDS * rate);
  let at = 0;
  for (let i = 0; at < samples.length; i++) {
    const clip = clips[i % clips.length]!.samples.subarray(0, samples.length - at);
    samples.set(clip, at);
    at += clip.length;
  }
  return { samples, rate };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

const phaseMs = (utterance: RecognisedUtterance, name: string) =>
  utterance.phases.find((phase) => phase.name === name)?.ms ?? 0;

/** What the server says it did, without waiting and transport. */
const evaluateMs = (utterance: RecognisedUtterance) =>
  utterance.phases.filter((phase) => phase.side === 'server').reduce((sum, phase) => sum + phase.ms, 0);

/**
 * Medians over `runs` utterances after one that warms up. `total` runs from samples to words and holds everything but making and
 * uploading keys.
 */
const BENCH = tenantId('bench');

export async function latencyRows(
  model: SpeechModel,
  task: SpeechTask,
  models: string,
  kernel: Kernel,
  runs: number,
  note: (line: string) => void,
): Promise<BenchRow[]> {
  const audio = fourSeconds(task);
  await using server = await engineParts.startServer(
    [task, '--models', models, '--log-level', 'silent'],
    note,
  );
  const offers = await serverOffers(engineParts, { server: server.ready.url, http: {} });
  using session = await openSession(engineParts, kernel, chosenOffer(offers, task), {
    server: server.ready.url,
    http: {},
    modelsDirectory: models,
  });
  const results: RecognisedUtterance[] = [];
  for (let run = 0; run <= runs; run++) {
    const exchanged = await exchangeUtterance(audio, session.recogniser, session.client, session.remote);
    const result = openUtterance(exchanged, session.recogniser, session.client);
    if (run > 0) results.push(result);
    note(`${task}: ${SECONDS} s of audio in ${result.totalMs.toFixed(0)} ms`);
  }
  const of = (pick: (utterance: RecognisedUtterance) => number) => median(results.map(pick));
  const row = (phase: string, ms: number) => ({ task, phase, ms });
  const last = results[results.length - 1]!;
  const steps = last.phases.filter((phase) => phase.side === 'server').map((phase) => phase.name);
  const total = of((utterance) => utterance.totalMs);
  return [
    ...['features', 'encrypt', 'upload'].map((name) =>
      row(
        name,
        of((utterance) => phaseMs(utterance, name)),
      ),
    ),
    row('keygen', session.keys.keygenMs),
    row('evaluate', of(evaluateMs)),
    ...steps.map((name) =>
      row(
        `evaluate: ${name}`,
        of((utterance) => phaseMs(utterance, name)),
      ),
    ),
    ...['download', 'decrypt', 'decode'].map((name) =>
      row(
        name,
        of((utterance) => phaseMs(utterance, name)),
      ),
    ),
    row('total', total),
    ...clearRows(model, task, audio, runs),
    {
      task,
      bytesUp: last.bytesUp,
      bytesDown: last.bytesDown,
      keyBytes: session.keys.keyBytes,
      audioSeconds: SECONDS,
      realTimeFactor: total / 1000 / SECONDS,
      serverPeakMiB: Math.round(last.serverPeakBytes / 2 ** 20),
    },
  ];
}

/** The same utterance on the clear networks, with the same front end and decoder. */
function clearRows(model: SpeechModel, task: SpeechTask, audio: AudioClip, runs: number): BenchRow[] {
  const { data, frames } = model.features(audio);
  const polynomial = (): void => void model.decode(Float32Array.from(model.polynomialScores(data)), frames);
  const float = (): void => void model.decode(model.float.infer(data), frames);
  return [
    { task, phase: 'clear float network and decode', ms: timeMedian(runs, float).median },
    { task, phase: 'clear polynomial network and decode', ms: timeMedian(runs, polynomial).median },
  ];
}

/** As many frames as there are slots, in one request: seconds of audio per second of server time. */
export async function throughputRow(
  model: SpeechModel,
  task: SpeechTask,
  kernel: Kernel,
  note: (line: string) => void,
): Promise<BenchRow> {
  using responder = await InferenceResponder.open([{ name: task, network: model.polynomial() }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const keyId = responder.enrol(BENCH, modelName(task), client.enrolment());
  const frames = client.maxSamples;
  const { data, frames: some } = model.features(fourSeconds(task));
  const inputs = Float32Array.from(
    { length: frames * model.inputs },
    (_, i) => data[i % (some * model.inputs)]!,
  );
  const started = performance.now();
  const query = client.query(inputs, frames);
  const encrypted = performance.now();
  const answer = responder.answer(BENCH, modelName(task), keyId, query.bytes);
  const answered = performance.now();
  const scores = client.open(query, answer.bytes);
  const opened = performance.now();
  const clear = new PolynomialRunner(model.polynomial(), kernel).run(inputs);
  const [low, high] = client.offer.outputRange;
  const worst =
    scores.reduce((most, value, i) => Math.max(most, Math.abs(value - clear[i]!)), 0) / (high - low);
  note(
    `${task}: ${frames} frames in ${(answered - encrypted).toFixed(0)} ms, largest score error ${worst.toExponential(1)} of the range`,
  );
  const audioSeconds = frames * model.frameShift;
  return {
    task,
    samples: frames,
    audioSeconds,
    encryptMs: encrypted - started,
    evaluateMs: answered - encrypted,
    decryptMs: opened - answered,
    bytesUp: query.bytes.length,
    bytesDown: answer.bytes.length,
    audioSecondsPerSecond: audioSeconds / ((answered - encrypted) / 1000),
    largestScoreError: worst,
  };
}
