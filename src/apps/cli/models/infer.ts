/**
 * `subrosa infer`: files in, a model's answers out, by a server elsewhere that cannot read the files; or, with --local, by this process
 * in both roles. What is sent never depends on what was decrypted.
 */
import { readFileSync } from 'node:fs';
import { DataError, UsageError } from '../../../base/errors.ts';
import { systemRandom } from '../../../base/random.ts';
import type { Offer } from '../../../compiler/offer.ts';
import type { AnyProgram } from '../../../compiler/exact/exact-program.ts';
import { readProgram } from '../../../compiler/program-file.ts';
import { runTail } from '../../../nn/graph/tail-graph.ts';
import { InferenceClient, type QueryStream } from '../../../protocols/inference/client.ts';
import { isPlausible } from '../../../protocols/inference/plausibility.ts';
import { InferenceResponder } from '../../../protocols/inference/responder.ts';
import { modelName, tenantId } from '../../../protocols/inference/names.ts';
import type { StepTime } from '../../../runtime/step-times.ts';
import { runClear } from '../../../runtime/clear-machine.ts';
import { wholeBody } from '../../transport/attempt.ts';
import { HttpTransport } from '../../transport/http.ts';
import { RemoteModel } from '../../transport/remote-model.ts';
import { chosenScores } from '../../transport/chosen-offer.ts';
import { serverOffers } from '../speech/open-session.ts';
import type { EngineParts } from '../parts.ts';
import { ProgressBar } from '../terminal/progress-bar.ts';
import { formatBytes, formatMs } from '../terminal/table.ts';
import { type Paint, paintFor, printable, type Terminal } from '../terminal/terminal.ts';
import { trustedCertificates } from '../tls-files.ts';
import type { StreamedQuery } from '../../speech-client/utterance.ts';
import { heardWords } from '../../speech-client/word-windows.ts';
import { readLabelFile } from './label-file.ts';
import { decisions, shareOfEqual } from './model-accuracy.ts';
import { hearingOf, inputOfOffer, readSamples, SAMPLE_LIMIT, type Samples } from './sample-files.ts';
import { checkInputPaths, readStandardInput, STANDARD_INPUT } from '../terminal/standard-input.ts';

export interface InferFlags {
  readonly server?: string;
  readonly local?: string;
  readonly model?: string;
  readonly labels?: string;
  readonly most?: number;
  readonly timeout: number;
  readonly ca?: string;
  readonly insecureConnect?: boolean;
  readonly json?: boolean;
}

/** Whoever evaluates: a query, encrypted while it is sent, to the bytes of a reply. */
interface Answering extends AsyncDisposable {
  readonly client: InferenceClient;
  /** Of --local alone: to compare with the same program in the clear. */
  readonly program?: AnyProgram;
  readonly keyBytes: number;
  ask(query: StreamedQuery): Promise<{ readonly bytes: Uint8Array; readonly steps: readonly StepTime[] }>;
}

interface InferStats {
  encodeAndEncryptMs: number;
  upBytes: number;
  /** Sending, waiting and evaluating. */
  answerMs: number;
  evaluateMs: number;
  downBytes: number;
  decryptMs: number;
}

export async function infer(
  paths: readonly string[],
  flags: InferFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if ((flags.server === undefined) === (flags.local === undefined))
    throw new UsageError('give either --server URL or --local FILE.subrosa');
  checkInputPaths(paths);
  const piped = paths.includes(STANDARD_INPUT)
    ? await readStandardInput(terminal.input, SAMPLE_LIMIT)
    : undefined;
  using bar = new ProgressBar(terminal);
  using kernel = await parts.openKernel((reason) => bar.note(reason));
  bar.progress('keys', 0);
  await using answering = await (flags.local === undefined
    ? remote(flags, parts, kernel, bar)
    : local(flags.local, parts, kernel));
  const { client } = answering;
  const { offer } = client;
  const input = inputOfOffer(offer);
  const hears = await hearingOf(input, kernel);
  const samples = readSamples(paths, input, flags.most, { piped, hears });
  if (samples.count === 0) throw new DataError('the files hold no samples');
  const labels = flags.labels === undefined ? undefined : readLabelFile(flags.labels);
  if (labels !== undefined && labels.length < samples.count)
    throw new DataError(`${flags.labels}: ${labels.length} labels for ${samples.count} samples`);
  warnOutside(samples, offer, bar);
  const stats: InferStats = {
    encodeAndEncryptMs: 0,
    upBytes: 0,
    answerMs: 0,
    evaluateMs: 0,
    downBytes: 0,
    decryptMs: 0,
  };
  const scores = await askAll(answering, samples, stats, bar);
  if (!isPlausible(scores, offer))
    bar.note(
      'warning: the scores are none that this model gives; the server may have answered something else',
    );
  bar[Symbol.dispose]();
  const decided = decisions(scores, offer.outputs);
  const quality = {
    ...(labels && { accuracy: shareOfEqual(decided, labels) }),
    ...(answering.program && {
      clearAgreement: shareOfEqual(
        decided,
        decisions(runClear(answering.program, samples.data), offer.outputs),
      ),
    }),
  };
  const report = { offer, samples, scores, decided, stats, quality, keyBytes: answering.keyBytes };
  if (flags.json === true) printJson(report, terminal);
  else print(report, terminal);
}

async function askAll(
  answering: Answering,
  samples: Samples,
  stats: InferStats,
  bar: ProgressBar,
): Promise<Float32Array> {
  const { client } = answering;
  const { inputs, outputs } = client.offer;
  const scores = new Float32Array(samples.count * outputs);
  // Everything is sent before anything is opened.
  const exchanged: { queries: QueryStream[]; replies: Uint8Array[]; first: number }[] = [];
  for (let first = 0; first < samples.count; first += client.maxSamples) {
    const count = Math.min(client.maxSamples, samples.count - first);
    const queries = client.queryStreams(
      samples.data.subarray(first * inputs, (first + count) * inputs),
      count,
    );
    const clock = stopwatch();
    let encryptMs = 0;
    const replies: Uint8Array[] = [];
    for (const [message, query] of queries.entries()) {
      const watched = watchedStream(query, (ms, sent) => {
        encryptMs += ms;
        const what = sent < 1 ? 'encrypting and sending' : 'waiting for the answer to';
        bar.progress(
          `${what} ${first + count} of ${samples.count}`,
          (first + (count * (message + sent / 2)) / queries.length) / samples.count,
        );
      });
      const { bytes, steps } = await answering.ask(watched);
      stats.evaluateMs += steps.reduce((sum, { ms }) => sum + ms, 0);
      stats.upBytes += query.byteLength;
      stats.downBytes += bytes.length;
      replies.push(bytes);
    }
    stats.encodeAndEncryptMs += encryptMs;
    stats.answerMs += clock() - encryptMs;
    exchanged.push({ queries, replies, first });
  }
  const clock = stopwatch();
  for (const { queries, replies, first } of exchanged)
    scores.set(client.openAll(queries, replies), first * outputs);
  stats.decryptMs += clock();
  return scores;
}

/** Tells after each piece how long it took to make and which share of the body there is so far. */
function watchedStream(query: StreamedQuery, tell: (ms: number, share: number) => void): StreamedQuery {
  function* pieces(): Generator<Uint8Array, void, undefined> {
    let done = 0;
    const clock = stopwatch();
    for (const piece of query.pieces()) {
      done += piece.length;
      tell(clock(), done / query.byteLength);
      yield piece;
      clock();
    }
  }
  return { byteLength: query.byteLength, pieces };
}

async function remote(
  flags: InferFlags,
  parts: EngineParts,
  kernel: Awaited<ReturnType<EngineParts['openKernel']>>,
  bar: ProgressBar,
): Promise<Answering> {
  const server = flags.server as string;
  const http = {
    timeoutMs: flags.timeout * 1000,
    insecure: flags.insecureConnect === true,
    ...trustedCertificates(flags),
    onRetry: (reason: string, waitMs: number) =>
      bar.note(`${reason}; trying again in ${(waitMs / 1000).toFixed(1)} s`),
  };
  const offer = chosenScores(await serverOffers(parts, { server, http }), flags.model);
  const client = await InferenceClient.create(offer, kernel);
  const token = systemRandom.seed();
  try {
    const model = new RemoteModel(new HttpTransport(server, { ...http, token }), offer.model, () =>
      client.enrolment(),
    );
    bar.progress('uploading keys', 0);
    await model.ready();
    return {
      client,
      keyBytes: model.enrolled?.bytesUp ?? 0,
      ask: (query) => model.ask(query),
      [Symbol.asyncDispose]: async () => {
        await model.forget().catch(() => undefined);
        token.fill(0);
        client[Symbol.dispose]();
      },
    };
  } catch (error) {
    client[Symbol.dispose]();
    throw error;
  }
}

/** Client and server in one process: nothing leaves it, and everything is encrypted all the same. */
async function local(
  path: string,
  parts: EngineParts,
  kernel: Awaited<ReturnType<EngineParts['openKernel']>>,
): Promise<Answering> {
  const { program } = readProgram(readFileSync(path));
  const responder = await InferenceResponder.open([{ program }], kernel);
  const offer = parts.parseOffer(JSON.parse(JSON.stringify(responder.offers()[0])));
  const client = await InferenceClient.create(offer, kernel);
  const [tenant, name] = [tenantId('this-process'), modelName(program.name)];
  const message = client.enrolment();
  const keyId = responder.enrol(tenant, name, message);
  return {
    client,
    program,
    keyBytes: message.length,
    ask: async (query) => responder.answer(tenant, name, keyId, wholeBody(query)),
    [Symbol.asyncDispose]: async () => {
      responder[Symbol.dispose]();
      client[Symbol.dispose]();
    },
  };
}

/** Before anything is encrypted: answers mean little outside of what the model was calibrated on. */
function warnOutside({ data, count }: Samples, { about, inputBound, inputs }: Offer, bar: ProgressBar): void {
  const [low, high] = about?.input.interval ?? [-inputBound, inputBound];
  const slack = 1e-6 * (high - low);
  let outside = 0;
  for (let t = 0; t < count; t++)
    if (
      data
        .subarray(t * inputs, (t + 1) * inputs)
        .some((value) => !(value >= low - slack && value <= high + slack))
    )
      outside++;
  if (outside > 0)
    bar.note(
      `warning: ${outside} of ${count} samples leave [${low.toPrecision(3)}, ${high.toPrecision(3)}], which the model was calibrated on; values beyond ±${inputBound.toPrecision(3)} are cut off`,
    );
}

interface InferReport {
  readonly offer: Offer;
  readonly samples: Samples;
  readonly scores: Float32Array;
  readonly decided: readonly number[];
  readonly stats: InferStats;
  readonly quality: { readonly accuracy?: number; readonly clearAgreement?: number };
  readonly keyBytes: number;
}

function rowOf({ scores, offer }: InferReport, sample: number): Float32Array {
  return scores.subarray(sample * offer.outputs, (sample + 1) * offer.outputs);
}

/** The model's own outputs: what its tail makes of the scores. */
function tailOf(report: InferReport, sample: number): Record<string, number[]> {
  const { about } = report.offer;
  if (about === undefined) return {};
  const outputs = runTail(about.tail, Float64Array.from(rowOf(report, sample)));
  return Object.fromEntries([...outputs].map(([name, { data }]) => [name, [...data]]));
}

function printJson(report: InferReport, terminal: Terminal): void {
  const { offer, samples, decided, stats, quality, keyBytes } = report;
  const labels = offer.about?.input.labels;
  const files = samples.names.map((file, i) => ({
    file,
    scores: [...rowOf(report, i)],
    outputs: tailOf(report, i),
    decision: decided[i],
    ...(labels && { label: labels[decided[i]!] ?? null }),
  }));
  const { model, programId } = offer;
  const heard = samples.recordings.length === 0 ? {} : { heard: heardIn(report) };
  terminal.out(
    `${JSON.stringify({ model, programId, files, ...heard, ...quality, stats: { ...stats, keyBytes, errorPromise: offer.outputError } })}\n`,
  );
}

/** The words of every recording, of a model that says for each window whether its word is in it. */
function heardIn({ samples, scores, offer }: InferReport) {
  return samples.recordings.map(({ path, first, count }) => {
    const own = scores.subarray(first, first + count);
    return {
      file: path,
      windows: count,
      words: offer.outputs === 1 ? heardWords(own) : [],
      best: Math.max(...own),
    };
  });
}

/** One line per word; undefined where the model is none that listens for a word. */
function heardLines(report: InferReport, paint: Paint): string[] | undefined {
  const { samples, offer } = report;
  const windows = samples.recordings.reduce((sum, { count }) => sum + count, 0);
  if (offer.outputs !== 1 || windows === 0 || windows !== samples.count) return undefined;
  return heardIn(report).flatMap(({ file, words, best, windows: asked }) => {
    const name = paint.dim(`${printable(file)}:`);
    const error = `± ${offer.outputError.toPrecision(1)}`;
    const of = paint.dim(`best of ${asked} windows ${best.toPrecision(4)} ${error}`);
    if (words.length === 0) return [`${name} not heard  ${of}`];
    return words.map(({ seconds, score }) => {
      const note = paint.dim(`score ${score.toPrecision(4)} ${error}`);
      return `${name} heard ${paint.bold(printable(offer.model))} at ${seconds.toFixed(2)} s  ${note}`;
    });
  });
}

const MAX_LINES = 20;

function print(report: InferReport, terminal: Terminal): void {
  const { offer, samples, decided, stats, quality, keyBytes } = report;
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const labels = offer.about?.input.labels;
  const heard = heardLines(report, paint);
  for (const line of heard ?? []) terminal.out(`${line}\n`);
  samples.names.slice(0, heard === undefined ? MAX_LINES : 0).forEach((name, i) => {
    const row = rowOf(report, i);
    const decision = decided[i]!;
    const label = labels?.[decision] ?? String(decision);
    const best = offer.outputs === 1 ? row[0]! : row[decision]!;
    terminal.out(
      `${paint.dim(`${printable(name)}:`)} ${paint.bold(printable(label))}  ${paint.dim(`score ${best.toPrecision(4)} ± ${offer.outputError.toPrecision(1)}`)}\n`,
    );
  });
  if (heard === undefined && samples.count > MAX_LINES)
    terminal.out(paint.dim(`and ${samples.count - MAX_LINES} more; --json prints all\n`));
  if (quality.accuracy !== undefined)
    terminal.out(`accuracy ${(100 * quality.accuracy).toFixed(2)} % of ${samples.count}, encrypted\n`);
  if (quality.clearAgreement !== undefined)
    terminal.out(`the program's own decision in the clear: ${(100 * quality.clearAgreement).toFixed(2)} %\n`);
  terminal.out(
    paint.dim(
      `encode and encrypt ${formatMs(stats.encodeAndEncryptMs)} ms, ${formatBytes(stats.upBytes)} up, answered in ${formatMs(stats.answerMs)} ms (evaluation ${formatMs(stats.evaluateMs)}), ${formatBytes(stats.downBytes)} down, decrypt ${formatMs(stats.decryptMs)} ms; keys ${formatBytes(keyBytes)}\n`,
    ),
  );
}

/** Milliseconds since the last call. */
function stopwatch(): () => number {
  let since = performance.now();
  return () => {
    const now = performance.now();
    const ms = now - since;
    since = now;
    return ms;
  };
}
