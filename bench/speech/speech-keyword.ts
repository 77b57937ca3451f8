/**
 * Single digits decided at the server, on recordings that training has not heard: encrypted decisions beside clear ones on the same quantised
 * scores, words right beside the client's decoder, processor time of each part.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { singleDigits } from '../../src/apps/speech/digits-corpus.ts';
import { evaluateScorer, polynomialScorer, testUtterances } from '../../src/apps/speech/evaluation.ts';
import { SpeechModel } from '../../src/apps/speech/speech-model.ts';
import {
  clearLevels,
  decidedPlace,
  type DecidingProgram,
  decisionFactsOf,
  meanScores,
  tfheParamsOf,
} from '../../src/compiler/decision/decision-facts.ts';
import { offeredKeyPlan, queryCiphertexts } from '../../src/compiler/offer.ts';
import { offerOf } from '../../src/compiler/program-facts.ts';
import { readProgram } from '../../src/compiler/program-file.ts';
import { reportOf } from '../../src/compiler/report.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { spreadOver } from '../../src/protocols/inference/decision-cipher.ts';
import { readQuery } from '../../src/protocols/inference/messages.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { EncryptedDecision } from '../../src/runtime/decoding/encrypted-decision.ts';
import { EncryptedMachine } from '../../src/runtime/encrypted-machine.ts';
import { EvaluationMemory } from '../../src/runtime/evaluation-memory.ts';
import { CiphertextBatch, CkksContext, CkksParams } from '../../src/schemes/ckks/index.ts';
import { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import {
  TfheContext,
  TfheDecryptor,
  TfheEvaluationKeys,
  TfheExitKey,
  TfheSecretKey,
} from '../../src/schemes/tfhe/index.ts';
import type { BenchRow } from '../report.ts';
import { processorTime } from '../training/machine-costs.ts';

/** The smallest bucket holds every recording of one digit. */
const BLOCK = 128;

/** `limit` takes an even spread of so many recordings. */
export async function keywordRows(
  models: string,
  data: string,
  kernel: Kernel,
  limit: number,
  note: (line: string) => void,
): Promise<BenchRow[]> {
  const path = join(models, 'digits-keyword', 'digits-keyword.subrosa');
  const program = readProgram(readFileSync(path)).program as DecidingProgram;
  const digits = await SpeechModel.load(join(models, 'digits'), kernel);
  const { words } = digits.client.decoder.graph.inventory.lexicon;
  const all = testUtterances(singleDigits(data, 'test'), digits.client.frontEnd);
  const count = Math.min(limit, all.length);
  const chosen = Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
  const facts = decisionFactsOf(program);
  using context = await CkksContext.open(CkksParams.create(program.params), { kernel });
  using tfhe = await TfheContext.open(tfheParamsOf(program.decision), { kernel });
  using client = await InferenceClient.create(offerOf(program), kernel);
  using secret = SecretKey.fromSecretBytes(context, client.exportSecret());
  using tfheSecret = TfheSecretKey.derived(tfhe, secret);
  const started = processorTime();
  using exit = TfheExitKey.generate(tfhe, tfheSecret, context, secret);
  using evaluation = TfheEvaluationKeys.generate(tfhe, tfheSecret);
  const keysMs = processorTime() - started;
  using generator = context.keyGenerator();
  using keys = generator.evaluationKeys(secret, offeredKeyPlan(program));
  using memory = new EvaluationMemory(kernel);
  using machine = new EncryptedMachine(program, context, memory);
  const decision = new EncryptedDecision(program, tfhe);
  const decryptor = new TfheDecryptor(tfhe, tfheSecret);
  const bucket = program.buckets[0]!;
  const groups = queryCiphertexts(client.offer, bucket);
  const totals = { done: 0, agreed: 0, likeClear: 0, levels: 0, outside: 0, far: 0, right: 0, clearRight: 0 };
  const times = { scores: 0, decision: 0 };
  let failure = 0;
  for (const { inputs, words: spoken } of chosen) {
    const { data: frames, frames: samples } = inputs;
    const message = readQuery(client.query(frames, samples).bytes);
    let since = processorTime();
    const lap = (name: keyof typeof times): void => {
      const now = processorTime();
      times[name] += now - since;
      since = now;
    };
    const input = CiphertextBatch.readInto(context, message.ciphertexts, machine.queryWords(bucket), groups);
    const scores = machine.evaluate(bucket, input, keys, []);
    lap('scores');
    const decided = decision.decide(scores, { exit, evaluation }, new Uint8Array(32).fill(1), []);
    lap('decision');
    failure += 2 ** decided.failureBits;
    const levels = decided.levels.map((each) => decryptor.decrypt(each));
    const answer = decryptor.decrypt(decided.answer);
    const clear = runClear(program, spreadOver(frames, samples, program.inputs, BLOCK));
    const means = meanScores(clear, words.length);
    const expected = clearLevels(facts, means);
    const label = words.indexOf(spoken[0]!);
    totals.done++;
    totals.agreed += Number(answer === decidedPlace(levels));
    totals.likeClear += Number(answer === decidedPlace(expected));
    totals.right += Number(answer === label);
    totals.clearRight += Number(decidedPlace(expected) === label);
    levels.forEach((level, c) => {
      const value = (means[c]! - facts.window[0]) * facts.levelsPerScore;
      const isCertain = Math.abs(value - Math.floor(value) - 0.5) > facts.margin;
      totals.levels += Number(level === expected[c]);
      totals.outside += Number(isCertain && level !== expected[c]);
      totals.far += Number(Math.abs(level - expected[c]!) > 1);
    });
    if (totals.done % 10 === 0) note(JSON.stringify({ ...totals, ...times }));
  }
  const decoder = evaluateScorer(
    digits.client.decoder,
    chosen,
    polynomialScorer(digits.polynomial(), kernel),
  );
  return [
    {
      task: 'keyword',
      recordings: count,
      'decided as on the decrypted levels': totals.agreed,
      'decided as in the clear': totals.likeClear,
      levels: count * words.length,
      'levels as in the clear': totals.levels,
      'other levels outside of the margin': totals.outside,
      'levels off by more than one': totals.far,
      'words wrong, server': 1 - totals.right / count,
      'words wrong, clear levels': 1 - totals.clearRight / count,
      "words wrong, client's decoder": decoder.rate,
      'scores, processor ms': times.scores / count,
      'decision, processor ms': times.decision / count,
      'keys made in, processor ms': keysMs,
      'log2 failure of all': Math.log2(failure),
      'key bytes of the decision': facts.keyBytes,
      'key bytes in all': reportOf(program).keyBytes,
      'answer bytes': reportOf(program).buckets[0]!.bytesDown,
    },
  ];
}
