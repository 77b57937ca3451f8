/** The model card: what a model was made of, how good it is, and how to make it again. For people and for programs. */
import type { ConditionRow } from '../speech/conditions.ts';
import type { WordErrorRow } from '../speech/evaluation.ts';
import type { DecoderSettings } from '../speech/word-decoder.ts';
import { formatFileRows } from './model-directory.ts';
import type { FileFacts } from './model-directory.ts';
import type { TaskPlan } from './task-plan.ts';

export interface ModelCard {
  readonly task: string;
  readonly command: string;
  readonly data: string;
  readonly plan: TaskPlan;
  readonly inputs: number;
  readonly states: number;
  readonly words: number;
  readonly trainingUtterances: number;
  readonly trainingFrames: number;
  readonly decoder: DecoderSettings;
  readonly files: FileFacts;
  /** Per shipped polynomial network, the interval of every layer over training data. */
  readonly ranges: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  readonly results: readonly WordErrorRow[];
  /** What the networks make of recordings unlike the test part; of the digits task. */
  readonly conditions: readonly ConditionRow[];
  /** Where the files differ from what the command makes. */
  readonly notes?: readonly string[];
  /** Steps from an earlier model to this one and the word error rate after each, on the same utterances. */
  readonly steps?: readonly {
    readonly step: string;
    readonly utterances: number;
    readonly words: number;
    readonly wer: number;
  }[];
}

const DATA: Readonly<Record<string, string>> = {
  digits:
    'Free Spoken Digit Dataset (CC BY-SA 4.0): recordings 14-49 of six speakers for training, 10-13 for decoder settings, ' +
    '5-9 for the test; joined to strings of one to seven digits with and without pauses. Plus strings by voices of espeak-ng ' +
    'and festival. Two copies of everything through random rooms, microphones, noises, gates and codecs.',
  sentences:
    'speechocean762 (free for commercial and non-commercial use): the train speakers but every tenth for training, ' +
    'every tenth for decoder settings, the dev speakers for the test. Plus train texts by espeak-ng voices.',
};

export const dataOf = (task: string): string => DATA[task] ?? '';

const percent = (rate: number): string => `${(100 * rate).toFixed(2)} %`;

/** Conditions by networks; empty when none were measured. */
function formatConditions(conditions: readonly ConditionRow[]): string {
  if (conditions.length === 0) return '';
  const networks = Object.keys(conditions[0].rates);
  const rows = conditions.map(
    ({ condition, words, rates }) =>
      `| ${condition} | ${words} | ${networks.map((network) => percent(rates[network] ?? Number.NaN)).join(' | ')} |`,
  );
  return `
## Word error rate by condition

Recordings of the test part as they are and worse, and synthetic voices that training has not met; printed again by
\`npm run -s bench -- speech --part conditions\`.

| condition | words | ${networks.join(' | ')} |
|---|---|${networks.map(() => '---|').join('')}
${rows.join('\n')}
`;
}

/** What each step gained; empty when none were measured. */
function formatSteps(steps: ModelCard['steps'] = []): string {
  if (steps.length === 0) return '';
  const rows = steps.map(
    ({ step, utterances, words, wer }) => `| ${step} | ${utterances} | ${words} | ${percent(wer)} |`,
  );
  return `
## What each step gained

| step | utterances | words | error rate |
|---|---|---|---|
${rows.join('\n')}
`;
}

/** The card as Markdown. */
export function formatModelCard(card: ModelCard): string {
  const { plan } = card;
  const rows = card.results.map(
    ({ network, bits, machine, utterances, words, wer }) =>
      `| ${network} | ${machine === 'float' ? 'float32' : bits} | ${machine} | ${utterances} | ${words} | ${percent(wer)} |`,
  );
  const ranges = Object.entries(card.ranges).map(
    ([name, intervals]) =>
      `- ${name}: ${intervals.map(([low, high]) => `[${low.toFixed(3)}, ${high.toFixed(3)}]`).join(', ')}`,
  );
  return `# Speech model: ${card.task}

An acoustic network for encrypted evaluation with the client's feature, lexicon and language-model files.

- Data: ${card.data}
- Training set with perturbed copies (speeds ${[1, ...plan.speeds].join(', ')}; ${100 * plan.noisy} % with noise; ${plan.channels.copies} by random channels):
  ${card.trainingUtterances} utterances, ${card.trainingFrames} frames.
- Made by \`${card.command}\`, seed ${plan.seed}; other machines round differently and end with slightly other weights.
${(card.notes ?? []).map((note) => `- ${note}\n`).join('')}- Inputs: ${card.inputs} per frame (40 log-mels, ${plan.context.coefficients} temporal DCT coefficients of frames
  t-${plan.context.left} .. t+${plan.context.right}${plan.context.beside ? `, and ${plan.context.beside} numbers of the public speech embedding, docs/dependencies.md` : ''}), normalised and ${plan.method === 'speech' ? 'bent into (-4, 4)' : 'clipped to [-8, 8]'}.
- Outputs: ${card.states} ${plan.outputs === undefined ? 'states' : 'tied states of phones between their neighbours'}; the lexicon has ${card.words} words.
- Hidden units: dnn ${plan.sizes.dense.join(', ')}; cnn ${plan.sizes.filters} filters, then ${plan.sizes.convDense.join(', ')}.
- Meant for: demonstrations and tests of encrypted recognition. Not a general English recogniser: other vocabularies,
  heavy noise and conversational speech are outside of its training data.

## Word error rate on the test part

Weights are rounded, activations are not; "float" is batch norm and ReLU in float32.

| network | weight bits | machine | utterances | words | error rate |
|---|---|---|---|---|---|
${rows.join('\n')}
${formatConditions(card.conditions)}${formatSteps(card.steps)}
## Intervals of the layers before the square (last: outputs) over training frames

${ranges.join('\n')}

## Files

| file | bytes | SHA-256 (first 16 digits) |
|---|---|---|
${formatFileRows(card.files)}
`;
}
