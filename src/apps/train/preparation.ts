/** From recordings to labelled features: synthetic voices, perturbed copies, log-mels, first alignment. */
import { SeededGenerator } from '../../nn/index.ts';
import {
  ContextWindow,
  DIGIT_LEXICON,
  NormalizationStatistics,
  networkInput,
  parseLexicon,
  StateInventory,
  trainAligner,
} from '../../speech/index.ts';
import type { FeatureMatrix, InputNormalization, Lexicon } from '../../speech/index.ts';
import { addNoise, perturbSpeed, throughChannel } from '../speech/augmentation.ts';
import type { SpeechCorpus, Utterance } from '../speech/corpus.ts';
import { readDigitsCorpus } from '../speech/digits-corpus.ts';
import { readLexiconText, readSentencesCorpus } from '../speech/sentences-corpus.ts';
import { featuresOfSamples, logMelsOf } from '../speech/front-end.ts';
import type { Embedder } from '../speech/embedder.ts';
import type { FeatureMethod } from '../speech/front-end.ts';
import {
  BASIC_VOICES,
  canSynthesise,
  evenRate,
  synthesiseUtterances,
  TRAINING_VOICES,
} from '../speech/synthetic-voices.ts';
import type { SyntheticVoice } from '../speech/synthetic-voices.ts';
import type { TaskPlan } from './task-plan.ts';
import type { TrainingLog } from './training-log.ts';

export async function readCorpus(
  plan: TaskPlan,
  directory: string,
  log: TrainingLog,
): Promise<{ corpus: SpeechCorpus; lexicon: Lexicon }> {
  if (plan.task === 'digits') {
    return { corpus: readDigitsCorpus(directory, plan.strings, plan.seed), lexicon: DIGIT_LEXICON };
  }
  const lexicon = parseLexicon(readLexiconText(directory));
  const selection = plan.limit === undefined ? {} : { limit: plan.limit };
  const corpus = await readSentencesCorpus(directory, selection, (done, total) =>
    log.progress('decoding audio', done / total),
  );
  return { corpus, lexicon };
}

/** A perturbed copy of a plain utterance: frame t of the copy is frame `factor * t` of the original. */
export interface PerturbedUtterance {
  readonly utterance: Utterance;
  /** Index of the plain utterance. */
  readonly of: number;
  readonly factor: number;
}

/** The training utterances with synthetic ones, and copies of them with other speeds or noise. */
export function trainingUtterances(
  plan: TaskPlan,
  corpus: SpeechCorpus,
  log: TrainingLog,
): { plain: Utterance[]; perturbed: PerturbedUtterance[] } {
  const generator = new SeededGenerator(plan.seed + 100);
  const plain = [...corpus.train];
  const voices = plan.synthetic > 0 ? availableVoices(plan, log) : [];
  if (voices.length > 0) {
    log.note(`synthesising ${plan.synthetic} utterances`);
    const texts = Array.from({ length: plan.synthetic }, () => syntheticText(plan, corpus, generator));
    plain.push(...synthesiseUtterances(texts, corpus.rate, plan.style, plan.seed + 200, voices));
  }
  const perturbed: PerturbedUtterance[] = [];
  for (const [of, original] of plain.entries()) {
    if (generator.uniform() < plan.noisy) {
      perturbed.push({ utterance: addNoise(original, generator.word()), of, factor: 1 });
    }
    for (const factor of plan.speeds) {
      perturbed.push({ utterance: perturbSpeed(original, factor, corpus.rate), of, factor });
    }
    for (let copy = 0; copy < plan.channels.copies; copy++) {
      const factor =
        evenRate(corpus.rate * (1 + plan.channels.speed * (2 * generator.uniform() - 1))) / corpus.rate;
      const utterance = throughChannel(original, factor, corpus.rate, generator.word());
      perturbed.push({ utterance, of, factor });
    }
  }
  return { plain, perturbed };
}

/** The voices of the plan whose synthesisers are installed; says which are not. */
function availableVoices(plan: TaskPlan, log: TrainingLog): SyntheticVoice[] {
  const wanted = plan.voices === 'many' ? TRAINING_VOICES : BASIC_VOICES;
  const missing = [...new Set(wanted.map(({ engine }) => engine))].filter((engine) => !canSynthesise(engine));
  for (const engine of missing) {
    log.note(`${engine} is not installed: training without its voices; synthesised recordings may suffer`);
  }
  return wanted.filter(({ engine }) => !missing.includes(engine));
}

function syntheticText(plan: TaskPlan, corpus: SpeechCorpus, generator: SeededGenerator): readonly string[] {
  if (plan.task === 'sentences') return corpus.train[generator.below(corpus.train.length)].words;
  return Array.from({ length: 1 + generator.below(7) }, () => DIGIT_LEXICON.words[generator.below(10)]);
}

export function featuresOf(
  utterances: readonly Utterance[],
  rate: number,
  method: FeatureMethod,
  log: TrainingLog,
  embedder?: Embedder,
): FeatureMatrix[] {
  return utterances.map((utterance, i) => {
    if (i % 20 === 0) log.progress('features', i / utterances.length);
    if (i % 1000 === 0) log.note(`features of ${i} of ${utterances.length} utterances`);
    return featuresOfSamples(utterance.samples(), rate, method, embedder);
  });
}

/** Mean and deviation of every network input over the plain utterances. */
export function measureNormalization(features: readonly FeatureMatrix[], plan: TaskPlan): InputNormalization {
  const statistics = new NormalizationStatistics(new ContextWindow(plan.context, features[0].dim).inputSize);
  for (const [i, matrix] of features.entries())
    if (i % 2 === 0) statistics.add(networkInput(matrix, plan.context));
  return statistics.finish();
}

/**
 * Trains Gaussian mixtures on a part of the plain utterances and aligns all of them; null where there is no path.
 * `features` and `words` belong to the plain utterances.
 */
export function alignFirst(
  plan: TaskPlan,
  inventory: StateInventory,
  features: readonly FeatureMatrix[],
  words: readonly (readonly number[])[],
  log: TrainingLog,
): (Uint16Array | null)[] {
  const all = features.map((matrix, i) => ({ features: logMelsOf(matrix), words: words[i] }));
  const count = Math.min(all.length, plan.alignerUtterances);
  const sample = Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]);
  const aligner = trainAligner(sample, inventory, {}, (report) => {
    log.progress('alignment model', report.iteration / report.iterations);
    log.note(
      `alignment round ${report.iteration}: ${report.logLikelihoodPerFrame.toFixed(3)} per frame, ` +
        `${report.components} components, ${report.failed} without a path`,
    );
  });
  return all.map((utterance, i) => {
    if (i % 20 === 0) log.progress('alignment', i / all.length);
    return aligner.align(utterance);
  });
}

/** Labels of a copy that is `factor` times as fast, from those of the original. */
export function stretchLabels(labels: Uint16Array, factor: number, frames: number): Uint16Array {
  return Uint16Array.from(
    { length: frames },
    (_, t) => labels[Math.min(labels.length - 1, Math.round(t * factor))],
  );
}
