/** `train speech`: from a data directory to the files of a model, through checkpoints in a work directory. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../base/errors.ts';
import { Sequential } from '../../nn/index.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import {
  acousticScores,
  alignWithScores,
  DecodingGraph,
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
import type { Embedder } from '../speech/embedder.ts';
import type { SpeechModel } from '../speech/speech-model.ts';
import { WordDecoder } from '../speech/word-decoder.ts';
import type { DecoderSettings, ScoredUtterance } from '../speech/word-decoder.ts';
import { storedAlignments } from './alignment-store.ts';
import type { Alignments } from './alignment-store.ts';
import { DECODER_SEARCHES, tuneDecoder } from './decoder-tuning.ts';
import { FrameSet } from './frame-set.ts';
import { formerOutputs } from './former-model.ts';
import { NetworkFamily } from './network-family.ts';
import type { Workshop } from './network-family.ts';
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
import {
  alignByModel,
  contextOver,
  inContext,
  measuredTransitions,
  outputsOf,
  tiedInventory,
} from './states-in-context.ts';
import type { NetworkKind, TaskPlan } from './task-plan.ts';
import type { TrainingLog } from './training-log.ts';

/** Weight bits of the polynomial network that decoder settings are chosen for. */
const SHIPPED_BITS = 4;

/** Of every condition, for the choice of decoder settings. */
const UTTERANCES_PER_CONDITION = 40;
/** Every so many-th sentence of the tuning part chooses the decoder settings; a search over all takes long. */
const TUNING_THINNING = 2;

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
  /** For plans with an embedding beside the log-mels. */
  readonly embedder?: Embedder;
  /** An earlier model of the task with its float network: it aligns, and its weights are where training starts. */
  readonly from?: SpeechModel;
}

/** Plain utterances with features, and how the copies are made of them. */
interface Material {
  readonly features: readonly FeatureMatrix[];
  readonly plain: readonly Utterance[];
  readonly words: readonly (readonly number[])[];
  readonly copies: readonly {
    readonly features: FeatureMatrix;
    readonly of: number;
    readonly factor: number;
  }[];
}

/** A task before anything but its alignments is trained. */
export interface PreparedTask {
  readonly corpus: SpeechCorpus;
  readonly lexicon: Lexicon;
  readonly frontEnd: FrontEnd;
  readonly inventory: StateInventory;
  readonly frames: FrameSet;
  /** The network output of every frame of the plain utterances. */
  readonly alignments: Alignments;
  readonly logPriors: Float32Array;
  family(kind: NetworkKind): NetworkFamily;
}

/**
 * Reads and labels the data; `family` trains networks when they are asked for, whatever of them is not yet in the work
 * directory.
 * @throws {DataError} when data is missing, or the work directory belongs to another plan.
 */
export async function prepareTask(settings: TrainingSettings): Promise<PreparedTask> {
  const { plan, log, work, from } = settings;
  claimWorkDirectory(work, plan);
  const { corpus, lexicon } = await readCorpus(plan, settings.data, log);
  const material = gatherMaterial(settings, corpus, lexicon);
  const frontEnd = frontEndFor(settings, material, corpus.rate);
  const { inventory, alignments, firstFamily } = labelStates(settings, material, frontEnd, lexicon);
  const frames = frameSet(plan, material, alignments, frontEnd);
  const logPriors = frames.logPriors(inventory.outputCount, plan.statesPerUnit, plan.silenceShare);
  const former = from === undefined ? undefined : formerOf(from, inventory, logPriors);
  const families = new Map<NetworkKind, NetworkFamily>();
  const family = (kind: NetworkKind): NetworkFamily => {
    const start = kind === 'dnn' ? firstFamily : undefined;
    const known =
      families.get(kind) ?? familyOn(settings, frames, kind, inventory, 'final', { start, former });
    families.set(kind, known);
    return known;
  };
  log.note(`${frames.frames} frames of ${frames.features.length} utterances`);
  return { corpus, lexicon, frontEnd, inventory, frames, alignments, logPriors, family };
}

/** Inputs as the earlier model has them where there is one, as its layers expect them; what it lacks is measured. */
function frontEndFor({ plan, from, embedder }: TrainingSettings, material: Material, rate: number): FrontEnd {
  const measured = measureNormalization(material.features, plan);
  if (from === undefined) return new FrontEnd(rate, plan.context, measured, plan.method, embedder);
  const { normalization } = from.client.frontEnd;
  const mean = measured.mean.slice();
  const inverseDeviation = measured.inverseDeviation.slice();
  mean.set(normalization.mean);
  inverseDeviation.set(normalization.inverseDeviation);
  return new FrontEnd(rate, plan.context, { mean, inverseDeviation }, plan.method, embedder);
}

function formerOf(from: SpeechModel, inventory: StateInventory, logPriors: Float32Array): Workshop['former'] {
  const { float } = from;
  const { tying } = inContext(from.client.decoder.graph.inventory);
  if (!(float instanceof Sequential))
    throw new DataError('the model that training starts from has no float network');
  return { float, polynomial: from.polynomial(), outputs: formerOutputs(inventory, tying, logPriors) };
}

/**
 * Trains the float network, whatever of it is not yet in the work directory, and prepares the rest: `family` trains
 * further networks when they are asked for.
 * @throws {DataError} when data is missing, or the work directory belongs to another plan.
 */
export async function trainTask(settings: TrainingSettings): Promise<TrainedTask> {
  const { plan } = settings;
  const { corpus, lexicon, frontEnd, inventory, frames, alignments, logPriors, family } =
    await prepareTask(settings);
  const usable = alignments.filter((states) => states !== null);
  const transitions = measuredTransitions(inventory, usable);
  const graphOf = (parts: readonly Utterance[]): DecodingGraph =>
    new DecodingGraph(inventory, transitions, languageModel(plan, parts, lexicon));
  const chosen = chooseDecoder(settings, corpus, frontEnd, graphOf(corpus.train), logPriors, family('dnn'));
  // Once the settings are chosen, the texts of the tuning part may serve the language model too.
  const decoder = new WordDecoder(graphOf([...corpus.train, ...corpus.tuning]), logPriors, chosen);
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

function familyOn(
  settings: TrainingSettings,
  frames: FrameSet,
  kind: NetworkKind,
  inventory: StateInventory,
  folder: string,
  {
    start,
    former,
  }: { readonly start?: NetworkFamily | undefined; readonly former?: Workshop['former'] } = {},
): NetworkFamily {
  const { multiply, log } = settings;
  const workshop: Workshop = {
    ...{ multiply, log, work: join(settings.work, folder) },
    ...(former === undefined ? {} : { former }),
  };
  return new NetworkFamily(kind, settings.plan, frames, inventory.outputCount, workshop, start);
}

/** What the frames are labelled with, and the network that did it unless an earlier model did. */
interface Labelled {
  readonly inventory: StateInventory;
  /** The network output of every frame of the plain utterances. */
  readonly alignments: Alignments;
  readonly firstFamily?: NetworkFamily;
}

/** Gaussian mixtures align, a first network learns from them and aligns again; or an earlier model does at once. */
function labelStates(
  settings: TrainingSettings,
  material: Material,
  frontEnd: FrontEnd,
  lexicon: Lexicon,
): Labelled {
  const { plan, log, work, from } = settings;
  const { features, plain, words } = material;
  const { outputs, statesPerUnit } = plan;
  const stored = (name: string, make: () => Alignments): Alignments =>
    storedAlignments(join(work, `${name}.alignment`), features.length, make);
  if (from !== undefined && outputs !== undefined) {
    const known = from.client.decoder.graph.inventory;
    const states = stored('second', () => alignByModel(from, lexicon, plain, log));
    const inventory =
      known.isTied && known.outputCount === outputs
        ? known
        : tiedInventory(lexicon, statesPerUnit, outputs, features, states, log);
    return { inventory, alignments: outputsOf(inventory, states) };
  }
  const units = plan.units === 'word' ? 'word' : 'phone';
  const simple = new StateInventory(lexicon, units, statesPerUnit);
  const first = stored('first', () => alignFirst(plan, simple, features, words, log));
  const firstFrames = frameSet(plan, material, first, frontEnd);
  const firstFamily = familyOn(settings, firstFrames, 'dnn', simple, 'first');
  const wide = outputs === undefined ? simple : contextOver(simple);
  const states = stored('second', () => {
    const network = firstFamily.float(plan.epochs.dnn.first);
    const priors = firstFrames.logPriors(simple.stateCount, statesPerUnit, plan.silenceShare);
    return realign(material, wide, frontEnd, priors, (inputs) => network.infer(inputs), log);
  });
  if (outputs === undefined) return { inventory: simple, alignments: states, firstFamily };
  const inventory = tiedInventory(lexicon, statesPerUnit, outputs, features, states, log);
  return { inventory, alignments: outputsOf(inventory, states), firstFamily };
}

function gatherMaterial(
  { plan, log, embedder }: TrainingSettings,
  corpus: SpeechCorpus,
  lexicon: Lexicon,
): Material {
  const { plain, perturbed } = trainingUtterances(plan, corpus, log);
  const utterances = [...plain, ...perturbed.map(({ utterance }) => utterance)];
  const all = featuresOf(utterances, corpus.rate, plan.method, log, embedder);
  return {
    plain,
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
    const all =
      plan.task === 'digits'
        ? tuningConditions(settings)
        : corpus.tuning.filter((_, i) => i % TUNING_THINNING === 0);
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
