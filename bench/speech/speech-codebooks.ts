/** A reporting baseline: the float network with the weights of every layer rounded to a Lloyd-Max codebook of its own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { evaluateScorer, loadTestSet, type TestUtterance } from '../../src/apps/speech/evaluation.ts';
import type { SpeechTask } from '../../src/apps/speech/speech-task.ts';
import { FLOAT_FILE, type SpeechModel } from '../../src/apps/speech/speech-model.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import {
  applyCodebook,
  Conv2d,
  Dense,
  foldBatchNorms,
  lloydMax,
  type MatrixMultiply,
  Sequential,
} from '../../src/nn/index.ts';
import type { BenchRow } from '../report.ts';

const CODEBOOK_BITS: readonly number[] = [8, 4, 2];

/** Not retrained; the quantised rows with uniform steps are what it compares with. */
function withCodebooks(float: Uint8Array, bits: number, multiply: MatrixMultiply): Sequential {
  const network = foldBatchNorms(Sequential.fromBytes(float, multiply), multiply);
  for (const layer of network.layers) {
    if (!(layer instanceof Dense || layer instanceof Conv2d)) continue;
    const { value } = layer.weights;
    value.set(applyCodebook(lloydMax(value, bits), value));
  }
  return network;
}

export async function codebookRows(
  model: SpeechModel,
  task: SpeechTask,
  directory: string,
  data: string,
  kernel: Kernel,
  note: (line: string) => void,
): Promise<BenchRow[]> {
  const all: readonly TestUtterance[] = await loadTestSet(task, data, model.client.frontEnd);
  const float = readFileSync(join(directory, FLOAT_FILE));
  return CODEBOOK_BITS.map((bits) => {
    const network = withCodebooks(float, bits, kernel);
    const { rate, words } = evaluateScorer(model.client.decoder, all, ({ data: inputs }) =>
      network.infer(inputs),
    );
    note(`${task} dnn ${bits} bits, Lloyd-Max: ${(100 * rate).toFixed(2)} % of ${words} words`);
    const common = { task, network: 'dnn', bits, machine: 'quantised', utterances: all.length, words };
    return { ...common, wer: rate, retrained: false, codebook: 'lloyd-max', source: 'run now' };
  });
}
