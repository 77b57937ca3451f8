/** Encrypted answers to batches of MNIST test images, in one process: what the parts of `bench -- images` share. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { normalisedImages } from '../../src/apps/train/image-conditions.ts';
import { readMnist } from '../../src/apps/train/mnist-corpus.ts';
import { unitPixels } from '../../src/nn/index.ts';
import type { InferenceClient } from '../../src/protocols/inference/client.ts';
import { type modelName, tenantId } from '../../src/protocols/inference/names.ts';
import type { InferenceResponder } from '../../src/protocols/inference/responder.ts';

export const TENANT = tenantId('bench');

const here = import.meta.dirname;
const MODELS = join(here, '..', '..', here.includes('dist') ? '..' : '.', 'models');

/** A file of models/mnist. */
export function modelBytes(name: string): Uint8Array {
  return readFileSync(join(MODELS, 'mnist', `${name}.bin`));
}

export interface Batch {
  /** [count, pixels], 0 to 1. */
  readonly inputs: Float32Array;
  readonly labels: Uint8Array;
  readonly count: number;
}

export interface Timed {
  readonly scores: Float32Array;
  readonly evaluationMs: number;
  readonly totalMs: number;
  /** Of the whole process, while it answered. */
  readonly processorMs: number;
  readonly clientMs: number;
  readonly upBytes: number;
  readonly downBytes: number;
  readonly peakBytes: number;
}

export function ask(
  client: InferenceClient,
  responder: InferenceResponder,
  model: ReturnType<typeof modelName>,
  key: ReturnType<InferenceResponder['enrol']>,
  { inputs, count }: Batch,
): Timed {
  const started = performance.now();
  const query = client.query(inputs, count);
  const sent = performance.now();
  const before = process.cpuUsage();
  const { bytes, steps, peakBytes } = responder.answer(TENANT, model, key, query.bytes);
  const answered = performance.now();
  const used = process.cpuUsage(before);
  const scores = client.open(query, bytes);
  return {
    scores,
    evaluationMs: steps.reduce((sum, { ms }) => sum + ms, 0),
    totalMs: answered - sent,
    processorMs: (used.user + used.system) / 1000,
    clientMs: sent - started + (performance.now() - answered),
    upBytes: query.bytes.length,
    downBytes: bytes.length,
    peakBytes,
  };
}

/** The first test images, normalised as a client would. */
export function testImages(data: string | undefined, count: number): Batch {
  const all = readMnist(data ?? join(MODELS, '..', '..', 'shared', 'data'), 'test');
  const size = all.height * all.width;
  const chosen = Math.min(count, all.count);
  const some = { ...all, count: chosen, pixels: all.pixels.subarray(0, chosen * size) };
  const inputs = unitPixels(normalisedImages(some).pixels);
  return { inputs, labels: all.labels.subarray(0, chosen), count: chosen };
}

/** The share of decisions that are those of the other. */
export function shareOf(ours: readonly number[], theirs: ArrayLike<number>): number {
  return ours.reduce((sum, decision, i) => sum + (decision === theirs[i] ? 1 : 0), 0) / ours.length;
}
