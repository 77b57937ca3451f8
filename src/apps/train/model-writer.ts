/** From a trained task to the files of a model directory, with the tables of its accuracy. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MatrixMultiply, PolynomialNetwork, Sequential } from '../../nn/index.ts';
import { MEL_FILTERS } from '../../speech/index.ts';
import { writeClientPart } from '../speech/client-part.ts';
import { conditionRow, digitConditions } from '../speech/conditions.ts';
import type { ConditionRow } from '../speech/conditions.ts';
import { evaluateScorer, polynomialScorer, testUtterances } from '../speech/evaluation.ts';
import { familiarIntervals, inputFacts, LEAST_FRAMES, scoreFacts } from '../speech/familiarity.ts';
import type { FamiliarRanges } from '../speech/familiarity.ts';
import type { Machine, Scorer, TestUtterance, WordErrorRow } from '../speech/evaluation.ts';
import { CLIENT_FILE, FLOAT_FILE } from '../speech/speech-model.ts';
import { dataOf, formatModelCard } from './model-card.ts';
import type { ModelCard } from './model-card.ts';
import { WEIGHT_BITS } from './network-family.ts';
import { writeModelFiles } from './model-directory.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';
import type { TrainedTask } from './speech-training.ts';
import type { NetworkKind } from './task-plan.ts';
import type { TrainingLog } from './training-log.ts';

export interface WriteOptions {
  readonly directory: string;
  readonly command: string;
  readonly multiply: MatrixMultiply;
  readonly log: TrainingLog;
  /** Polynomial networks to ship. */
  readonly ship: readonly { readonly kind: NetworkKind; readonly bits: number }[];
  /** Whether to train and test all bit widths; otherwise only what is shipped and its float networks. */
  readonly tables: boolean;
}

const floatScorer =
  (network: Sequential): Scorer =>
  ({ data }) =>
    network.infer(data);

/** Writes the client's part, the networks, `results.json` and the card. Trains what the work directory lacks. */
export function writeModel(task: TrainedTask, options: WriteOptions): WordErrorRow[] {
  const { directory } = options;
  const { frontEnd, decoder, plan } = task;
  const float = task.family('dnn').float();
  const networks = new Map<string, PolynomialNetwork>();
  for (const { kind, bits } of options.ship) {
    networks.set(`polynomial-${kind}-${bits}bit.bin`, task.family(kind).polynomial(bits));
  }
  const files: Record<string, Uint8Array> = {
    [CLIENT_FILE]: writeClientPart({
      task: plan.task,
      frontEnd,
      decoder,
      familiar: measureFamiliar(task, [...networks.values()], options.multiply),
    }),
    [FLOAT_FILE]: float.toBytes(),
  };
  for (const [name, network] of networks) files[name] = network.toBytes();
  const written = writeModelFiles(directory, files);
  const results = measureAccuracy(task, options);
  const conditions = plan.task === 'digits' ? measureConditions(task, float, networks, options) : [];
  const card: ModelCard = {
    task: plan.task,
    command: options.command,
    data: dataOf(plan.task),
    plan,
    inputs: frontEnd.inputs,
    states: decoder.logPriors.length,
    words: decoder.graph.inventory.lexicon.words.length,
    trainingUtterances: task.trainingUtterances,
    trainingFrames: task.trainingFrames,
    decoder: decoder.settings,
    files: written,
    ranges: Object.fromEntries([...networks].map(([name, { ranges }]) => [name, ranges])),
    results,
    conditions,
  };
  replaceFileSync(join(directory, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  replaceFileSync(join(directory, 'card.json'), `${JSON.stringify(card, null, 1)}\n`);
  replaceFileSync(join(directory, 'card.md'), formatModelCard(card));
  return results;
}

/** Recordings over which the familiar ranges are measured. */
const FAMILIAR_RECORDINGS = 3000;
/** What the ranges may leave out: of inputs, copies through bad channels among them, and of scores, originals alone. */
const FREAKS = { inputs: 0.002, scores: 0.01 };

function measureFamiliar(
  { features, originals, frontEnd, decoder }: TrainedTask,
  networks: readonly PolynomialNetwork[],
  multiply: MatrixMultiply,
): FamiliarRanges {
  const scorers = networks.map((network) => polynomialScorer(network, multiply));
  const step = Math.max(1, features.length / FAMILIAR_RECORDINGS);
  const inputs: number[][] = [];
  const scores: number[][] = [];
  for (let at = 0; at < features.length; at += step) {
    const index = Math.floor(at);
    const matrix = features[index];
    if (matrix.frames < LEAST_FRAMES) continue;
    const each = frontEnd.inputsOfFeatures(matrix);
    inputs.push(inputFacts(each, MEL_FILTERS, frontEnd.context.beside));
    // A network that is unsure of a bad copy was trained to be; it is no example of what to trust.
    if (index >= originals) continue;
    for (const scorer of scorers) scores.push(scoreFacts(scorer(each), decoder.logPriors.length));
  }
  return {
    inputs: familiarIntervals(inputs, FREAKS.inputs),
    scores: familiarIntervals(scores, FREAKS.scores),
  };
}

/** Every network that ships, and the float one, under the conditions of the digits task. */
function measureConditions(
  { data, decoder, frontEnd }: TrainedTask,
  float: Sequential,
  networks: ReadonlyMap<string, PolynomialNetwork>,
  { multiply, log }: WriteOptions,
): ConditionRow[] {
  const { conditions, missing } = digitConditions(data);
  for (const line of missing) log.note(`not measured: ${line}`);
  const scorers: [string, Scorer][] = [
    ['float-dnn', floatScorer(float)],
    ...[...networks].map(([name, network]): [string, Scorer] => [
      name.replace(/\.bin$/, ''),
      polynomialScorer(network, multiply),
    ]),
  ];
  return conditions.map((condition, i) => {
    log.progress('conditions', i / conditions.length);
    return conditionRow(condition, frontEnd, decoder, scorers);
  });
}

/** One row of the table; `network` is called only when the row is not known from an earlier run. */
interface TableCell {
  readonly network: NetworkKind;
  readonly bits: number;
  readonly machine: Machine;
  scorer(): Scorer;
}

function tableCells(task: TrainedTask, { multiply, ship, tables }: WriteOptions): TableCell[] {
  const cells: TableCell[] = [];
  for (const kind of new Set(ship.map((shipped) => shipped.kind))) {
    const family = task.family(kind);
    const shipped = ship.filter((one) => one.kind === kind).map(({ bits }) => bits);
    const cell = (bits: number, machine: Machine, scorer: () => Scorer): void => {
      cells.push({ network: kind, bits, machine, scorer });
    };
    cell(32, 'float', () => floatScorer(family.float()));
    for (const bits of tables ? WEIGHT_BITS : shipped) {
      if (tables) cell(bits, 'quantised', () => floatScorer(family.rounded(bits)));
      if (tables) cell(bits, 'retrained', () => floatScorer(family.retrained(bits)));
      cell(bits, 'polynomial', () => polynomialScorer(family.polynomial(bits), multiply));
    }
  }
  return cells;
}

function measureAccuracy(task: TrainedTask, options: WriteOptions): WordErrorRow[] {
  const { plan, decoder, corpus, frontEnd } = task;
  options.log.progress('test features', 0);
  const utterances: TestUtterance[] = testUtterances(corpus.test, frontEnd);
  const cells = tableCells(task, options);
  return cells.map(({ network, bits, machine, scorer }, i) => {
    options.log.progress('word error rates', i / cells.length);
    const { words, rate } = evaluateScorer(decoder, utterances, scorer());
    options.log.note(`${network} ${bits} bits ${machine}: ${(100 * rate).toFixed(2)} % of ${words} words`);
    return { task: plan.task, network, bits, machine, utterances: utterances.length, words, wer: rate };
  });
}

/** The rows that were stored with a model; none when it has no results. */
export function readResults(directory: string): WordErrorRow[] {
  const path = join(directory, 'results.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
}
