/** A whole batch on integers: our network at 2^13, five plaintext moduli, every score compared with the program in the clear. */
import { compileExact } from '../../src/compiler/exact/compile-exact.ts';
import { decisions } from '../../src/apps/cli/models/model-accuracy.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { PolynomialNetwork } from '../../src/nn/index.ts';
import { InferenceClient, type InferenceQuery } from '../../src/protocols/inference/client.ts';
import { modelName } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { type Bench, reportFor } from '../report.ts';
import { modelBytes, shareOf, TENANT, testImages } from './image-batch.ts';

/** Of this many the scores in the clear are computed, which takes long. */
const COMPARED = 256;

export const exactPart: Bench = async (options, note) => {
  using kernel = await openKernel();
  const network = PolynomialNetwork.fromBytes(modelBytes('cryptonets-polynomial-8bit'));
  const program = compileExact(network, { name: 'exact', inputRange: [0, 1], logN: [13], hiding: 8 });
  const { inputs, labels, count } = testImages(options.data, program.buckets[0]!.block);
  using responder = await InferenceResponder.open([{ program }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const model = modelName('exact');
  const key = responder.enrol(TENANT, model, client.enrolment());
  let [evaluationMs, processorMs, bytesUp, peakBytes] = [0, 0, 0, 0];
  const queries: Pick<InferenceQuery, 'samples' | 'bucket' | 'nonce'>[] = [];
  const replies: Uint8Array[] = [];
  for (const { bytes, ...query } of client.queries(inputs, count)) {
    note(`plaintext modulus ${queries.length + 1} of ${program.moduli.length}`);
    const before = process.cpuUsage();
    const answer = responder.answer(TENANT, model, key, bytes);
    const used = process.cpuUsage(before);
    evaluationMs += answer.steps.reduce((sum, { ms }) => sum + ms, 0);
    processorMs += (used.user + used.system) / 1000;
    peakBytes = Math.max(peakBytes, answer.peakBytes);
    bytesUp += bytes.length;
    queries.push(query);
    replies.push(answer.bytes);
  }
  const scores = client.openAll(queries, replies);
  const ours = decisions(scores, program.outputs);
  const clear = runClear(program, inputs.subarray(0, COMPARED * program.inputs));
  return reportFor('images', kernel, [
    {
      name: 'cryptonets, exact integers',
      images: count,
      accuracy: shareOf(ours, labels),
      'decisions as in the clear': shareOf(ours.slice(0, COMPARED), decisions(clear, program.outputs)),
      'evaluation ms': evaluationMs,
      'processor ms, with reading': processorMs,
      'images/s evaluation': (1000 * count) / evaluationMs,
      'images per processor second': (1000 * count) / processorMs,
      'MB up': bytesUp / 1e6,
      'peak MB': peakBytes / 1e6,
    },
  ]);
};
