/** Word error rates of the clear networks under the conditions of the digits task: what a model is worth outside of its own data. */
import { conditionRow, digitConditions } from '../../src/apps/speech/conditions.ts';
import { polynomialScorer } from '../../src/apps/speech/evaluation.ts';
import type { Scorer } from '../../src/apps/speech/evaluation.ts';
import type { SpeechModel } from '../../src/apps/speech/speech-model.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { BenchRow } from '../report.ts';

/** One row per condition and network. Conditions whose synthesiser is not installed are left out, which is noted. */
export function conditionRows(
  model: SpeechModel,
  data: string,
  kernel: Kernel,
  note: (line: string) => void,
): BenchRow[] {
  const { conditions, missing } = digitConditions(data);
  for (const line of missing) note(`left out: ${line}`);
  const scorers: [string, Scorer][] = [
    ['float-dnn', ({ data: inputs }) => model.float.infer(inputs)],
    ...model.polynomialNames.map((name): [string, Scorer] => [
      name,
      polynomialScorer(model.polynomial(name), kernel),
    ]),
  ];
  return conditions.flatMap((each) => {
    const row = conditionRow(each, model.client.frontEnd, model.client.decoder, scorers);
    const { condition, utterances, words, rates } = row;
    const shown = Object.entries(rates).map(([network, wer]) => `${network} ${(100 * wer).toFixed(2)} %`);
    note(`${condition}: ${shown.join(', ')} of ${words} words`);
    return Object.entries(rates).map(([network, wer]) => ({
      task: model.task,
      condition,
      network,
      utterances,
      words,
      wer,
    }));
  });
}
