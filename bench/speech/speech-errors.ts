/** Word error rates: clear networks, and the shipped ones under encryption, run on the real test sets. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  evaluateScorer,
  loadTestSet,
  type TestUtterance,
  type WordErrorRow,
} from '../../src/apps/speech/evaluation.ts';
import type { SpeechTask } from '../../src/apps/speech/speech-task.ts';
import type { SpeechModel } from '../../src/apps/speech/speech-model.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { PolynomialRunner } from '../../src/nn/index.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { sumWordErrors, wordErrors } from '../../src/speech/index.ts';
import type { BenchRow } from '../report.ts';

const BENCH = tenantId('bench');

export interface ErrorsPlan {
  readonly model: SpeechModel;
  readonly task: SpeechTask;
  readonly directory: string;
  readonly data: string;
  readonly kernel: Kernel;
  /** Utterances of the clear rows and of the encrypted ones; all when absent. */
  readonly clearLimit: number | undefined;
  readonly encryptedLimit: number;
  readonly note: (line: string) => void;
}

/** Rows of the training run's own evaluation, for networks that do not ship. */
function trainedRows(directory: string): WordErrorRow[] {
  const path = join(directory, 'results.json');
  if (!existsSync(path)) return [];
  return JSON.parse(readFileSync(path, 'utf8')) as WordErrorRow[];
}

/** The machine of a network with retrained low-bit weights is `quantised`, too; a column of its own tells them apart. */
function storedRow(row: WordErrorRow): BenchRow {
  const isRetrained = row.machine === 'retrained';
  const machine = isRetrained ? 'quantised' : row.machine;
  const { task, network, bits, utterances, words, wer } = row;
  return {
    task,
    network,
    bits,
    machine,
    utterances,
    words,
    wer,
    retrained: isRetrained,
    source: 'training run',
  };
}

function parseName(name: string): { network: 'dnn' | 'cnn'; bits: number } {
  const match = /^polynomial-(dnn|cnn)-(\d+)bit$/.exec(name);
  if (match === null) throw new Error(`not a network name: ${name}`);
  return { network: match[1] as 'dnn' | 'cnn', bits: Number(match[2]) };
}

export async function errorRows(plan: ErrorsPlan): Promise<BenchRow[]> {
  const { model, task, note } = plan;
  const all = await loadTestSet(task, plan.data, model.client.frontEnd, plan.clearLimit);
  const row = (
    network: string,
    bits: number,
    machine: string,
    utterances: readonly TestUtterance[],
    wer: number,
  ) => {
    const words = utterances.reduce((sum, utterance) => sum + utterance.words.length, 0);
    note(`${task} ${network} ${bits} bits ${machine}: ${(100 * wer).toFixed(2)} % of ${words} words`);
    return {
      task,
      network,
      bits,
      machine,
      utterances: utterances.length,
      words,
      wer,
      retrained: false,
      source: 'run now',
    };
  };
  const float = evaluateScorer(model.client.decoder, all, ({ data }) => model.float.infer(data));
  const rows: BenchRow[] = [row('dnn', 32, 'float', all, float.rate)];
  for (const name of model.polynomialNames) {
    const { network, bits } = parseName(name);
    const runner = new PolynomialRunner(model.polynomial(name), plan.kernel);
    const errors = evaluateScorer(model.client.decoder, all, ({ data }) => runner.run(data));
    rows.push(row(network, bits, 'polynomial', all, errors.rate));
  }
  const isLive = (other: WordErrorRow) =>
    rows.some(
      (live) =>
        live['network'] === other.network && live['bits'] === other.bits && live['machine'] === other.machine,
    );
  const stored = trainedRows(plan.directory).filter((other) => !isLive(other));
  rows.push(...stored.map(storedRow));
  for (const name of model.polynomialNames) {
    const count = Math.min(plan.encryptedLimit, all.length);
    const some = Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
    const { network, bits } = parseName(name);
    const result = await encryptedErrors(plan, name, some);
    rows.push(row(network, bits, 'encrypted', some, result.wer));
    rows.push({
      task,
      network,
      bits,
      utterances: count,
      equalTranscripts: result.equal,
      largestScoreError: result.scoreError,
      allowedScoreError: 2 ** -10,
    });
  }
  return rows;
}

/** Runs every utterance through encryption and compares with the clear polynomial network on the same inputs. */
async function encryptedErrors(plan: ErrorsPlan, name: string, utterances: readonly TestUtterance[]) {
  const { model, kernel, note, task } = plan;
  const network = model.polynomial(name);
  const runner = new PolynomialRunner(network, kernel);
  using responder = await InferenceResponder.open([{ name: task, network }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const keyId = responder.enrol(BENCH, modelName(task), client.enrolment());
  const [low, high] = client.offer.outputRange;
  const errors = [];
  let equal = 0;
  let scoreError = 0;
  for (const [i, utterance] of utterances.entries()) {
    const { data, frames } = utterance.inputs;
    const query = client.query(data, frames);
    const scores = client.open(query, responder.answer(BENCH, modelName(task), keyId, query.bytes).bytes);
    const clear = Float32Array.from(runner.run(data));
    clear.forEach((value, at) => {
      scoreError = Math.max(scoreError, Math.abs(value - scores[at]!) / (high - low));
    });
    const heard = model.decode(scores, frames).words;
    if (heard.join(' ') === model.decode(clear, frames).words.join(' ')) equal++;
    errors.push(wordErrors(utterance.words, heard));
    if ((i + 1) % 20 === 0)
      note(`${task} ${name} under encryption: ${i + 1} of ${utterances.length}, ${equal} equal`);
  }
  return { wer: sumWordErrors(errors).rate, equal, scoreError };
}
