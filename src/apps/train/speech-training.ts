/** `train speech`: from a data directory to the files of a model, through checkpoints in a work directory. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../base/errors.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import {
  acousticScores,
  alignWithScores,
  DecodingGraph,
  estimateTransitions,
  NgramModel,
  StateInventory,
  trainNgram,
} from '../../speech/index.ts';
import type { FeatureMatrix, Lexicon } from '../../speech/index.ts';
import { digitConditions } from '../speech/conditions.ts';
import type { SpeechCorpus, Utterance } from '../speech/corpus.ts';
import { polynomialScorer, testUtterances } from '../speech/evaluation.ts';
import type { Scorer } from '../speech/evaluation.ts';
import { FrontEnd } from '../speech/front-end.ts';
import { WordDecoder } from '../speech/word-decoder.ts';
import type { DecoderSettings, ScoredUtterance } from '../speech/word-decoder.ts';
import { storedAlignments } from './alignment-store.ts';
import type { Alignments } from './alignment-store.ts';
import { DECODER_SEARCHES, tuneDecoder } from './decoder-tuning.ts';
import { FrameSet } from './frame-set.ts';
import { NetworkFamily } from './network-family.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';
import { claimWorkDirectory } from './network-training.ts';
import {
  alignFirst,
  featuresOf,
  measureNormalization,
  readCorpus,
  stretchLabels,
  trainingUtterances,
} from './preparation.ts';
import type { NetworkKind, TaskPlan } from './task-plan.ts';
import type { TrainingLog } from './training-log.ts';

/** Weight bits of the polynomial network that decoder settings are chosen for. */
const SHIPPED_BITS = 4;

/** Of every condition, for the choice of decoder settings. */
const UTTERANCES_PER_CONDITION = 40;

/** Everything that training made of one task, in memory. */
export interface TrainedTask {
  readonly plan: TaskPlan;
  readonly corpus: SpeechCorpus;
  readonly frontEnd: FrontEnd;
  readonly decoder: WordDecoder;
  readonly trainingFrames: number;
  readonly trainingUtterances: number;
  /** Where the data came from, for the measurements of the card. */
  readonly data: string;
  /** Log-mels of every training utterance, the first `originals` of them, and of the copies. */
  readonly features: readonly FeatureMatrix[];
  readonly originals: number;
  family(kind: NetworkKind): NetworkFamily;
}

export interface TrainingSettings {
  readonly plan: TaskPlan;
  readonly data: string;
  readonly work: string;
  readonly multiply: MatrixMultiply;
  readonly log: TrainingLog;
}

/** Plain utterances with features, and how the copies are made of them. */
interface Material {
  readonly features: readonly FeatureMatrix[];
  readonly words: readonly (readonly number[])[];
  readonly copies: readonly {
    readonly features: FeatureMatrix;
    readonly of: number;
    readonly factor: number;
  }[];
}

/**
 * Trains the float network, whatever of it is not yet in the work directory, and prepares the rest: `family` trains
 * further networks when they are asked for.
 * @throws {DataError} when data is missing, or the work directory belongs to another plan.
 */
export async function trainTask(settings: TrainingSettings): Promise<TrainedTask> {
  const { plan, log, work } = settings;
  claimWorkDirectory(work, plan);
  const { corpus, lexicon } = await readCorpus(plan, settings.data, log);
  const material = gatherMaterial(plan, corpus, lexicon, log);
  const inventory = new StateInventory(lexicon, plan.units, plan.statesPerUnit);
  const normalization = measureNormalization(material.features, plan);
  const frontEnd = new FrontEnd(corpus.rate, plan.context, normalization, plan.method);

  const first = storedAlignments(join(work, 'first.alignment'), material.features.length, () =>
    alignFirst(plan, inventory, material.features, material.words, log),
  );
  const familyOn = (
    frames: FrameSet,
    kind: NetworkKind,
    folder: string,
    start?: NetworkFamily,
  ): NetworkFamily =>
    new NetworkFamily(
      kind,
      plan,
      frames,
      inventory.stateCount,
      { ...settings, work: join(work, folder) },
      start,
    );
  const firstFrames = frameSet(plan, material, first, frontEnd);
  const firstFamily = familyOn(firstFrames, 'dnn', 'first');
  const realigned = storedAlignments(join(work, 'second.alignment'), material.features.length, () => {
    const network = firstFamily.float(plan.epochs.dnn.first);
    const priors = firstFrames.logPriors(inventory.stateCount, plan.statesPerUnit, plan.silenceShare);
    return realign(material, inventory, frontEnd, priors, (inputs) => network.infer(inputs), log);
  });
  const frames = frameSet(plan, material, realigned, frontEnd);
  const families = new Map<NetworkKind, NetworkFamily>();
  const family = (kind: NetworkKind): NetworkFamily => {
    const known =
      families.get(kind) ?? familyOn(frames, kind, 'final', kind === 'dnn' ? firstFamily : undefined);
    families.set(kind, known);
    return known;
  };
  const usable = realigned.filter((states) => states !== null);
  const transitions = estimateTransitions(usable, inventory.stateCount);
  const graphOf = (parts: readonly Utterance[]): DecodingGraph =>
    new DecodingGraph(inventory, transitions, languageModel(plan, parts, lexicon));
  const priors = frames.logPriors(inventory.stateCount, plan.statesPerUnit, plan.silenceShare);
  const chosen = chooseDecoder(settings, corpus, frontEnd, graphOf(corpus.train), priors, family('dnn'));
  // Once the settings are chosen, the texts of the tuning part may serve the language model too.
  const decoder = new WordDecoder(graphOf([...corpus.train, ...corpus.tuning]), priors, chosen);
  return {
    plan,
    corpus,
    frontEnd,
    decoder,
    family,
    trainingFrames: frames.frames,
    trainingUtterances: frames.features.length,
    data: settings.data,
    features: frames.features,
    originals: usable.length,
  };
}

function gatherMaterial(plan: TaskPlan, corpus: SpeechCorpus, lexicon: Lexicon, log: TrainingLog): Material {
  const { plain, perturbed } = trainingUtterances(plan, corpus, log);
  const utterances = [...plain, ...perturbed.map(({ utterance }) => utterance)];
  const all = featuresOf(utterances, corpus.rate, plan.method, log);
  return {
    features: all.slice(0, plain.length),
    words: plain.map(({ words }) => lexicon.indicesOf(words)),
    copies: perturbed.map(({ of, factor }, i) => ({ features: all[plain.length + i], of, factor })),
  };
}

function frameSet(plan: TaskPlan, material: Material, alignments: Alignments, frontEnd: FrontEnd): FrameSet {
  const features: FeatureMatrix[] = [];
  const labels: Uint16Array[] = [];
  for (const [i, matrix] of material.features.entries()) {
    const states = alignments[i];
    if (states === null) continue;
    features.push(matrix);
    labels.push(states);
  }
  for (const copy of material.copies) {
    const states = alignments[copy.of];
    if (states === null) continue;
    features.push(copy.features);
    labels.push(stretchLabels(states, copy.factor, copy.features.frames));
  }
  if (features.length === 0) throw new DataError('no training utterance could be aligned with its words');
  return new FrameSet(features, labels, plan.context, frontEnd.normalization, frontEnd.method);
}

/** States by the trained network in place of the Gaussian mixtures; an utterance without a path is left out. */
function realign(
  material: Material,
  inventory: StateInventory,
  frontEnd: FrontEnd,
  logPriors: Float32Array,
  infer: (inputs: Float32Array) => Float32Array,
  log: TrainingLog,
): Alignments {
  return material.features.map((features, i) => {
    if (i % 20 === 0) log.progress('realignment', i / material.features.length);
    const scores = acousticScores(infer(frontEnd.inputsOfFeatures(features).data), logPriors);
    return alignWithScores(material.words[i], scores, inventory)?.states ?? null;
  });
}

function languageModel(plan: TaskPlan, utterances: readonly Utterance[], lexicon: Lexicon): NgramModel {
  if (plan.task === 'digits') return NgramModel.uniform(lexicon.words.length, 0.15);
  const texts = utterances.map(({ words }) => lexicon.indicesOf(words));
  return trainNgram(texts, lexicon.words.length, 3);
}

/**
 * Settings with the fewest errors on tuning utterances: of the float network for sentences; for digits of the float and the
 * polynomial one, under every condition that is also reported, as clean strings alone hardly leave an error to choose by.
 */
function chooseDecoder(
  settings: TrainingSettings,
  corpus: SpeechCorpus,
  frontEnd: FrontEnd,
  graph: DecodingGraph,
  logPriors: Float32Array,
  family: NetworkFamily,
): DecoderSettings {
  const { plan, work, log } = settings;
  const path = join(work, 'decoder.json');
  if (!existsSync(path)) {
    const float = family.float();
    const all = plan.task === 'digits' ? tuningConditions(settings) : corpus.tuning;
    const scorers: Scorer[] = [({ data }) => float.infer(data)];
    if (plan.task === 'digits')
      scorers.push(polynomialScorer(family.polynomial(SHIPPED_BITS), settings.multiply));
    const scored: ScoredUtterance[] = testUtterances(all, frontEnd).flatMap(({ inputs, words }) =>
      scorers.map((scorer) => ({ logits: Float32Array.from(scorer(inputs)), words })),
    );
    let tried = 0;
    const best = tuneDecoder(graph, logPriors, scored, DECODER_SEARCHES[plan.task], (tuned, errors) => {
      log.progress('decoder settings', Math.min(1, ++tried / 30));
      log.note(
        `decoder ${JSON.stringify(tuned)}: ${(100 * errors.rate).toFixed(2)} % of ${errors.words} words`,
      );
    });
    replaceFileSync(path, JSON.stringify(best));
  }
  return JSON.parse(readFileSync(path, 'utf8')) as DecoderSettings;
}

/** Utterances of every condition on the tuning part, an even spread of each. */
function tuningConditions({ data, log, plan }: TrainingSettings): Utterance[] {
  const { conditions, missing } = digitConditions(data, 'validation');
  for (const line of missing) log.note(`decoder settings are chosen without ${line}`);
  const each = plan.limit === undefined ? UTTERANCES_PER_CONDITION : 5;
  return conditions.flatMap(({ utterances }) =>
    utterances.filter(
      (_, i) =>
        Math.floor((i * each) / utterances.length) !== Math.floor(((i - 1) * each) / utterances.length),
    ),
  );
}
