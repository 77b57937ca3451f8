/**
 * Lookups of subrosa/tfhe: processor time of one thread for a lookup alone and in batches, the largest of twelve scores, making keys, and
 * bytes. `--quick` leaves out the sets of fewer messages.
 */
import { openKernel } from '../src/kernel/open.ts';
import {
  TfheCiphertext,
  TfheContext,
  TfheEncryptor,
  TfheEvaluationKeys,
  TfheEvaluator,
  type TfheMessages,
  TfhePackedCiphertext,
  TfheParams,
  TfheSecretKey,
  unpack,
} from '../src/schemes/tfhe/index.ts';
import { type Bench, type BenchRow, reportFor } from './report.ts';
import { processorTime } from './training/machine-costs.ts';

const BATCH = 16;
const SCORES = 12;
const RUNS = 5;

/** Milliseconds of processor time: the middle of `runs` after one that does not count. */
function medianTime(runs: number, work: () => void): number {
  work();
  const times = Array.from({ length: runs }, () => {
    const started = processorTime();
    work();
    return processorTime() - started;
  });
  return times.sort((a, b) => a - b)[Math.floor(runs / 2)]!;
}

export const tfhe: Bench = async ({ quick }, note) => {
  using kernel = await openKernel({ threads: 1 });
  const rows: BenchRow[] = [];
  for (const messages of (quick ? [16] : [2, 4, 8, 16]) satisfies TfheMessages[]) {
    note(`${messages} messages`);
    const params = TfheParams.forMessages(messages);
    using context = await TfheContext.open(params, { kernel });
    using secret = TfheSecretKey.generate(context);
    const start = processorTime();
    using keys = TfheEvaluationKeys.generate(context, secret);
    const keysMs = processorTime() - start;
    const evaluator = new TfheEvaluator(context, keys);
    const packed = new TfheEncryptor(context, secret).encrypt(
      Array.from({ length: BATCH }, (_, i) => i % messages),
    );
    const inputs = unpack(context, packed);
    const table = Array.from({ length: messages }, (_, i) => messages - 1 - i);
    const one = medianTime(RUNS, () => evaluator.lookup(inputs[0]!, table));
    const many = medianTime(RUNS, () => evaluator.lookupAll(inputs, table));
    const scores = inputs.slice(0, Math.min(SCORES, messages));
    const largest = scores.length < 3 ? undefined : medianTime(1, () => evaluator.argmax(scores));
    rows.push({
      messages,
      lookupMs: one,
      lookupInBatchMs: many / BATCH,
      argmaxOf: scores.length,
      argmaxMs: largest ?? 'none',
      makeKeysMs: keysMs,
      keyBytes: TfheEvaluationKeys.byteLength(params),
      queryBytes: TfhePackedCiphertext.toBytes(context, packed).length,
      answerBytes: TfheCiphertext.toBytes(context, inputs[0]!).length,
    });
  }
  return reportFor('tfhe', kernel, rows);
};
